//! Actions: every change Landfall can make to the world, as data.
//!
//! An action is journaled before it is done and is idempotent: doing it twice leaves the world as
//! doing it once. Names in it derive from the move's name, so a second orchestrator makes the same.

mod consumer;
mod equipment;
mod way_back;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{
    ClusterId, DatabaseName, Endpoint, InstanceId, ParameterGroupName, SecurityGroupId, ServiceName,
};
use crate::port::cloud::{ApplyType, GroupLevel};
use crate::spec::Serverless;

pub use consumer::ConsumerAction;
pub use equipment::{ClusterSettings, Equipment, NewEndpoint, NewSecondary};
pub use way_back::{Apply, WayBackAction};

/// A value to set in a parameter group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterChange {
    /// Parameter name.
    pub name: String,
    /// Value as the API takes it.
    pub value: String,
    /// Static parameters are sent as `pending-reboot`, dynamic ones as `immediate`.
    pub apply_type: ApplyType,
}

/// The cluster to create as a replica of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReplicaCluster {
    /// DBClusterIdentifier.
    pub cluster: ClusterId,
    /// ReplicationSourceIdentifier: the source instance's ARN.
    pub source_arn: String,
    /// EngineVersion.
    pub engine_version: String,
    /// DBClusterParameterGroupName.
    pub parameter_group: ParameterGroupName,
    /// VpcSecurityGroupIds: the target's quarantine group, until after release.
    pub security_groups: Vec<SecurityGroupId>,
    /// DBSubnetGroupName.
    pub subnet_group: Option<String>,
    /// StorageEncrypted.
    pub encrypted: bool,
    /// KmsKeyId, always passed when the source has one.
    pub kms_key: Option<String>,
    /// BackupRetentionPeriod, days.
    pub backup_retention_days: u16,
    /// ServerlessV2ScalingConfiguration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serverless: Option<Serverless>,
}

/// The writer instance of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewWriter {
    /// DBInstanceIdentifier.
    pub instance: InstanceId,
    /// DBClusterIdentifier.
    pub cluster: ClusterId,
    /// DBInstanceClass.
    pub class: String,
    /// DBParameterGroupName.
    pub parameter_group: ParameterGroupName,
}

/// A call to RDS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloudAction {
    /// ModifyDBInstance(BackupRetentionPeriod, ApplyImmediately).
    SetBackupRetention {
        /// The instance.
        instance: InstanceId,
        /// Days.
        days: u16,
    },
    /// CreateDBParameterGroup or CreateDBClusterParameterGroup.
    CreateParameterGroup {
        /// Which level.
        level: GroupLevel,
        /// Name.
        name: ParameterGroupName,
        /// Family.
        family: String,
    },
    /// ModifyDBParameterGroup or ModifyDBClusterParameterGroup, at most 20 values.
    SetParameters {
        /// Which level.
        level: GroupLevel,
        /// Name.
        name: ParameterGroupName,
        /// Values.
        changes: Vec<ParameterChange>,
    },
    /// DeleteDBParameterGroup or DeleteDBClusterParameterGroup; gone already is success.
    DeleteParameterGroup {
        /// Which level.
        level: GroupLevel,
        /// Name.
        name: ParameterGroupName,
    },
    /// CreateDBCluster with ReplicationSourceIdentifier.
    CreateReplicaCluster(NewReplicaCluster),
    /// CreateDBInstance in a cluster.
    CreateWriter(NewWriter),
    /// ModifyDBInstance(VpcSecurityGroupIds): the list replaces what was there.
    SetInstanceSecurityGroups {
        /// The instance.
        instance: InstanceId,
        /// The whole list, in order.
        groups: Vec<SecurityGroupId>,
    },
    /// ModifyDBCluster(VpcSecurityGroupIds).
    SetClusterSecurityGroups {
        /// The cluster.
        cluster: ClusterId,
        /// The whole list, in order.
        groups: Vec<SecurityGroupId>,
    },
    /// RebootDBInstance.
    RebootInstance {
        /// The instance.
        instance: InstanceId,
    },
    /// PromoteReadReplicaDBCluster. Irreversible.
    PromoteCluster {
        /// The cluster.
        cluster: ClusterId,
    },
    /// ModifyDBCluster(DeletionProtection).
    ProtectCluster {
        /// The cluster.
        cluster: ClusterId,
    },
    /// ModifyDBCluster: everything that differs, in one call.
    SetClusterSettings {
        /// The cluster.
        cluster: ClusterId,
        /// What is to change.
        settings: ClusterSettings,
    },
    /// CreateDBInstance beside the writer of a cluster.
    CreateReader(NewWriter),
    /// What a finished target gets beside its settings.
    Equip(Equipment),
    /// DeleteDBInstance of a cluster member, without snapshot; gone already is success.
    DeleteWriter {
        /// The instance.
        instance: InstanceId,
    },
    /// DeleteDBCluster of an unpromoted replica, without snapshot; gone already is success.
    DeleteCluster {
        /// The cluster.
        cluster: ClusterId,
    },
    /// CreateDBSnapshot.
    CreateSnapshot {
        /// The instance.
        instance: InstanceId,
        /// DBSnapshotIdentifier.
        snapshot: String,
    },
    /// DeleteDBInstance of the retired source, after its final snapshot.
    DeleteRetiredSource {
        /// The instance.
        instance: InstanceId,
    },
}

/// Which sessions a termination ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionClass {
    /// Client sessions outside a transaction.
    Idle,
    /// Every client session.
    All,
}

/// The sessions that an order ended, by pid and by what they were doing: a session that takes its
/// time to go may be told twice, and is counted once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// Outside a transaction: nobody's work was lost.
    pub idle: Vec<i32>,
    /// Inside one: its client saw an error, or does not know whether it committed.
    pub in_transaction: Vec<i32>,
}

impl SessionsEnded {
    /// Whether there were none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.idle.is_empty() && self.in_transaction.is_empty()
    }

    /// Adds those that are not counted yet.
    pub fn add(&mut self, more: &Self) {
        for pid in &more.idle {
            if !self.knows(*pid) {
                self.idle.push(*pid);
            }
        }
        for pid in &more.in_transaction {
            if !self.knows(*pid) {
                self.in_transaction.push(*pid);
            }
        }
    }

    fn knows(&self, pid: i32) -> bool {
        self.idle.contains(&pid) || self.in_transaction.contains(&pid)
    }
}

impl fmt::Display for SessionsEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (idle, open) = (self.idle.len(), self.in_transaction.len());
        write!(f, "sessions ended: {idle} idle, {open} in a transaction")
    }
}

/// A change through SQL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseAction {
    /// Creates schema `landfall` and its marker table in every database, the first one last; long
    /// before the hold.
    CreateMarkerTable {
        /// The source.
        at: Endpoint,
    },
    /// Drops schema `landfall` in every database, the first one last; gone already is success.
    DropMarkerTable {
        /// The server.
        at: Endpoint,
    },
    /// Commits a marker row with `synchronous_commit = on`.
    WriteMarker {
        /// The source.
        at: Endpoint,
        /// Unique to the move and attempt.
        token: String,
    },
    /// `analyze` of tables that have no statistics; one that may not be analyzed is passed over.
    Analyze {
        /// The promoted target.
        at: Endpoint,
        /// Database.
        database: DatabaseName,
        /// Tables, each as schema and name.
        tables: Vec<(String, String)>,
    },
    /// `pg_terminate_backend` on client sessions, never on ours, the server's or a walsender.
    TerminateSessions {
        /// The source.
        at: Endpoint,
        /// Which.
        class: SessionClass,
    },
    /// The way back.
    WayBack(WayBackAction),
}

/// A change of a service's route; `epoch` is the one the route has afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteAction {
    /// Takes a service on: stores its first route, open.
    Adopt {
        /// The service.
        service: ServiceName,
        /// Where it goes today.
        endpoint: Endpoint,
        /// The first epoch.
        epoch: u64,
    },
    /// New connections wait from here on.
    Hold {
        /// The service.
        service: ServiceName,
        /// The route's epoch afterwards.
        epoch: u64,
    },
    /// Stores the endpoint of a held route; no proxy is told.
    Point {
        /// The service.
        service: ServiceName,
        /// The new endpoint.
        endpoint: Endpoint,
        /// The route's epoch afterwards.
        epoch: u64,
    },
    /// Tells every proxy; held connections go on.
    Release {
        /// The service.
        service: ServiceName,
        /// The route's epoch afterwards.
        epoch: u64,
    },
}

/// A change to the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Through RDS.
    Cloud(CloudAction),
    /// Through SQL.
    Database(DatabaseAction),
    /// At the gateway.
    Route(RouteAction),
}

impl Action {
    /// Whether it only ever shuts a side, or ends who is in it: what the watch may order.
    #[must_use]
    pub const fn keeps_a_fence(&self) -> bool {
        matches!(
            self,
            Self::Cloud(
                CloudAction::SetInstanceSecurityGroups { .. }
                    | CloudAction::SetClusterSecurityGroups { .. }
            ) | Self::Database(DatabaseAction::TerminateSessions { .. })
        )
    }
}

fn list(groups: &[SecurityGroupId]) -> String {
    groups.iter().map(SecurityGroupId::as_str).collect::<Vec<_>>().join(", ")
}

const fn level_word(level: GroupLevel) -> &'static str {
    match level {
        GroupLevel::Cluster => "DBClusterParameterGroup",
        GroupLevel::Instance => "DBParameterGroup",
    }
}

impl fmt::Display for CloudAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetBackupRetention { instance, days } => {
                write!(f, "ModifyDBInstance {instance}: backup retention {days} days")
            }
            Self::CreateParameterGroup { level, name, family } => {
                write!(f, "Create{} {name} ({family})", level_word(*level))
            }
            Self::SetParameters { level, name, changes } => {
                write!(f, "Modify{} {name}: {} parameters", level_word(*level), changes.len())
            }
            Self::DeleteParameterGroup { level, name } => {
                write!(f, "Delete{} {name}", level_word(*level))
            }
            Self::CreateReplicaCluster(new) => write!(
                f,
                "CreateDBCluster {} {} replicating from {}, groups {}",
                new.cluster,
                new.engine_version,
                new.source_arn,
                list(&new.security_groups)
            ),
            Self::CreateWriter(new) | Self::CreateReader(new) => {
                write!(f, "CreateDBInstance {} {} in {}", new.instance, new.class, new.cluster)
            }
            Self::SetInstanceSecurityGroups { instance, groups } => {
                write!(f, "ModifyDBInstance {instance}: security groups {}", list(groups))
            }
            Self::SetClusterSecurityGroups { cluster, groups } => {
                write!(f, "ModifyDBCluster {cluster}: security groups {}", list(groups))
            }
            Self::RebootInstance { instance } => write!(f, "RebootDBInstance {instance}"),
            Self::PromoteCluster { cluster } => write!(f, "PromoteReadReplicaDBCluster {cluster}"),
            Self::ProtectCluster { cluster } => {
                write!(f, "ModifyDBCluster {cluster}: deletion protection on")
            }
            Self::SetClusterSettings { cluster, settings } => {
                write!(f, "ModifyDBCluster {cluster}: {settings}")
            }
            Self::DeleteWriter { instance } => write!(f, "DeleteDBInstance {instance}"),
            Self::DeleteCluster { cluster } => write!(f, "DeleteDBCluster {cluster}"),
            Self::CreateSnapshot { instance, snapshot } => {
                write!(f, "CreateDBSnapshot {snapshot} of {instance}")
            }
            Self::DeleteRetiredSource { instance } => {
                write!(f, "DeleteDBInstance {instance} (retired source)")
            }
            Self::Equip(equipment) => equipment.fmt(f),
        }
    }
}

impl fmt::Display for DatabaseAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateMarkerTable { at } => write!(f, "create the marker table on {at}"),
            Self::DropMarkerTable { at } => write!(f, "drop the marker table on {at}"),
            Self::WriteMarker { at, token } => write!(f, "commit marker {token} on {at}"),
            Self::Analyze { at, database, tables } => {
                write!(f, "analyze {} tables of database {database} on {at}", tables.len())
            }
            Self::TerminateSessions { at, class: SessionClass::Idle } => {
                write!(f, "end idle client sessions on {at}")
            }
            Self::TerminateSessions { at, class: SessionClass::All } => {
                write!(f, "end all client sessions on {at}")
            }
            Self::WayBack(action) => action.fmt(f),
        }
    }
}

impl fmt::Display for RouteAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adopt { service, endpoint, epoch } => {
                write!(f, "adopt service {service} at {endpoint} (route epoch {epoch})")
            }
            Self::Hold { service, epoch } => write!(f, "hold {service} (route epoch {epoch})"),
            Self::Point { service, endpoint, epoch } => {
                write!(f, "point {service} at {endpoint} (route epoch {epoch})")
            }
            Self::Release { service, epoch } => {
                write!(f, "release {service} (route epoch {epoch})")
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cloud(action) => action.fmt(f),
            Self::Database(action) => action.fmt(f),
            Self::Route(action) => action.fmt(f),
        }
    }
}

impl From<CloudAction> for Action {
    fn from(action: CloudAction) -> Self {
        Self::Cloud(action)
    }
}

impl From<DatabaseAction> for Action {
    fn from(action: DatabaseAction) -> Self {
        Self::Database(action)
    }
}

impl From<WayBackAction> for Action {
    fn from(action: WayBackAction) -> Self {
        Self::Database(DatabaseAction::WayBack(action))
    }
}

impl From<RouteAction> for Action {
    fn from(action: RouteAction) -> Self {
        Self::Route(action)
    }
}
