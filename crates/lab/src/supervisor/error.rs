//! Why a lab could not be brought up, found or taken down. Each fits after "could not".

use std::io;
use std::path::PathBuf;

use crate::cloud::machines::MachineError;
use crate::cloud::refusal::Refusal;
use crate::{consumers, gateway, server, tools};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the policies of the lab's users: {0}")]
    Policy(String),
    #[error("make certificates: {0}")]
    Certificates(String),
    #[error("make the lab's folder {path}", path = .path.display())]
    Folder {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("bring up a lab in {path}: one is there; take it down first", path = .path.display())]
    Occupied { path: PathBuf },
    #[error("{0}")]
    Tools(#[from] tools::Error),
    #[error("{0}")]
    Machine(#[from] MachineError),
    #[error("set up the source: {0}")]
    Source(Refusal),
    #[error("open a door on loopback")]
    Door(#[source] io::Error),
    #[error("write or read {path}", path = .path.display())]
    Record {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("find a lab in {path}", path = .path.display())]
    NoLab { path: PathBuf },
    #[error("find instance {0} with a running server")]
    NoInstance(String),
    #[error("run SQL as the lab")]
    Sql(#[source] Box<server::Error>),
    #[error("run SQL as the lab: {0}")]
    Statement(String),
    #[error("start the consumer")]
    Capture(#[source] Box<consumers::Error>),
    #[error("start the gateway")]
    Gateway(#[source] gateway::Error),
    #[error("reach the control door at {url}: {detail}")]
    Control { url: String, detail: String },
    #[error("see the lab's process {pid} end")]
    StillRunning { pid: u32 },
}
