//! A bare PostgreSQL on TCP, as stock clients meet one: a password is asked for, TLS is offered
//! when it was given a certificate. No cloud and no firewall are around it, so that nothing but
//! the gateway is between a client and the server.
//!
//! It dies with this process; its files are in the caller's folder, which outlives it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use landfall_lab::process::{Program, RunAs, Running, Signal};
use landfall_lab::tools::PostgresTools;
use tokio_postgres::{Client, NoTls};

use crate::product::free_address;

const BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(10);

/// The superuser.
pub const USER: &str = "postgres";

/// Everybody's password.
pub const PASSWORD: &str = "secret";

/// The application name of [`Database::session`].
pub const OWN_SESSIONS: &str = "the test itself";

/// A certificate and its key, PEM.
#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    /// The certificate.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a str,
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Database {
    process: Running,
    program: Program,
    address: SocketAddr,
}

impl Database {
    /// Makes a server in a new folder `dir`, which other users may reach, and starts it.
    pub async fn start(
        dir: PathBuf,
        tools: &PostgresTools,
        tls: Option<Certificate<'_>>,
    ) -> Result<Self> {
        Self::start_with(dir, tools, (tls, "fsync=off")).await
    }

    /// The same, and a commit is on the disk, as where it matters how long that takes.
    pub async fn durable(dir: PathBuf, tools: &PostgresTools) -> Result<Self> {
        Self::start_with(dir, tools, (None, "fsync=on")).await
    }

    async fn start_with(
        dir: PathBuf,
        tools: &PostgresTools,
        (tls, fsync): (Option<Certificate<'_>>, &str),
    ) -> Result<Self> {
        let files = Files { run_as: RunAs::detect().context("find a user for the server")?, dir };
        files.make(tools).await?;
        let address = free_address()?;
        let mut program = Program::new(tools.program("postgres"), files.log());
        program = program.arg("-D").arg(files.data()).args(["-c", "listen_addresses=127.0.0.1"]);
        program = program.args(["-c", &format!("port={}", address.port())]);
        for setting in ["unix_socket_directories=", fsync, "jit=off", "max_connections=200"] {
            program = program.args(["-c", setting]);
        }
        if let Some(tls) = tls {
            files.write("server.crt", tls.certificate)?;
            files.write("server.key", tls.key)?;
            program = program.args(["-c", "ssl=on"]);
        }
        let program = program.run_as(files.run_as.clone()).when_we_die(Signal::Quit);
        let process = program.clone().start().await.context("start PostgreSQL")?;
        let database = Self { process, program, address };
        database.ready().await?;
        Ok(database)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A session of the superuser, not through any gateway.
    pub async fn session(&self) -> Result<Client> {
        let mut config = tokio_postgres::Config::new();
        config.host(self.address.ip().to_string()).port(self.address.port());
        config.user(USER).password(PASSWORD).dbname("postgres").connect_timeout(BOUND);
        config.application_name(OWN_SESSIONS);
        let (client, connection) = config.connect(NoTls).await.context("connect")?;
        // It ends with the client.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Starts it again at the same address, after it was stopped.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = self.program.clone().start().await.context("start PostgreSQL")?;
        self.ready().await
    }

    /// Ends it, and its sessions with it.
    pub async fn stop(&self) {
        self.process.stop(Signal::Quit, STOP_BOUND).await;
    }

    async fn ready(&self) -> Result<()> {
        let end = Instant::now() + BOUND;
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            if let Some(exit) = self.process.exit() {
                bail!("PostgreSQL ended: {exit}; {}", self.process.log_tail());
            }
            match self.session().await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > end => {
                    return Err(error.context(self.process.log_tail()));
                }
                Err(_) => {}
            }
        }
    }
}

/// The files of a server, which belong to the user that it runs as.
struct Files {
    dir: PathBuf,
    run_as: Option<RunAs>,
}

impl Files {
    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    async fn make(&self, tools: &PostgresTools) -> Result<()> {
        fs::create_dir(&self.dir).context("make the server's folder")?;
        self.own(&self.dir)?;
        let password = self.dir.join("password");
        fs::write(&password, PASSWORD).context("write the password")?;
        self.own(&password)?;
        Program::new(tools.program("initdb"), self.dir.join("initdb.log"))
            .arg("-D")
            .arg(self.data())
            .arg("--pwfile")
            .arg(&password)
            .args(["-U", USER, "--auth=scram-sha-256", "--no-sync", "--no-instructions"])
            .args(["--encoding=UTF8", "--locale=C.UTF-8"])
            .run_as(self.run_as.clone())
            .finish(BOUND)
            .await
            .context("make a server")?;
        // The lab's gateway comes from an address of its own.
        self.write("pg_hba.conf", "host all all 127.0.0.0/8 scram-sha-256\n")
    }

    /// Writes a file that the server insists is its own.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.data().join(name);
        fs::write(&path, text).with_context(|| format!("write {name}"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .with_context(|| format!("close {name} to others"))?;
        self.own(&path)
    }

    fn own(&self, path: &Path) -> Result<()> {
        let Some(user) = &self.run_as else { return Ok(()) };
        user.own(path).with_context(|| format!("hand over {}", path.display()))
    }
}
