//! The cloud of the model: RDS's states and delays, as far as a step can tell.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::action::CloudAction;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{ClusterId, InstanceId, ParameterGroupName, SecurityGroupId};
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{
    Alarm, ApplyType, Cloud, CloudEvent, Cluster, ClusterEndpoint, EngineVersion, GroupLevel,
    GroupMembership, Instance, Metric, MetricPoint, MetricQuery, MetricSpan, Parameter,
    ParameterGroup, ParameterSource, ResourceState, Snapshot, Subject, Surroundings, Tags,
};
use landfall_core::port::equipment::{GlobalDatabase, Proxy, Secondary};
use landfall_core::probe::Probed;
use landfall_core::spec::GlobalSpec;

use super::{Inner, Later, Server, World};

pub(super) fn parameter(name: &str, value: Option<&str>, source: ParameterSource) -> Parameter {
    Parameter {
        name: name.to_owned(),
        value: value.map(str::to_owned),
        apply_type: ApplyType::Dynamic,
        modifiable: true,
        allowed: None,
        source,
    }
}

/// The one parameter of the model that needs a restart.
const STATIC: &str = "rds.logical_replication";

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
    let default = |name: &&str| Parameter {
        apply_type: if *name == STATIC { ApplyType::Static } else { ApplyType::Dynamic },
        ..parameter(name, None, ParameterSource::EngineDefault)
    };
    let cluster = [STATIC, "max_replication_slots", "max_wal_senders", "work_mem"];
    let instance = ["work_mem", "log_statement", "log_min_duration_statement"];
    BTreeMap::from([
        (GroupLevel::Cluster, cluster.iter().map(default).collect()),
        (GroupLevel::Instance, instance.iter().map(default).collect()),
    ])
}

pub(super) fn example_versions() -> Vec<EngineVersion> {
    ["15.14", "15.15"]
        .map(|version| EngineVersion {
            version: version.to_owned(),
            family: "aurora-postgresql15".to_owned(),
            log_types: vec!["postgresql".to_owned()],
            features: vec!["s3Import".to_owned(), "s3Export".to_owned()],
        })
        .to_vec()
}

pub(super) fn in_force(groups: &[SecurityGroupId]) -> Vec<GroupMembership> {
    groups.iter().map(|group| GroupMembership { group: group.clone(), active: true }).collect()
}

impl Inner {
    pub(super) fn come_true(&mut self, change: Later) {
        match change {
            Later::Groups(subject, groups) => self.groups_in_force(&subject, &groups),
            Later::ClusterReady(id) => self.cluster_state(&id, ResourceState::Available),
            Later::WriterReady(id) => {
                self.instance_state(&id, ResourceState::Available);
                if self.writes(&id) {
                    self.seed_target();
                }
            }
            Later::Rebooted(id) => {
                self.instance_state(&id, ResourceState::Available);
                if id == self.served {
                    self.source.up = true;
                    self.source.started_at = self.now;
                }
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
                if let Some((_, snapshot)) = self.snapshots.get_mut(&id) {
                    snapshot.state = ResourceState::Available;
                }
            }
        }
    }

    pub(super) fn instance_state(&mut self, id: &InstanceId, state: ResourceState) {
        if let Some(instance) = self.instances.get_mut(id) {
            instance.state = state;
        }
    }

    pub(super) fn cluster_state(&mut self, id: &ClusterId, state: ResourceState) {
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
                Some(&mut self.source).filter(|_| *id == self.served)
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
            counted_beside: 0,
            markers: None,
            analyzed: false,
            groups: groups.map(|member| member.group.clone()).collect(),
            back: super::way_back::Ends::default(),
        });
        self.source.back.received = 0;
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

    /// Whether an instance is the writer of its cluster.
    fn writes(&self, id: &InstanceId) -> bool {
        let mut members = self.clusters.values().flat_map(|cluster| &cluster.members);
        members.any(|member| member.writer && member.instance == *id)
    }

    fn instance_gone(&mut self, id: &InstanceId) {
        let writer = self.writes(id);
        let Some(instance) = self.instances.remove(id) else { return };
        if instance.cluster.is_some() {
            if writer {
                self.target = None;
            }
            for cluster in self.clusters.values_mut() {
                cluster.members.retain(|member| member.instance != *id);
            }
        } else if *id == self.served {
            self.source.up = false;
        }
    }

    /// What CloudWatch shows of a subject at an instant, when it measures that.
    fn point(&self, query: &MetricQuery, at: Timestamp) -> Option<f64> {
        let known =
            matches!(&query.subject, Subject::Instance(id) if self.instances.contains_key(id));
        match query.metric {
            Metric::OldestReplicationSlotLag => known.then(|| self.lag_at(at)),
            Metric::DatabaseConnections => known.then_some(4.0),
            Metric::TransactionLogsGeneration => known.then_some(f64::from(1 << 20)),
            Metric::CpuUtilization => known.then_some(20.0),
            Metric::WriteLatency => known.then_some(0.002),
            Metric::RdsToAuroraPostgreSqlReplicaLag
            | Metric::FreeStorageSpace
            | Metric::ReadIops
            | Metric::WriteIops
            | Metric::ReadLatency
            | Metric::CommitLatency
            | Metric::DiskQueueDepth
            | Metric::NetworkReceiveThroughput
            | Metric::NetworkTransmitThroughput
            | Metric::FreeableMemory
            | Metric::ReplicationSlotDiskUsage
            | Metric::TransactionLogsDiskUsage
            | Metric::MaximumUsedTransactionIds
            | Metric::VolumeBytesUsed => None,
        }
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

#[async_trait]
impl Cloud for World {
    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, Failure> {
        self.call().await;
        Ok(self.lock().instances.get(id).cloned())
    }

    async fn cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure> {
        self.call().await;
        let inner = self.lock();
        let mut found = inner.clusters.get(id).cloned();
        if let Some(cluster) = found.as_mut().filter(|one| one.replicates_from.is_none()) {
            cluster.detail.latest_restorable = Some(inner.now);
        }
        Ok(found)
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
        let period = inner.delays.metric.as_secs().max(1);
        let period = i64::try_from(period).unwrap_or(i64::MAX);
        let from = query.from.max(inner.begin);
        let to = query.to.min(inner.now).min(inner.silent.unwrap_or(Timestamp::MAX));
        Ok((from.as_second()..=to.as_second())
            .filter(|second| second % period == 0)
            .filter_map(|second| Timestamp::from_second(second).ok())
            .filter(|at| *at >= from && *at < to)
            .filter_map(|at| Some(MetricPoint { at, value: inner.point(query, at)? }))
            .collect())
    }

    async fn history(&self, query: &MetricQuery, period: u32) -> Result<Vec<MetricSpan>, Failure> {
        let points = self.metric(query).await?;
        let span = |point: &MetricPoint| MetricSpan {
            at: point.at,
            average: point.value,
            minimum: point.value,
            maximum: point.value,
            samples: 1.0,
        };
        let whole = |point: &&MetricPoint| point.at.as_second() % i64::from(period.max(1)) == 0;
        Ok(points.iter().filter(whole).map(span).collect())
    }

    async fn surroundings(&self, instance: &Instance) -> Result<Surroundings, Failure> {
        self.call().await;
        Ok(Surroundings {
            maintenance: Ok(vec![]),
            quotas: Ok(vec![]),
            alarms: Ok(self.lock().alarms_on(&Subject::Instance(instance.id.clone()))),
            group_shared_with: Ok(vec![]),
            proxies: Ok(vec![]),
        })
    }

    async fn alarms(&self, subject: &Subject) -> Result<Vec<Alarm>, Failure> {
        self.call().await;
        Ok(self.lock().alarms_on(subject))
    }

    async fn metric_names(&self, subject: &Subject) -> Result<BTreeSet<String>, Failure> {
        self.call().await;
        let inner = self.lock();
        let known = match subject {
            Subject::Instance(id) => inner.instances.contains_key(id),
            Subject::Cluster(id) => inner.clusters.contains_key(id),
        };
        let names = [Metric::CpuUtilization, Metric::DatabaseConnections];
        Ok(names.iter().filter(|_| known).map(|metric| metric.name().to_owned()).collect())
    }

    async fn cluster_endpoints(&self, id: &ClusterId) -> Result<Vec<ClusterEndpoint>, Failure> {
        self.call().await;
        Ok(self.lock().endpoints.get(id).cloned().unwrap_or_default())
    }

    async fn proxy(&self, name: &str) -> Result<Option<Proxy>, Failure> {
        self.call().await;
        Ok(self.lock().proxy(name))
    }

    async fn global_database(&self, name: &str) -> Result<Option<GlobalDatabase>, Failure> {
        self.call().await;
        Ok(self.lock().global_database(name))
    }

    async fn secondary(&self, of: &GlobalSpec) -> Result<Option<Secondary>, Failure> {
        self.call().await;
        Ok(self.lock().secondary(of))
    }

    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        self.call().await;
        Ok(self.lock().snapshots.get(id).map(|(_, snapshot)| snapshot.clone()))
    }

    /// The model is no account: nothing of it says anything about AWS.
    async fn probe(&self) -> Vec<Probed> {
        vec![]
    }

    async fn act(&self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
        self.call().await;
        self.lock().order(action, stamp)
    }
}
