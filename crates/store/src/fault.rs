//! What SQLite and the file system say, with the file's name and what it comes to.
//!
//! The only place where their errors become [`StoreError::Medium`].

use std::path::{Path, PathBuf};

use landfall_core::journal::{StoreError, StoreTrouble};
use rusqlite::ErrorCode;

/// Words errors for one file.
#[derive(Debug)]
pub(crate) struct Fault {
    file: PathBuf,
}

impl Fault {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned() }
    }

    /// What SQLite refused while doing `what` (read, write, open).
    pub(crate) fn medium(&self, what: &str, error: &rusqlite::Error) -> StoreError {
        let told = if let rusqlite::Error::SqliteFailure(_, Some(text)) = error {
            text.clone()
        } else {
            error.to_string()
        };
        self.refused(what, told, trouble(error.sqlite_error_code()))
    }

    /// What the operating system refused.
    pub(crate) fn io(&self, what: &str, error: &std::io::Error) -> StoreError {
        self.refused(what, error.to_string(), StoreTrouble::Forbidden)
    }

    /// A stored value that is not what this program writes.
    pub(crate) fn damaged(&self, told: &str) -> StoreError {
        self.refused("read", told.to_owned(), StoreTrouble::Damaged)
    }

    fn refused(&self, what: &str, told: String, trouble: StoreTrouble) -> StoreError {
        StoreError::Medium { what: format!("{what} {}", self.file.display()), told, trouble }
    }
}

const TROUBLES: &[(ErrorCode, StoreTrouble)] = &[
    (ErrorCode::DiskFull, StoreTrouble::Full),
    (ErrorCode::ReadOnly, StoreTrouble::Forbidden),
    (ErrorCode::PermissionDenied, StoreTrouble::Forbidden),
    (ErrorCode::CannotOpen, StoreTrouble::Forbidden),
    (ErrorCode::DatabaseBusy, StoreTrouble::Locked),
    (ErrorCode::DatabaseLocked, StoreTrouble::Locked),
    (ErrorCode::DatabaseCorrupt, StoreTrouble::Damaged),
    (ErrorCode::NotADatabase, StoreTrouble::Damaged),
    (ErrorCode::SystemIoFailure, StoreTrouble::DiskErrors),
];

fn trouble(code: Option<ErrorCode>) -> StoreTrouble {
    let found = TROUBLES.iter().find(|(known, _)| Some(*known) == code);
    found.map_or(StoreTrouble::Other, |(_, trouble)| *trouble)
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn told(code: i32, text: Option<&str>) -> String {
        let error =
            rusqlite::Error::SqliteFailure(ffi::Error::new(code), text.map(ToOwned::to_owned));
        Fault::new(Path::new("state/landfall.db")).medium("write", &error).to_string()
    }

    #[test]
    fn every_fault_names_the_file_and_a_remedy() {
        for (code, remedy) in [
            (ffi::SQLITE_FULL, "free space"),
            (ffi::SQLITE_READONLY, "check who owns"),
            (ffi::SQLITE_PERM, "check who owns"),
            (ffi::SQLITE_CANTOPEN, "check who owns"),
            (ffi::SQLITE_BUSY, "another process"),
            (ffi::SQLITE_LOCKED, "another process"),
            (ffi::SQLITE_CORRUPT, "restore it from a backup"),
            (ffi::SQLITE_NOTADB, "restore it from a backup"),
            (ffi::SQLITE_IOERR_FSYNC, "check the disk"),
            (ffi::SQLITE_CONSTRAINT, "nothing was written"),
        ] {
            let told = told(code, Some("words of SQLite"));
            assert!(told.starts_with("could not write state/landfall.db: words of SQLite; "));
            assert!(told.contains(remedy), "{code}: {told}");
        }
        assert!(told(ffi::SQLITE_FULL, None).contains("full"), "SQLite's own words for the code");
    }
}
