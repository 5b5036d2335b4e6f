//! The cloud port: RDS and CloudWatch as Landfall uses them.
//!
//! Views carry the fields that steps decide on, under AWS's names. A missing metric point is
//! missing: it is never a zero.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::CloudAction;
use crate::failure::{Failure, FailureKind};
use crate::ids::{ClusterId, Endpoint, InstanceId, ParameterGroupName, SecurityGroupId};
use crate::port::Stamp;
use crate::port::equipment::{GlobalDatabase, Proxy, Secondary};
use crate::probe::Probed;
use crate::spec::{GlobalSpec, Serverless};

/// Tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// Tag key: the move that made the resource.
pub const TAG_MIGRATION: &str = "landfall:migration";
/// Tag key: the orchestrator's generation when it was made.
pub const TAG_EPOCH: &str = "landfall:epoch";

/// A resource's status, as far as a step must tell it apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// `available`.
    Available,
    /// On its way: `creating`, `modifying`, `rebooting`, `promoting` …
    Busy(String),
    /// It will not get there by itself: `failed`, `incompatible-parameters`, `storage-full` …
    Failed(String),
    /// `deleting`.
    Deleting,
}

impl ResourceState {
    /// Reads AWS's status word; a word not known here counts as busy, so that nothing starts on it.
    pub fn from_status(status: &str) -> Self {
        match status {
            "available" => Self::Available,
            "deleting" | "deleted" => Self::Deleting,
            "failed"
            | "storage-full"
            | "restore-error"
            | "inaccessible-encryption-credentials"
            | "insufficient-resource-limits"
            | "suspended"
            | "stopped"
            | "stopping" => Self::Failed(status.to_owned()),
            other if other.starts_with("incompatible-") => Self::Failed(other.to_owned()),
            other => Self::Busy(other.to_owned()),
        }
    }
}

impl std::fmt::Display for ResourceState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Busy(status) | Self::Failed(status) => status,
            Self::Deleting => "deleting",
        })
    }
}

/// One security group of an instance or cluster, and whether it is in force yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMembership {
    /// Group id.
    pub group: SecurityGroupId,
    /// `active`; false while AWS is still adding or removing it.
    pub active: bool,
}

/// A parameter group as attached: its name and `ParameterApplyStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachedParameterGroup {
    /// Group name.
    pub name: ParameterGroupName,
    /// `in-sync`, `pending-reboot`, `applying` …
    pub apply_status: String,
}

/// A DB instance.
#[expect(clippy::struct_excessive_bools, reason = "the flags are AWS's, one field each")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// DBInstanceIdentifier.
    pub id: InstanceId,
    /// DBInstanceArn.
    pub arn: String,
    /// `postgres`, `aurora-postgresql`, or another engine.
    pub engine: String,
    /// Such as `15.18`.
    pub engine_version: String,
    /// Such as `db.m6g.large`.
    pub class: String,
    /// DBInstanceStatus.
    pub state: ResourceState,
    /// Absent until the instance has one.
    pub endpoint: Option<Endpoint>,
    /// MasterUsername.
    pub master_user: String,
    /// Days; 0 = automated backups are off.
    pub backup_retention_days: u16,
    /// In AWS's order.
    pub security_groups: Vec<GroupMembership>,
    /// DBSubnetGroupName.
    pub subnet_group: Option<String>,
    /// The first attached parameter group.
    pub parameter_group: Option<AttachedParameterGroup>,
    /// ReadReplicaDBClusterIdentifiers.
    pub replica_clusters: Vec<ClusterId>,
    /// ReadReplicaDBInstanceIdentifiers.
    pub replica_instances: Vec<InstanceId>,
    /// ReadReplicaSourceDBInstanceIdentifier.
    pub replica_of: Option<String>,
    /// The Aurora cluster it belongs to.
    pub cluster: Option<ClusterId>,
    /// StorageEncrypted.
    pub encrypted: bool,
    /// KmsKeyId.
    pub kms_key: Option<String>,
    /// MultiAZ.
    pub multi_az: bool,
    /// AllocatedStorage, GiB.
    pub allocated_gib: u32,
    /// DeletionProtection.
    pub deletion_protected: bool,
    /// Tags.
    pub tags: Tags,
    /// What only the assessment reads.
    #[serde(default)]
    pub detail: InstanceDetail,
}

/// An IAM role of an instance or a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociatedRole {
    /// RoleArn.
    pub arn: String,
    /// FeatureName, such as `s3Import`.
    #[serde(default)]
    pub feature: Option<String>,
}

/// The fields of a DB instance on which no step decides, but which people must know of. Absent
/// fields were absent in AWS's answer.
#[expect(clippy::struct_excessive_bools, reason = "the flags are AWS's, one field each")]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceDetail {
    /// DbiResourceId: IAM policies name it, and it changes with the move.
    pub resource_id: Option<String>,
    /// StorageType: `gp2`, `gp3`, `io1`, `io2`, `standard`.
    pub storage_type: Option<String>,
    /// Iops, provisioned.
    pub iops: Option<u32>,
    /// MaxAllocatedStorage, GiB: storage autoscaling's limit.
    pub max_allocated_gib: Option<u32>,
    /// AutoMinorVersionUpgrade.
    pub auto_minor_upgrade: bool,
    /// IAMDatabaseAuthenticationEnabled.
    pub iam_auth: bool,
    /// Active Directory domains (Kerberos), each `domain status`.
    pub domains: Vec<String>,
    /// AssociatedRoles.
    pub roles: Vec<AssociatedRole>,
    /// EnabledCloudwatchLogsExports.
    pub log_exports: Vec<String>,
    /// PerformanceInsightsEnabled.
    pub performance_insights: bool,
    /// PreferredBackupWindow, UTC, `hh:mm-hh:mm`.
    pub backup_window: Option<String>,
    /// PreferredMaintenanceWindow, UTC, `ddd:hh:mm-ddd:hh:mm`.
    pub maintenance_window: Option<String>,
    /// PendingModifiedValues, each `Name=value`.
    pub pending: Vec<String>,
    /// LatestRestorableTime.
    pub latest_restorable: Option<Timestamp>,
    /// PubliclyAccessible.
    pub publicly_accessible: bool,
    /// CACertificateIdentifier.
    pub ca: Option<String>,
    /// MasterUserSecret.SecretArn, when Secrets Manager keeps the password.
    pub master_secret: Option<String>,
    /// OptionGroupMemberships other than the default ones.
    pub option_groups: Vec<String>,
    /// ReadReplicaDBInstanceIdentifiers in other Regions, by ARN.
    pub replicas_elsewhere: Vec<String>,
}

/// A pending maintenance action (DescribePendingMaintenanceActions).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Action, such as `system-update` or `db-upgrade`.
    pub action: String,
    /// Description.
    pub description: Option<String>,
    /// When it will be applied at the latest, where AWS says.
    pub at: Option<Timestamp>,
}

/// A quota of the account (DescribeAccountAttributes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// AccountQuotaName, such as `DBClusters`.
    pub name: String,
    /// Used.
    pub used: u64,
    /// Max.
    pub max: u64,
}

/// A CloudWatch alarm on one metric, whose dimension names an instance or a cluster
/// (DescribeAlarms).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// AlarmName.
    pub name: String,
    /// MetricName.
    pub metric: String,
}

/// A custom endpoint of a cluster (DescribeDBClusterEndpoints).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterEndpoint {
    /// DBClusterEndpointIdentifier.
    pub name: String,
    /// Status.
    pub state: ResourceState,
    /// CustomEndpointType: `READER` or `ANY`.
    pub kind: String,
}

/// What stands around an instance. Each part for itself: one that may not be read does not hide
/// the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Pending maintenance.
    pub maintenance: Result<Vec<Maintenance>, Failure>,
    /// Quotas.
    pub quotas: Result<Vec<Quota>, Failure>,
    /// Alarms on the instance.
    pub alarms: Result<Vec<Alarm>, Failure>,
    /// Other instances that wear the same parameter group.
    pub group_shared_with: Result<Vec<InstanceId>, Failure>,
    /// RDS Proxies that lead to the instance, by name.
    #[serde(default = "Surroundings::not_asked")]
    pub proxies: Result<Vec<String>, Failure>,
}

impl Surroundings {
    /// Of an inventory that was saved before there was this question.
    fn not_asked<T>() -> Result<T, Failure> {
        Err(Failure::new(FailureKind::Unknown, "read this part", "it was not asked for then"))
    }
}

/// A member of a DB cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMember {
    /// DBInstanceIdentifier.
    pub instance: InstanceId,
    /// IsClusterWriter.
    pub writer: bool,
}

/// A DB cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// DBClusterIdentifier.
    pub id: ClusterId,
    /// DBClusterArn.
    pub arn: String,
    /// Engine.
    pub engine: String,
    /// EngineVersion.
    pub engine_version: String,
    /// Status.
    pub state: ResourceState,
    /// The writer endpoint.
    pub endpoint: Option<Endpoint>,
    /// The reader endpoint; without a reader it leads to the writer.
    pub reader_endpoint: Option<Endpoint>,
    /// ReplicationSourceIdentifier: the source instance's ARN until promotion.
    pub replicates_from: Option<String>,
    /// Members.
    pub members: Vec<ClusterMember>,
    /// DBClusterParameterGroup.
    pub parameter_group: Option<ParameterGroupName>,
    /// Groups in AWS's order.
    pub security_groups: Vec<GroupMembership>,
    /// Days.
    pub backup_retention_days: u16,
    /// DeletionProtection.
    pub deletion_protected: bool,
    /// Tags.
    pub tags: Tags,
    /// What only the last steps and people look at.
    #[serde(default)]
    pub detail: ClusterDetail,
}

/// The fields of a DB cluster that matter once it is the database. Absent fields were absent in
/// AWS's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterDetail {
    /// DbClusterResourceId: IAM policies name it.
    pub resource_id: Option<String>,
    /// IAMDatabaseAuthenticationEnabled.
    pub iam_auth: bool,
    /// EnabledCloudwatchLogsExports.
    pub log_exports: Vec<String>,
    /// AssociatedRoles.
    pub roles: Vec<AssociatedRole>,
    /// ServerlessV2ScalingConfiguration.
    pub serverless: Option<Serverless>,
    /// LatestRestorableTime.
    pub latest_restorable: Option<Timestamp>,
}

/// The two levels of parameter groups on Aurora; RDS instances have only the instance level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupLevel {
    /// DBClusterParameterGroup.
    Cluster,
    /// DBParameterGroup.
    Instance,
}

/// A parameter group without its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterGroup {
    /// Name.
    pub name: ParameterGroupName,
    /// Family, such as `aurora-postgresql15`.
    pub family: String,
    /// Tags.
    pub tags: Tags,
}

/// When a change of a parameter takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplyType {
    /// After a reboot.
    Static,
    /// At once.
    Dynamic,
}

/// Who set a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParameterSource {
    /// A person, in the group.
    User,
    /// RDS itself.
    System,
    /// The engine's default.
    EngineDefault,
}

/// One parameter of a group or of an engine's defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// Value; absent when the engine decides. May be a formula such as `{DBInstanceClassMemory/32768}`.
    pub value: Option<String>,
    /// Static or dynamic.
    pub apply_type: ApplyType,
    /// IsModifiable.
    pub modifiable: bool,
    /// AllowedValues, AWS's notation.
    pub allowed: Option<String>,
    /// Source.
    pub source: ParameterSource,
}

/// An engine version that a source may become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineVersion {
    /// Such as `15.18`.
    pub version: String,
    /// Such as `aurora-postgresql15`.
    pub family: String,
    /// ExportableLogTypes: what of it can go to CloudWatch Logs.
    #[serde(default)]
    pub log_types: Vec<String>,
    /// SupportedFeatureNames: what a role can be associated for.
    #[serde(default)]
    pub features: Vec<String>,
}

/// An event of DescribeEvents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// When AWS says it happened.
    pub at: Timestamp,
    /// AWS's sentence.
    pub message: String,
}

/// What a metric or an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// Dimension DBInstanceIdentifier.
    Instance(InstanceId),
    /// Dimension DBClusterIdentifier.
    Cluster(ClusterId),
}

/// The CloudWatch metrics Landfall reads, namespace `AWS/RDS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// Bytes by which the slowest of all slots lags on the source.
    OldestReplicationSlotLag,
    /// Seconds by which the Aurora replica lags.
    RdsToAuroraPostgreSqlReplicaLag,
    /// Bytes of WAL per second on the source.
    TransactionLogsGeneration,
    /// Bytes.
    FreeStorageSpace,
    /// Count.
    DatabaseConnections,
    /// Percent.
    CpuUtilization,
    /// Operations per second.
    ReadIops,
    /// Operations per second.
    WriteIops,
    /// Seconds per operation.
    ReadLatency,
    /// Seconds per operation.
    WriteLatency,
    /// Seconds per commit; Aurora only.
    CommitLatency,
    /// Operations that wait.
    DiskQueueDepth,
    /// Bytes per second.
    NetworkReceiveThroughput,
    /// Bytes per second.
    NetworkTransmitThroughput,
    /// Bytes.
    FreeableMemory,
    /// Bytes of WAL that slots keep.
    ReplicationSlotDiskUsage,
    /// Bytes of WAL on disk; -1 on Aurora without logical replication.
    TransactionLogsDiskUsage,
    /// Transaction ids until wraparound are counted from here; count.
    MaximumUsedTransactionIds,
    /// Bytes used of an Aurora cluster's volume.
    VolumeBytesUsed,
}

/// A metric over one period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricSpan {
    /// Start of the period.
    pub at: Timestamp,
    /// Average.
    pub average: f64,
    /// Minimum.
    pub minimum: f64,
    /// Maximum.
    pub maximum: f64,
    /// SampleCount: how many measurements stand behind it.
    pub samples: f64,
}

impl Metric {
    /// The name CloudWatch knows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OldestReplicationSlotLag => "OldestReplicationSlotLag",
            Self::RdsToAuroraPostgreSqlReplicaLag => "RDSToAuroraPostgreSQLReplicaLag",
            Self::TransactionLogsGeneration => "TransactionLogsGeneration",
            Self::FreeStorageSpace => "FreeStorageSpace",
            Self::DatabaseConnections => "DatabaseConnections",
            Self::CpuUtilization => "CPUUtilization",
            Self::ReadIops => "ReadIOPS",
            Self::WriteIops => "WriteIOPS",
            Self::ReadLatency => "ReadLatency",
            Self::WriteLatency => "WriteLatency",
            Self::CommitLatency => "CommitLatency",
            Self::DiskQueueDepth => "DiskQueueDepth",
            Self::NetworkReceiveThroughput => "NetworkReceiveThroughput",
            Self::NetworkTransmitThroughput => "NetworkTransmitThroughput",
            Self::FreeableMemory => "FreeableMemory",
            Self::ReplicationSlotDiskUsage => "ReplicationSlotDiskUsage",
            Self::TransactionLogsDiskUsage => "TransactionLogsDiskUsage",
            Self::MaximumUsedTransactionIds => "MaximumUsedTransactionIDs",
            Self::VolumeBytesUsed => "VolumeBytesUsed",
        }
    }
}

/// A question to CloudWatch: one metric of one subject over a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricQuery {
    /// Which metric.
    pub metric: Metric,
    /// Of what.
    pub subject: Subject,
    /// From, inclusive.
    pub from: Timestamp,
    /// To, exclusive.
    pub to: Timestamp,
}

/// One datum. Where the API reports megabytes or milliseconds the adapter has converted it, so
/// the value is always in the unit of [`Metric`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// Start of the period.
    pub at: Timestamp,
    /// The value.
    pub value: f64,
}

/// A snapshot of an instance or a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Identifier.
    pub id: String,
    /// Status.
    pub state: ResourceState,
    /// `SnapshotCreateTime`, by AWS's clock; absent before it begins.
    pub created_at: Option<Timestamp>,
    /// Tags.
    pub tags: Tags,
}

/// RDS and CloudWatch. Reads never change anything; [`Cloud::act`] is idempotent by name and tag.
#[async_trait]
pub trait Cloud: Send + Sync {
    /// One instance, or `None`.
    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, Failure>;
    /// One cluster, or `None`.
    async fn cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure>;
    /// One parameter group with its tags, or `None`.
    async fn parameter_group(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<ParameterGroup>, Failure>;
    /// Every parameter of a group, all pages.
    async fn parameters(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Vec<Parameter>, Failure>;
    /// Every parameter of an engine family's defaults, all pages.
    async fn default_parameters(
        &self,
        level: GroupLevel,
        family: &str,
    ) -> Result<Vec<Parameter>, Failure>;
    /// The Aurora PostgreSQL versions that a PostgreSQL source of `version` may become.
    async fn aurora_versions(&self, version: &str) -> Result<Vec<EngineVersion>, Failure>;
    /// The instance classes that can be ordered for an Aurora version.
    async fn orderable_classes(&self, aurora_version: &str) -> Result<Vec<String>, Failure>;
    /// Events about a subject since an instant, oldest first.
    async fn events(&self, subject: &Subject, since: Timestamp)
    -> Result<Vec<CloudEvent>, Failure>;
    /// Data points, oldest first. An absent point is absent.
    async fn metric(&self, query: &MetricQuery) -> Result<Vec<MetricPoint>, Failure>;
    /// A metric by periods of `period` seconds (a multiple of 60; of 300 for what is older than 15
    /// days, of 3,600 beyond 63), oldest first. A period without a measurement is absent, and so is
    /// one that began before the window.
    async fn history(&self, query: &MetricQuery, period: u32) -> Result<Vec<MetricSpan>, Failure>;
    /// What stands around an instance: maintenance, quotas, alarms, who shares its group.
    async fn surroundings(&self, instance: &Instance) -> Result<Surroundings, Failure>;
    /// The alarms on one metric each whose dimension names the subject.
    async fn alarms(&self, subject: &Subject) -> Result<Vec<Alarm>, Failure>;
    /// The metrics that CloudWatch has lately had of a subject; of a cluster, those of its writer.
    async fn metric_names(&self, subject: &Subject) -> Result<BTreeSet<String>, Failure>;
    /// The custom endpoints of a cluster; none of one that does not exist.
    async fn cluster_endpoints(&self, id: &ClusterId) -> Result<Vec<ClusterEndpoint>, Failure>;
    /// One RDS Proxy with what it leads to, or `None`.
    async fn proxy(&self, name: &str) -> Result<Option<Proxy>, Failure>;
    /// One Global Database, or `None`.
    async fn global_database(&self, name: &str) -> Result<Option<GlobalDatabase>, Failure>;
    /// The cluster in the second Region, asked there, or `None`.
    async fn secondary(&self, of: &GlobalSpec) -> Result<Option<Secondary>, Failure>;
    /// One snapshot of an instance, or `None`.
    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure>;
    /// Tries the facts about the cloud that nobody has proven, on this account. Reads only; one
    /// that cannot be looked at says so.
    async fn probe(&self) -> Vec<Probed>;
    /// Does it. Success means that AWS took the order, not that it is done: observe the effect.
    async fn act(&self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure>;
}
