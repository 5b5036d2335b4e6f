//! `[access]`: as whom Landfall logs in, and how it gets the password; never the password.
//!
//! A secret is named by its place. Whatever is written where a place should be may be a password,
//! so it is not repeated in any message.

use serde::{Deserialize, Serialize};

use super::keys::nearest;

/// `[access]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// The role to connect as, on the source and so on the target.
    pub user: String,
    /// How it proves who it is.
    #[serde(default, skip_serializing_if = "Auth::is_password")]
    pub auth: Auth,
    /// Where the password is, with `auth = "password"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<PasswordReference>,
    /// The database to connect to first, and where the marker is written.
    #[serde(default = "Access::default_database")]
    pub database: String,
    /// File of the certificates that the servers must prove; without it TLS is used when offered,
    /// and not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_certificate: Option<String>,
}

impl Access {
    fn default_database() -> String {
        "postgres".to_owned()
    }
}

/// How a role logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Auth {
    /// By a password whose place the spec names.
    #[default]
    Password,
    /// By a token of IAM, signed with the credentials of the SDK's environment.
    Iam,
    /// By the master password that RDS keeps in Secrets Manager for the source.
    Master,
}

impl Auth {
    const ALL: [Self; 3] = [Self::Password, Self::Iam, Self::Master];

    /// Its word in a spec.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Iam => "iam",
            Self::Master => "master",
        }
    }

    const fn is_password(&self) -> bool {
        matches!(self, Self::Password)
    }
}

impl TryFrom<String> for Auth {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(auth) = Self::ALL.into_iter().find(|auth| auth.word() == text) {
            return Ok(auth);
        }
        if text.starts_with("secret") {
            return Err(
                "Secrets Manager holds two kinds of passwords: write auth = \"master\" for \
                        the master password that RDS keeps there, or password = \"secret:ARN\" \
                        for any other"
                    .to_owned(),
            );
        }
        let words = Self::ALL.map(Self::word);
        Err(match nearest(&text, words.into_iter()) {
            Some(known) => format!("{text:?} is no way to log in; did you mean \"{known}\"?"),
            None => format!("it is one of \"{}\"", words.join("\", \"")),
        })
    }
}

impl From<Auth> for String {
    fn from(auth: Auth) -> Self {
        auth.word().to_owned()
    }
}

/// Where a secret is kept on Landfall's own machine; never the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretReference {
    /// `env:VARIABLE`.
    Environment(String),
    /// `file:PATH`.
    File(String),
}

impl SecretReference {
    fn read(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Some(Self::Environment(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Some(Self::File(path.to_owned())),
            _ => None,
        }
    }
}

impl TryFrom<String> for SecretReference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        // The text may be a password: it is not repeated.
        Self::read(&text).ok_or_else(|| {
            "a password is never written in a spec; write \"env:VARIABLE\" or \"file:PATH\""
                .to_owned()
        })
    }
}

impl From<SecretReference> for String {
    fn from(reference: SecretReference) -> Self {
        match reference {
            SecretReference::Environment(name) => format!("env:{name}"),
            SecretReference::File(path) => format!("file:{path}"),
        }
    }
}

/// Where the password of a database role is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PasswordReference {
    /// On this machine.
    Here(SecretReference),
    /// `secret:ARN`: in Secrets Manager.
    SecretsManager(String),
}

impl TryFrom<String> for PasswordReference {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if let Some(here) = SecretReference::read(&text) {
            return Ok(Self::Here(here));
        }
        match text.split_once(':') {
            Some(("secret", arn)) if arn.starts_with("arn:") && arn.contains(":secret:") => {
                Ok(Self::SecretsManager(arn.to_owned()))
            }
            Some(("secret", _)) => Err("a secret is named by its whole ARN: write \
                                        \"secret:arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME\""
                .to_owned()),
            _ => Err("a password is never written in a spec; write \"env:VARIABLE\", \
                      \"file:PATH\" or \"secret:ARN\""
                .to_owned()),
        }
    }
}

impl From<PasswordReference> for String {
    fn from(reference: PasswordReference) -> Self {
        match reference {
            PasswordReference::Here(here) => here.into(),
            PasswordReference::SecretsManager(arn) => format!("secret:{arn}"),
        }
    }
}

/// What of `[access]` does not go together: each with its key.
pub(super) fn contradictions(access: &Access) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    match (access.auth, &access.password) {
        (Auth::Password, None) => mistakes.push((
            "access.password",
            "say where the password is: \"env:VARIABLE\", \"file:PATH\" or \"secret:ARN\"; or \
             write auth = \"iam\""
                .to_owned(),
        )),
        (Auth::Iam | Auth::Master, Some(_)) => mistakes.push((
            "access.password",
            format!("auth = \"{}\" finds its own; remove this line", access.auth.word()),
        )),
        (Auth::Password, Some(_)) | (Auth::Iam | Auth::Master, None) => {}
    }
    if access.auth == Auth::Iam && access.root_certificate.is_none() {
        mistakes.push((
            "access.root_certificate",
            "a token is sent as it is to whoever answers: name a file of the certificates to trust \
             (for RDS, the bundle that AWS publishes)"
                .to_owned(),
        ));
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        PasswordReference::try_from(text.to_owned()).unwrap_err()
    }

    #[test]
    fn a_reference_survives_and_a_literal_is_not_repeated() {
        let arn = "secret:arn:aws:secretsmanager:eu-west-1:1:secret:orders-AbCdEf";
        for text in ["env:ORDERS", "file:/run/orders", arn] {
            let reference = PasswordReference::try_from(text.to_owned()).unwrap();
            assert_eq!(String::from(reference), text);
        }
        for literal in ["hunter2", "hunter2:x", "env:", "secret:hunter2"] {
            assert!(!told(literal).contains("hunter2"), "{}", told(literal));
        }
        assert!(told("hunter2").contains("secret:ARN"), "{}", told("hunter2"));
        assert!(told("secret:orders").contains("whole ARN"), "{}", told("secret:orders"));
    }

    #[test]
    fn an_unknown_way_is_told_the_nearest() {
        for auth in Auth::ALL {
            assert_eq!(Auth::try_from(String::from(auth)), Ok(auth));
        }
        let told = |text: &str| Auth::try_from(text.to_owned()).unwrap_err();
        assert!(told("imm").contains("did you mean \"iam\""), "{}", told("imm"));
        assert!(told("secrets-manager").contains("auth = \"master\""));
        let unknown = told("kerberos");
        assert!(unknown.contains("\"password\", \"iam\", \"master\""), "{unknown}");
    }
}
