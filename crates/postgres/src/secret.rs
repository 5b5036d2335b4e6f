//! A value that must not be seen: it can be used, but not printed, logged or stored.
//!
//! It is not a vault: the bytes stay in memory for as long as the value lives. The invariant is
//! that only [`Secret::expose`] gives the content away, so that a search for it finds every use.

use std::ffi::OsString;
use std::fmt;

use landfall_core::spec::SecretReference;
use landfall_core::{Failure, FailureKind};

/// Holds a password; has no Display and no Serialize, and its Debug says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Takes the value in.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one call that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret<String> {
    /// Reads the secret that a spec refers to, without the line end an editor leaves behind.
    pub fn resolve(reference: &SecretReference) -> Result<Self, Failure> {
        Self::resolve_with(reference, |name| std::env::var_os(name))
    }

    fn resolve_with(
        reference: &SecretReference,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Failure> {
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
        Ok(Self(text.to_owned()))
    }
}

fn denied(detail: String) -> Failure {
    Failure::new(FailureKind::Denied, "read the database password", detail)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn environment(content: Option<&str>) -> Result<Secret<String>, Failure> {
        let reference = SecretReference::Environment("ORDERS_PASSWORD".to_owned());
        Secret::resolve_with(&reference, |name| {
            assert_eq!(name, "ORDERS_PASSWORD");
            content.map(OsString::from)
        })
    }

    fn file(content: &[u8]) -> Result<Secret<String>, Failure> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        Secret::resolve(&SecretReference::File(path))
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
        let absent = Secret::resolve(&absent).unwrap_err();
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
        assert_eq!(Secret::resolve(&reference).unwrap().expose(), &expected);
    }

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(…)");
    }
}
