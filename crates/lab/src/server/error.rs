//! What can go wrong with a lab server. Each line fits after "could not".

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::process;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("write {path}", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(
        "let user {user} enter {path}; give it execute permission for others or use a folder \
         elsewhere",
        path = .path.display()
    )]
    Unreachable { path: PathBuf, user: String },
    #[error("use the socket folder {path}: its name is too long for a Unix socket", path = .path.display())]
    SocketPathTooLong { path: PathBuf },
    #[error("run a program of PostgreSQL")]
    Program(#[source] process::Error),
    #[error("start the server in {dir}: {exit}; {tail}", dir = .dir.display())]
    Ended { dir: PathBuf, exit: process::Exit, tail: String },
    #[error("start the server in {dir} within {bound:?}; {tail}", dir = .dir.display())]
    NotReady { dir: PathBuf, bound: Duration, tail: String },
    #[error("find a running server in {dir}", dir = .dir.display())]
    NotRunning { dir: PathBuf },
    #[error("connect to database {database} as the lab")]
    Connect {
        database: String,
        #[source]
        cause: tokio_postgres::Error,
    },
    #[error("run {sql:?} as the lab")]
    Sql {
        sql: String,
        #[source]
        cause: tokio_postgres::Error,
    },
    #[error("read {what} from the server's answer")]
    Answer { what: &'static str },
    #[error("apply the settings; {detail}")]
    Settings { detail: String },
    #[error("drop slot {slot} within {bound:?}: it stays in use")]
    SlotInUse { slot: String, bound: Duration },
}
