//! What happened, as `DescribeEvents` tells it.

use jiff::Timestamp;

use super::names::{Identifier, Resource, arn};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Instance,
    Cluster,
}

impl Origin {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Instance => "db-instance",
            Self::Cluster => "db-cluster",
        }
    }

    const fn resource(self) -> Resource {
        match self {
            Self::Instance => Resource::Instance,
            Self::Cluster => Resource::Cluster,
        }
    }
}

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    pub origin: Origin,
    pub source: Identifier,
    pub category: &'static str,
    pub message: String,
    pub at: Timestamp,
}

impl Event {
    /// The ARN of what it is about.
    pub fn arn(&self) -> String {
        arn(self.origin.resource(), self.source.as_str())
    }
}
