//! The users of the lab's one account: who signs with which key, and what a policy lets them do.
//!
//! Landfall's own users live under the policies that its documentation ships. Any other access
//! key is the account's administrator, whom nothing is refused: the `aws` command of whoever
//! plays with the lab, for one. API calls are not checked for their signature; login tokens are.

use std::collections::BTreeMap;

use crate::cloud::names::{ACCOUNT, REGION};
use crate::cloud::refusal::{Code, Refusal};
use crate::policy::{ASSESS, Ask, DOCTOR, MOVE, Policy, Verdict};
use crate::token::{Login, signer};

/// The access key of Landfall.
pub const LANDFALL: &str = "lab";
/// The access key of one who assesses.
pub const ASSESSOR: &str = "lab-assess";
/// The access key of `doctor --aws`.
pub const DOCTORS: &str = "lab-doctor";
/// An access key of the administrator.
pub const ADMINISTRATOR: &str = "lab-admin";

/// The names that the policies are filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The source's identifier.
    pub source: String,
    /// The target cluster's; `*` for any.
    pub target: String,
    /// The role that logs in by token.
    pub database_user: String,
}

impl Names {
    /// A source, and whatever goes with it.
    pub fn any_target(source: &str) -> Self {
        let any = || "*".to_owned();
        Self { source: source.to_owned(), target: any(), database_user: any() }
    }
}

/// The account.
#[derive(Debug)]
pub struct Account {
    secret_key: String,
    policies: BTreeMap<&'static str, Policy>,
}

impl Account {
    /// The account with the shipped policies; one secret key serves all its users.
    pub fn new(names: &Names, secret_key: &str) -> Result<Self, String> {
        let words = [
            ("SOURCE_INSTANCE", names.source.as_str()),
            ("TARGET_CLUSTER", names.target.as_str()),
            ("DATABASE_USER", names.database_user.as_str()),
            ("SECONDARY_CLUSTER", "*"),
            ("HOSTED_ZONE", "*"),
            ("PASSWORD_SECRET", "arn:aws:secretsmanager:*:*:secret:*"),
        ];
        let mut policies = BTreeMap::new();
        for (key, document) in [(LANDFALL, MOVE), (ASSESSOR, ASSESS), (DOCTORS, DOCTOR)] {
            policies.insert(key, Policy::read(document, &words)?);
        }
        Ok(Self { secret_key: secret_key.to_owned(), policies })
    }

    /// What its users sign with.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// Passes when a token opens a server for a role, and its signer may log in as that role.
    pub(crate) fn log_in(&self, token: &str, login: &Login<'_>) -> Result<(), String> {
        let access_key = signer(token, login, &self.secret_key)?;
        // The server's own resource id is not looked at.
        let resource = format!("arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:db-LAB/{}", login.user);
        let (action, context) = ("rds-db:connect".to_owned(), BTreeMap::new());
        let asks = [Ask { action, resource, context }];
        self.admit(&access_key, &asks).map_err(|refusal| refusal.message)
    }

    /// Passes when the user of an access key may do all of it.
    pub(crate) fn admit(&self, access_key: &str, asks: &[Ask]) -> Result<(), Refusal> {
        let Some(policy) = self.policies.get(access_key) else { return Ok(()) };
        for ask in asks {
            let why = match policy.judge(ask) {
                Verdict::Allowed => continue,
                Verdict::NotAllowed => {
                    let action = &ask.action;
                    format!("because no identity-based policy allows the {action} action")
                }
                Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
            };
            let Ask { action, resource, .. } = ask;
            let message = format!(
                "User: arn:aws:iam::{ACCOUNT}:user/{access_key} is not authorized to perform: \
                 {action} on resource: {resource} {why}"
            );
            return Err(Refusal::new(Code::AccessDenied, message));
        }
        Ok(())
    }
}
