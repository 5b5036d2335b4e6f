//! Secrets on Landfall's own machine: an environment variable, or a file.
//!
//! It reads and keeps; what is kept is a [`Secret`]. A file may be rotated under a running move,
//! so after a refused login it is read again. A failure names the place, never the content.

use std::ffi::OsString;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use landfall_core::port::Passwords;
use landfall_core::spec::SecretReference;
use landfall_core::{Endpoint, Failure, FailureKind, Secret};

/// Reads the secret that a spec refers to, without the line end an editor leaves behind.
pub fn read_secret(reference: &SecretReference) -> Result<Secret<String>, Failure> {
    read_with(reference, |name| std::env::var_os(name))
}

fn read_with(
    reference: &SecretReference,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Secret<String>, Failure> {
    let text = match reference {
        SecretReference::Environment(name) => variable(name)
            .ok_or_else(|| denied(format!("the environment variable {name} is not set")))?
            .into_string()
            .map_err(|_| denied(format!("the environment variable {name} is not UTF-8")))?,
        // The error names what went wrong with the file, never what is in it.
        SecretReference::File(path) => std::fs::read_to_string(path)
            .map_err(|error| denied(format!("the file {path} cannot be read: {error}")))?,
    };
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        let place = match reference {
            SecretReference::Environment(name) => format!("the environment variable {name}"),
            SecretReference::File(path) => format!("the file {path}"),
        };
        return Err(denied(format!("{place} is empty")));
    }
    Ok(Secret::new(text.to_owned()))
}

fn denied(detail: String) -> Failure {
    Failure::new(FailureKind::Denied, "read the database password", detail)
}

/// The password in a place of this machine; kept until it is refused.
#[derive(Debug)]
pub struct StoredPassword {
    reference: SecretReference,
    kept: Mutex<Secret<String>>,
}

impl StoredPassword {
    /// Reads it, so that a missing one is told before anything begins.
    pub fn read(reference: &SecretReference) -> Result<Self, Failure> {
        let kept = Mutex::new(read_secret(reference)?);
        Ok(Self { reference: reference.clone(), kept })
    }

    fn kept(&self) -> MutexGuard<'_, Secret<String>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Passwords for StoredPassword {
    async fn current(&self, _: &Endpoint) -> Result<Secret<String>, Failure> {
        Ok(self.kept().clone())
    }

    async fn renewed(&self, _: &Endpoint) -> Result<Secret<String>, Failure> {
        let fresh = read_secret(&self.reference)?;
        self.kept().clone_from(&fresh);
        Ok(fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn environment(content: Option<&str>) -> Result<Secret<String>, Failure> {
        let reference = SecretReference::Environment("ORDERS_PASSWORD".to_owned());
        read_with(&reference, |name| {
            assert_eq!(name, "ORDERS_PASSWORD");
            content.map(OsString::from)
        })
    }

    fn file(content: &[u8]) -> Result<Secret<String>, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        read_secret(&SecretReference::File(path))
    }

    #[test]
    fn the_line_end_of_an_editor_is_no_part_of_a_password() {
        assert_eq!(environment(Some("hunter 2\n")).unwrap().expose(), "hunter 2");
        assert_eq!(file(b" hunter2 \r\n").unwrap().expose(), " hunter2 ");
        assert_eq!(file(b"hunter2").unwrap().expose(), "hunter2");
    }

    #[test]
    fn a_missing_secret_names_its_place() {
        let unset = environment(None).unwrap_err();
        assert_eq!(unset.kind, FailureKind::Denied);
        assert!(unset.detail.contains("ORDERS_PASSWORD is not set"), "{unset}");
        assert!(environment(Some("\n")).unwrap_err().detail.contains("ORDERS_PASSWORD is empty"));

        let absent = SecretReference::File("/nonexistent/orders".to_owned());
        let absent = read_secret(&absent).unwrap_err();
        assert_eq!(absent.kind, FailureKind::Denied);
        assert!(absent.detail.contains("/nonexistent/orders"), "{absent}");
    }

    #[test]
    fn a_bad_secret_is_not_repeated() {
        let failure = file(b"hunter2\xff").unwrap_err();
        assert!(!failure.to_string().contains("hunter2"), "{failure}");
    }

    #[test]
    fn the_environment_is_really_read() {
        let reference = SecretReference::Environment("PATH".to_owned());
        let expected = std::env::var("PATH").unwrap();
        assert_eq!(read_secret(&reference).unwrap().expose(), &expected);
    }
}
