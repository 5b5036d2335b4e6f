//! The real binary: as a server that may be killed, and as the commands a person types.

use std::ffi::OsStr;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use landfall_api::Client;
use landfall_lab::process::{Exit, Program, Running, Signal};

/// Where in the journal the orchestrator kills itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPoint {
    /// The journal position.
    pub at: u64,
    /// `written` or `effect`.
    pub when: &'static str,
}

/// A binary, its state and its environment.
pub struct Product {
    binary: PathBuf,
    state: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    /// A script that starts the server in surroundings of its own.
    wrapper: Option<PathBuf>,
    /// Where the API answers.
    pub api: SocketAddr,
    /// Where Envoy connects.
    pub xds: SocketAddr,
    server: Option<Running>,
}

/// A port nobody listens on right now, below those that outgoing connections get: a server that
/// was stopped must find it free when it is started again.
pub fn free_address() -> Result<SocketAddr> {
    const PORTS: std::ops::Range<u64> = 10_240..30_240;
    for _ in 0..100 {
        let chance = RandomState::new().hash_one(0_u8) % (PORTS.end - PORTS.start);
        let port = u16::try_from(PORTS.start + chance).context("find a free port")?;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().context("find a free port");
        }
    }
    bail!("a hundred ports are taken");
}

impl Product {
    /// The binary that `cargo xtask` built, in a folder of its own.
    pub fn new(dir: &Path, environment: Vec<(String, String)>) -> Result<Self> {
        let binary = std::env::var_os("LANDFALL_BIN")
            .map(PathBuf::from)
            .context("LANDFALL_BIN does not name the built binary; run this through cargo xtask")?;
        ensure!(binary.is_file(), "LANDFALL_BIN names {}, which is no file", binary.display());
        Ok(Self {
            binary,
            state: dir.join("state"),
            log: dir.join("landfall.log"),
            environment,
            wrapper: None,
            api: free_address()?,
            xds: free_address()?,
            server: None,
        })
    }

    /// Sets a variable for whatever is started from here on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What `landfall serve` logged, all starts together.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The server's pid.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Running::pid)
    }

    /// Another orchestrator on the same state, with ports and a log of its own.
    pub fn beside(&self) -> Result<Self> {
        let log = self.log.with_extension("beside.log");
        let (environment, wrapper) = (self.environment.clone(), self.wrapper.clone());
        let (binary, state) = (self.binary.clone(), self.state.clone());
        let (api, xds) = (free_address()?, free_address()?);
        Ok(Self { binary, state, log, environment, wrapper, api, xds, server: None })
    }

    /// Another orchestrator on the same shared store, with a state directory of its own, as on
    /// another machine.
    pub fn elsewhere(&self) -> Result<Self> {
        let state = self.state.with_extension("elsewhere");
        Ok(Self { state, ..self.beside()? })
    }

    /// From the next start on, the server runs under a script: its arguments are the command.
    pub fn wrap(&mut self, script: PathBuf) {
        self.wrapper = Some(script);
    }

    /// Starts `landfall serve` and waits until it answers.
    pub async fn serve(&mut self, crash: Option<CrashPoint>) -> Result<()> {
        match crash {
            None => self.serve_with(self.serving()).await,
            Some(point) => self.serve_until(&point.at.to_string(), point.when).await,
        }
    }

    /// The same, and it kills itself at a journal position, or at a step named by its id: there
    /// at the step's first record (`written`), or after its first effect (`effect`).
    pub async fn serve_until(&mut self, at: &str, when: &str) -> Result<()> {
        let program = self.serving().env("LANDFALL_CRASH_AT", at).env("LANDFALL_CRASH_WHEN", when);
        self.serve_with(program).await
    }

    fn serving(&self) -> Program {
        let mut program = match &self.wrapper {
            Some(script) => Program::new("/bin/sh", &self.log).arg(script).arg(&self.binary),
            None => Program::new(&self.binary, &self.log),
        };
        program = program
            .args(["serve", "--state"])
            .arg(&self.state)
            .args(["--listen", &self.api.to_string()])
            .args(["--xds-listen", &self.xds.to_string()])
            .when_we_die(Signal::Kill);
        for (name, value) in &self.environment {
            program = program.env(name, value);
        }
        program
    }

    async fn serve_with(&mut self, program: Program) -> Result<()> {
        let running = program.start().await.context("start landfall serve")?;
        self.server = Some(running);
        self.answers(Duration::from_secs(30)).await
    }

    /// Starts a command that goes on beside its caller and dies with it; what it writes, to
    /// stdout and stderr, goes to `log`.
    pub async fn start<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        log: &Path,
    ) -> Result<Running> {
        let mut program = Program::new(&self.binary, log)
            .args(arguments)
            .env("LANDFALL_STATE", &self.state)
            .env("LANDFALL_BY", "stage")
            .when_we_die(Signal::Kill);
        for (name, value) in &self.environment {
            program = program.env(name, value);
        }
        if self.server.is_some() {
            program = program.env("LANDFALL_SERVER", format!("http://{}", self.api));
        }
        program.start().await.context("start landfall")
    }

    async fn answers(&self, bound: Duration) -> Result<()> {
        let client = self.client()?;
        let end = tokio::time::Instant::now() + bound;
        loop {
            if client.health().await.is_ok() || self.exited().is_some() {
                return Ok(());
            }
            if tokio::time::Instant::now() > end {
                bail!("landfall serve does not answer within {bound:?}:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How the server ended, when it has.
    pub fn exited(&self) -> Option<Exit> {
        self.server.as_ref().and_then(Running::exit)
    }

    /// Stops the server as an operator would, or as a power cut would.
    pub async fn stop(&mut self, signal: Signal) {
        if let Some(server) = self.server.take() {
            server.stop(signal, Duration::from_secs(20)).await;
        }
    }

    /// Sends the server a signal and leaves it at that.
    pub fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server {
            server.signal(signal);
        }
    }

    /// A client of the server's API.
    pub fn client(&self) -> Result<Client> {
        Client::new(&format!("http://{}", self.api)).context("make a client")
    }

    /// A command line of the binary, with this product's state and environment, not yet run.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env("LANDFALL_STATE", &self.state);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if self.server.is_some() {
            command.env("LANDFALL_SERVER", format!("http://{}", self.api));
        }
        command.env("LANDFALL_BY", "stage").stdin(std::process::Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Output> {
        self.command(arguments).output().context("run landfall")
    }

    /// Runs a command that must succeed, and returns what it wrote to stdout.
    pub fn succeed<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        let output = self.run(arguments)?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "landfall ended with {}:\n{stderr}", output.status);
        String::from_utf8(output.stdout).context("read what landfall wrote")
    }
}
