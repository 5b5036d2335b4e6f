//! The structures of the answers: instances, clusters, groups, parameters, snapshots.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::catalogue::parameters::{Editing, Parameter};
use crate::catalogue::versions::Engine;
use crate::cloud::cluster::Cluster;
use crate::cloud::endpoints::CustomEndpoint;
use crate::cloud::group::{Group, GroupKind, UserValue};
use crate::cloud::instance::{ApplyStatus, Instance, Pending, Switch};
use crate::cloud::names::REGION;
use crate::cloud::roles::Role;
use crate::cloud::security::Membership;
use crate::cloud::snapshot::{Encryption, Snapshot, SnapshotKind};
use crate::cloud::standing::Appearance;
use crate::cloud::world::World;
use crate::door::xml::Fields;

/// Every endpoint of the lab is on loopback.
const ADDRESS: &str = "127.0.0.1";
/// What a cluster shows as its port would be on AWS, before anything answers.
const ZONES: [&str; 3] = ["us-east-1a", "us-east-1b", "us-east-1c"];
const VPC: &str = "vpc-lab";

/// `DBInstance`.
pub(super) fn instance(world: &World, instance: &Instance) -> Fields {
    let cluster = instance.cluster.as_ref().and_then(|id| world.clusters.get(id));
    let memberships = cluster.map_or(&instance.memberships, |cluster| &cluster.memberships);
    let master = cluster.map_or(&instance.master, |cluster| &cluster.master);
    let pretended = world.standing.of(&instance.id);
    let engine = instance.engine.name();
    let version = match pretended.and_then(|shown| shown.version.clone()) {
        Some(version) => version,
        None => instance.version.to_string(),
    };
    let fields = Fields::new()
        .text("DBInstanceIdentifier", &instance.id)
        .text("DBInstanceArn", instance.arn())
        .text("DbiResourceId", &instance.resource_id)
        .text("DBInstanceClass", &instance.class)
        .text("Engine", pretended.and_then(|shown| shown.engine.as_deref()).unwrap_or(engine))
        .text("EngineVersion", version)
        .text("DBInstanceStatus", instance.status.word())
        .text("MasterUsername", &master.user)
        .maybe("DBName", master.database.as_deref())
        .time("InstanceCreateTime", instance.created)
        .text("AllocatedStorage", instance.storage_gib)
        .text("StorageType", &instance.storage.kind)
        .maybe("Iops", instance.storage.iops)
        .maybe("MaxAllocatedStorage", instance.storage.max_gib)
        .text("BackupRetentionPeriod", instance.retention_days)
        .text("PreferredBackupWindow", &instance.windows.backup)
        .text("PreferredMaintenanceWindow", &instance.windows.maintenance)
        .text("AvailabilityZone", "us-east-1a")
        .text("LicenseModel", "postgresql-license")
        .text("DbInstancePort", 0)
        .text("CACertificateIdentifier", &instance.certificate)
        .text("MonitoringInterval", 0)
        .text("PromotionTier", instance.promotion_tier)
        .text("NetworkType", "IPV4")
        .maybe("KmsKeyId", instance.kms_key.as_deref())
        .maybe("DBClusterIdentifier", instance.cluster.as_ref());
    let fields = match &instance.machine {
        Some(machine) => fields.structure("Endpoint", endpoint(machine.port())),
        None => fields,
    };
    let fields = match &instance.master_secret {
        Some(arn) => {
            let secret = Fields::new().text("SecretArn", arn).text("SecretStatus", "active");
            fields.structure("MasterUserSecret", secret)
        }
        None => fields,
    };
    instance_lists(world, fields, instance, pretended)
        .list("VpcSecurityGroups", "VpcSecurityGroupMembership", members_of(memberships))
        .list("TagList", "Tag", tag_list(world, &instance.arn()))
}

fn instance_lists(
    world: &World,
    fields: Fields,
    instance: &Instance,
    shown: Option<&Appearance>,
) -> Fields {
    let restorable = instance.retention_days > 0 && instance.status.is_up();
    let options = instance.options.clone();
    let options = options.unwrap_or_else(|| format!("default:postgres-{}", instance.version.major));
    let domains = instance.domain.iter().map(|domain| {
        Fields::new()
            .text("Domain", domain)
            .text("Status", "joined")
            .text("FQDN", format_args!("{domain}.example.com"))
    });
    let group = Fields::new()
        .text("DBParameterGroupName", &instance.parameter_group.name)
        .text("ParameterApplyStatus", instance.parameter_group.status.word());
    let option_group = Fields::new().text("OptionGroupName", options).text("Status", "in-sync");
    let fields = show_switches(fields, &Switch::OF_INSTANCE, &instance.switches);
    fields
        .maybe("LatestRestorableTime", restorable.then(|| recently(world, instance.created)))
        .list("DBParameterGroups", "DBParameterGroup", [group])
        .list("DBSecurityGroups", "DBSecurityGroup", [])
        .list("OptionGroupMemberships", "OptionGroupMembership", [option_group])
        .texts(
            "ReadReplicaDBInstanceIdentifiers",
            "ReadReplicaDBInstanceIdentifier",
            shown.into_iter().flat_map(|shown| &shown.replicas),
        )
        .texts(
            "ReadReplicaDBClusterIdentifiers",
            "ReadReplicaDBClusterIdentifier",
            instance.replica_cluster.iter(),
        )
        .texts("EnabledCloudwatchLogsExports", "member", &instance.log_exports)
        .list("StatusInfos", "DBInstanceStatusInfo", [])
        .list("AssociatedRoles", "DBInstanceRole", instance.roles.iter().map(role))
        .list("DomainMemberships", "DomainMembership", domains)
        .structure("DBSubnetGroup", subnet_group(&instance.subnet_group))
        .structure("PendingModifiedValues", pending(&instance.pending, shown))
}

/// `DBCluster`.
pub(super) fn cluster(world: &World, cluster: &Cluster) -> Fields {
    let fields = Fields::new()
        .text("DBClusterIdentifier", &cluster.id)
        .text("DBClusterArn", cluster.arn())
        .text("DbClusterResourceId", &cluster.resource_id)
        .text("Status", cluster.status.word())
        .text("Engine", Engine::Aurora)
        .text("EngineVersion", cluster.version)
        .text("EngineMode", "provisioned")
        .text("Endpoint", ADDRESS)
        .text("ReaderEndpoint", ADDRESS)
        .text("Port", cluster.endpoint.port())
        .text("MasterUsername", &cluster.master.user)
        .maybe("DatabaseName", cluster.master.database.as_deref())
        .time("ClusterCreateTime", cluster.created)
        .text("LatestRestorableTime", recently(world, cluster.created))
        .text("AllocatedStorage", 1)
        .text("BackupRetentionPeriod", cluster.retention_days)
        .text("PreferredBackupWindow", &cluster.windows.backup)
        .text("PreferredMaintenanceWindow", &cluster.windows.maintenance)
        .text("DBClusterParameterGroup", &cluster.parameter_group)
        .text("DBSubnetGroup", &cluster.subnet_group)
        .text("MultiAZ", cluster.members.len() > 1)
        .text("NetworkType", "IPV4")
        .maybe("ReplicationSourceIdentifier", cluster.replication_source.as_deref())
        .maybe("KmsKeyId", cluster.kms_key.as_deref());
    let fields = match &cluster.serverless {
        Some((least, most)) => fields.structure(
            "ServerlessV2ScalingConfiguration",
            Fields::new().text("MinCapacity", least).text("MaxCapacity", most),
        ),
        None => fields,
    };
    show_switches(fields, &Switch::OF_CLUSTER, &cluster.switches)
        .list("DBClusterMembers", "DBClusterMember", cluster_members(world, cluster))
        .texts("AvailabilityZones", "AvailabilityZone", ZONES)
        .texts("EnabledCloudwatchLogsExports", "member", &cluster.log_exports)
        .texts("ReadReplicaIdentifiers", "ReadReplicaIdentifier", BTreeSet::<&str>::new())
        .list("AssociatedRoles", "DBClusterRole", cluster.roles.iter().map(role))
        .list("VpcSecurityGroups", "VpcSecurityGroupMembership", members_of(&cluster.memberships))
        .list("TagList", "Tag", tag_list(world, &cluster.arn()))
}

fn cluster_members(world: &World, cluster: &Cluster) -> Vec<Fields> {
    let mut writer = true;
    let mut members = Vec::new();
    for id in &cluster.members {
        let member = world.instances.get(id);
        let status = member.map_or(ApplyStatus::InSync, |member| member.cluster_group_status);
        members.push(
            Fields::new()
                .text("DBInstanceIdentifier", id)
                .text("IsClusterWriter", std::mem::replace(&mut writer, false))
                .text("DBClusterParameterGroupStatus", status.word())
                .text("PromotionTier", member.map_or(1, |member| member.promotion_tier)),
        );
    }
    members
}

/// `DBParameterGroup` or `DBClusterParameterGroup`.
pub(super) fn group(group: &Group) -> Fields {
    let (name, arn) = match group.kind {
        GroupKind::Instance => ("DBParameterGroupName", "DBParameterGroupArn"),
        GroupKind::Cluster => ("DBClusterParameterGroupName", "DBClusterParameterGroupArn"),
    };
    Fields::new()
        .text(name, &group.name)
        .text("DBParameterGroupFamily", &group.family)
        .text("Description", &group.description)
        .text(arn, group.arn())
}

/// Where a parameter's value comes from.
pub(super) fn source_of(parameter: &Parameter, user: Option<&UserValue>) -> &'static str {
    match (user, &parameter.preset) {
        (Some(_), _) => "user",
        (None, Some(_)) => "system",
        (None, None) => "engine-default",
    }
}

/// `Parameter`.
pub(super) fn parameter(parameter: &Parameter, user: Option<&UserValue>) -> Fields {
    let value = user.map(|user| &user.value).or(parameter.preset.as_ref());
    let method = user.map_or("pending-reboot", |user| user.method.word());
    let description = Some(&parameter.description).filter(|text| !text.is_empty());
    Fields::new()
        .text("ParameterName", &parameter.name)
        .maybe("ParameterValue", value)
        .maybe("Description", description)
        .text("Source", source_of(parameter, user))
        .text("ApplyType", parameter.apply_type.word())
        .text("DataType", &parameter.data_type)
        .maybe("AllowedValues", parameter.allowed.as_ref())
        .text("IsModifiable", parameter.editing == Editing::Open)
        .text("ApplyMethod", method)
}

/// `DBSnapshot` or `DBClusterSnapshot`.
pub(super) fn snapshot(world: &World, snapshot: &Snapshot) -> Fields {
    let (status, progress) = snapshot.status.word();
    let fields = match snapshot.kind {
        SnapshotKind::Instance => Fields::new()
            .text("DBSnapshotIdentifier", &snapshot.id)
            .text("DBInstanceIdentifier", &snapshot.of)
            .text("DBSnapshotArn", snapshot.arn())
            .text("DbiResourceId", &snapshot.resource_id)
            .text("Encrypted", snapshot.encrypted == Encryption::Encrypted),
        SnapshotKind::Cluster => Fields::new()
            .text("DBClusterSnapshotIdentifier", &snapshot.id)
            .text("DBClusterIdentifier", &snapshot.of)
            .text("DBClusterSnapshotArn", snapshot.arn())
            .text("DbClusterResourceId", &snapshot.resource_id)
            .text("StorageEncrypted", snapshot.encrypted == Encryption::Encrypted),
    };
    fields
        .text("Status", status)
        .text("PercentProgress", progress)
        .time("SnapshotCreateTime", snapshot.created)
        .text("SnapshotType", "manual")
        .text("Engine", snapshot.engine)
        .text("EngineVersion", snapshot.version)
        .text("AllocatedStorage", snapshot.storage_gib)
        .text("MasterUsername", &snapshot.master_user)
        .text("LicenseModel", "postgresql-license")
        .text("VpcId", VPC)
        .list("TagList", "Tag", tag_list(world, &snapshot.arn()))
}

/// The elements of a `TagList`.
pub(super) fn tag_list(world: &World, arn: &str) -> Vec<Fields> {
    let tags = world.tags.get(arn).into_iter().flatten();
    tags.map(|(key, value)| Fields::new().text("Key", key).text("Value", value)).collect()
}

fn endpoint(port: u16) -> Fields {
    Fields::new().text("Address", ADDRESS).text("Port", port).text("HostedZoneId", "Z2R2ITUGPM61AM")
}

fn members_of(memberships: &[Membership]) -> Vec<Fields> {
    let member = |membership: &Membership| {
        Fields::new()
            .text("VpcSecurityGroupId", &membership.group)
            .text("Status", membership.state.word())
    };
    memberships.iter().map(member).collect()
}

pub(super) fn subnet_group(name: &str) -> Fields {
    let subnets = ZONES.iter().map(|zone| {
        Fields::new()
            .text("SubnetIdentifier", format_args!("subnet-{zone}"))
            .structure("SubnetAvailabilityZone", Fields::new().text("Name", zone))
            .text("SubnetStatus", "Active")
    });
    Fields::new()
        .text("DBSubnetGroupName", name)
        .text("DBSubnetGroupDescription", format_args!("{REGION} of the lab"))
        .text("VpcId", VPC)
        .text("SubnetGroupStatus", "Complete")
        .list("Subnets", "Subnet", subnets)
}

fn pending(pending: &Pending, shown: Option<&Appearance>) -> Fields {
    let fields = Fields::new()
        .maybe("DBInstanceClass", pending.class.as_deref())
        .maybe("AllocatedStorage", pending.storage_gib)
        .maybe("StorageType", pending.storage_kind.as_deref())
        .maybe("Iops", pending.iops)
        .maybe("MultiAZ", pending.multi_az)
        .maybe("BackupRetentionPeriod", pending.retention_days);
    let pretended = shown.into_iter().flat_map(|shown| &shown.pending);
    pretended.fold(fields, |fields, (name, value)| fields.text(name.element(), value))
}

fn role(role: &Role) -> Fields {
    let feature = Some(&role.feature).filter(|feature| !feature.is_empty());
    Fields::new().text("RoleArn", &role.arn).maybe("FeatureName", feature).text("Status", "ACTIVE")
}

/// `DBClusterEndpoint`.
pub(super) fn endpoint_of(endpoint: &CustomEndpoint) -> Fields {
    Fields::new()
        .text("DBClusterEndpointIdentifier", &endpoint.name)
        .text("DBClusterIdentifier", &endpoint.cluster)
        .text("DBClusterEndpointArn", endpoint.arn())
        .text("Endpoint", ADDRESS)
        .text("Status", "available")
        .text("EndpointType", "CUSTOM")
        .text("CustomEndpointType", &endpoint.kind)
        .texts("StaticMembers", "member", &endpoint.members)
        .texts("ExcludedMembers", "member", &endpoint.excluded)
}

fn show_switches(fields: Fields, known: &[Switch], on: &BTreeSet<Switch>) -> Fields {
    known.iter().fold(fields, |fields, switch| fields.text(switch.element(), on.contains(switch)))
}

/// Backups can be restored up to a while ago.
fn recently(world: &World, created: Timestamp) -> String {
    let recent = Timestamp::now().checked_sub(world.restorable_lag).unwrap_or(created);
    format!("{:.3}", recent.max(created))
}
