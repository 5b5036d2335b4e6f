//! A real PgBouncer beside Envoy: one node with a folder of its own.
//!
//! Its file of databases is a separate one, included last, because a node's route is changed by
//! writing that file. Its log is verbose enough to tell what happened. A node that was killed is
//! started again from the files as they stand, as a machine's own supervisor does. It dies with
//! this process; the folder is the caller's to remove.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::process::{self, Exit, Program, RunAs, Running, Signal, Stopped};

const READY_BOUND: Duration = Duration::from_secs(30);
const STOP_BOUND: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("write {path}", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("start PgBouncer")]
    Program(#[source] process::Error),
    #[error("keep PgBouncer running: {exit}; {tail}")]
    Ended { exit: Exit, tail: String },
    #[error("see PgBouncer listen on {address} within {READY_BOUND:?}; {tail}")]
    NotReady { address: SocketAddr, tail: String },
}

/// What a node is made from.
#[derive(Clone)]
pub struct PoolerConfig {
    /// The program, from [`crate::tools::pgbouncer`].
    pub program: PathBuf,
    /// Where its files go; made when missing.
    pub dir: PathBuf,
    /// Where clients and the admin console are served.
    pub listen: SocketAddr,
    /// Names and passwords: clients log in with them, and so does it to the server. The first may
    /// use the admin console.
    pub users: Vec<(String, String)>,
    /// The lines of `[databases]` to begin with.
    pub databases: String,
    /// `transaction`, `session` or `statement`.
    pub pool_mode: &'static str,
    /// More lines of `[pgbouncer]`.
    pub settings: Vec<String>,
}

/// A node, running or not. Dropping it ends the process.
pub struct Pooler {
    config: PoolerConfig,
    run_as: Option<RunAs>,
    running: Arc<Mutex<Option<Running>>>,
}

impl Pooler {
    /// Writes its files and starts it.
    pub async fn start(config: PoolerConfig) -> Result<Self, Error> {
        let run_as = RunAs::detect().map_err(Error::Program)?;
        let pooler = Self { config, run_as, running: Arc::default() };
        pooler.furnish()?;
        pooler.start_again().await?;
        Ok(pooler)
    }

    /// Starts it from the files as they stand, when it does not run.
    pub async fn start_again(&self) -> Result<(), Error> {
        if self.is_running() {
            return Ok(());
        }
        let program = Program::new(&self.config.program, self.log())
            .arg(self.main_file())
            .run_as(self.run_as.clone());
        let process = program.start().await.map_err(Error::Program)?;
        *self.running() = Some(process);
        self.wait_until_it_listens().await
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// The included file with `[databases]`.
    pub fn databases_file(&self) -> PathBuf {
        self.config.dir.join("databases.ini")
    }

    /// What it logs.
    pub fn log(&self) -> PathBuf {
        self.config.dir.join("pgbouncer.log")
    }

    pub fn is_running(&self) -> bool {
        self.running().as_ref().is_some_and(Running::is_running)
    }

    /// Asks for the pid whenever it is needed, since it changes with a restart.
    pub fn pid(&self) -> impl Fn() -> Option<u32> + Send + Sync + 'static {
        let running = Arc::clone(&self.running);
        move || {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            running.as_ref().filter(|process| process.is_running()).map(Running::pid)
        }
    }

    /// Ends it in order; its clients are cut.
    pub async fn stop(&self) -> Option<Stopped> {
        self.end(Signal::Interrupt).await
    }

    /// Ends it at once, as `kill -9` does.
    pub async fn kill(&self) -> Option<Stopped> {
        self.end(Signal::Kill).await
    }

    async fn end(&self, signal: Signal) -> Option<Stopped> {
        let process = self.running().take()?;
        Some(process.stop(signal, STOP_BOUND).await)
    }

    fn furnish(&self) -> Result<(), Error> {
        let dir = &self.config.dir;
        std::fs::create_dir_all(dir).map_err(|cause| failed(dir, cause))?;
        // The node runs as another user when we are root.
        self.mode(dir, 0o755)?;
        self.write(&dir.join("users.txt"), &self.users(), 0o600)?;
        if let Some(user) = &self.run_as {
            let path = dir.join("users.txt");
            user.own(&path).map_err(|cause| failed(&path, cause))?;
        }
        let databases = format!("[databases]\n{}", self.config.databases);
        self.write(&self.databases_file(), &databases, 0o644)?;
        self.write(&self.main_file(), &self.main(), 0o644)
    }

    fn users(&self) -> String {
        let mut text = String::new();
        for (name, password) in &self.config.users {
            let _ = writeln!(text, "\"{name}\" \"{password}\"");
        }
        text
    }

    fn main(&self) -> String {
        let PoolerConfig { dir, listen, users, pool_mode, settings, .. } = &self.config;
        let admin = users.first().map_or("pgbouncer", |(name, _)| name.as_str());
        let mut text = format!(
            "[pgbouncer]\nlisten_addr = {}\nlisten_port = {}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {}\nadmin_users = {admin}\n\
             pool_mode = {pool_mode}\n",
            listen.ip(),
            listen.port(),
            dir.join("users.txt").display()
        );
        for line in settings {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "%include {}", self.databases_file().display());
        text
    }

    fn main_file(&self) -> PathBuf {
        self.config.dir.join("pgbouncer.ini")
    }

    fn write(&self, path: &Path, text: &str, mode: u32) -> Result<(), Error> {
        std::fs::write(path, text).map_err(|cause| failed(path, cause))?;
        self.mode(path, mode)
    }

    fn mode(&self, path: &Path, mode: u32) -> Result<(), Error> {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, mode).map_err(|cause| failed(path, cause))
    }

    async fn wait_until_it_listens(&self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_BOUND;
        let mut tick = tokio::time::interval(POLL);
        while Instant::now() < deadline {
            tick.tick().await;
            let ended = self.running().as_ref().and_then(|it| Some((it.exit()?, it.log_tail())));
            if let Some((exit, tail)) = ended {
                return Err(Error::Ended { exit, tail });
            }
            if TcpStream::connect(self.config.listen).await.is_ok() {
                return Ok(());
            }
        }
        let tail = self.running().as_ref().map(Running::log_tail).unwrap_or_default();
        Err(Error::NotReady { address: self.config.listen, tail })
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A port of loopback that nobody listens on, below those that outgoing connections get: a node
/// that was killed must find it free when it is started again.
pub fn free_address() -> io::Result<SocketAddr> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..100 {
        let port = rand::random_range(10_240..30_240);
        match std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return listener.local_addr(),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn failed(path: &Path, cause: io::Error) -> Error {
    Error::File { path: path.to_owned(), cause }
}
