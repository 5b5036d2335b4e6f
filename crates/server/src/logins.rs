//! How Landfall logs in to a spec's servers: a stored password, a token of IAM, a secret of AWS.
//!
//! What is stored on this machine is read right here, so that a missing variable or file is told
//! before anything begins. What AWS has is asked for when a connection needs it, and kept between
//! looks at a move: each look would else be a call that AWS counts. Nothing of it is stored.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_core::port::Passwords;
use landfall_core::spec::{Access, Auth, PasswordReference};
use landfall_core::{DatabaseName, Failure, FailureKind, InstanceId, Spec};
use landfall_postgres::{AccessOptions, Encryption, PostgresDatabase, StoredPassword};
use tokio::sync::OnceCell;

/// A way in: how, as whom, and where the password is.
type Way = (&'static str, String, String);

/// The logins of a server.
#[derive(Default)]
pub(crate) struct Logins {
    aws: OnceCell<landfall_aws::Logins>,
    kept: Mutex<BTreeMap<Way, Arc<dyn Passwords>>>,
}

impl Logins {
    /// SQL access to a spec's servers, when it gives any.
    pub(crate) async fn database(
        &self,
        spec: &Spec,
        call_timeout: Duration,
    ) -> Result<Option<PostgresDatabase>, Failure> {
        let Some(access) = &spec.access else { return Ok(None) };
        let options = AccessOptions {
            user: access.user.clone(),
            passwords: self.passwords(access, &spec.source.instance, call_timeout).await?,
            first_database: DatabaseName::new(&access.database),
            call_timeout,
            encryption: match access.auth {
                // A token is sent as it is, not proven.
                Auth::Iam => Encryption::Required,
                Auth::Password | Auth::Master => Encryption::Preferred,
            },
            root_certificate: access.root_certificate.as_ref().map(PathBuf::from),
        };
        PostgresDatabase::new(options).map(Some)
    }

    async fn passwords(
        &self,
        access: &Access,
        source: &InstanceId,
        call_timeout: Duration,
    ) -> Result<Arc<dyn Passwords>, Failure> {
        let place = match (access.auth, &access.password) {
            (Auth::Password, Some(PasswordReference::Here(reference))) => {
                return Ok(Arc::new(StoredPassword::read(reference)?));
            }
            (Auth::Password, Some(PasswordReference::SecretsManager(arn))) => arn.clone(),
            (Auth::Password, None) => return Err(nowhere()),
            (Auth::Iam, _) => String::new(),
            (Auth::Master, _) => source.to_string(),
        };
        let connect = || landfall_aws::Logins::from_env(call_timeout);
        let aws = self.aws.get_or_init(connect).await;
        let (auth, user) = (access.auth, access.user.as_str());
        let way: Way = (auth.word(), user.to_owned(), place.clone());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let passwords = kept.entry(way).or_insert_with(|| match auth {
            Auth::Password => aws.secret(&place, user),
            Auth::Iam => aws.token(user),
            Auth::Master => aws.master(source, user),
        });
        Ok(Arc::clone(passwords))
    }
}

/// The spec's own check asks for it; a journal of another version may lack it.
fn nowhere() -> Failure {
    let detail = "the spec does not say where it is (access.password)";
    Failure::new(FailureKind::Invalid, "read the database password", detail)
}
