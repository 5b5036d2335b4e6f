//! `lab.json`: how to find a lab that runs in another process, and whether it still does.
//!
//! It holds passwords and a token, so only its owner can read it. A pid alone proves nothing: it
//! counts only together with the time at which that process started.

use std::fs::Permissions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::cloud::delays::Profile;

const FILE: &str = "lab.json";

/// How to log in to a database of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    pub instance: String,
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
    pub databases: Vec<String>,
}

/// A lab that was brought up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub endpoint_url: String,
    pub control_url: String,
    pub token: String,
    pub pid: u32,
    /// In ticks since the machine started, as the kernel counts.
    pub started: u64,
    pub profile: Profile,
    pub region: String,
    pub account: String,
    pub source: Access,
    /// The short folder of the sockets.
    pub sockets: PathBuf,
    /// Whether the state folder was made by the lab, and so goes with it.
    pub made_dir: bool,
    /// The admin address of the gateway while it runs.
    pub gateway_admin: Option<SocketAddr>,
}

impl Record {
    /// Reads the record of the lab in a folder.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoLab { path: dir.to_owned() });
            }
            Err(cause) => return Err(Error::Record { path, cause }),
        };
        serde_json::from_str(&text).map_err(|error| Error::Record { path, cause: error.into() })
    }

    /// Writes it whole or not at all, for its owner alone.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        let path = dir.join(FILE);
        let failed = |cause| Error::Record { path: path.clone(), cause };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
        file.as_file().set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
        file.write_all(&text).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Whether the process that wrote it lives.
    pub fn is_alive(&self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

/// Removes the record, if there is one.
pub(super) fn remove(dir: &Path) {
    // What matters is that it is gone; an absent one already is.
    let _ = std::fs::remove_file(dir.join(FILE));
}

/// When a process started; none if it has ended (a zombie counts as ended).
pub(super) fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    // The start time is the 22nd field, the state the third.
    let started = fields.nth(18)?.parse().ok()?;
    (state != "Z" && state != "X").then_some(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_process_is_told_by_its_start_and_a_stale_pid_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record {
            endpoint_url: "http://127.0.0.1:1".into(),
            control_url: "http://127.0.0.1:2".into(),
            token: "t".into(),
            pid: std::process::id(),
            started: started(std::process::id()).unwrap(),
            profile: Profile::Quick,
            region: "us-east-1".into(),
            account: "1".into(),
            source: Access {
                instance: "i".into(),
                host: "h".into(),
                port: 1,
                user: "u".into(),
                password: "p".into(),
                databases: vec![],
            },
            sockets: "s".into(),
            made_dir: true,
            gateway_admin: None,
        };
        record.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), record);
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(record.is_alive());
        record.started += 1;
        assert!(!record.is_alive());
        assert_eq!(started(u32::MAX), None);
    }

    #[test]
    fn a_folder_without_a_lab_says_so() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Record::read(dir.path()), Err(Error::NoLab { .. })));
    }
}
