//! What a server of the lab is made from, and where its files are.
//!
//! The folder `dir` holds `data` (the data directory), `postgres.log` and the passwords of the
//! lab's own roles; `socket_dir` holds the socket of the lab's own sessions. Everybody else comes by
//! TCP, to an address that only the firewall before the server is told. Nothing here touches the
//! disk.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::process::RunAs;
use crate::tools::PostgresTools;

/// Below those that outgoing connections get: a server that restarts must find its port free.
const PORTS: Range<u16> = 10_240..30_240;

/// An address of loopback that nobody listens at, far from those that clients come from. When every
/// try is taken the last one is returned, and the server says so when it starts.
pub fn unclaimed_address() -> SocketAddr {
    let mut address = any_address();
    for _ in 0..20 {
        if TcpListener::bind(address).is_ok() {
            break;
        }
        address = any_address();
    }
    address
}

fn any_address() -> SocketAddr {
    let [second, third, fourth] = rand::random::<[u8; 3]>();
    let port = PORTS.start + rand::random::<u16>() % (PORTS.end - PORTS.start);
    SocketAddr::from((Ipv4Addr::new(127, 64 | second, third, fourth | 1), port))
}

/// Everything that [`super::Server::initialise`] needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// The server's folder; made when missing.
    pub dir: PathBuf,
    /// The private folder of its socket; made when missing. Keep it short: see `RunFolder`.
    pub socket_dir: PathBuf,
    /// Where it listens for its firewall; from [`unclaimed_address`].
    pub listen: SocketAddr,
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
            listen: unclaimed_address(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_is_loopback_free_and_nobody_elses() {
        let addresses: Vec<SocketAddr> = (0..20).map(|_| unclaimed_address()).collect();
        for address in &addresses {
            assert!(address.ip().is_loopback() && PORTS.contains(&address.port()), "{address}");
            TcpListener::bind(address).unwrap();
        }
        let mut distinct = addresses.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert!(distinct.len() > 18, "{addresses:?}");
    }
}
