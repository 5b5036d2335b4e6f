//! Orders to RDS in the model: what is refused, what begins, and whose it is.
//!
//! An order of one move touches nothing of another's. What begins here comes true later, in the
//! cloud.

use landfall_core::action::{
    CloudAction, NewReplicaCluster, NewWriter, ParameterChange, SessionClass,
};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{ClusterId, Endpoint, InstanceId, ParameterGroupName, SecurityGroupId};
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{
    Cluster, ClusterDetail, ClusterMember, GroupLevel, GroupMembership, Instance, Parameter,
    ParameterGroup, ParameterSource, ResourceState, Snapshot, Subject, TAG_EPOCH, TAG_MIGRATION,
    Tags,
};

use super::cloud::{in_force, parameter};
use super::traffic::Side;
use super::{Inner, Later, READERS_AT, TARGET_AT};

pub(super) fn failure(kind: FailureKind, action: &CloudAction, detail: &str) -> Failure {
    Failure::new(kind, action.to_string(), detail)
}

pub(super) fn tags(stamp: &Stamp) -> Tags {
    Tags::from([
        (TAG_MIGRATION.to_owned(), stamp.migration.to_string()),
        (TAG_EPOCH.to_owned(), stamp.epoch.to_string()),
    ])
}

fn ours(tags: &Tags, stamp: &Stamp) -> bool {
    tags.get(TAG_MIGRATION).map(String::as_str) == Some(stamp.migration.as_str())
}

fn coming(groups: &[SecurityGroupId]) -> Vec<GroupMembership> {
    groups.iter().map(|group| GroupMembership { group: group.clone(), active: false }).collect()
}

pub(super) fn busy(status: &str) -> ResourceState {
    ResourceState::Busy(status.to_owned())
}

pub(super) fn already(tags: &Tags, stamp: &Stamp, action: &CloudAction) -> Result<(), Failure> {
    if ours(tags, stamp) {
        return Ok(());
    }
    Err(failure(FailureKind::TakenByAnother, action, "it exists and carries another tag"))
}

impl Inner {
    pub(super) fn order(&mut self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
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
                self.set_parameters((*level, name.to_string()), changes, stamp, action)
            }
            CloudAction::DeleteParameterGroup { level, name } => {
                let key = (*level, name.to_string());
                if let Some((group, _)) = self.groups.get(&key) {
                    already(&group.tags, stamp, action)?;
                }
                self.groups.remove(&key);
                Ok(())
            }
            CloudAction::CreateReplicaCluster(new) => self.create_cluster(new, stamp, action),
            CloudAction::CreateWriter(new) | CloudAction::CreateReader(new) => {
                self.create_member(new, stamp, action)
            }
            CloudAction::SetInstanceSecurityGroups { instance, groups } => {
                self.instance(instance, action)?.security_groups = coming(groups);
                let subject = Subject::Instance(instance.clone());
                self.plan(self.delays.groups, Later::Groups(subject, groups.clone()));
                Ok(())
            }
            CloudAction::SetClusterSecurityGroups { cluster, groups } => {
                self.our_cluster(cluster, stamp, action)?.security_groups = coming(groups);
                let subject = Subject::Cluster(cluster.clone());
                self.plan(self.delays.groups, Later::Groups(subject, groups.clone()));
                Ok(())
            }
            CloudAction::RebootInstance { instance } => self.reboot(instance, action),
            CloudAction::PromoteCluster { cluster } => self.promote(cluster, stamp, action),
            CloudAction::SetClusterSettings { cluster, settings } => {
                self.our_cluster(cluster, stamp, action)?;
                self.set_cluster(cluster, settings);
                Ok(())
            }
            CloudAction::Equip(equipment) => self.equip(equipment, stamp, action),
            CloudAction::ProtectCluster { cluster } => {
                self.our_cluster(cluster, stamp, action)?.deletion_protected = true;
                Ok(())
            }
            CloudAction::DeleteWriter { instance } => {
                if let Some(writer) = self.instances.get(instance) {
                    already(&writer.tags, stamp, action)?;
                    if writer.state == busy("creating") {
                        return Err(failure(
                            FailureKind::WrongState,
                            action,
                            "InvalidDBInstanceState",
                        ));
                    }
                }
                self.delete(instance);
                Ok(())
            }
            CloudAction::DeleteRetiredSource { instance } => self.retire(instance, stamp, action),
            CloudAction::DeleteCluster { cluster } => self.delete_cluster(cluster, stamp, action),
            CloudAction::CreateSnapshot { instance, snapshot } => {
                self.create_snapshot(instance, snapshot, stamp, action)
            }
        }
    }

    pub(super) fn instance(
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

    /// A cluster that this move made.
    pub(super) fn our_cluster(
        &mut self,
        id: &ClusterId,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<&mut Cluster, Failure> {
        let cluster = self.cluster(id, action)?;
        already(&cluster.tags, stamp, action)?;
        Ok(cluster)
    }

    fn set_parameters(
        &mut self,
        key: (GroupLevel, String),
        changes: &[ParameterChange],
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let Some((group, values)) = self.groups.get_mut(&key) else {
            return Err(failure(FailureKind::NotFound, action, "no such group"));
        };
        already(&group.tags, stamp, action)?;
        for change in changes {
            values.retain(|value| value.name != change.name);
            let set = parameter(&change.name, Some(&change.value), ParameterSource::User);
            values.push(Parameter { apply_type: change.apply_type, ..set });
        }
        Ok(())
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
        let defaults = self.offer.get(&level).cloned().unwrap_or_default();
        self.groups.insert(key, (group, defaults));
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
            reader_endpoint: Some(Endpoint::new(READERS_AT.0, READERS_AT.1)),
            replicates_from: Some(new.source_arn.clone()),
            members: vec![],
            parameter_group: Some(new.parameter_group.clone()),
            security_groups: in_force(&new.security_groups),
            backup_retention_days: new.backup_retention_days,
            deletion_protected: false,
            tags: tags(stamp),
            detail: ClusterDetail { serverless: new.serverless, ..ClusterDetail::default() },
        };
        self.clusters.insert(new.cluster.clone(), cluster);
        self.plan(self.delays.cluster, Later::ClusterReady(new.cluster.clone()));
        Ok(())
    }

    fn create_member(
        &mut self,
        new: &NewWriter,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        if let Some(instance) = self.instances.get(&new.instance) {
            return already(&instance.tags, stamp, action);
        }
        let cluster = self.cluster(&new.cluster, action)?;
        let writer = cluster.members.is_empty();
        cluster.members.push(ClusterMember { instance: new.instance.clone(), writer });
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
        if *id == self.served {
            if self.fence_works() {
                self.traffic.cut(Side::Source, SessionClass::All);
            }
            self.source.up = !self.fence_works();
        }
        self.plan(self.delays.reboot, Later::Rebooted(id.clone()));
        Ok(())
    }

    fn promote(
        &mut self,
        id: &ClusterId,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let cluster = self.our_cluster(id, stamp, action)?;
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

    fn delete(&mut self, id: &InstanceId) {
        if self.instances.contains_key(id) {
            self.instance_state(id, ResourceState::Deleting);
            self.later.retain(|(_, later)| !matches!(later, Later::WriterReady(w) if w == id));
            self.plan(self.delays.delete, Later::InstanceGone(id.clone()));
        }
    }

    /// A source goes only beside a finished snapshot that this move took of it.
    fn retire(
        &mut self,
        id: &InstanceId,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let taken = self.snapshots.values().any(|(of, snapshot)| {
            of == id && snapshot.state == ResourceState::Available && ours(&snapshot.tags, stamp)
        });
        if self.instances.contains_key(id) && !taken {
            return Err(failure(FailureKind::Invalid, action, "there is no finished snapshot"));
        }
        self.delete(id);
        Ok(())
    }

    fn create_snapshot(
        &mut self,
        of: &InstanceId,
        id: &str,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        if let Some((_, snapshot)) = self.snapshots.get(id) {
            return already(&snapshot.tags, stamp, action);
        }
        let (state, tags) = (busy("creating"), tags(stamp));
        let created_at = Some(self.now);
        let snapshot = Snapshot { id: id.to_owned(), state, created_at, tags };
        self.snapshots.insert(id.to_owned(), (of.clone(), snapshot));
        self.plan(self.delays.cluster, Later::SnapshotReady(id.to_owned()));
        Ok(())
    }

    fn delete_cluster(
        &mut self,
        id: &ClusterId,
        stamp: &Stamp,
        action: &CloudAction,
    ) -> Result<(), Failure> {
        let Some(cluster) = self.clusters.get(id) else { return Ok(()) };
        already(&cluster.tags, stamp, action)?;
        if cluster.deletion_protected {
            return Err(failure(FailureKind::Invalid, action, "the cluster is protected"));
        }
        if !cluster.members.is_empty() {
            return Err(failure(FailureKind::WrongState, action, "the cluster has members"));
        }
        self.cluster_state(id, ResourceState::Deleting);
        self.later.retain(|(_, later)| !matches!(later, Later::ClusterReady(c) if c == id));
        self.plan(self.delays.delete, Later::ClusterGone(id.clone()));
        Ok(())
    }
}
