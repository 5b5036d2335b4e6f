//! The journal, leases, routes and samples in one SQLite file.
//!
//! Several processes may open the file at once: the server, and a person's command line. What is
//! written is on the disk before the call returns; a process that dies half-way leaves the last
//! whole record. No clock and no runtime here: calls are short and block, times come in.

mod fault;
mod journal;
mod lease;
mod route;
mod sample;
mod schema;
mod sqlite;

pub use sqlite::{FILE_NAME, SqliteStore};
