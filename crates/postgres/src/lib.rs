//! The Database port on tokio-postgres: what an ordinary role may see of a source and its replica,
//! and the few things Landfall does there.
//!
//! It decides nothing: steps do. Every read is one statement on a connection that may be replaced
//! once; every write is idempotent and whole, so that dying half-way leaves the server as before
//! or as after. During the fence it writes rows of its own marker table and nothing else: a role
//! or database setting would travel to the target with the catalogues.

mod access;
mod adapter;
mod analyze;
mod call;
mod connections;
mod fault;
mod marker;
mod questions;
mod quote;
mod reads;
mod secret;
mod server;
mod sessions;
mod slots;
mod smoke;
mod tls;
mod trouble;
mod way_back;

pub use access::{AccessOptions, Encryption};
pub use adapter::PostgresDatabase;
pub use secret::{StoredPassword, read_secret};
pub use slots::SlotDrop;
