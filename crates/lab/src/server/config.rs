//! What a server of the lab is made from, and where its files are.
//!
//! The folder `dir` holds `data` (the data directory), `postgres.log` and the passwords of the
//! lab's own roles; `socket_dir` holds the socket. Nothing here touches the disk.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::RunAs;
use crate::tools::PostgresTools;

/// Everything that [`super::Server::initialise`] needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The server's folder; made when missing.
    pub dir: PathBuf,
    /// The private folder of its socket; made when missing. Keep it short: see `RunFolder`.
    pub socket_dir: PathBuf,
    pub tools: PostgresTools,
    /// From [`RunAs::detect`]; `None` runs as ourselves.
    pub run_as: Option<RunAs>,
    pub master_user: String,
    pub master_password: String,
    /// Databases to make, owned by the master user.
    pub databases: Vec<String>,
    /// Settings over the lab's own, such as a shorter `archive_timeout`.
    pub settings: BTreeMap<String, String>,
    pub data_checksums: bool,
    /// How often the lab writes a little, so that an idle server switches segments.
    pub heartbeat: Duration,
}

impl ServerConfig {
    /// The defaults, with a master user "postgres" and no database of its own.
    pub fn new(
        dir: impl Into<PathBuf>,
        socket_dir: impl Into<PathBuf>,
        tools: PostgresTools,
    ) -> Self {
        Self {
            dir: dir.into(),
            socket_dir: socket_dir.into(),
            tools,
            run_as: None,
            master_user: "postgres".to_owned(),
            master_password: "postgres".to_owned(),
            databases: Vec::new(),
            settings: BTreeMap::new(),
            data_checksums: false,
            heartbeat: Duration::from_secs(1),
        }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(super) fn admin_password_file(&self) -> PathBuf {
        self.dir.join("rdsadmin.password")
    }

    /// In libpq's password file format, for the user that the server runs as.
    pub(super) fn replication_password_file(&self) -> PathBuf {
        self.dir.join("replication.pass")
    }

    pub(super) fn setup_log(&self) -> PathBuf {
        self.dir.join("setup.log")
    }
}
