//! An Aurora cluster as the cloud knows it: its storage-level settings, members and status.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::instance::{Master, Switch, Windows};
use super::machines::Reservation;
use super::names::{Identifier, Resource, arn_in};
use super::roles::Role;
use super::security::Membership;
use crate::catalogue::versions::Version;

/// `DBCluster.Status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterStatus {
    Creating,
    Available,
    Modifying,
    BackingUp,
    Promoting,
    ResettingCredentials,
    Deleting,
}

impl ClusterStatus {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Modifying => "modifying",
            Self::BackingUp => "backing-up",
            Self::Promoting => "promoting",
            Self::ResettingCredentials => "resetting-master-credentials",
            Self::Deleting => "deleting",
        }
    }
}

/// One cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub id: Identifier,
    pub resource_id: String,
    /// The Region that shows it.
    pub region: &'static str,
    pub version: Version,
    pub status: ClusterStatus,
    pub created: Timestamp,
    pub master: Master,
    pub retention_days: u32,
    pub memberships: Vec<Membership>,
    pub parameter_group: Identifier,
    pub switches: BTreeSet<Switch>,
    pub log_exports: BTreeSet<String>,
    pub kms_key: Option<String>,
    pub subnet_group: String,
    pub windows: Windows,
    pub serverless: Option<(String, String)>,
    pub roles: Vec<Role>,
    /// The ARN of the instance it replicates from, until promotion.
    pub replication_source: Option<String>,
    /// Its instances, the writer first.
    pub members: Vec<Identifier>,
    /// The endpoint that the writer will answer at, held from the cluster's creation.
    pub endpoint: Arc<Reservation>,
}

impl Cluster {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn_in(self.region, Resource::Cluster, self.id.as_str())
    }
}
