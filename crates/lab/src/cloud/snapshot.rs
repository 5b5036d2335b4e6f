//! Snapshots: a record with a status. The lab keeps no copy of the data, so nothing can be
//! restored from one (DIFFERENCES.md).

use jiff::Timestamp;

use super::names::{Identifier, Resource, arn};
use crate::catalogue::versions::{Engine, Version};

/// What a snapshot was taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SnapshotKind {
    Instance,
    Cluster,
}

/// `Status` of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotStatus {
    Creating,
    Available,
}

impl SnapshotStatus {
    /// The word on the wire, with the progress in per cent.
    pub const fn word(self) -> (&'static str, u32) {
        match self {
            Self::Creating => ("creating", 0),
            Self::Available => ("available", 100),
        }
    }
}

/// One snapshot.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub kind: SnapshotKind,
    pub id: Identifier,
    pub of: Identifier,
    pub status: SnapshotStatus,
    pub created: Timestamp,
    pub engine: Engine,
    pub version: Version,
    pub storage_gib: u32,
    pub master_user: String,
    pub encrypted: Encryption,
    pub resource_id: String,
}

/// Whether the copied storage was encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    Plain,
    Encrypted,
}

impl Snapshot {
    /// Its ARN.
    pub fn arn(&self) -> String {
        let resource = match self.kind {
            SnapshotKind::Instance => Resource::Snapshot,
            SnapshotKind::Cluster => Resource::ClusterSnapshot,
        };
        arn(resource, self.id.as_str())
    }
}
