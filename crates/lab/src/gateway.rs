//! Runs a real Envoy from a bootstrap that the caller wrote, as the application's gateway.
//!
//! The text is used as it is, except that all upstream connections are bound to the gateway's
//! loopback address, which is how a firewall of the lab knows them. Nothing here decides about
//! routes. Envoy dies with this process, and its connections with it; its folder holds the text
//! and the log and is the caller's to remove.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::firewall::Actor;
use crate::process::{self, Exit, Program, Running, Signal, Stopped};

const READY_BOUND: Duration = Duration::from_secs(30);
const STOP_BOUND: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("write {path}", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("start Envoy")]
    Program(#[source] process::Error),
    #[error("keep Envoy running: {exit}; {tail}")]
    Ended { exit: Exit, tail: String },
    #[error("see Envoy ready on {admin} within {bound:?}; {tail}")]
    NotReady { admin: SocketAddr, bound: Duration, tail: String },
}

/// What a gateway is started from.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// The Envoy binary, from [`crate::tools::envoy`].
    pub envoy: PathBuf,
    /// Where the bootstrap and the log go; made when missing.
    pub dir: PathBuf,
    /// The bootstrap's YAML text.
    pub bootstrap: String,
    /// The admin address that the bootstrap names.
    pub admin: SocketAddr,
}

/// A running Envoy. Dropping it ends it.
#[derive(Debug)]
pub struct Gateway {
    process: Running,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts Envoy and waits until its admin port says that it is live.
    pub async fn start(config: GatewayConfig) -> Result<Self, Error> {
        let failed = |cause| Error::File { path: config.dir.clone(), cause };
        std::fs::create_dir_all(&config.dir).map_err(failed)?;
        let bootstrap = config.dir.join("envoy.yaml");
        std::fs::write(&bootstrap, &config.bootstrap).map_err(failed)?;
        let process = program(&config, &bootstrap).start().await.map_err(Error::Program)?;
        let gateway = Self { process, admin: config.admin };
        gateway.wait_until_live().await?;
        Ok(gateway)
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// Ends it in order; connections through it are cut.
    pub async fn stop(&self) -> Stopped {
        self.process.stop(Signal::Terminate, STOP_BOUND).await
    }

    /// Ends it at once, as a crash would.
    pub async fn kill(&self) -> Stopped {
        self.process.stop(Signal::Kill, STOP_BOUND).await
    }

    async fn wait_until_live(&self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_BOUND;
        let mut tick = tokio::time::interval(POLL);
        while Instant::now() < deadline {
            tick.tick().await;
            if let Some(exit) = self.process.exit() {
                return Err(Error::Ended { exit, tail: self.process.log_tail() });
            }
            // Refused until the admin port is open; asked again then.
            if is_live(self.admin).await.unwrap_or(false) {
                return Ok(());
            }
        }
        let tail = self.process.log_tail();
        Err(Error::NotReady { admin: self.admin, bound: READY_BOUND, tail })
    }
}

fn program(config: &GatewayConfig, bootstrap: &Path) -> Program {
    Program::new(&config.envoy, config.dir.join("envoy.log"))
        .arg("--config-path")
        .arg(bootstrap)
        .args(["--config-yaml", &overlay()])
        // Several labs run side by side; none hands over to a successor.
        .args(["--concurrency", "2", "--disable-hot-restart", "--log-level", "info"])
}

/// Merged over the bootstrap; what the bootstrap says otherwise stays.
fn overlay() -> String {
    let address = Actor::Gateway.address();
    format!(
        "{{cluster_manager: {{upstream_bind_config: \
         {{source_address: {{address: {address}, port_value: 0}}}}}}}}"
    )
}

/// `/ready` answers 200 only when the server is live, so its control plane may be away.
async fn is_live(admin: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /ready HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}
