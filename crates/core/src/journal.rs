//! The journal: every decision, effect and request of a move, append-only, in one order.
//!
//! It is the audit trail, the timeline and the state: status and facts are folds of it. A record
//! is appended at the position after the last one its writer has read; if somebody was faster the
//! append is refused and the writer reads again. That one compare-and-set is where abort and
//! release contend: whichever commits first wins. The leader's records carry its epoch too.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Action, SessionsEnded};
use crate::experience::PastMove;
use crate::facts::Fact;
use crate::failure::Failure;
use crate::ids::{Epoch, MigrationName, Seq, ServiceName};
use crate::port::Stamp;
use crate::port::router::Route;
use crate::problem::Problem;
use crate::sample::{Sample, Series};
use crate::spec::Spec;
use crate::status::{Course, Outcome, Phase, Road};

/// The version of the records this code writes; readers refuse what is newer.
pub const RECORD_VERSION: u16 = 1;

/// Whether an intent leaves a way back by undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Commitment {
    /// It can be undone.
    Revocable,
    /// It is the point of no return.
    Committed,
}

/// Who decided on an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The step that the move stands in.
    #[default]
    Step,
    /// The watch over the fenced side, which goes on whatever the move does.
    Watch,
}

impl Cause {
    /// Whether it goes without saying.
    #[must_use]
    pub const fn is_step(&self) -> bool {
        matches!(self, Self::Step)
    }
}

/// What a person, or the pause budget, asks of a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "request")]
pub enum Request {
    /// Back to the source, losing nothing; refused after the point of no return.
    Abort {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Opens a gate.
    Approve {
        /// Which.
        gate: String,
        /// Who.
        by: String,
        /// What they had to say.
        note: String,
    },
    /// Stops between two actions.
    Pause {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Looks again after a stop or a pause.
    Resume {
        /// Who.
        by: String,
    },
    /// Back to the source after the release, with everything written since; refused when the way
    /// back is not whole, unless a loss is accepted.
    RollBack {
        /// Who.
        by: String,
        /// Why.
        why: String,
        /// Why a loss of what was written since the release is accepted, in the words of who
        /// accepts it; absent = lossless or not at all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        accept_loss: Option<String>,
    },
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Effect {
    /// The port took it; the next observation tells whether it is done.
    Taken {
        /// The sessions that it ended, when it ended any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<SessionsEnded>,
    },
    /// The port says no, or nothing.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl Effect {
    /// Taken, and there is nothing to say of it.
    pub const TAKEN: Self = Self::Taken { ended: None };
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// A person started the move, or a new attempt after an undone one.
    Started {
        /// The road.
        road: Road,
        /// The spec, with every default filled in.
        spec: Box<Spec>,
        /// Who.
        by: String,
        /// The finished moves by which this one's forecast is judged.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        experience: Vec<PastMove>,
    },
    /// An orchestrator took the lead, with the entry's epoch.
    Led {
        /// Its name: host, pid, start.
        holder: String,
    },
    /// A step became the current one.
    Entered {
        /// Its phase.
        phase: Phase,
        /// Doing it or undoing it.
        course: Course,
    },
    /// Something that cannot be read back later.
    Learned {
        /// What.
        fact: Box<Fact>,
    },
    /// An action will be done; written before it is.
    Intended {
        /// What.
        action: Box<Action>,
        /// What was seen when it was decided.
        seen: Value,
        /// Doing or undoing.
        course: Course,
        /// Whether this is the point of no return.
        commitment: Commitment,
        /// Who decided on it.
        #[serde(default, skip_serializing_if = "Cause::is_step")]
        cause: Cause,
    },
    /// The action's call came back.
    Acted {
        /// How.
        effect: Effect,
    },
    /// The world needs time; written when the reason changes.
    Waiting {
        /// What is awaited.
        why: String,
        /// When it becomes a problem.
        deadline: Option<Timestamp>,
    },
    /// The step is done, seen to be done.
    Completed {
        /// What was seen.
        seen: Value,
    },
    /// A gate waits for an approval.
    GateOpened {
        /// Which.
        gate: String,
    },
    /// Somebody asked for something.
    Requested {
        /// What.
        request: Request,
    },
    /// A roll-back was taken back before its own point of no return: the move goes on behind its
    /// release.
    Returned {
        /// The phase of the step it goes on with.
        phase: Phase,
    },
    /// A problem stopped the move.
    Stopped {
        /// Which.
        problem: Problem,
    },
    /// The end.
    Finished {
        /// Which.
        outcome: Outcome,
    },
}

impl Record {
    /// What came of an order, as its port told it.
    #[must_use]
    pub fn acted(done: &Result<SessionsEnded, Failure>) -> Self {
        let effect = match done {
            Ok(ended) => {
                Effect::Taken { ended: Some(ended.clone()).filter(|ended| !ended.is_empty()) }
            }
            Err(failure) => Effect::Failed { failure: failure.clone() },
        };
        Self::Acted { effect }
    }

    /// The record's name, as stored.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Led { .. } => "led",
            Self::Entered { .. } => "entered",
            Self::Learned { .. } => "learned",
            Self::Intended { .. } => "intended",
            Self::Acted { .. } => "acted",
            Self::Waiting { .. } => "waiting",
            Self::Completed { .. } => "completed",
            Self::GateOpened { .. } => "gate_opened",
            Self::Requested { .. } => "requested",
            Self::Returned { .. } => "returned",
            Self::Stopped { .. } => "stopped",
            Self::Finished { .. } => "finished",
        }
    }
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The move.
    pub migration: MigrationName,
    /// Its position.
    pub seq: Seq,
    /// The leader's epoch; for a request, the epoch that led when it came.
    pub epoch: Epoch,
    /// When it was written.
    pub at: Timestamp,
    /// The step it belongs to.
    pub step: Option<String>,
    /// What happened.
    pub record: Record,
    /// Version of the record's form.
    pub version: u16,
}

/// Who may write: the leader, fenced by its epoch, or a person, whose requests need no lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The orchestrator that holds the lease with this epoch.
    Leader(Epoch),
    /// A person or the API on their behalf.
    Person,
}

/// A record to append.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// The move.
    pub migration: MigrationName,
    /// The last position its writer has read; the record goes right after it.
    pub after: Seq,
    /// Who writes.
    pub author: Author,
    /// When.
    pub at: Timestamp,
    /// The step it belongs to.
    pub step: Option<String>,
    /// What happened.
    pub record: Record,
}

/// The right to lead one move until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The move.
    pub migration: MigrationName,
    /// Grows by one each time the lease is taken.
    pub epoch: Epoch,
    /// Who leads.
    pub holder: String,
    /// Until when, unless renewed.
    pub until: Timestamp,
}

/// What keeps a store from being used, as far as its remedy depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreTrouble {
    /// No room.
    Full,
    /// Not ours to write.
    Forbidden,
    /// Somebody keeps it.
    Locked,
    /// The disk reports errors.
    DiskErrors,
    /// It holds what nobody wrote.
    Damaged,
    /// Records that do not follow from each other.
    ChangedByHand,
    /// Written by a newer Landfall.
    Newer,
    /// Its server does not answer.
    Unreachable,
    /// Its server does not let us in, or not do what we must.
    Refused,
    /// Anything else.
    Other,
}

impl StoreTrouble {
    /// What is safe, and what to do on the machine itself.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Full => "nothing was written: free space there, then resume",
            Self::Forbidden => {
                "nothing was written: check who owns the directory and the file, and their modes, \
                 or choose another state directory"
            }
            Self::Locked => {
                "nothing was written: another process kept the file locked; end it, then try again"
            }
            Self::DiskErrors => "nothing was written: check the disk under it",
            Self::Damaged => "it is damaged: stop, keep a copy, and restore it from a backup",
            Self::ChangedByHand => "stop, and keep a copy before anything else",
            Self::Newer => "use the version that wrote it, or a newer one",
            Self::Unreachable => {
                "nothing more is done until it answers, and whether a last record was written is \
                 then read back: bring the server or the way to it back"
            }
            Self::Refused => {
                "nothing was written: check the role, its password and its rights on that database"
            }
            Self::Other => "nothing was written",
        }
    }
}

/// Why the store refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Somebody appended first.
    #[error("position {0} of the journal is taken")]
    Outrun(Seq),
    /// Another orchestrator leads.
    #[error("epoch {0} no longer leads")]
    EpochLost(Epoch),
    /// The lease is held.
    #[error("the lease is held by {holder} until {until}")]
    LeaseHeld {
        /// By whom.
        holder: String,
        /// Until when.
        until: Timestamp,
    },
    /// The stored route has another epoch than expected.
    #[error("the route of {service} has epoch {found}")]
    RouteOutrun {
        /// The service.
        service: ServiceName,
        /// What stands.
        found: u64,
    },
    /// Written by a newer Landfall.
    #[error("the store was written by a newer version ({0})")]
    Newer(u16),
    /// The medium refused: disk full, permissions, corruption.
    #[error("could not {what}: {told}; {}", trouble.remedy())]
    Medium {
        /// What it was to do, with the file's name.
        what: String,
        /// What it said.
        told: String,
        /// What that comes to.
        trouble: StoreTrouble,
    },
}

impl StoreError {
    /// What keeps the store from being used; somebody who was faster keeps it from nothing.
    pub const fn trouble(&self) -> StoreTrouble {
        match self {
            Self::Medium { trouble, .. } => *trouble,
            Self::Newer(_) => StoreTrouble::Newer,
            Self::Outrun(_)
            | Self::EpochLost(_)
            | Self::LeaseHeld { .. }
            | Self::RouteOutrun { .. } => StoreTrouble::Other,
        }
    }
}

/// Journal, leases and routes. One conformance suite serves every implementation.
#[async_trait]
pub trait Store: Send + Sync {
    /// Every move the store knows, by name.
    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError>;
    /// Appends one record right after `entry.after`, or refuses; durable when it returns.
    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError>;
    /// Entries after a position, in order.
    async fn read(&self, migration: &MigrationName, after: Seq) -> Result<Vec<Entry>, StoreError>;
    /// Takes the lease when it is free or expired at `now`; the epoch grows by one. What comes back
    /// ends by the caller's clock, and never later than the store frees it.
    async fn take_lease(
        &self,
        migration: &MigrationName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError>;
    /// Extends a lease that is still ours. A store with a clock of its own judges by that one, and
    /// takes from `now` and `until` only how long the lease lasts.
    async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError>;
    /// Gives a lease back; a no-op when it is no longer ours.
    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError>;
    /// The lease as stored, held or expired, by the clock that the store judges by.
    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError>;
    /// A service's route.
    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError>;
    /// All routes.
    async fn routes(&self) -> Result<Vec<Route>, StoreError>;
    /// Adds measurements to a series of a move; what is not newer than its newest is known already.
    /// Needs no lease: whoever measures, measures the same.
    async fn put_samples(
        &self,
        migration: &MigrationName,
        series: Series,
        samples: &[Sample],
    ) -> Result<(), StoreError>;
    /// A series of a move, oldest first, downsampled as [`crate::sample`] says.
    async fn samples(
        &self,
        migration: &MigrationName,
        series: Series,
    ) -> Result<Vec<Sample>, StoreError>;
    /// Stores a route whose epoch is the stored one plus one; storing what stands is success. A
    /// leader names its move and epoch, and is refused when it no longer leads; a person adopts.
    async fn put_route(&self, route: &Route, by: Option<&Stamp>) -> Result<(), StoreError>;
}
