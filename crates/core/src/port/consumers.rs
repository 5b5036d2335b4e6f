//! The consumers port: whoever reads the source's changes for others, and must go on at the target
//! without a gap.
//!
//! It carries out single steps and tells what a consumer says of itself. The proof is never here:
//! a consumer that says "running" may emit nothing, so whether it is past a marker is judged by
//! what it stored *and* by its slot, which the database port tells. Positions of two servers are
//! not compared: an offset belongs to one server, and is set anew for another.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::action::ConsumerAction;
use crate::failure::Failure;
use crate::ids::{ConsumerName, DatabaseName, Endpoint};
use crate::lsn::Lsn;

/// What a consumer says that it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerState {
    /// It reads, as far as it knows itself; never a proof that it gets on.
    Running,
    /// It reads nothing and keeps its slot in use.
    Paused,
    /// It has let go of its slot.
    Stopped,
    /// Between two of the others; looked at again.
    Changing,
    /// It has given up, in its own words.
    Failed(String),
    /// Nobody tells; whether its slot is in use does.
    Untold,
}

/// Where in a transaction a stored offset stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// After a whole transaction.
    Commit,
    /// After a message such as our marker.
    Message,
    /// Between two rows of one transaction: the rest of it was not stored yet.
    Inside,
    /// In a copy of whole tables, which a new offset would end.
    Snapshot,
}

/// How far a consumer says that it got, on the server it reads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Everything before was stored.
    pub lsn: Lsn,
    /// Where that is.
    pub boundary: Boundary,
}

impl Position {
    /// Whether everything up to a marker of the same server was stored. The marker is the last
    /// that is written behind a fence, so nothing of it or after it may be half done.
    #[must_use]
    pub fn is_past(&self, marker: Lsn) -> bool {
        let whole = match self.boundary {
            Boundary::Commit | Boundary::Message => true,
            Boundary::Inside | Boundary::Snapshot => false,
        };
        whole && self.lsn >= marker
    }
}

/// What a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// The database.
    pub database: DatabaseName,
    /// Its replication slot there.
    pub slot: String,
    /// The slot's output plugin, when the consumer tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The publication it asks for; absent with plugins that have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<String>,
    /// What the names of its topics begin with, where it has topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<String>,
}

/// What is changed of a consumer's own settings, and nothing else is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The server it reads from.
    pub endpoint: Endpoint,
    /// Debezium's `snapshot.mode`, where the consumer has it; absent = the setting is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
}

/// A setting of a consumer that makes a hand-over lose or double changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hazard {
    /// The slot goes when the consumer stops, and with it the proof of where it got.
    SlotDroppedOnStop,
    /// The slot is told that changes arrived before they are stored.
    ConfirmsBeforeStored,
    /// The consumer makes slot or publication by itself when one is missing, however late.
    MakesPublication,
}

impl Hazard {
    /// What a person should change, as a full sentence.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SlotDroppedOnStop => {
                "Set slot.drop.on.stop to false: a stop would drop the slot and what it has not \
                 delivered."
            }
            Self::ConfirmsBeforeStored => {
                "Set lsn.flush.mode to connector: a slot that confirms what is not stored yet \
                 proves nothing."
            }
            Self::MakesPublication => {
                "Set publication.autocreate.mode to disabled: a publication that is missing must \
                 be an error, not made anew with other tables in it."
            }
        }
    }
}

/// A consumer as it is seen now. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerView {
    /// What it says that it does.
    pub state: ConsumerState,
    /// What it reads; absent when nobody tells.
    pub feed: Option<Feed>,
    /// Where it reads; absent when nobody tells.
    pub binding: Option<Binding>,
    /// How far it got; absent before its first offset, or when nobody tells.
    pub position: Option<Position>,
    /// Settings that a hand-over cannot bear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hazards: Vec<Hazard>,
    /// Others that read from the same slot; a slot has one reader, so a hand-over of either
    /// would be the other's gap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<String>,
}

/// Where a consumer keeps how far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offsets {
    /// In a store of its own, which is read and set through this port.
    Settable,
    /// In the slot alone, or where nobody else can look.
    ItsOwn,
}

/// How a consumer is told where to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    /// By this port.
    ByUs,
    /// By its owner, who has said so with a gate.
    ByItsOwner,
}

/// What can be done with a consumer; a step reads it before it relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerAbility {
    /// Its offsets.
    pub offsets: Offsets,
    /// Who stops, points and resumes it.
    pub handling: Handling,
}

/// Everything that reads changes of the source.
#[async_trait]
pub trait Consumers: Send + Sync {
    /// Every consumer of this port, in the order of the spec.
    fn names(&self) -> Vec<ConsumerName>;
    /// What can be done with it; absent when nobody knows it.
    fn ability(&self, consumer: &ConsumerName) -> Option<ConsumerAbility>;
    /// The consumer as it is now; absent when it does not exist.
    async fn view(&self, consumer: &ConsumerName) -> Result<Option<ConsumerView>, Failure>;
    /// Does it; done already is success. What follows may take a while, and is seen in the view.
    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_transaction_is_never_past_a_marker() {
        let marker = Lsn(0x30_0000);
        let at = |lsn, boundary| Position { lsn: Lsn(lsn), boundary }.is_past(marker);
        assert!(at(0x30_0000, Boundary::Message) && at(0x30_0001, Boundary::Commit));
        assert!(!at(0x2f_ffff, Boundary::Commit), "before it");
        assert!(!at(0x40_0000, Boundary::Inside), "the rest of a transaction is missing");
        assert!(!at(0x40_0000, Boundary::Snapshot));
    }
}
