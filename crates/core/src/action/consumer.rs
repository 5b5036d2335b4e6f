//! What is done to a consumer of changes: stopped, given an offset, pointed elsewhere, resumed.
//!
//! Order is the steps' business, with one rule that adapters keep by themselves: an offset and an
//! endpoint are changed while the consumer is stopped, or not at all.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::ConsumerName;
use crate::lsn::Lsn;
use crate::port::consumers::Binding;

/// A change of one consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsumerAction {
    /// It reads nothing, and its slot stays in use.
    Pause {
        /// Which.
        consumer: ConsumerName,
    },
    /// It lets go of its slot.
    Stop {
        /// Which.
        consumer: ConsumerName,
    },
    /// It reads on from its offset.
    Resume {
        /// Which.
        consumer: ConsumerName,
    },
    /// Its offset becomes a position of the server that it will read from: that of its new slot.
    /// Refused unless it is stopped.
    SetOffset {
        /// Which.
        consumer: ConsumerName,
        /// Where the new slot begins.
        lsn: Lsn,
    },
    /// It will read from another server. Refused unless it is stopped, and when it is bound
    /// neither as before nor as wanted: then somebody else changed it.
    Repoint {
        /// Which.
        consumer: ConsumerName,
        /// Where it will read.
        to: Binding,
        /// Where it reads.
        previous: Binding,
    },
}

impl ConsumerAction {
    /// Whose it is.
    #[must_use]
    pub const fn consumer(&self) -> &ConsumerName {
        match self {
            Self::Pause { consumer }
            | Self::Stop { consumer }
            | Self::Resume { consumer }
            | Self::SetOffset { consumer, .. }
            | Self::Repoint { consumer, .. } => consumer,
        }
    }
}

impl fmt::Display for ConsumerAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { consumer } => write!(f, "pause consumer {consumer}"),
            Self::Stop { consumer } => write!(f, "stop consumer {consumer}"),
            Self::Resume { consumer } => write!(f, "resume consumer {consumer}"),
            Self::SetOffset { consumer, lsn } => {
                write!(f, "set the offset of consumer {consumer} to {lsn}")
            }
            Self::Repoint { consumer, to, .. } => {
                write!(f, "point consumer {consumer} at {}", to.endpoint)
            }
        }
    }
}
