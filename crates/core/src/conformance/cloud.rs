//! What every cloud must promise: unknown is `None`, an order done twice is done once, nothing
//! that belongs to another move is touched, effects are seen by looking, no point is no zero.
//!
//! It is not a test of AWS's sentences, quotas or timings, and not of throttling or lost answers:
//! those belong to the adapter and to the harness. Every promise starts from a source of its own
//! and gives its objects names derived from it, so promises may share one cloud. One that fails
//! half-way leaves its objects; the fixture's end takes them away.

mod beside;
mod equipment;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::action::{CloudAction, NewReplicaCluster, NewWriter, ParameterChange};
use crate::failure::{Failure, FailureKind};
use crate::ids::{ClusterId, Epoch, InstanceId, ParameterGroupName, SecurityGroupId};
use crate::port::cloud::{
    ApplyType, Cluster, GroupLevel, GroupMembership, Instance, Metric, MetricPoint, MetricQuery,
    Parameter, ParameterSource, ResourceState, Subject, TAG_EPOCH, TAG_MIGRATION, Tags,
};
use crate::port::{Cloud, Stamp};

pub use beside::{a_proxy_leads_to_its_target, a_second_region_follows};
pub use equipment::{
    a_probe_only_looks, a_target_is_equipped, history_sums_up, surroundings_are_told,
};

const HOUR: Duration = Duration::from_secs(3_600);
const LEVELS: [GroupLevel; 2] = [GroupLevel::Cluster, GroupLevel::Instance];

/// Gives the suite its cloud.
#[async_trait]
pub trait CloudFixture: Sync {
    /// The cloud.
    fn cloud(&self) -> &dyn Cloud;
    /// A PostgreSQL instance that is available, with backups on and deletion protection off, in at
    /// least one security group, in use by nobody, and whose id was not handed out before.
    async fn fresh_source(&self) -> InstanceId;
    /// A security group that exists and that no fresh source is in.
    fn spare_group(&self) -> SecurityGroupId;
    /// Puts an alarm on an instance's processor time.
    async fn put_alarm(&self, on: &InstanceId, name: &str);
    /// The instant now, by the cloud's clock.
    fn now(&self) -> Timestamp;
    /// Lets a little time pass between two looks.
    async fn pause(&self);
    /// How many looks an effect may take at most.
    fn looks_max(&self) -> u32;
}

/// Every promise, one after another.
pub async fn every_promise(fixture: &impl CloudFixture) {
    unknown_is_none(fixture).await;
    a_source_is_seen_whole(fixture).await;
    a_source_has_offers(fixture).await;
    groups_belong_to_their_move(fixture).await;
    parameters_are_read_back(fixture).await;
    a_fence_is_seen(fixture).await;
    a_reboot_is_told(fixture).await;
    retention_is_read_back(fixture).await;
    points_lie_in_their_window(fixture).await;
    a_replica_is_made_once_and_undone(fixture).await;
    a_promoted_cluster_stands_alone(fixture).await;
    a_source_is_retired_beside_its_snapshot(fixture).await;
    a_target_is_equipped(fixture).await;
    a_proxy_leads_to_its_target(fixture).await;
    a_second_region_follows(fixture).await;
    history_sums_up(fixture).await;
    surroundings_are_told(fixture).await;
    a_probe_only_looks(fixture).await;
}

fn ours() -> Stamp {
    Stamp { migration: "orders".into(), epoch: Epoch(3) }
}

fn another() -> Stamp {
    Stamp { migration: "billing".into(), epoch: Epoch(3) }
}

fn belongs_to(tags: &Tags, stamp: &Stamp) -> bool {
    tags.get(TAG_MIGRATION).map(String::as_str) == Some(stamp.migration.as_str())
        && tags.get(TAG_EPOCH).map(String::as_str) == Some(&*stamp.epoch.to_string())
}

/// Looks until what is seen is as awaited, and fails with what was seen last.
async fn eventually<T: Debug>(
    fixture: &impl CloudFixture,
    what: &str,
    look: impl AsyncFn() -> T,
    awaited: impl Fn(&T) -> bool,
) -> T {
    let mut seen = look().await;
    for _ in 0..fixture.looks_max() {
        if awaited(&seen) {
            return seen;
        }
        fixture.pause().await;
        seen = look().await;
    }
    assert!(awaited(&seen), "{what} did not come about; last seen: {seen:?}");
    seen
}

/// Gives an order as the driver does: again while the object is busy.
async fn order(
    fixture: &impl CloudFixture,
    action: &CloudAction,
    stamp: &Stamp,
) -> Result<(), FailureKind> {
    let busy = |done: &Result<(), Failure>| {
        done.as_ref().err().is_some_and(|failure| failure.kind == FailureKind::WrongState)
    };
    let give = async || fixture.cloud().act(action, stamp).await;
    let done = eventually(fixture, &action.to_string(), give, |done| !busy(done)).await;
    done.map_err(|failure| failure.kind)
}

/// The same order twice in our name; both succeed.
async fn twice(fixture: &impl CloudFixture, action: CloudAction) {
    for time in ["once", "again"] {
        assert_eq!(order(fixture, &action, &ours()).await, Ok(()), "{action} {time}");
    }
}

/// The order in another move's name; it is refused as not theirs.
async fn refused_to_another(fixture: &impl CloudFixture, action: CloudAction) {
    let refused = order(fixture, &action, &another()).await;
    assert_eq!(refused, Err(FailureKind::TakenByAnother), "{action} for another move");
}

async fn instance(fixture: &impl CloudFixture, id: &InstanceId) -> Option<Instance> {
    fixture.cloud().instance(id).await.expect("instances can be read")
}

async fn cluster(fixture: &impl CloudFixture, id: &ClusterId) -> Option<Cluster> {
    fixture.cloud().cluster(id).await.expect("clusters can be read")
}

async fn source(fixture: &impl CloudFixture) -> Instance {
    let id = fixture.fresh_source().await;
    instance(fixture, &id).await.expect("a fresh source exists")
}

fn group_name(source: &Instance, level: GroupLevel) -> ParameterGroupName {
    let word = match level {
        GroupLevel::Cluster => "cluster",
        GroupLevel::Instance => "instance",
    };
    ParameterGroupName::new(format!("{}-{word}-group", source.id))
}

/// The family of the first Aurora version the source may become.
async fn family(fixture: &impl CloudFixture, source: &Instance) -> (String, String) {
    let versions = fixture.cloud().aurora_versions(&source.engine_version).await;
    let versions = versions.expect("versions can be read");
    let first = versions.first().expect("a fresh source can become an Aurora version");
    (first.version.clone(), first.family.clone())
}

/// What nobody made reads as nothing; the parameters of no group are a failure.
pub async fn unknown_is_none(fixture: &impl CloudFixture) {
    let cloud = fixture.cloud();
    assert_eq!(cloud.instance(&"nobody".into()).await, Ok(None));
    assert_eq!(cloud.cluster(&"nobody".into()).await, Ok(None));
    assert_eq!(cloud.snapshot("nobody").await, Ok(None));
    for level in LEVELS {
        assert_eq!(cloud.parameter_group(level, &"nobody".into()).await, Ok(None));
        let parameters = cloud.parameters(level, &"nobody".into()).await;
        assert_eq!(parameters.map_err(|failure| failure.kind), Err(FailureKind::NotFound));
    }
}

/// A source has what a move starts from.
pub async fn a_source_is_seen_whole(fixture: &impl CloudFixture) {
    let seen = source(fixture).await;
    assert_eq!(seen.engine, "postgres");
    assert_eq!(seen.state, ResourceState::Available);
    assert!(seen.arn.starts_with("arn:"), "{seen:?}");
    assert!(seen.endpoint.is_some() && !seen.master_user.is_empty(), "{seen:?}");
    assert!(seen.backup_retention_days > 0, "{seen:?}");
    assert!(!seen.security_groups.is_empty(), "{seen:?}");
    assert!(seen.security_groups.iter().all(|membership| membership.active), "{seen:?}");
    let attached = seen.parameter_group.as_ref().expect("a source has a parameter group");
    let parameters = fixture.cloud().parameters(GroupLevel::Instance, &attached.name).await;
    assert!(!parameters.expect("its parameters can be read").is_empty());
    assert_eq!((&seen.replica_clusters, &seen.cluster), (&vec![], &None));
    assert!(seen.detail.replicas_elsewhere.is_empty(), "{seen:?}");
}

/// A source may become some Aurora version, lowest first, that has classes and defaults.
pub async fn a_source_has_offers(fixture: &impl CloudFixture) {
    let cloud = fixture.cloud();
    let source = source(fixture).await;
    let (major, minor) = release(&source.engine_version);
    let versions = cloud.aurora_versions(&source.engine_version).await.expect("versions");
    let releases: Vec<_> = versions.iter().map(|offer| release(&offer.version)).collect();
    assert!(!releases.is_empty(), "nothing to become for {}", source.engine_version);
    assert!(releases.is_sorted(), "{releases:?}");
    for (offer, release) in versions.iter().zip(releases) {
        assert!(release.0 == major && release.1 >= minor, "{offer:?}");
        assert_eq!(offer.family, format!("aurora-postgresql{major}"));
        let classes = cloud.orderable_classes(&offer.version).await.expect("classes");
        assert!(classes.iter().all(|class| class.starts_with("db.")), "{classes:?}");
        assert!(!classes.is_empty(), "no class runs {offer:?}");
    }
    for level in LEVELS {
        let family = format!("aurora-postgresql{major}");
        let defaults = cloud.default_parameters(level, &family).await.expect("defaults");
        let mut names: Vec<_> = defaults.iter().map(|parameter| &parameter.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert!(count > 0 && names.len() == count, "{level:?}: {count}, distinct {}", names.len());
    }
}

fn release(version: &str) -> (u32, u32) {
    let (major, minor) = version.split_once('.').expect("a version is MAJOR.MINOR");
    let minor = minor.split('-').next().unwrap_or(minor);
    (major.parse().expect("a number"), minor.parse().expect("a number"))
}

/// A group is made once, tagged, and neither taken nor deleted by another move.
pub async fn groups_belong_to_their_move(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let (_, family) = family(fixture, &source).await;
    for level in LEVELS {
        let name = group_name(&source, level);
        let create =
            CloudAction::CreateParameterGroup { level, name: name.clone(), family: family.clone() };
        let delete = CloudAction::DeleteParameterGroup { level, name: name.clone() };
        twice(fixture, create.clone()).await;
        refused_to_another(fixture, create).await;
        refused_to_another(fixture, delete.clone()).await;
        let seen = fixture.cloud().parameter_group(level, &name).await.expect("groups can be read");
        let seen = seen.expect("it was made, and not deleted by another");
        assert_eq!((&seen.name, &seen.family), (&name, &family));
        assert!(belongs_to(&seen.tags, &ours()), "{seen:?}");
        twice(fixture, delete).await;
        assert_eq!(fixture.cloud().parameter_group(level, &name).await, Ok(None));
    }
}

/// A value that was set is the value, set by a user, whether static or dynamic.
pub async fn parameters_are_read_back(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let (_, family) = family(fixture, &source).await;
    for (level, parameter, value, apply_type) in [
        (GroupLevel::Cluster, "rds.logical_replication", "1", ApplyType::Static),
        (GroupLevel::Instance, "log_min_duration_statement", "1234", ApplyType::Dynamic),
    ] {
        let name = group_name(&source, level);
        let create =
            CloudAction::CreateParameterGroup { level, name: name.clone(), family: family.clone() };
        assert_eq!(order(fixture, &create, &ours()).await, Ok(()));
        let before = parameter_of(fixture, level, &name, parameter).await;
        assert_eq!((before.apply_type, before.modifiable), (apply_type, true), "{before:?}");
        assert_ne!(before.source, ParameterSource::User, "{before:?}");

        let change =
            ParameterChange { name: parameter.to_owned(), value: value.to_owned(), apply_type };
        let set = CloudAction::SetParameters { level, name: name.clone(), changes: vec![change] };
        refused_to_another(fixture, set.clone()).await;
        assert_eq!(parameter_of(fixture, level, &name, parameter).await, before);
        twice(fixture, set).await;
        let after = parameter_of(fixture, level, &name, parameter).await;
        assert_eq!(after.value.as_deref(), Some(value));
        assert_eq!(after.source, ParameterSource::User);
        let delete = CloudAction::DeleteParameterGroup { level, name };
        assert_eq!(order(fixture, &delete, &ours()).await, Ok(()));
    }
}

async fn parameter_of(
    fixture: &impl CloudFixture,
    level: GroupLevel,
    group: &ParameterGroupName,
    name: &str,
) -> Parameter {
    let all = fixture.cloud().parameters(level, group).await.expect("parameters can be read");
    all.into_iter().find(|parameter| parameter.name == name).expect("the family has it")
}

fn active(groups: &[SecurityGroupId]) -> Vec<GroupMembership> {
    groups.iter().map(|group| GroupMembership { group: group.clone(), active: true }).collect()
}

/// A source's groups are replaced as a whole, and put back.
pub async fn a_fence_is_seen(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let before: Vec<_> =
        source.security_groups.iter().map(|membership| membership.group.clone()).collect();
    for groups in [vec![fixture.spare_group()], before] {
        let awaited = Some(active(&groups));
        twice(
            fixture,
            CloudAction::SetInstanceSecurityGroups { instance: source.id.clone(), groups },
        )
        .await;
        let look = async || instance(fixture, &source.id).await.map(|seen| seen.security_groups);
        eventually(fixture, "the change of groups", look, |seen| *seen == awaited).await;
    }
}

/// A reboot ends, leaves the instance available, and is told by an event.
pub async fn a_reboot_is_told(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let begun = fixture.now();
    let reboot = CloudAction::RebootInstance { instance: source.id.clone() };
    assert_eq!(order(fixture, &reboot, &ours()).await, Ok(()));
    let subject = Subject::Instance(source.id.clone());
    let look = async || fixture.cloud().events(&subject, begun).await.expect("events can be read");
    let told = eventually(fixture, "the event of the reboot", look, |events| {
        events.iter().any(|event| event.message.contains("restarted"))
    })
    .await;
    assert!(told.is_sorted_by_key(|event| event.at), "{told:?}");
    assert!(told.iter().all(|event| event.at >= begun), "{told:?}");
    available(fixture, &source.id).await;
}

async fn available(fixture: &impl CloudFixture, id: &InstanceId) -> Instance {
    let look = async || instance(fixture, id).await;
    let is_up = |seen: &Option<Instance>| {
        seen.as_ref()
            .is_some_and(|seen| seen.state == ResourceState::Available && seen.endpoint.is_some())
    };
    let seen = eventually(fixture, "an available instance", look, is_up).await;
    seen.expect("what is available exists")
}

/// Retention is what was ordered.
pub async fn retention_is_read_back(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let days = source.backup_retention_days + 1;
    let instance = source.id.clone();
    twice(fixture, CloudAction::SetBackupRetention { instance, days }).await;
    let look = async || available(fixture, &source.id).await.backup_retention_days;
    eventually(fixture, "the retention", look, |seen| *seen == days).await;
}

async fn points(fixture: &impl CloudFixture, query: &MetricQuery) -> Vec<MetricPoint> {
    fixture.cloud().metric(query).await.expect("metrics can be read")
}

/// Points come in order from their window alone; where nothing was measured there is none.
pub async fn points_lie_in_their_window(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let query = |subject: InstanceId, from, to| MetricQuery {
        metric: Metric::DatabaseConnections,
        subject: Subject::Instance(subject),
        from,
        to,
    };
    let from = fixture.now() - HOUR;
    let recent = || query(source.id.clone(), from, fixture.now());
    let look = async || points(fixture, &recent()).await;
    let seen = eventually(fixture, "a second point", look, |points| points.len() > 1).await;
    assert!(seen.is_sorted_by_key(|point| point.at), "{seen:?}");
    assert!(seen.iter().all(|point| point.value >= 0.0), "{seen:?}");

    let [first, second, ..] = seen.as_slice() else { return };
    let between = points(fixture, &query(source.id.clone(), first.at, second.at)).await;
    assert_eq!(between, [*first], "from is inclusive, to is not");
    let old = query(source.id.clone(), from - 48 * HOUR, from - 47 * HOUR);
    assert_eq!(points(fixture, &old).await, [], "before the source was made");
    let nobodys = query("nobody".into(), from, fixture.now());
    assert_eq!(points(fixture, &nobodys).await, [], "of an instance that nobody made");
}

/// What [`replica`] made.
struct Replica {
    source: Instance,
    cluster: ClusterId,
    writer: InstanceId,
}

/// The orders that make a replica of a source, in their order.
async fn making(fixture: &impl CloudFixture, source: &Instance) -> (Replica, Vec<CloudAction>) {
    let (version, family) = family(fixture, source).await;
    let classes = fixture.cloud().orderable_classes(&version).await.expect("classes");
    let cluster = ClusterId::new(format!("{}-aurora", source.id));
    let writer = InstanceId::new(format!("{}-aurora-1", source.id));
    let mut orders: Vec<_> = LEVELS
        .map(|level| CloudAction::CreateParameterGroup {
            level,
            name: group_name(source, level),
            family: family.clone(),
        })
        .into();
    orders.push(CloudAction::CreateReplicaCluster(NewReplicaCluster {
        cluster: cluster.clone(),
        source_arn: source.arn.clone(),
        engine_version: version,
        parameter_group: group_name(source, GroupLevel::Cluster),
        security_groups: vec![fixture.spare_group()],
        subnet_group: source.subnet_group.clone(),
        encrypted: source.encrypted,
        kms_key: source.kms_key.clone(),
        backup_retention_days: source.backup_retention_days,
        serverless: None,
    }));
    orders.push(CloudAction::CreateWriter(NewWriter {
        instance: writer.clone(),
        cluster: cluster.clone(),
        class: classes.first().expect("a class runs it").clone(),
        parameter_group: group_name(source, GroupLevel::Instance),
    }));
    (Replica { source: source.clone(), cluster, writer }, orders)
}

/// Makes a replica with its writer and waits until both are there.
async fn replica(fixture: &impl CloudFixture) -> Replica {
    let source = source(fixture).await;
    let (replica, orders) = making(fixture, &source).await;
    for creation in orders {
        twice(fixture, creation.clone()).await;
        refused_to_another(fixture, creation).await;
    }
    available(fixture, &replica.writer).await;
    let look = async || cluster(fixture, &replica.cluster).await;
    eventually(fixture, "an available cluster", look, |seen| {
        seen.as_ref().is_some_and(|seen| seen.state == ResourceState::Available)
    })
    .await;
    replica
}

/// A replica is made once, is ours alone, and goes away without a trace.
pub async fn a_replica_is_made_once_and_undone(fixture: &impl CloudFixture) {
    let begun = fixture.now();
    let replica = replica(fixture).await;
    a_replica_is_seen_whole(fixture, &replica).await;
    let lag = async || {
        let subject = Subject::Instance(replica.source.id.clone());
        let metric = Metric::OldestReplicationSlotLag;
        points(fixture, &MetricQuery { metric, subject, from: begun, to: fixture.now() }).await
    };
    eventually(fixture, "a point of the slot's lag", lag, |points| !points.is_empty()).await;
    a_replica_is_undone(fixture, &replica).await;
}

async fn a_replica_is_seen_whole(fixture: &impl CloudFixture, replica: &Replica) {
    let Replica { source, cluster: id, writer } = replica;
    let seen = cluster(fixture, id).await.expect("it was made");
    assert_eq!(seen.engine, "aurora-postgresql");
    assert_eq!(seen.replicates_from.as_ref(), Some(&source.arn));
    assert_eq!(seen.parameter_group, Some(group_name(source, GroupLevel::Cluster)));
    assert_eq!(seen.security_groups, active(&[fixture.spare_group()]));
    assert!(seen.endpoint.is_some() && !seen.deletion_protected, "{seen:?}");
    assert!(belongs_to(&seen.tags, &ours()), "{seen:?}");
    let members: Vec<_> =
        seen.members.iter().map(|member| (&member.instance, member.writer)).collect();
    assert_eq!(members, [(writer, true)]);
    let member = instance(fixture, writer).await.expect("the writer was made");
    assert_eq!(member.cluster.as_ref(), Some(id));
    assert!(belongs_to(&member.tags, &ours()), "{member:?}");
    let origin = instance(fixture, &source.id).await.expect("the source stays");
    assert_eq!(origin.replica_clusters, std::slice::from_ref(id));
}

async fn a_replica_is_undone(fixture: &impl CloudFixture, replica: &Replica) {
    let Replica { source, cluster: id, writer } = replica;
    let (delete_writer, delete_cluster) = (
        CloudAction::DeleteWriter { instance: writer.clone() },
        CloudAction::DeleteCluster { cluster: id.clone() },
    );
    refused_to_another(fixture, delete_writer.clone()).await;
    refused_to_another(fixture, delete_cluster.clone()).await;
    twice(fixture, delete_writer).await;
    twice(fixture, delete_cluster).await;
    let look = async || (instance(fixture, writer).await, cluster(fixture, id).await);
    eventually(fixture, "the end of the replica", look, |seen| *seen == (None, None)).await;
    for level in LEVELS {
        let name = group_name(source, level);
        twice(fixture, CloudAction::DeleteParameterGroup { level, name }).await;
    }
    let look = async || instance(fixture, &source.id).await.map(|seen| seen.replica_clusters);
    eventually(fixture, "a source without replica", look, |seen| *seen == Some(vec![])).await;
}

/// Promotion is asked for once, is seen, and is told; then the cluster can be protected.
pub async fn a_promoted_cluster_stands_alone(fixture: &impl CloudFixture) {
    let Replica { source, cluster: id, .. } = replica(fixture).await;
    let production = source.security_groups.iter().map(|membership| membership.group.clone());
    let groups: Vec<_> = production.collect();
    let (promote, protect, open) = (
        CloudAction::PromoteCluster { cluster: id.clone() },
        CloudAction::ProtectCluster { cluster: id.clone() },
        CloudAction::SetClusterSecurityGroups { cluster: id.clone(), groups: groups.clone() },
    );
    for action in [promote.clone(), protect.clone(), open.clone()] {
        refused_to_another(fixture, action).await;
    }
    let begun = fixture.now();
    twice(fixture, promote.clone()).await;
    let look = async || cluster(fixture, &id).await.expect("it is not deleted");
    eventually(fixture, "the promotion", look, |seen| {
        seen.replicates_from.is_none() && seen.state == ResourceState::Available
    })
    .await;
    assert_eq!(order(fixture, &promote, &ours()).await, Ok(()), "promoted already");
    let origins = async || instance(fixture, &source.id).await.map(|seen| seen.replica_clusters);
    eventually(fixture, "a source without replica", origins, |seen| *seen == Some(vec![])).await;
    let subject = Subject::Cluster(id.clone());
    let told = async || fixture.cloud().events(&subject, begun).await.expect("events can be read");
    eventually(fixture, "the event of the promotion", told, |events| {
        events.iter().any(|event| event.message.contains("Promoted"))
    })
    .await;

    twice(fixture, open).await;
    eventually(fixture, "the production groups", look, |seen| {
        seen.security_groups == active(&groups)
    })
    .await;
    twice(fixture, protect).await;
    eventually(fixture, "the protection", look, |seen| seen.deletion_protected).await;
    let delete = CloudAction::DeleteCluster { cluster: id.clone() };
    let refused = order(fixture, &delete, &ours()).await;
    assert_eq!(refused, Err(FailureKind::Invalid), "a protected cluster is not deleted");
    assert_eq!(look().await.state, ResourceState::Available);
}

/// A source goes only after a finished snapshot of this move, and going twice is going once.
pub async fn a_source_is_retired_beside_its_snapshot(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let retire = CloudAction::DeleteRetiredSource { instance: source.id.clone() };
    let early = order(fixture, &retire, &ours()).await;
    assert_eq!(early, Err(FailureKind::Invalid), "there is no snapshot yet");

    let name = format!("{}-final", source.id);
    let create =
        CloudAction::CreateSnapshot { instance: source.id.clone(), snapshot: name.clone() };
    twice(fixture, create.clone()).await;
    refused_to_another(fixture, create).await;
    let look = async || fixture.cloud().snapshot(&name).await.expect("snapshots can be read");
    let taken = eventually(fixture, "the snapshot", look, |seen| {
        seen.as_ref().is_some_and(|seen| seen.state == ResourceState::Available)
    })
    .await;
    assert!(taken.is_some_and(|seen| belongs_to(&seen.tags, &ours())));

    twice(fixture, retire).await;
    let look = async || instance(fixture, &source.id).await;
    eventually(fixture, "the end of the source", look, Option::is_none).await;
    let kept = look_once(fixture, &name).await;
    assert_eq!(kept, Some(ResourceState::Available), "the snapshot outlives its source");
}

async fn look_once(fixture: &impl CloudFixture, snapshot: &str) -> Option<ResourceState> {
    let seen = fixture.cloud().snapshot(snapshot).await.expect("snapshots can be read");
    seen.map(|seen| seen.state)
}
