//! One PostgreSQL server of the lab: a data directory and a postmaster of its own.
//!
//! It listens on a Unix socket in a private folder, for the lab's own sessions, and at a loopback
//! address that nobody but the [`crate::firewall`] before it is told: by TCP, because then it sees
//! each client's address. Every role needs its password, and the one of the role `rdsadmin` is
//! random and kept beside the data directory, so that the role belongs to the lab alone. The
//! server dies with this process, by its own immediate shutdown. The data directory survives that,
//! and [`Server::open`] finds it again.
//!
//! `fsync` is off: the crash tests kill processes, never the operating system, and a killed
//! process loses nothing that it has written.

mod config;
mod error;
mod folder;
mod heartbeat;
mod initial;
mod lsn;
mod session;
mod settings;
mod standby;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Mutex, MutexGuard, OnceCell, watch};
use tokio_postgres::Client;

pub use config::{ServerConfig, unclaimed_address};
pub use error::Error;
pub use folder::RunFolder;
pub use lsn::{Lsn, NotAnLsn};
pub use settings::Applied;
pub use standby::{Origin, Positions};

pub(crate) use folder::{SOCKET_NAME, make_private_folder};

use crate::process::{Exit, Program, Running, Signal, Stopped};
use heartbeat::Heartbeat;

/// The lab's own superuser; nobody else has its password.
pub const ADMIN: &str = "rdsadmin";

/// The role that managed replication logs in with.
pub const REPLICATION_ADMIN: &str = "rdsrepladmin";

const START_BOUND: Duration = Duration::from_secs(120);
const STOP_BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(15);

/// How a server is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are ended, a checkpoint is written.
    Fast,
    /// As in a crash: no checkpoint, recovery at the next start.
    Immediate,
}

/// A server, running or not. All methods take `&self`: share it in an `Arc`.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    admin_password: String,
    up: Mutex<Option<Up>>,
    /// The postmaster's pid and since when, for those who must not wait for a start or a stop.
    glance: StdMutex<Option<Glance>>,
    session: Mutex<Option<std::sync::Arc<Client>>>,
    known_settings: OnceCell<settings::Known>,
}

#[derive(Debug)]
struct Up {
    process: Running,
    _heartbeat: Heartbeat,
}

#[derive(Debug, Clone)]
struct Glance {
    pid: u32,
    since: SystemTime,
    exit: watch::Receiver<Option<Exit>>,
}

impl Server {
    /// Makes a new server in `config.dir` and starts it.
    pub async fn initialise(config: ServerConfig) -> Result<Self, Error> {
        let server = initial::make(config).await?;
        server.start().await?;
        initial::furnish(&server).await?;
        Ok(server)
    }

    /// Finds a server that was made earlier; it is not started.
    pub fn open(config: ServerConfig) -> Result<Self, Error> {
        let path = config.admin_password_file();
        let password =
            std::fs::read_to_string(&path).map_err(|cause| Error::File { path, cause })?;
        folder::make_socket_folder(&config.socket_dir, config.run_as.as_ref())?;
        let server = Self::stopped(config, password);
        server.write_instance_settings(None)?;
        Ok(server)
    }

    fn stopped(config: ServerConfig, admin_password: String) -> Self {
        Self {
            config,
            admin_password,
            up: Mutex::default(),
            glance: StdMutex::default(),
            session: Mutex::default(),
            known_settings: OnceCell::new(),
        }
    }

    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// The address to put a firewall before.
    pub fn address(&self) -> SocketAddr {
        self.config.listen
    }

    pub fn log(&self) -> PathBuf {
        self.config.dir.join("postgres.log")
    }

    /// Whether the postmaster lives; it may not be ready yet.
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// The postmaster's pid while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.living().map(|glance| glance.pid)
    }

    /// When the living postmaster was started.
    pub fn started_at(&self) -> Option<SystemTime> {
        self.living().map(|glance| glance.since)
    }

    /// A receiver that changes when the present postmaster ends, expected or not.
    pub fn exits(&self) -> Option<watch::Receiver<Option<Exit>>> {
        self.living().map(|glance| glance.exit)
    }

    fn living(&self) -> Option<Glance> {
        let glance = self.glance.lock().unwrap_or_else(PoisonError::into_inner);
        glance.clone().filter(|glance| glance.exit.borrow().is_none())
    }

    /// Starts the postmaster and waits until it takes queries; does nothing when it runs.
    pub async fn start(&self) -> Result<(), Error> {
        let mut up = self.up.lock().await;
        if up.as_ref().is_some_and(|up| up.process.is_running()) {
            return Ok(());
        }
        self.start_locked(&mut up).await
    }

    /// Stops the postmaster and waits for its end; does nothing when it does not run.
    pub async fn stop(&self, mode: StopMode) -> Option<Stopped> {
        let mut up = self.up.lock().await;
        self.stop_locked(&mut up, mode).await
    }

    /// A fast stop and a start, as one step that no other start or stop comes between.
    pub async fn restart(&self) -> Result<(), Error> {
        let mut up = self.up.lock().await;
        self.stop_locked(&mut up, StopMode::Fast).await;
        self.start_locked(&mut up).await
    }

    async fn start_locked(&self, up: &mut MutexGuard<'_, Option<Up>>) -> Result<(), Error> {
        self.wait_for_former_postmaster().await;
        let process = Program::new(self.config.tools.program("postgres"), self.log())
            .arg("-D")
            .arg(self.config.data())
            .run_as(self.config.run_as.clone())
            .when_we_die(Signal::Quit)
            .start()
            .await
            .map_err(Error::Program)?;
        let glance = Glance { pid: process.pid(), since: SystemTime::now(), exit: process.exits() };
        *self.glance.lock().unwrap_or_else(PoisonError::into_inner) = Some(glance);
        self.wait_until_ready(&process).await?;
        let heartbeat = Heartbeat::start(self.access(), self.config.heartbeat);
        **up = Some(Up { process, _heartbeat: heartbeat });
        Ok(())
    }

    async fn stop_locked(
        &self,
        up: &mut MutexGuard<'_, Option<Up>>,
        mode: StopMode,
    ) -> Option<Stopped> {
        let Up { process, _heartbeat } = up.take()?;
        drop(_heartbeat);
        self.session.lock().await.take();
        let signal = match mode {
            StopMode::Fast => Signal::Interrupt,
            StopMode::Immediate => Signal::Quit,
        };
        Some(process.stop(signal, STOP_BOUND).await)
    }

    /// What the postmaster says of itself in its lock file, as `pg_ctl` reads it; a login that
    /// proves the same costs more than the start.
    fn takes_queries(&self, pid: u32) -> bool {
        let lock = self.config.data().join("postmaster.pid");
        let lock = std::fs::read_to_string(lock).unwrap_or_default();
        let mut lines = lock.lines().map(str::trim);
        lines.next().and_then(|first| first.parse().ok()) == Some(pid)
            && lines.nth(6) == Some("ready")
    }

    /// When the lab was killed its postmaster may still be on its way out.
    async fn wait_for_former_postmaster(&self) {
        let data = self.config.data();
        let deadline = Instant::now() + STOP_BOUND;
        let mut tick = tokio::time::interval(POLL);
        while Instant::now() < deadline {
            tick.tick().await;
            let lock = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
            let pid: Option<u32> = lock.lines().next().and_then(|pid| pid.trim().parse().ok());
            let Some(pid) = pid else { return };
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let data = data.as_os_str().as_encoded_bytes();
            if !command.split(|byte| *byte == 0).any(|argument| argument == data) {
                return;
            }
        }
    }

    async fn wait_until_ready(&self, process: &Running) -> Result<(), Error> {
        let dir = || self.config.dir.clone();
        let deadline = Instant::now() + START_BOUND;
        let mut tick = tokio::time::interval(POLL);
        while Instant::now() < deadline {
            tick.tick().await;
            if let Some(exit) = process.exit() {
                return Err(Error::Ended { dir: dir(), exit, tail: process.log_tail() });
            }
            if self.takes_queries(process.pid()) {
                return Ok(());
            }
        }
        Err(Error::NotReady { dir: dir(), bound: START_BOUND, tail: process.log_tail() })
    }
}
