//! The journal, leases, routes and samples: in one SQLite file, or in a PostgreSQL database.
//!
//! Several processes may open one store at once: a server and a person's command line on a file,
//! servers on several machines on a database. What is written is on the disk before the call
//! returns; a process that dies half-way leaves the last whole record. The file has no clock and
//! no runtime: its calls are short and block, times come in. The database judges leases by its own.

mod fault;
mod journal;
mod lease;
mod postgres;
mod route;
mod sample;
mod schema;
mod sqlite;

pub use postgres::{PostgresAddress, PostgresAddressError, PostgresStore};
pub use sqlite::{FILE_NAME, SqliteStore};
