//! The Kafka Connect worker: a Java process with Debezium's connector as its plugin.
//!
//! Standalone it is quick and keeps its offsets in a file, but forgets its connectors when it
//! ends; so the lab remembers them and gives them again, stopped, paused or running as they were
//! last seen. Distributed it keeps everything at the broker, and every change waits for its group.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::Method;
use serde_json::{Value, json};

use super::{Error, Settings, rest};
use crate::pooler::free_address;
use crate::process::{Program, Running, Signal, Stopped};
use crate::tools::ConnectTools;

const READY_BOUND: Duration = Duration::from_secs(120);
const RUNNING_BOUND: Duration = Duration::from_secs(60);
const STOP_BOUND: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);
const NAME: &str = "the worker";

/// How a worker keeps what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In a file, by itself.
    Standalone,
    /// At the broker, as a member of a group.
    Distributed,
}

/// A connector as it was when the worker last answered.
#[derive(Debug, Clone)]
struct Known {
    settings: Value,
    state: String,
}

/// A worker, running or not. Dropping it ends the process.
#[derive(Debug)]
pub struct Worker {
    program: Program,
    address: SocketAddr,
    mode: Mode,
    running: Mutex<Option<Running>>,
    known: Mutex<BTreeMap<String, Known>>,
}

impl Worker {
    pub(super) async fn start(
        tools: &ConnectTools,
        dir: &Path,
        broker: SocketAddr,
        mode: Mode,
    ) -> Result<Self, Error> {
        let address = free_address().map_err(Error::Port)?;
        let program = program(tools, dir, (broker, address), mode)?;
        let (running, known) = (Mutex::default(), Mutex::default());
        let worker = Self { program, address, mode, running, known };
        worker.start_again().await?;
        Ok(worker)
    }

    /// Starts it where it stopped, when it does not run.
    pub async fn start_again(&self) -> Result<(), Error> {
        if self.is_running() {
            return Ok(());
        }
        let process = self.program.clone().start().await.map_err(Error::Program)?;
        *self.running() = Some(process);
        self.wait_until_ready().await?;
        if self.mode == Mode::Standalone {
            self.give_back().await?;
        }
        Ok(())
    }

    /// The REST interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn is_running(&self) -> bool {
        self.running().as_ref().is_some_and(Running::is_running)
    }

    /// The process while it lives.
    pub fn pid(&self) -> Option<u32> {
        self.running().as_ref().filter(|process| process.is_running()).map(Running::pid)
    }

    /// Ends it in order: tasks stop, offsets are stored.
    pub async fn stop(&self) -> Option<Stopped> {
        self.end(Signal::Terminate).await
    }

    /// Ends it at once, as a crash does.
    pub async fn kill(&self) -> Option<Stopped> {
        self.end(Signal::Kill).await
    }

    async fn end(&self, signal: Signal) -> Option<Stopped> {
        self.look().await;
        let process = self.running().take()?;
        Some(process.stop(signal, STOP_BOUND).await)
    }

    /// Gives it a connector, or other settings for one, and waits until its task runs.
    pub async fn create(&self, connector: &str, settings: &Settings) -> Result<(), Error> {
        let path = format!("/connectors/{connector}/config");
        self.change(Method::PUT, &path, Some(&json!(settings))).await?;
        self.runs(connector).await
    }

    /// A connector's status as the worker tells it.
    pub async fn status(&self, connector: &str) -> Result<Value, Error> {
        let path = format!("/connectors/{connector}/status");
        self.call(Method::GET, &path, None).await.map(|(_, status)| status)
    }

    /// Waits until a connector's task runs, as far as the worker knows.
    pub async fn runs(&self, connector: &str) -> Result<(), Error> {
        let deadline = Instant::now() + RUNNING_BOUND;
        let mut tick = tokio::time::interval(POLL);
        loop {
            tick.tick().await;
            let status = self.status(connector).await?;
            if status.pointer("/tasks/0/state") == Some(&json!("RUNNING")) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let (connector, status) = (connector.to_owned(), status.to_string());
                return Err(Error::NotRunning { connector, bound: RUNNING_BOUND, status });
            }
        }
    }

    /// Asks the worker for anything; the answer is its status code and its JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), Error> {
        let failed = |detail: String| {
            let path = path.to_owned();
            Error::Call { address: self.address, path, detail }
        };
        rest::call(self.address, method, path, body)
            .await
            .map_err(|error| failed(error.to_string()))
    }

    async fn change(&self, method: Method, path: &str, body: Option<&Value>) -> Result<(), Error> {
        let (status, answer) = self.call(method, path, body).await?;
        if (200..300).contains(&status) {
            return Ok(());
        }
        let (address, path) = (self.address, path.to_owned());
        Err(Error::Call { address, path, detail: format!("{status} {answer}") })
    }

    /// Remembers its connectors. One that does not answer any more is remembered as it was.
    async fn look(&self) {
        let path = "/connectors?expand=info&expand=status";
        let Ok((200, answer)) = self.call(Method::GET, path, None).await else { return };
        let Some(connectors) = answer.as_object() else { return };
        let seen = connectors.iter().map(|(name, told)| {
            let text = |pointer| told.pointer(pointer).cloned().unwrap_or_default();
            let state = text("/status/connector/state").as_str().unwrap_or_default().to_owned();
            (name.clone(), Known { settings: text("/info/config"), state })
        });
        *self.known() = seen.collect();
    }

    async fn give_back(&self) -> Result<(), Error> {
        let known = self.known().clone();
        for (name, connector) in known {
            let state = match connector.state.as_str() {
                state @ ("STOPPED" | "PAUSED") => state,
                _ => "RUNNING",
            };
            let body =
                json!({ "name": name, "config": connector.settings, "initial_state": state });
            self.change(Method::POST, "/connectors", Some(&body)).await?;
        }
        Ok(())
    }

    /// It answers 404 to everything for a while before it knows its own interface.
    async fn wait_until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + READY_BOUND;
        let mut tick = tokio::time::interval(POLL);
        while Instant::now() < deadline {
            tick.tick().await;
            let ended = self.running().as_ref().and_then(|it| Some((it.exit()?, it.log_tail())));
            if let Some((exit, tail)) = ended {
                return Err(Error::Ended { program: NAME, exit, tail });
            }
            if let Ok((200, _)) = self.call(Method::GET, "/connectors", None).await {
                return Ok(());
            }
        }
        let tail = self.running().as_ref().map(Running::log_tail).unwrap_or_default();
        let (address, bound) = (self.address, READY_BOUND);
        Err(Error::NotReady { program: NAME, address, bound, tail })
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The program, with its files written.
fn program(
    tools: &ConnectTools,
    dir: &Path,
    (broker, listen): (SocketAddr, SocketAddr),
    mode: Mode,
) -> Result<Program, Error> {
    let (own, class) = match mode {
        Mode::Standalone => (standalone(dir), "ConnectStandalone"),
        Mode::Distributed => (DISTRIBUTED.to_owned(), "ConnectDistributed"),
    };
    let plugins = tools.plugins();
    let settings = format!(
        "bootstrap.servers={broker}\nlisteners=http://{listen}\nplugin.path={}\n{COMMON}{own}",
        plugins.display()
    );
    let file = write(dir.join("worker.properties"), &settings)?;
    let log = write(dir.join("log4j2.properties"), LOG)?;
    let classes = std::env::join_paths([tools.classes(), tools.worker_jars()])
        .map_err(|error| Error::Unreadable(error.to_string()))?;
    Ok(Program::new(tools.java(), dir.join("worker.log"))
        .args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(format!("-Dlog4j2.configurationFile={}", log.display()))
        .arg("-cp")
        .arg(classes)
        .arg(format!("org.apache.kafka.connect.cli.{class}"))
        .arg(file))
}

const COMMON: &str = "key.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n\
    key.converter.schemas.enable=false\n\
    value.converter.schemas.enable=false\n\
    offset.flush.interval.ms=500\n\
    plugin.discovery=service_load\n";

/// The group's timing stays as it is by default: shorter heartbeats made restarts join for ever.
const DISTRIBUTED: &str = "group.id=lab\n\
    config.storage.topic=lab-configs\n\
    config.storage.replication.factor=1\n\
    offset.storage.topic=lab-offsets\n\
    offset.storage.replication.factor=1\n\
    offset.storage.partitions=1\n\
    status.storage.topic=lab-status\n\
    status.storage.replication.factor=1\n\
    status.storage.partitions=1\n";

const LOG: &str = "status=error\n\
    appender.out.type=Console\n\
    appender.out.name=out\n\
    appender.out.layout.type=PatternLayout\n\
    appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n\n\
    rootLogger.level=info\n\
    rootLogger.appenderRef.out.ref=out\n";

fn standalone(dir: &Path) -> String {
    format!("offset.storage.file.filename={}\n", dir.join("offsets.dat").display())
}

fn write(path: PathBuf, text: &str) -> Result<PathBuf, Error> {
    match std::fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(cause) => Err(Error::File { path, cause }),
    }
}
