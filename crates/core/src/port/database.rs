//! The database port: what an observer's SQL access may see and do.
//!
//! Absent in the credential-free mode. It never writes a catalogue that replicates physically
//! during the fence: a role or database setting changed on the source would lock the application
//! out of the target.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::{DatabaseAction, SessionsEnded};
use crate::failure::Failure;
use crate::ids::{DatabaseName, Endpoint};
use crate::lsn::Lsn;
use crate::port::way_back::{PublisherView, Room, Sequences, SubscriberView, Survey, WayBackName};
use crate::quantity::ByteCount;

/// A server's own account of itself.
#[expect(clippy::struct_excessive_bools, reason = "recovery and writability are PostgreSQL's own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerView {
    /// `server_version_num`, such as 150018.
    pub version_num: u32,
    /// Equal on a physical copy; absent where it may not be read.
    pub system_identifier: Option<u64>,
    /// Timeline, absent where it may not be read.
    pub timeline: Option<u32>,
    /// `pg_is_in_recovery()`.
    pub in_recovery: bool,
    /// `pg_postmaster_start_time()`.
    pub started_at: Timestamp,
    /// The server's clock at the look.
    pub now: Timestamp,
    /// `pg_current_wal_flush_lsn()` on a primary.
    pub flush_lsn: Option<Lsn>,
    /// `pg_last_wal_replay_lsn()` on a replica.
    pub replay_lsn: Option<Lsn>,
    /// `default_transaction_read_only` or the like would refuse a write of ours.
    pub writable: bool,
}

/// What a backend is, as far as the fence must tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// A connection of Landfall's own.
    Ours,
    /// The server's own process: autovacuum, checkpointer, background writer, the provider's admin.
    Server,
    /// A walsender.
    Replication,
    /// Anything else: a client that could write.
    Client,
    /// A backend whose type could not be read. Counts as a client.
    Unknown,
}

/// Where a client session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Idle outside a transaction.
    Idle,
    /// Inside a transaction, running a statement or waiting for the client.
    InTransaction,
}

/// One row of `pg_stat_activity`, without any statement text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Backend pid.
    pub pid: i32,
    /// Kind.
    pub kind: SessionKind,
    /// Idle or in a transaction.
    pub state: SessionState,
    /// Database, when it has one.
    pub database: Option<DatabaseName>,
    /// Role.
    pub user: Option<String>,
    /// application_name.
    pub application: String,
    /// Client address, absent on a Unix socket.
    pub client: Option<String>,
    /// Age of the transaction, zero outside one.
    #[serde(with = "crate::quantity::duration_text")]
    pub transaction_age: Duration,
    /// Time since it connected, by the server's clock; absent when the role may not see it.
    #[serde(default, with = "crate::quantity::optional_duration_text")]
    pub age: Option<Duration>,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotView {
    /// Slot name.
    pub name: String,
    /// Logical plugin; absent on a physical slot.
    pub plugin: Option<String>,
    /// In use.
    pub active: bool,
    /// WAL kept because of it.
    pub retained: ByteCount,
}

/// A setting as running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingView {
    /// `setting` of `pg_settings`.
    pub value: String,
    /// `pending_restart`.
    pub pending_restart: bool,
}

/// An installed extension of one database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExtensionView {
    /// Database.
    pub database: DatabaseName,
    /// Extension.
    pub name: String,
    /// Version as installed.
    pub version: String,
}

/// Rows inserted, updated and deleted since statistics began, per table `schema.table`, per
/// database; Landfall's own schema is left out.
pub type WriteCounters = BTreeMap<DatabaseName, BTreeMap<String, u64>>;

/// Whether our marker can be read on a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkerView {
    /// The marker's table is not there.
    NoTable,
    /// The table is there, this marker is not.
    Absent,
    /// The row can be read; on a primary with the flush position taken after reading it.
    Visible {
        /// `pg_current_wal_flush_lsn()` on a primary, absent on a replica.
        flush_lsn: Option<Lsn>,
    },
}

/// Where a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Once, in the first database.
    Server,
    /// In every database that accepts connections.
    EachDatabase,
}

/// A read-only query of an assessment: one row with one column of type `json`, bounded by its own
/// limits. The same text is asked through an observer's role and printed for the owner to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Stable name, such as `tables_without_identity`.
    pub name: &'static str,
    /// Where.
    pub scope: Scope,
    /// The first major version that understands it.
    pub since: u32,
    /// The query.
    pub sql: &'static str,
    /// What to grant when a role may not ask it; empty when every role may.
    pub grant: &'static str,
}

/// What was said to a [`Question`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its name.
    pub question: String,
    /// The database that was asked; absent for [`Scope::Server`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseName>,
    /// The answer, or why there is none.
    #[serde(flatten)]
    pub said: Said,
}

/// An answer or a refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The column as JSON.
    Answer(serde_json::Value),
    /// It was not answered.
    Refused {
        /// SQLSTATE, when the server refused; absent when it could not be asked.
        sqlstate: Option<String>,
        /// The server's or the network's words.
        words: String,
    },
}

/// SQL access to the instance and its replica, in every database that accepts connections.
#[async_trait]
pub trait Database: Send + Sync {
    /// The server at an endpoint.
    async fn server(&self, at: &Endpoint) -> Result<ServerView, Failure>;
    /// Databases that accept connections.
    async fn databases(&self, at: &Endpoint) -> Result<Vec<DatabaseName>, Failure>;
    /// Every backend.
    async fn sessions(&self, at: &Endpoint) -> Result<Vec<Session>, Failure>;
    /// Global identifiers of prepared transactions.
    async fn prepared_transactions(&self, at: &Endpoint) -> Result<Vec<String>, Failure>;
    /// Write counters of every table of every database.
    async fn write_counters(&self, at: &Endpoint) -> Result<WriteCounters, Failure>;
    /// Replication slots.
    async fn slots(&self, at: &Endpoint) -> Result<Vec<SlotView>, Failure>;
    /// All settings as running.
    async fn settings(&self, at: &Endpoint) -> Result<BTreeMap<String, SettingView>, Failure>;
    /// Installed extensions of every database.
    async fn extensions(&self, at: &Endpoint) -> Result<Vec<ExtensionView>, Failure>;
    /// Whether the marker `token` can be read.
    async fn marker(&self, at: &Endpoint, token: &str) -> Result<MarkerView, Failure>;
    /// Runs one smoke test in a read-only transaction of the first database named in the spec, and
    /// returns the first value it gave, as the server prints it. `Ok(Err(text))` is the test's own
    /// failure; `Err` means it could not be run.
    async fn smoke(
        &self,
        at: &Endpoint,
        sql: &str,
    ) -> Result<Result<Option<String>, String>, Failure>;
    /// Asks everything, each question for itself: one that is refused does not hide the others.
    /// `Err` means that the server could not be reached at all.
    async fn ask(&self, at: &Endpoint, questions: &[Question]) -> Result<Vec<Answer>, Failure>;
    /// Whether the marker `token` can be read in each database.
    async fn markers(
        &self,
        at: &Endpoint,
        token: &str,
    ) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure>;
    /// Every database, as far as a way back can carry it.
    async fn survey(&self, at: &Endpoint) -> Result<BTreeMap<DatabaseName, Survey>, Failure>;
    /// What a way back has room in.
    async fn room(&self, at: &Endpoint) -> Result<Room, Failure>;
    /// Publications and slots of that name, in every database.
    async fn publisher(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure>;
    /// Subscriptions of that name, in every database.
    async fn subscriber(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure>;
    /// Whether the server at `from` reaches the one at `to`, and our role may subscribe there: a
    /// subscription in a transaction that is rolled back, under a role that nobody has, so that the
    /// refusal of its login is the answer. `Ok(Err(text))` is what stands in the way.
    async fn reaches(&self, from: &Endpoint, to: &Endpoint) -> Result<Result<(), String>, Failure>;
    /// Every sequence, from the relation itself. One that our role may not read is a failure: taken
    /// for fresh, it would give out values twice.
    async fn sequences(&self, at: &Endpoint) -> Result<Sequences, Failure>;
    /// Does it, and says which sessions were ended by it.
    async fn act(&self, action: &DatabaseAction) -> Result<SessionsEnded, Failure>;
}
