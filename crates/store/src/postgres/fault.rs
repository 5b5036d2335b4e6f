//! What PostgreSQL says, with its place and what it comes to.
//!
//! The only place where its errors become [`StoreError::Medium`].

use landfall_core::journal::{StoreError, StoreTrouble};
use tokio_postgres::error::SqlState;

/// Words errors for one server.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    place: String,
}

impl Fault {
    pub(super) const fn new(place: String) -> Self {
        Self { place }
    }

    /// What PostgreSQL, or the way to it, refused while doing `what` (read, write, open).
    pub(super) fn medium(&self, what: &str, error: &tokio_postgres::Error) -> StoreError {
        let told = match error.as_db_error() {
            Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
            None => chain(error),
        };
        self.refused(what, told, trouble(error.code()))
    }

    /// No answer in time.
    pub(super) fn silent(&self, what: &str, told: String) -> StoreError {
        self.refused(what, told, StoreTrouble::Unreachable)
    }

    /// What this machine lacks: a password, a root certificate.
    pub(super) fn local(&self, what: &str, told: &str) -> StoreError {
        self.refused(what, told.to_owned(), StoreTrouble::Refused)
    }

    /// A stored value that is not what this program writes.
    pub(crate) fn damaged(&self, told: &str) -> StoreError {
        self.refused("read", told.to_owned(), StoreTrouble::Damaged)
    }

    fn refused(&self, what: &str, told: String, trouble: StoreTrouble) -> StoreError {
        StoreError::Medium { what: format!("{what} {}", self.place), told, trouble }
    }
}

/// Whether the connection is of no more use, so that another may do better.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => true,
        Some(code) => {
            trouble(Some(code)) == StoreTrouble::Unreachable
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        }
    }
}

fn chain(error: &tokio_postgres::Error) -> String {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        told = format!("{told}: {cause}");
        source = cause.source();
    }
    told
}

/// Classes of SQLSTATE and single ones; a single one comes before its class.
const TROUBLES: &[(&str, StoreTrouble)] = &[
    ("53100", StoreTrouble::Full),
    ("53", StoreTrouble::Unreachable),
    ("57014", StoreTrouble::Locked),
    ("57", StoreTrouble::Unreachable),
    ("55P03", StoreTrouble::Locked),
    ("40P01", StoreTrouble::Locked),
    ("08", StoreTrouble::Unreachable),
    ("28", StoreTrouble::Refused),
    ("42501", StoreTrouble::Refused),
    ("3D000", StoreTrouble::Refused),
    ("25006", StoreTrouble::Refused),
    ("58030", StoreTrouble::DiskErrors),
    ("XX001", StoreTrouble::Damaged),
    ("XX002", StoreTrouble::Damaged),
];

fn trouble(code: Option<&SqlState>) -> StoreTrouble {
    let Some(code) = code else { return StoreTrouble::Unreachable };
    let found = TROUBLES.iter().find(|(known, _)| code.code().starts_with(known));
    found.map_or(StoreTrouble::Other, |(_, trouble)| *trouble)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sqlstate_comes_to_its_trouble() {
        for (code, expected) in [
            ("53100", StoreTrouble::Full),
            ("53300", StoreTrouble::Unreachable),
            ("57P01", StoreTrouble::Unreachable),
            ("57P03", StoreTrouble::Unreachable),
            ("57014", StoreTrouble::Locked),
            ("08006", StoreTrouble::Unreachable),
            ("28P01", StoreTrouble::Refused),
            ("42501", StoreTrouble::Refused),
            ("3D000", StoreTrouble::Refused),
            ("25006", StoreTrouble::Refused),
            ("XX001", StoreTrouble::Damaged),
            ("42P01", StoreTrouble::Other),
        ] {
            assert_eq!(trouble(Some(&SqlState::from_code(code))), expected, "{code}");
        }
        assert_eq!(trouble(None), StoreTrouble::Unreachable);
    }

    #[test]
    fn an_error_names_the_place_and_the_remedy() {
        let fault = Fault::new("the database moves on db:5432".to_owned());
        let told = fault.silent("write", "no answer within 5s".to_owned()).to_string();
        let start = "could not write the database moves on db:5432: no answer within 5s; ";
        assert!(told.starts_with(start) && told.contains("bring the server"), "{told}");
    }
}
