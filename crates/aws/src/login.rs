//! Passwords that AWS has: login tokens of IAM, and secrets of Secrets Manager.
//!
//! A token is signed here, by the SDK's own generator, and sent to the database alone; it opens
//! nothing after a quarter of an hour. A secret is read when it is first needed, and again when
//! the server refuses it. Neither is written anywhere, and no failure repeats one: what Secrets
//! Manager says of a refused call names the secret, not its content.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_rds::auth_token::{AuthTokenGenerator, Config};
use aws_sdk_rds::types::DbInstance;
use landfall_core::port::Passwords;
use landfall_core::{Endpoint, Failure, FailureKind, InstanceId, Secret};
use serde_json::Value;

use crate::fault;

/// A token is valid for fifteen minutes; one that is handed out has five of them left.
const TOKEN_KEPT_FOR: Duration = Duration::from_mins(10);

/// The ways to log in to databases that an account has.
#[derive(Debug, Clone)]
pub struct Logins {
    config: SdkConfig,
    rds: aws_sdk_rds::Client,
    secrets: aws_sdk_secretsmanager::Client,
}

impl Logins {
    /// Those of the account that the SDK's standard environment and profile name.
    pub async fn from_env(call_timeout: Duration) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        Self::new(&config, call_timeout)
    }

    /// Those of a configuration made elsewhere; a call takes at most `call_timeout`.
    #[must_use]
    pub fn new(config: &SdkConfig, call_timeout: Duration) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(call_timeout).build();
        let config = config.clone().into_builder().timeout_config(timeouts).build();
        Self {
            rds: aws_sdk_rds::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            config,
        }
    }

    /// A role that was granted `rds_iam`.
    #[must_use]
    pub fn token(&self, user: &str) -> Arc<dyn Passwords> {
        let (config, user) = (self.config.clone(), user.to_owned());
        Arc::new(Tokens { config, user, kept: Mutex::default() })
    }

    /// A role whose password is a secret.
    #[must_use]
    pub fn secret(&self, arn: &str, user: &str) -> Arc<dyn Passwords> {
        self.kept(Place::Named(arn.to_owned()), user)
    }

    /// The master user, where RDS keeps its password in Secrets Manager.
    #[must_use]
    pub fn master(&self, instance: &InstanceId, user: &str) -> Arc<dyn Passwords> {
        self.kept(Place::ManagedFor(instance.clone()), user)
    }

    fn kept(&self, place: Place, user: &str) -> Arc<dyn Passwords> {
        let (logins, user) = (self.clone(), user.to_owned());
        Arc::new(SecretPassword { logins, place, user, kept: tokio::sync::Mutex::default() })
    }

    async fn arn(&self, place: &Place) -> Result<String, Failure> {
        let instance = match place {
            Place::Named(arn) => return Ok(arn.clone()),
            Place::ManagedFor(instance) => instance,
        };
        let what = format!("find the managed master password of {instance}");
        let asked = self.rds.describe_db_instances().db_instance_identifier(instance.as_str());
        let answer = asked.send().await.map_err(|error| fault::failure(&what, &error))?;
        let secret = answer.db_instances().first().and_then(DbInstance::master_user_secret);
        let arn = secret.and_then(|secret| secret.secret_arn()).map(str::to_owned);
        arn.ok_or_else(|| {
            Failure::new(
                FailureKind::Denied,
                what,
                "RDS does not keep it in Secrets Manager; write where it is: password = \
                 \"secret:ARN\", \"env:VARIABLE\" or \"file:PATH\"",
            )
        })
    }

    async fn read(&self, place: &Place, user: &str) -> Result<Secret<String>, Failure> {
        let arn = self.arn(place).await?;
        let what = format!("read the secret {arn}");
        let asked = self.secrets.get_secret_value().secret_id(&arn).send().await;
        let answer = asked.map_err(|error| fault::failure(&what, &error))?;
        let text = answer.secret_string().unwrap_or_default();
        password_in(text, user)
            .map(Secret::new)
            .map_err(|why| Failure::new(FailureKind::Denied, what, why))
    }
}

/// Which secret.
#[derive(Debug, Clone)]
enum Place {
    Named(String),
    ManagedFor(InstanceId),
}

/// The password in a secret: its member of that name, as AWS's own secrets of databases have it,
/// or all of a text that is no JSON object.
fn password_in(text: &str, user: &str) -> Result<String, String> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else {
        let text = text.trim_end_matches(['\r', '\n']);
        return if text.is_empty() {
            Err("it holds no text".to_owned())
        } else {
            Ok(text.to_owned())
        };
    };
    let member = |name: &str| members.get(name).and_then(Value::as_str);
    if let Some(other) = member("username").filter(|named| *named != user) {
        return Err(format!("it is of the role {other}, and access.user is {user}"));
    }
    member("password").map(str::to_owned).ok_or_else(|| "it has no member \"password\"".to_owned())
}

/// Signs tokens, and keeps each for a while: the next connection is often made right after.
struct Tokens {
    config: SdkConfig,
    user: String,
    kept: Mutex<BTreeMap<Endpoint, (Instant, Secret<String>)>>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Tokens {
    async fn sign(&self, at: &Endpoint) -> Result<Secret<String>, Failure> {
        let failed = |detail: String| {
            let what = format!("sign a login token for {} at {at}", self.user);
            Failure::new(FailureKind::Denied, what, detail)
        };
        if self.config.region().is_none() {
            // The generator would sign for a Region of its own choice.
            return Err(failed("no AWS region is set; set AWS_REGION".to_owned()));
        }
        let config = Config::builder()
            .hostname(&at.host)
            .port(u64::from(at.port))
            .username(&self.user)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        let token = AuthTokenGenerator::new(config).auth_token(&self.config).await;
        let token = token.map_err(|error| failed(fault::words(error.as_ref())))?;
        let token = Secret::new(token.as_str().to_owned());
        self.kept().insert(at.clone(), (Instant::now(), token.clone()));
        Ok(token)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Endpoint, (Instant, Secret<String>)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Passwords for Tokens {
    async fn current(&self, at: &Endpoint) -> Result<Secret<String>, Failure> {
        let kept = self.kept().get(at).cloned();
        match kept.filter(|(signed, _)| signed.elapsed() < TOKEN_KEPT_FOR) {
            Some((_, token)) => Ok(token),
            None => self.sign(at).await,
        }
    }

    async fn renewed(&self, at: &Endpoint) -> Result<Secret<String>, Failure> {
        self.sign(at).await
    }
}

/// Reads a secret once, and again when it is refused.
struct SecretPassword {
    logins: Logins,
    place: Place,
    user: String,
    /// Held while it is read, so that many connections at once ask once.
    kept: tokio::sync::Mutex<Option<Secret<String>>>,
}

impl std::fmt::Debug for SecretPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretPassword").field("place", &self.place).finish_non_exhaustive()
    }
}

#[async_trait]
impl Passwords for SecretPassword {
    async fn current(&self, _: &Endpoint) -> Result<Secret<String>, Failure> {
        let mut kept = self.kept.lock().await;
        if let Some(password) = kept.as_ref() {
            return Ok(password.clone());
        }
        let password = self.logins.read(&self.place, &self.user).await?;
        *kept = Some(password.clone());
        Ok(password)
    }

    async fn renewed(&self, _: &Endpoint) -> Result<Secret<String>, Failure> {
        let password = self.logins.read(&self.place, &self.user).await?;
        *self.kept.lock().await = Some(password.clone());
        Ok(password)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_rdss_json_or_plain_text() {
        let rds = r#"{"username":"ann","password":"p w","engine":"postgres"}"#;
        assert_eq!(password_in(rds, "ann").unwrap(), "p w");
        assert_eq!(password_in(r#"{"password":"x"}"#, "ann").unwrap(), "x");
        assert_eq!(password_in("plain\n", "ann").unwrap(), "plain");
        let whose = password_in(rds, "bob").unwrap_err();
        assert!(whose.contains("ann") && !whose.contains("p w"), "{whose}");
        let lacking = password_in(r#"{"passwort":"hunter2"}"#, "ann").unwrap_err();
        assert!(!lacking.contains("hunter2"), "{lacking}");
        assert!(password_in("", "ann").is_err());
    }
}
