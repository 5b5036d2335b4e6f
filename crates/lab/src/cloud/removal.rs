//! Deleting instances and clusters, with AWS's rules on protection and final snapshots.
//!
//! The record stays in `deleting` until the real server and its files are gone.

use super::Cloud;
use super::cluster::ClusterStatus;
use super::instance::{Instance, InstanceStatus, Switch};
use super::names::Identifier;
use super::refusal::{Code, Refusal};
use super::snapshot::SnapshotKind;
use super::snapshots::{check_new, of_cluster, of_instance};
use super::world::{World, busy_instance};

/// What a deletion leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Final {
    Nothing,
    Snapshot(String),
    /// The request said neither, or both.
    Unclear,
}

impl Final {
    /// The name of the snapshot to take, or the refusal for an unclear request.
    fn checked(&self, world: &World, kind: SnapshotKind) -> Result<Option<Identifier>, Refusal> {
        match self {
            Self::Nothing => Ok(None),
            Self::Snapshot(name) => {
                let id = Identifier::create(name)?;
                check_new(world, kind, &id)?;
                Ok(Some(id))
            }
            Self::Unclear => Err(Refusal::combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified, and \
                 cannot be given together with it.",
            )),
        }
    }
}

impl Cloud {
    /// Begins to delete an instance.
    pub fn delete_instance(&self, id: &Identifier, last: &Final) -> Result<(), Refusal> {
        let mut world = self.world();
        check_deletable(world.instance(id)?)?;
        if world.instance(id)?.cluster.is_some() && matches!(last, Final::Snapshot(_)) {
            return Err(Refusal::combination(
                "A final snapshot can't be taken of an instance of a DB cluster.",
            ));
        }
        let snapshot = last.checked(&world, SnapshotKind::Instance)?;
        let instance = world.instance_mut(id)?;
        instance.status = InstanceStatus::Deleting;
        if let Some(name) = &snapshot {
            let record = of_instance(instance, name);
            world.snapshots.insert((SnapshotKind::Instance, name.clone()), record);
        }
        let (cloud, id) = (self.clone(), id.clone());
        self.spawn(async move {
            if let Some(snapshot) = snapshot {
                cloud.finish_snapshot(SnapshotKind::Instance, &snapshot).await;
            }
            cloud.remove_instance(&id).await;
        });
        Ok(())
    }

    /// Begins to delete an empty cluster.
    pub fn delete_cluster(&self, id: &Identifier, last: &Final) -> Result<(), Refusal> {
        let mut world = self.world();
        let cluster = world.cluster(id)?;
        let state = |message: String| Err(Refusal::new(Code::InvalidClusterState, message));
        if cluster.switches.contains(&Switch::DeletionProtection) {
            return Err(Refusal::combination(
                "Cannot delete protected Cluster, please disable deletion protection and try again.",
            ));
        }
        if cluster.members.iter().any(|member| is_living(&world, member)) {
            return state(
                "Cluster cannot be deleted, it still contains DB instances in \
                          non-deleting state."
                    .to_owned(),
            );
        }
        if cluster.status != ClusterStatus::Available {
            return state(format!("DB cluster {id} is {}.", cluster.status.word()));
        }
        let snapshot = last.checked(&world, SnapshotKind::Cluster)?;
        if let Some(name) = &snapshot {
            let record = of_cluster(cluster, name);
            world.snapshots.insert((SnapshotKind::Cluster, name.clone()), record);
        }
        world.cluster_mut(id)?.status = ClusterStatus::Deleting;
        let (cloud, id) = (self.clone(), id.clone());
        self.spawn(async move {
            if let Some(snapshot) = snapshot {
                cloud.finish_snapshot(SnapshotKind::Cluster, &snapshot).await;
            }
            cloud.remove_cluster(&id).await;
        });
        Ok(())
    }

    async fn remove_instance(&self, id: &Identifier) {
        tokio::time::sleep(self.delays().delete).await;
        let (machine, cluster) = {
            let mut world = self.world();
            let Ok(instance) = world.instance_mut(id) else { return };
            (instance.machine.take(), instance.cluster.clone())
        };
        if let Some(machine) = machine {
            let slot = machine.detach();
            machine.demolish().await;
            if let (Some(slot), Some(cluster)) = (slot, &cluster) {
                self.drop_upstream_slot(cluster, &slot).await;
            }
        }
        let mut world = self.world();
        if let Some(cluster) = cluster.and_then(|cluster| world.clusters.get_mut(&cluster)) {
            cluster.members.retain(|member| member != id);
        }
        if let Some(instance) = world.instances.remove(id) {
            world.tags.remove(&instance.arn());
        }
        self.metrics().forget_instance(id);
        world.note(super::event::Origin::Instance, id, "deletion", "DB instance deleted");
    }

    /// Drops the slot of a deleted standby wherever it was: on the source or on the writer.
    async fn drop_upstream_slot(&self, cluster: &Identifier, slot: &str) {
        let machines: Vec<_> = {
            let world = self.world();
            let followed = world.followed_by(cluster);
            let upstreams = world.instances.values().filter(|instance| {
                instance.replica_cluster.as_ref() == Some(cluster)
                    || instance.cluster.as_ref() == Some(cluster)
                    || followed == Some(&instance.id)
            });
            upstreams.filter_map(|instance| instance.machine.clone()).collect()
        };
        for machine in machines {
            if let Err(error) = machine.drop_slot(slot).await {
                tracing::warn!(%slot, %error, "could not drop a replica's slot");
            }
        }
    }

    async fn remove_cluster(&self, id: &Identifier) {
        loop {
            tokio::time::sleep(self.delays().delete).await;
            if self.read(|world| world.cluster(id).is_ok_and(|cluster| cluster.members.is_empty()))
            {
                break;
            }
        }
        self.release_source(id, None).await;
        let mut world = self.world();
        for global in world.globals.values_mut() {
            global.followers.retain(|follower| follower != id);
        }
        if let Some(cluster) = world.clusters.remove(id) {
            world.tags.remove(&cluster.arn());
        }
        self.metrics().forget_cluster(id);
        world.note(super::event::Origin::Cluster, id, "deletion", "DB cluster deleted");
    }
}

fn is_living(world: &World, member: &Identifier) -> bool {
    world.instance(member).is_ok_and(|instance| instance.status != InstanceStatus::Deleting)
}

fn check_deletable(instance: &Instance) -> Result<(), Refusal> {
    if instance.switches.contains(&Switch::DeletionProtection) {
        return Err(Refusal::combination(
            "Cannot delete protected DB Instance, please disable deletion protection and try again.",
        ));
    }
    if let Some(replica) = &instance.replica_cluster {
        return Err(Refusal::new(
            Code::InvalidInstanceState,
            format!("{} replicates from {}.", replica, instance.id),
        ));
    }
    match instance.status {
        InstanceStatus::Available | InstanceStatus::Failed => Ok(()),
        InstanceStatus::Creating
        | InstanceStatus::Modifying
        | InstanceStatus::BackingUp
        | InstanceStatus::Rebooting
        | InstanceStatus::ResettingCredentials
        | InstanceStatus::Deleting => Err(busy_instance(instance)),
    }
}
