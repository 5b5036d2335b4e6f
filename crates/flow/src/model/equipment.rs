//! What a finished target gets, in the model: it is there at once, and twice is once.

use landfall_core::action::{CloudAction, ClusterSettings, Equipment};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::ClusterId;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{Alarm, ClusterEndpoint, ResourceState, Subject};

use super::Inner;
use super::orders::{already, failure};

#[cfg(test)]
impl super::World {
    /// A source and a promoted cluster without members, for tables of plans.
    pub(crate) fn example_pair()
    -> (landfall_core::port::cloud::Instance, landfall_core::port::cloud::Cluster) {
        use landfall_core::ids::Endpoint;
        use landfall_core::port::cloud::{Cluster, ClusterDetail, Tags};

        let source = super::example_instance(&Endpoint::new("source.model", 5432));
        let cluster = Cluster {
            id: "orders-aurora".into(),
            arn: "arn:aws:rds:eu-west-1:123456789012:cluster:orders-aurora".to_owned(),
            engine: "aurora-postgresql".to_owned(),
            engine_version: "15.15".to_owned(),
            state: ResourceState::Available,
            endpoint: Some(Endpoint::new("target.model", 5432)),
            reader_endpoint: None,
            replicates_from: None,
            members: vec![],
            parameter_group: None,
            security_groups: super::cloud::in_force(&["sg-quarantine-target".into()]),
            backup_retention_days: 7,
            deletion_protected: false,
            tags: Tags::new(),
            detail: ClusterDetail::default(),
        };
        (source, cluster)
    }
}

impl Inner {
    pub(super) fn set_cluster(&mut self, id: &ClusterId, settings: &ClusterSettings) {
        let Some(cluster) = self.clusters.get_mut(id) else { return };
        if let Some(days) = settings.backup_retention_days {
            cluster.backup_retention_days = days;
        }
        let detail = &mut cluster.detail;
        detail.iam_auth = settings.iam_auth.unwrap_or(detail.iam_auth);
        detail.serverless = settings.serverless.or(detail.serverless);
        detail.log_exports.retain(|log| !settings.logs_off.contains(log));
        for log in &settings.logs_on {
            if !detail.log_exports.contains(log) {
                detail.log_exports.push(log.clone());
            }
        }
    }

    pub(super) fn equip(
        &mut self,
        equipment: &Equipment,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        match equipment {
            Equipment::PerformanceInsights { instance, on } => {
                let instance = self.instance(instance, action)?;
                already(&instance.tags, stamp, action)?;
                instance.detail.performance_insights = *on;
            }
            Equipment::Role { cluster, role } => {
                let roles = &mut self.our_cluster(cluster, stamp, action)?.detail.roles;
                if !roles.contains(role) {
                    roles.push(role.clone());
                }
            }
            Equipment::Tags { arn, tags } => {
                let clusters = self.clusters.values_mut().map(|one| (&one.arn, &mut one.tags));
                let instances = self.instances.values_mut().map(|one| (&one.arn, &mut one.tags));
                let Some((_, have)) = clusters.chain(instances).find(|(of, _)| *of == arn) else {
                    return Err(failure(FailureKind::NotFound, action, "no such resource"));
                };
                already(have, stamp, action)?;
                have.extend(tags.clone());
            }
            Equipment::Endpoint(new) => {
                self.our_cluster(&new.cluster, stamp, action)?;
                let (name, kind) = (new.name.clone(), new.kind.word().to_owned());
                let endpoints = self.endpoints.entry(new.cluster.clone()).or_default();
                if endpoints.iter().all(|endpoint| endpoint.name != name) {
                    let state = ResourceState::Available;
                    endpoints.push(ClusterEndpoint { name, state, kind });
                }
            }
            Equipment::Proxy { cluster, proxy } => {
                self.create_proxy((cluster, proxy), stamp, action)?;
            }
            Equipment::ProxyPool { proxy, pool } => {
                self.set_proxy_pool((proxy, pool), stamp, action)?;
            }
            Equipment::ProxyTarget { proxy, cluster } => {
                self.register_target((proxy, cluster), stamp, action)?;
            }
            Equipment::GlobalDatabase { name, cluster } => {
                self.create_global_database((name, cluster), stamp, action)?;
            }
            Equipment::SecondaryCluster(new) => {
                self.create_secondary_cluster(new, stamp, action)?;
            }
            Equipment::SecondaryInstance { global, .. } => {
                self.create_secondary_instance(global, stamp, action)?;
            }
            Equipment::AlarmCopy { alarm, copy, cluster } => {
                self.our_cluster(cluster, stamp, action)?;
                self.copy_alarm(alarm, (copy, cluster), action)?;
            }
        }
        Ok(())
    }

    fn copy_alarm(
        &mut self,
        alarm: &str,
        (copy, cluster): (&str, &ClusterId),
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let about = Subject::Cluster(cluster.clone());
        let named = |name: &str| self.alarms.iter().find(|(_, one)| one.name == name).cloned();
        if let Some((of, _)) = named(copy) {
            let taken = || failure(FailureKind::TakenByAnother, action, "it is about another");
            return if of == about { Ok(()) } else { Err(taken()) };
        }
        let Some((_, original)) = named(alarm) else {
            return Err(failure(FailureKind::NotFound, action, "no such alarm"));
        };
        self.alarms.push((about, Alarm { name: copy.to_owned(), ..original }));
        Ok(())
    }

    pub(super) fn alarms_on(&self, subject: &Subject) -> Vec<Alarm> {
        let on_it = self.alarms.iter().filter(|(about, _)| about == subject);
        on_it.map(|(_, alarm)| alarm.clone()).collect()
    }
}
