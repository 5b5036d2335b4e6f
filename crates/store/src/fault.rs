//! What SQLite and the file system say, as one sentence that names the file and the remedy.
//!
//! The only place where their errors become [`StoreError::Medium`].

use std::path::{Path, PathBuf};

use landfall_core::journal::StoreError;
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
        self.sentence(what, &told, remedy(error.sqlite_error_code()))
    }

    /// What the operating system refused.
    pub(crate) fn io(&self, what: &str, error: &std::io::Error) -> StoreError {
        self.sentence(what, &error.to_string(), "choose a state directory that can be written")
    }

    /// A stored value that is not what this program writes.
    pub(crate) fn damaged(&self, told: &str) -> StoreError {
        self.sentence("read", told, remedy(Some(ErrorCode::DatabaseCorrupt)))
    }

    fn sentence(&self, what: &str, told: &str, remedy: &str) -> StoreError {
        StoreError::Medium(format!("could not {what} {}: {told}; {remedy}", self.file.display()))
    }
}

const OWNER: &str = "nothing was written: check who owns the directory and the file, and their \
     modes";
const LOCKED: &str = "nothing was written: another process kept the file locked; end it, then try \
     again";
const DAMAGED: &str = "the file is damaged: stop, keep a copy, and restore it from a backup";

const REMEDIES: &[(ErrorCode, &str)] = &[
    (ErrorCode::DiskFull, "nothing was written: free space there, then resume"),
    (ErrorCode::ReadOnly, OWNER),
    (ErrorCode::PermissionDenied, OWNER),
    (ErrorCode::CannotOpen, OWNER),
    (ErrorCode::DatabaseBusy, LOCKED),
    (ErrorCode::DatabaseLocked, LOCKED),
    (ErrorCode::DatabaseCorrupt, DAMAGED),
    (ErrorCode::NotADatabase, DAMAGED),
    (ErrorCode::SystemIoFailure, "nothing was written: check the disk under it"),
];

fn remedy(code: Option<ErrorCode>) -> &'static str {
    REMEDIES
        .iter()
        .find(|(known, _)| Some(*known) == code)
        .map_or("nothing was written", |(_, remedy)| remedy)
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
