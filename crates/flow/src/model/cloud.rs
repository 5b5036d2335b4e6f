//! The cloud of the model: RDS's states and delays, as far as a step can tell.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::action::{CloudAction, NewReplicaCluster, NewWriter, SessionClass};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{ClusterId, Endpoint, InstanceId, ParameterGroupName, SecurityGroupId};
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{
    ApplyType, Cloud, CloudEvent, Cluster, ClusterMember, EngineVersion, GroupLevel,
    GroupMembership, Instance, Metric, MetricPoint, MetricQuery, Parameter, ParameterGroup,
    ParameterSource, ResourceState, Snapshot, Subject, TAG_EPOCH, TAG_MIGRATION, Tags,
};

use super::traffic::Side;
use super::{Inner, Later, Server, TARGET_AT, World};

fn parameter(name: &str, value: Option<&str>, source: ParameterSource) -> Parameter {
    Parameter {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        apply_type: ApplyType::Dynamic,
        modifiable: true,
        allowed: None,
        source,
    }
}

/// The source's group, with one parameter that Aurora has and one that it has not.
pub(super) fn example_groups() -> BTreeMap<(GroupLevel, String), (ParameterGroup, Vec<Parameter>)> {
    let name = "orders-pg15";
    let group = ParameterGroup {
        name: ParameterGroupName::new(name),
        family: "postgres15".to_owned(),
        tags: Tags::new(),
    };
    let parameters = vec![
        parameter("work_mem", Some("65536"), ParameterSource::User),
        parameter("checkpoint_timeout", Some("900"), ParameterSource::User),
    ];
    BTreeMap::from([((GroupLevel::Instance, name.to_owned()), (group, parameters))])
}

pub(super) fn example_offer() -> BTreeMap<GroupLevel, Vec<Parameter>> {
    let default = |name: &&str| parameter(name, None, ParameterSource::EngineDefault);
    BTreeMap::from([
        (
            GroupLevel::Cluster,
            ["rds.logical_replication", "work_mem"].iter().map(default).collect(),
        ),
        (GroupLevel::Instance, ["work_mem", "log_statement"].iter().map(default).collect()),
    ])
}

pub(super) fn example_versions() -> Vec<EngineVersion> {
    ["15.14", "15.15"]
        .map(|version| EngineVersion {
            version: version.to_owned(),
            family: "aurora-postgresql15".to_owned(),
        })
        .to_vec()
}

fn failure(kind: FailureKind, action: &CloudAction, detail: &str) -> Failure {
    Failure::new(kind, action.to_string(), detail)
}

fn tags(stamp: &Stamp) -> Tags {
    Tags::from([
        (TAG_MIGRATION.to_owned(), stamp.migration.to_string()),
        (TAG_EPOCH.to_owned(), stamp.epoch.to_string()),
    ])
}

fn ours(tags: &Tags, stamp: &Stamp) -> bool {
    tags.get(TAG_MIGRATION).map(String::as_str) == Some(stamp.migration.as_str())
}

fn in_force(groups: &[SecurityGroupId]) -> Vec<GroupMembership> {
    groups.iter().map(|group| GroupMembership { group: group.clone(), active: true }).collect()
}

fn coming(groups: &[SecurityGroupId]) -> Vec<GroupMembership> {
    groups.iter().map(|group| GroupMembership { group: group.clone(), active: false }).collect()
}

fn busy(status: &str) -> ResourceState {
    ResourceState::Busy(status.to_owned())
}

impl Inner {
    pub(super) fn come_true(&mut self, change: Later) {
        match change {
            Later::Groups(subject, groups) => self.groups_in_force(&subject, &groups),
            Later::ClusterReady(id) => self.cluster_state(&id, ResourceState::Available),
            Later::WriterReady(id) => {
                self.instance_state(&id, ResourceState::Available);
                self.seed_target();
            }
            Later::Rebooted(id) => {
                self.instance_state(&id, ResourceState::Available);
                self.source.up = true;
                self.source.started_at = self.now;
                self.event(Subject::Instance(id), "DB instance restarted");
            }
            Later::Promoted(id) => self.promoted(&id),
            Later::InstanceGone(id) => self.instance_gone(&id),
            Later::ClusterGone(id) => {
                self.clusters.remove(&id);
                for instance in self.instances.values_mut() {
                    instance.replica_clusters.retain(|replica| *replica != id);
                }
            }
            Later::BackupsOn(id) => self.instance_state(&id, ResourceState::Available),
            Later::SnapshotReady(id) => {
                if let Some(snapshot) = self.snapshots.get_mut(&id) {
                    snapshot.state = ResourceState::Available;
                }
            }
        }
    }

    fn instance_state(&mut self, id: &InstanceId, state: ResourceState) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.state = state;
        }
    }

    fn cluster_state(&mut self, id: &ClusterId, state: ResourceState) {
        if let Some(cluster) = self.clusters.get_mut(id) {
            cluster.state = state;
        }
    }

    fn groups_in_force(&mut self, subject: &Subject, groups: &[SecurityGroupId]) {
        let works = self.fence_works();
        let server = match subject {
            Subject::Instance(id) => {
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.security_groups = in_force(groups);
                }
                Some(&mut self.source)
            }
            Subject::Cluster(id) => {
                if let Some(cluster) = self.clusters.get_mut(id) {
                    cluster.security_groups = in_force(groups);
                }
                self.target.as_mut()
            }
        };
        if let Some(server) = server.filter(|_| works) {
            server.groups = groups.to_vec();
        }
    }

    fn seed_target(&mut self) {
        let groups = self.clusters.values().flat_map(|cluster| &cluster.security_groups);
        self.target = Some(Server {
            up: true,
            in_recovery: true,
            started_at: self.now,
            wal: 0,
            writes: Vec::new(),
            counted: 0,
            markers: None,
            groups: groups.map(|member| member.group.clone()).collect(),
        });
    }

    fn promoted(&mut self, id: &ClusterId) {
        let Some(cluster) = self.clusters.get_mut(id) else { return };
        cluster.replicates_from = None;
        cluster.state = ResourceState::Available;
        for instance in self.instances.values_mut() {
            instance.replica_clusters.retain(|replica| replica != id);
        }
        if let Some(target) = &mut self.target {
            target.in_recovery = false;
            target.counted = 0;
        }
        let message = "Promoted Read Replica cluster to a stand-alone database cluster.";
        self.event(Subject::Cluster(id.clone()), message);
    }

    fn instance_gone(&mut self, id: &InstanceId) {
        let Some(instance) = self.instances.remove(id) else { return };
        if instance.cluster.is_some() {
            self.target = None;
            for cluster in self.clusters.values_mut() {
                cluster.members.retain(|member| member.instance != *id);
            }
        } else {
            self.source.up = false;
        }
    }

    fn order(&mut self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
        match action {
            CloudAction::SetBackupRetention { instance, days } => {
                self.available(instance, action)?.backup_retention_days = *days;
                self.instance_state(instance, busy("modifying"));
                self.plan(self.delays.groups, Later::BackupsOn(instance.clone()));
                Ok(())
            }
            CloudAction::CreateParameterGroup { level, name, family } => {
                self.create_group((*level, name), family, stamp, action)
            }
            CloudAction::SetParameters { level, name, changes } => {
                let group = self.groups.get_mut(&(*level, name.to_string()));
                let Some((_, values)) = group else {
                    return Err(failure(FailureKind::NotFound, action, "no such group"));
                };
                for change in changes {
                    values.retain(|value| value.name != change.name);
                    let value = Some(change.value.as_str());
                    values.push(parameter(&change.name, value, ParameterSource::User));
                }
                Ok(())
            }
            CloudAction::DeleteParameterGroup { level, name } => {
                self.groups.remove(&(*level, name.to_string()));
                Ok(())
            }
            CloudAction::CreateReplicaCluster(new) => self.create_cluster(new, stamp, action),
            CloudAction::CreateWriter(new) => self.create_writer(new, stamp, action),
            CloudAction::SetInstanceSecurityGroups { instance, groups } => {
                self.instance(instance, action)?.security_groups = coming(groups);
                let subject = Subject::Instance(instance.clone());
                self.plan(self.delays.groups, Later::Groups(subject, groups.clone()));
                Ok(())
            }
            CloudAction::SetClusterSecurityGroups { cluster, groups } => {
                self.cluster(cluster, action)?.security_groups = coming(groups);
                let subject = Subject::Cluster(cluster.clone());
                self.plan(self.delays.groups, Later::Groups(subject, groups.clone()));
                Ok(())
            }
            CloudAction::RebootInstance { instance } => self.reboot(instance, action),
            CloudAction::PromoteCluster { cluster } => self.promote(cluster, action),
            CloudAction::ProtectCluster { cluster } => {
                self.cluster(cluster, action)?.deletion_protected = true;
                Ok(())
            }
            CloudAction::DeleteWriter { instance }
            | CloudAction::DeleteRetiredSource { instance } => self.delete(instance),
            CloudAction::DeleteCluster { cluster } => self.delete_cluster(cluster, action),
            CloudAction::CreateSnapshot { snapshot, .. } => {
                let (id, tags) = (snapshot.clone(), tags(stamp));
                self.snapshots.entry(id.clone()).or_insert(Snapshot {
                    id,
                    state: busy("creating"),
                    tags,
                });
                self.plan(self.delays.cluster, Later::SnapshotReady(snapshot.clone()));
                Ok(())
            }
        }
    }

    fn instance(
        &mut self,
        id: &InstanceId,
        action: &CloudAction,
    ) -> Result<&mut Instance, Failure> {
        let found = self.instances.get_mut(id);
        found.ok_or_else(|| failure(FailureKind::NotFound, action, "DBInstanceNotFound"))
    }

    fn available(
        &mut self,
        id: &InstanceId,
        action: &CloudAction,
    ) -> Result<&mut Instance, Failure> {
        let instance = self.instance(id, action)?;
        if instance.state == ResourceState::Available {
            return Ok(instance);
        }
        Err(failure(FailureKind::WrongState, action, "InvalidDBInstanceState"))
    }

    fn cluster(&mut self, id: &ClusterId, action: &CloudAction) -> Result<&mut Cluster, Failure> {
        let found = self.clusters.get_mut(id);
        found.ok_or_else(|| failure(FailureKind::NotFound, action, "DBClusterNotFoundFault"))
    }

    fn create_group(
        &mut self,
        (level, name): (GroupLevel, &ParameterGroupName),
        family: &str,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let key = (level, name.to_string());
        if let Some((group, _)) = self.groups.get(&key) {
            return already(&group.tags, stamp, action);
        }
        let (name, family) = (name.clone(), family.to_owned());
        let group = ParameterGroup { name, family, tags: tags(stamp) };
        self.groups.insert(key, (group, vec![]));
        Ok(())
    }

    fn create_cluster(
        &mut self,
        new: &NewReplicaCluster,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        if let Some(cluster) = self.clusters.get(&new.cluster) {
            return already(&cluster.tags, stamp, action);
        }
        let source = self.instances.values_mut().find(|i| i.arn == new.source_arn);
        let Some(source) = source else {
            return Err(failure(FailureKind::NotFound, action, "DBInstanceNotFound"));
        };
        if !source.replica_clusters.is_empty() || source.backup_retention_days == 0 {
            return Err(failure(FailureKind::WrongState, action, "InvalidDBInstanceState"));
        }
        source.replica_clusters.push(new.cluster.clone());
        let cluster = Cluster {
            id: new.cluster.clone(),
            arn: format!("arn:aws:rds:eu-west-1:123456789012:cluster:{}", new.cluster),
            engine: "aurora-postgresql".to_owned(),
            engine_version: new.engine_version.clone(),
            state: busy("creating"),
            endpoint: Some(Endpoint::new(TARGET_AT.0, TARGET_AT.1)),
            replicates_from: Some(new.source_arn.clone()),
            members: vec![],
            parameter_group: Some(new.parameter_group.clone()),
            security_groups: in_force(&new.security_groups),
            backup_retention_days: new.backup_retention_days,
            deletion_protected: false,
            tags: tags(stamp),
        };
        self.clusters.insert(new.cluster.clone(), cluster);
        self.plan(self.delays.cluster, Later::ClusterReady(new.cluster.clone()));
        Ok(())
    }

    fn create_writer(
        &mut self,
        new: &NewWriter,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        if let Some(instance) = self.instances.get(&new.instance) {
            return already(&instance.tags, stamp, action);
        }
        let cluster = self.cluster(&new.cluster, action)?;
        cluster.members.push(ClusterMember { instance: new.instance.clone(), writer: true });
        let endpoint = cluster.endpoint.clone();
        let mut instance = super::example_instance(&self.source_at.clone());
        instance.id = new.instance.clone();
        instance.arn = format!("arn:aws:rds:eu-west-1:123456789012:db:{}", new.instance);
        instance.engine = "aurora-postgresql".to_owned();
        instance.class.clone_from(&new.class);
        instance.state = busy("creating");
        instance.endpoint = endpoint;
        instance.cluster = Some(new.cluster.clone());
        instance.tags = tags(stamp);
        self.instances.insert(new.instance.clone(), instance);
        self.plan(self.delays.writer, Later::WriterReady(new.instance.clone()));
        Ok(())
    }

    fn reboot(&mut self, id: &InstanceId, action: &CloudAction) -> Result<(), Failure> {
        self.available(id, action)?.state = busy("rebooting");
        if self.fence_works() {
            self.traffic.cut(Side::Source, SessionClass::All);
        }
        self.source.up = !self.fence_works();
        self.plan(self.delays.reboot, Later::Rebooted(id.clone()));
        Ok(())
    }

    fn promote(&mut self, id: &ClusterId, action: &CloudAction) -> Result<(), Failure> {
        let cluster = self.cluster(id, action)?;
        if cluster.replicates_from.is_none() {
            return Ok(());
        }
        if cluster.state != ResourceState::Available {
            return Err(failure(FailureKind::WrongState, action, "InvalidDBClusterStateFault"));
        }
        cluster.state = busy("promoting");
        self.plan(self.delays.promote, Later::Promoted(id.clone()));
        Ok(())
    }

    fn delete(&mut self, id: &InstanceId) -> Result<(), Failure> {
        if self.instances.contains_key(id) {
            self.instance_state(id, ResourceState::Deleting);
            self.later.retain(|(_, later)| !matches!(later, Later::WriterReady(w) if w == id));
            self.plan(self.delays.delete, Later::InstanceGone(id.clone()));
        }
        Ok(())
    }

    fn delete_cluster(&mut self, id: &ClusterId, action: &CloudAction) -> Result<(), Failure> {
        let Some(cluster) = self.clusters.get(id) else { return Ok(()) };
        if !cluster.members.is_empty() {
            return Err(failure(FailureKind::WrongState, action, "the cluster has members"));
        }
        self.cluster_state(id, ResourceState::Deleting);
        self.later.retain(|(_, later)| !matches!(later, Later::ClusterReady(c) if c == id));
        self.plan(self.delays.delete, Later::ClusterGone(id.clone()));
        Ok(())
    }

    /// Saw-tooth of a caught-up replica, or what a stalled one leaves behind.
    fn lag_at(&self, at: Timestamp) -> f64 {
        let since = |instant: Option<Timestamp>| instant.is_some_and(|since| since < at);
        if since(self.stalled) || since(self.stale_slot) {
            return f64::from(90 << 20);
        }
        if at.as_second() % 5 == 3 { f64::from(40 << 20) } else { 0.0 }
    }
}

fn already(tags: &Tags, stamp: &Stamp, action: &CloudAction) -> Result<(), Failure> {
    if ours(tags, stamp) {
        return Ok(());
    }
    Err(failure(FailureKind::TakenByAnother, action, "it exists and carries another tag"))
}

#[async_trait]
impl Cloud for World {
    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, Failure> {
        self.call().await;
        Ok(self.lock().instances.get(id).cloned())
    }

    async fn cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure> {
        self.call().await;
        Ok(self.lock().clusters.get(id).cloned())
    }

    async fn parameter_group(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<ParameterGroup>, Failure> {
        self.call().await;
        Ok(self.lock().groups.get(&(level, name.to_string())).map(|(group, _)| group.clone()))
    }

    async fn parameters(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Vec<Parameter>, Failure> {
        self.call().await;
        let inner = self.lock();
        let found = inner.groups.get(&(level, name.to_string()));
        found.map(|(_, values)| values.clone()).ok_or_else(|| {
            let what = format!("read parameter group {name}");
            Failure::new(FailureKind::NotFound, what, "DBParameterGroupNotFound")
        })
    }

    async fn default_parameters(
        &self,
        level: GroupLevel,
        _family: &str,
    ) -> Result<Vec<Parameter>, Failure> {
        self.call().await;
        Ok(self.lock().offer.get(&level).cloned().unwrap_or_default())
    }

    async fn aurora_versions(&self, _version: &str) -> Result<Vec<EngineVersion>, Failure> {
        self.call().await;
        Ok(self.lock().versions.clone())
    }

    async fn orderable_classes(&self, _aurora_version: &str) -> Result<Vec<String>, Failure> {
        self.call().await;
        Ok(self.lock().classes.clone())
    }

    async fn events(
        &self,
        subject: &Subject,
        since: Timestamp,
    ) -> Result<Vec<CloudEvent>, Failure> {
        self.call().await;
        let inner = self.lock();
        let matching =
            inner.events.iter().filter(|(about, event)| about == subject && event.at >= since);
        Ok(matching.map(|(_, event)| event.clone()).collect())
    }

    async fn metric(&self, query: &MetricQuery) -> Result<Vec<MetricPoint>, Failure> {
        self.call().await;
        let inner = self.lock();
        if query.metric != Metric::OldestReplicationSlotLag {
            return Ok(vec![]);
        }
        let period = inner.delays.metric.as_secs().max(1);
        let period = i64::try_from(period).unwrap_or(i64::MAX);
        let (from, to) = (query.from.as_second(), query.to.min(inner.now).as_second());
        Ok((from..to)
            .filter(|second| second % period == 0)
            .filter_map(|second| Timestamp::from_second(second).ok())
            .filter(|at| *at >= query.from && inner.silent.is_none_or(|silent| *at < silent))
            .map(|at| MetricPoint { at, value: inner.lag_at(at) })
            .collect())
    }

    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        self.call().await;
        Ok(self.lock().snapshots.get(id).cloned())
    }

    async fn act(&self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
        self.call().await;
        self.lock().order(action, stamp)
    }
}
