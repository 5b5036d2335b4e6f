//! The ports: what Landfall may ask of the world, and the only way to change it.
//!
//! Each adapter implements one trait and sees no other. Reads return views; every write is one
//! `act` with an [`Action`](crate::Action), so that what is journaled is what is done. Unknown
//! objects are `None`, not failures.

pub mod cloud;
pub mod consumers;
pub mod database;
pub mod equipment;
pub mod passwords;
pub mod router;
pub mod tests;
pub mod way_back;
pub mod zone;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use cloud::Cloud;
pub use consumers::Consumers;
pub use database::Database;
pub use passwords::Passwords;
pub use router::Router;
pub use tests::Tests;
pub use zone::Zone;

use crate::ids::{Epoch, MigrationName};

/// Who does something: put on everything that is created (`landfall:migration`, `landfall:epoch`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The move on whose behalf the action is done.
    pub migration: MigrationName,
    /// The orchestrator's generation.
    pub epoch: Epoch,
}

/// Time, so that tests and the simulator can own it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The instant now.
    fn now(&self) -> Timestamp;
    /// Lets `duration` pass.
    async fn sleep(&self, duration: Duration);
}

/// The ports of one move. `database` is absent in the credential-free mode.
#[derive(Clone, Copy)]
pub struct Ports<'a> {
    /// The AWS control plane.
    pub cloud: &'a dyn Cloud,
    /// SQL access, when the spec gives it.
    pub database: Option<&'a dyn Database>,
    /// The gateway.
    pub router: &'a dyn Router,
    /// The owner's tests that are not SQL.
    pub tests: &'a dyn Tests,
    /// Time.
    pub clock: &'a dyn Clock,
}
