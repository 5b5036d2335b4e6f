//! An instance as the cloud knows it: what was asked for, what is in force, and its status.
//!
//! Plain data under the world's lock. The process behind it is a [`Machine`]; an instance that
//! is still being created has none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::machines::Machine;
use super::names::{Identifier, Resource, arn_in};
use super::roles::Role;
use super::security::Membership;
use crate::catalogue::versions::{Engine, Version};

/// `DBInstanceStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceStatus {
    Creating,
    Available,
    Modifying,
    BackingUp,
    Rebooting,
    ResettingCredentials,
    Deleting,
    /// The real server could not be made or did not come back; events say why.
    Failed,
}

impl InstanceStatus {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Available => "available",
            Self::Modifying => "modifying",
            Self::BackingUp => "backing-up",
            Self::Rebooting => "rebooting",
            Self::ResettingCredentials => "resetting-master-credentials",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
        }
    }

    /// Whether the server is expected to answer, and so gives metrics.
    pub const fn is_up(self) -> bool {
        match self {
            Self::Available | Self::Modifying | Self::BackingUp | Self::ResettingCredentials => {
                true
            }
            Self::Creating | Self::Rebooting | Self::Deleting | Self::Failed => false,
        }
    }
}

/// The yes-or-no settings that the lab stores and shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    AutoMinorVersionUpgrade,
    CopyTagsToSnapshot,
    DeletionProtection,
    HttpEndpoint,
    IamAuthentication,
    MultiAz,
    PerformanceInsights,
    PubliclyAccessible,
    StorageEncrypted,
}

impl Switch {
    /// The member of an answer.
    pub const fn element(self) -> &'static str {
        match self {
            Self::AutoMinorVersionUpgrade => "AutoMinorVersionUpgrade",
            Self::CopyTagsToSnapshot => "CopyTagsToSnapshot",
            Self::DeletionProtection => "DeletionProtection",
            Self::HttpEndpoint => "HttpEndpointEnabled",
            Self::IamAuthentication => "IAMDatabaseAuthenticationEnabled",
            Self::MultiAz => "MultiAZ",
            Self::PerformanceInsights => "PerformanceInsightsEnabled",
            Self::PubliclyAccessible => "PubliclyAccessible",
            Self::StorageEncrypted => "StorageEncrypted",
        }
    }

    /// The parameter of a request.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::AutoMinorVersionUpgrade => "AutoMinorVersionUpgrade",
            Self::CopyTagsToSnapshot => "CopyTagsToSnapshot",
            Self::DeletionProtection => "DeletionProtection",
            Self::HttpEndpoint => "EnableHttpEndpoint",
            Self::IamAuthentication => "EnableIAMDatabaseAuthentication",
            Self::MultiAz => "MultiAZ",
            Self::PerformanceInsights => "EnablePerformanceInsights",
            Self::PubliclyAccessible => "PubliclyAccessible",
            Self::StorageEncrypted => "StorageEncrypted",
        }
    }

    /// What an instance shows and, save for encryption, can change.
    pub const OF_INSTANCE: [Self; 8] = [
        Self::AutoMinorVersionUpgrade,
        Self::CopyTagsToSnapshot,
        Self::DeletionProtection,
        Self::IamAuthentication,
        Self::MultiAz,
        Self::PerformanceInsights,
        Self::PubliclyAccessible,
        Self::StorageEncrypted,
    ];

    /// What a cluster shows and, save for encryption, can change.
    pub const OF_CLUSTER: [Self; 7] = [
        Self::AutoMinorVersionUpgrade,
        Self::CopyTagsToSnapshot,
        Self::DeletionProtection,
        Self::HttpEndpoint,
        Self::IamAuthentication,
        Self::PerformanceInsights,
        Self::StorageEncrypted,
    ];
}

/// Switches asked for in a request: only those that were named.
pub type SwitchChange = BTreeMap<Switch, bool>;

/// Puts the asked-for switches in force.
pub fn apply_switches(switches: &mut BTreeSet<Switch>, change: &SwitchChange) {
    for (switch, on) in change {
        if *on {
            switches.insert(*switch);
        } else {
            switches.remove(switch);
        }
    }
}

/// Where the values of a parameter group stand on one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyStatus {
    InSync,
    Applying,
    PendingReboot,
}

impl ApplyStatus {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InSync => "in-sync",
            Self::Applying => "applying",
            Self::PendingReboot => "pending-reboot",
        }
    }
}

/// A parameter group in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupUse {
    pub name: Identifier,
    pub status: ApplyStatus,
}

impl GroupUse {
    /// A group whose values are in force.
    pub fn in_sync(name: Identifier) -> Self {
        Self { name, status: ApplyStatus::InSync }
    }
}

/// The master user and its database.
#[derive(Debug, Clone)]
pub struct Master {
    pub user: String,
    pub password: String,
    pub database: Option<String>,
}

/// Changes that wait for the maintenance window.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    pub class: Option<String>,
    pub storage_gib: Option<u32>,
    pub storage_kind: Option<String>,
    pub iops: Option<u32>,
    pub retention_days: Option<u32>,
    pub multi_az: Option<bool>,
}

/// The disk of an instance, as it was ordered. The real one is the machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// `gp2`, `gp3`, `io1`, `io2`, `standard`; Aurora's is `aurora`.
    pub kind: String,
    pub iops: Option<u32>,
    /// Up to where it may grow by itself.
    pub max_gib: Option<u32>,
}

/// The weekly and daily windows; shown, never acted upon.
#[derive(Debug, Clone)]
pub struct Windows {
    pub backup: String,
    pub maintenance: String,
}

impl Default for Windows {
    fn default() -> Self {
        Self { backup: "03:00-03:30".to_owned(), maintenance: "sun:04:00-sun:04:30".to_owned() }
    }
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: Identifier,
    pub resource_id: String,
    /// The Region that shows it.
    pub region: &'static str,
    pub class: String,
    pub engine: Engine,
    pub version: Version,
    pub status: InstanceStatus,
    pub created: Timestamp,
    pub master: Master,
    /// The secret that holds the master password, when RDS manages it.
    pub master_secret: Option<String>,
    pub storage_gib: u32,
    pub storage: Storage,
    pub roles: Vec<Role>,
    /// The directory it has joined, for Kerberos.
    pub domain: Option<String>,
    /// An option group of the customer's own.
    pub options: Option<String>,
    pub retention_days: u32,
    pub memberships: Vec<Membership>,
    pub parameter_group: GroupUse,
    /// The status of the cluster's parameter group on this member.
    pub cluster_group_status: ApplyStatus,
    pub switches: BTreeSet<Switch>,
    pub log_exports: BTreeSet<String>,
    pub kms_key: Option<String>,
    pub cluster: Option<Identifier>,
    /// The one Aurora cluster that replicates from it.
    pub replica_cluster: Option<Identifier>,
    pub pending: Pending,
    pub windows: Windows,
    pub certificate: String,
    pub promotion_tier: u32,
    pub subnet_group: String,
    /// The values of customers that are in force on the real server.
    pub running: BTreeMap<String, String>,
    pub machine: Option<Arc<Machine>>,
}

impl Instance {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn_in(self.region, Resource::Instance, self.id.as_str())
    }
}
