//! The zone port: a DNS zone that is changed through an API instead of by dynamic update.
//!
//! It decides nothing: what a name points to is read, and replaced by one record when what was
//! read is still there. A change that was taken is not everywhere yet; the zone says when it is.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::failure::Failure;

/// Where a simple record points.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneTarget {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A CNAME record.
    Name(String),
}

/// One simple record of a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneRecord {
    /// Where it points.
    pub target: ZoneTarget,
    /// How long resolvers keep it.
    pub ttl: Duration,
}

/// One record in the place of what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneChange {
    /// The name, absolute.
    pub name: String,
    /// All that the name has; when it has something else by now, nothing is changed.
    pub seen: Vec<ZoneRecord>,
    /// What it has afterwards.
    pub wanted: ZoneRecord,
    /// Why, for whoever reads the zone's own log.
    pub comment: String,
}

/// A zone behind an API.
#[async_trait]
pub trait Zone: Send + Sync {
    /// What a name points to. Records that are more than a place, such as weighted ones, are a
    /// failure that says so: they are somebody's design.
    async fn records(&self, name: &str) -> Result<Vec<ZoneRecord>, Failure>;

    /// Makes the change whole or not at all; returns the name under which it can be asked for.
    async fn replace(&self, change: &ZoneChange) -> Result<String, Failure>;

    /// Whether every server of the zone answers with the change.
    async fn is_everywhere(&self, change: &str) -> Result<bool, Failure>;
}
