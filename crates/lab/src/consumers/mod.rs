//! Real consumers of changes: a broker that speaks Kafka's protocol, a Kafka Connect worker with
//! Debezium's connector for PostgreSQL, and a reader of what arrived.
//!
//! The broker keeps everything in memory, and the worker's offsets are a file beside it: a worker
//! that is stopped or killed and started again goes on where it was, with the connectors that the
//! lab remembers for it. Both die with this process; the folder is the caller's to remove.

mod broker;
mod feed;
mod rest;
mod topic;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use broker::Broker;
pub use feed::{Feed, Settings};
pub use topic::Record;
pub use worker::{Mode, Worker};

use crate::process::{self, Exit};
use crate::tools::ConnectTools;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("write {path}", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("find a free port")]
    Port(#[source] io::Error),
    #[error("start a consumer's program")]
    Program(#[source] process::Error),
    #[error("keep {program} running: {exit}; {tail}")]
    Ended { program: &'static str, exit: Exit, tail: String },
    #[error("see {program} ready at {address} within {bound:?}; {tail}")]
    NotReady { program: &'static str, address: SocketAddr, bound: Duration, tail: String },
    #[error("ask the worker at {address} for {path}: {detail}")]
    Call { address: SocketAddr, path: String, detail: String },
    #[error("see connector {connector} run within {bound:?}; its status is {status}")]
    NotRunning { connector: String, bound: Duration, status: String },
    #[error("read what arrived: {0}")]
    Unreadable(String),
}

/// A broker and a worker. Dropping it ends both.
#[derive(Debug)]
pub struct Consumers {
    pub broker: Broker,
    pub worker: Worker,
    tools: ConnectTools,
    dir: PathBuf,
}

impl Consumers {
    /// Starts both below `dir`, and returns once the worker takes connectors.
    pub async fn start(tools: ConnectTools, dir: &Path, mode: Mode) -> Result<Self, Error> {
        std::fs::create_dir_all(dir)
            .map_err(|cause| Error::File { path: dir.to_owned(), cause })?;
        let broker = Broker::start(&tools, dir).await?;
        let worker = Worker::start(&tools, dir, broker.address(), mode).await?;
        Ok(Self { broker, worker, tools, dir: dir.to_owned() })
    }

    /// Every record in the topics whose names begin so, in each topic's order.
    pub async fn read(&self, prefix: &str) -> Result<Vec<Record>, Error> {
        topic::read(&self.tools, &self.dir, self.broker.address(), prefix).await
    }
}
