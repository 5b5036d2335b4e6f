//! A move as the API shows it: where it stands, the whole table, and what it waits for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::journal::{Commitment, Entry};
use landfall_core::port::router::Waiting;
use landfall_core::problem::Writes;
use landfall_core::{
    ClusterId, Epoch, Facts, InstanceId, MigrationName, Phase, Seq, Series, ServiceName, Spec,
    Status,
};
use serde::{Deserialize, Serialize};

use crate::problem::ApiProblem;

/// `POST /v1/moves`: starts a move, or goes on with it when the spec is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartMove {
    /// The spec, as TOML.
    pub spec_toml: String,
    /// Who starts it.
    pub by: String,
}

/// What `POST /v1/moves` did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The move.
    pub name: MigrationName,
    /// False when it was under way already.
    pub new: bool,
    /// The last position of its journal.
    pub last: Seq,
}

/// `POST /v1/moves/{name}/{approve|pause|resume|abort|roll-back|retire}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Who.
    pub by: String,
    /// Why, or the note on an approval.
    #[serde(default)]
    pub why: String,
    /// Which gate, for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<String>,
    /// For a roll-back that loses something: why that is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_loss: Option<String>,
}

/// One line of `GET /v1/moves`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MoveLine {
    /// A move and where it stands.
    Stands(Box<MoveSummary>),
    /// A move whose journal cannot be read; the others can.
    Unreadable {
        /// The move.
        name: MigrationName,
        /// Why, and what to do.
        problem: Box<ApiProblem>,
    },
}

/// A move in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveSummary {
    /// The move.
    pub name: MigrationName,
    /// The source.
    pub source: InstanceId,
    /// The target.
    pub target: ClusterId,
    /// Where it stands.
    pub status: Status,
    /// Who takes writes.
    pub writes: Writes,
    /// When its journal last grew.
    pub updated_at: Timestamp,
}

/// Where a row of the table stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Not yet.
    Ahead,
    /// The current one.
    Here,
    /// Done.
    Done,
    /// Was reached, and is taken back.
    Undone,
}

/// Whether a row lies inside the pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Traffic flows.
    Outside,
    /// New connections wait at the gateway.
    Pause,
}

/// One row of the process, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowView {
    /// Its phase.
    pub phase: Phase,
    /// Its step id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// Where it stands.
    pub place: Place,
    /// When it was done.
    pub completed_at: Option<Timestamp>,
    /// Inside the pause or not.
    pub window: Window,
    /// Whether it is the point of no return, or behind it.
    pub commitment: Commitment,
}

/// The time for which connections wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseClock {
    /// When traffic was held.
    pub since: Timestamp,
    /// When it flowed again; absent while it waits.
    pub until: Option<Timestamp>,
    /// Milliseconds it may last.
    pub budget_ms: u64,
}

/// A series of measurements in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The newest.
    pub newest: f64,
    /// When it was measured: by AWS's clock what CloudWatch says, by Landfall's the rest.
    pub at: Timestamp,
    /// The highest of this attempt.
    pub maximum: f64,
    /// All of them together.
    pub total: f64,
}

/// Connections of one service that wait at one proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingAt {
    /// The service.
    pub service: ServiceName,
    /// The proxy.
    pub node: String,
    /// How many and since when; absent when that proxy's bootstrap does not report it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waiting: Option<Waiting>,
}

/// A person stopped the move between two actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedBy {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, as far as they said.
    pub why: String,
}

/// A gate that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateView {
    /// What `approve` takes.
    pub name: String,
    /// What it opens the way to.
    pub title: String,
    /// What to look at before, with the figures Landfall has.
    pub check: Vec<String>,
}

/// Who leads a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// The orchestrator.
    pub holder: String,
    /// Its generation.
    pub epoch: Epoch,
    /// Until when, unless renewed.
    pub until: Timestamp,
}

/// Whether this server moves the move on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Driven {
    /// It only shows it.
    No,
    /// A driver of this server walks the table.
    Here,
    /// Another orchestrator holds the lease; this one waits for it.
    Elsewhere {
        /// Which.
        holder: String,
    },
    /// The driver could not begin, or ended before the move did.
    Stopped {
        /// Why, for a person.
        why: String,
    },
}

/// What the driver waits for right now, with its last reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// What is awaited.
    pub why: String,
    /// The last reading.
    pub reading: String,
    /// Since when.
    pub since: Timestamp,
    /// When it becomes a problem.
    pub deadline: Option<Timestamp>,
}

/// `GET /v1/moves/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MoveView {
    /// The move.
    pub name: MigrationName,
    /// Where it stands.
    pub status: Status,
    /// The current step in words.
    pub title: String,
    /// Who takes writes.
    pub writes: Writes,
    /// What is safe if everything stops here.
    pub safe: String,
    /// What it waits for, when it waits for the world.
    pub waited: Option<Waited>,
    /// The gate it waits at.
    pub gate: Option<GateView>,
    /// Who paused it.
    pub paused: Option<PausedBy>,
    /// The pause, once traffic was held in this attempt.
    pub pause: Option<PauseClock>,
    /// What waits at each proxy for each service, while traffic is held.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingAt>,
    /// What the sampler measures while a replica follows, by series.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub measured: BTreeMap<Series, Measured>,
    /// Who leads it.
    pub lease: Option<LeaseView>,
    /// Whether this server drives it.
    pub driven: Driven,
    /// The whole table.
    pub rows: Vec<RowView>,
    /// What it remembers.
    pub facts: Facts,
    /// What was asked, defaults filled in.
    pub spec: Spec,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When the current step was entered.
    pub entered_at: Timestamp,
    /// When the journal last grew.
    pub updated_at: Timestamp,
    /// The server's clock.
    pub now: Timestamp,
    /// The journal's last position.
    pub last: Seq,
}

/// `GET /v1/moves/{name}/history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// The move.
    pub name: MigrationName,
    /// Entries after the asked position.
    pub entries: Vec<Entry>,
    /// Step titles by id.
    pub titles: BTreeMap<String, String>,
}
