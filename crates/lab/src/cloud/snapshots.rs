//! Taking snapshots by hand, and the final ones of a deletion. Records only: see
//! [`super::snapshot`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Cloud;
use super::cluster::{Cluster, ClusterStatus};
use super::event::Origin;
use super::instance::{Instance, InstanceStatus, Switch};
use super::names::Identifier;
use super::refusal::{Code, Refusal};
use super::snapshot::{Encryption, Snapshot, SnapshotKind, SnapshotStatus};
use super::world::World;
use crate::catalogue::versions::Engine;

impl Cloud {
    /// Takes a snapshot of an instance.
    pub fn create_snapshot(
        &self,
        name: &str,
        of: &Identifier,
        tags: BTreeMap<String, String>,
    ) -> Result<Identifier, Refusal> {
        let id = Identifier::create(name)?;
        let mut world = self.world();
        check_new(&world, SnapshotKind::Instance, &id)?;
        let instance = world.available_instance(of)?;
        if instance.cluster.is_some() {
            return Err(Refusal::combination(
                "Snapshots of Aurora are taken of the cluster: use CreateDBClusterSnapshot.",
            ));
        }
        let snapshot = of_instance(instance, &id);
        instance.status = InstanceStatus::BackingUp;
        world.tags.insert(snapshot.arn(), tags);
        world.snapshots.insert((SnapshotKind::Instance, id.clone()), snapshot);
        world.note(Origin::Instance, of, "backup", "Backing up DB instance");
        let (cloud, snapshot, of) = (self.clone(), id.clone(), of.clone());
        self.spawn(async move {
            cloud.finish_snapshot(SnapshotKind::Instance, &snapshot).await;
            let mut world = cloud.world();
            if let Ok(instance) = world.instance_mut(&of)
                && instance.status == InstanceStatus::BackingUp
            {
                instance.status = InstanceStatus::Available;
            }
            world.note(Origin::Instance, &of, "backup", "Finished DB Instance backup");
        });
        Ok(id)
    }

    /// Takes a snapshot of a cluster.
    pub fn create_cluster_snapshot(
        &self,
        name: &str,
        of: &Identifier,
        tags: BTreeMap<String, String>,
    ) -> Result<Identifier, Refusal> {
        let id = Identifier::create(name)?;
        let mut world = self.world();
        check_new(&world, SnapshotKind::Cluster, &id)?;
        let cluster = world.available_cluster(of)?;
        let snapshot = of_cluster(cluster, &id);
        cluster.status = ClusterStatus::BackingUp;
        world.tags.insert(snapshot.arn(), tags);
        world.snapshots.insert((SnapshotKind::Cluster, id.clone()), snapshot);
        let (cloud, snapshot, of) = (self.clone(), id.clone(), of.clone());
        self.spawn(async move {
            cloud.finish_snapshot(SnapshotKind::Cluster, &snapshot).await;
            if let Ok(cluster) = cloud.world().cluster_mut(&of)
                && cluster.status == ClusterStatus::BackingUp
            {
                cluster.status = ClusterStatus::Available;
            }
        });
        Ok(id)
    }

    /// Lets a snapshot that was begun become available.
    pub(super) async fn finish_snapshot(&self, kind: SnapshotKind, id: &Identifier) {
        tokio::time::sleep(self.delays().back_up).await;
        if let Some(snapshot) = self.world().snapshots.get_mut(&(kind, id.clone())) {
            snapshot.status = SnapshotStatus::Available;
        }
    }
}

/// Refuses the name of a snapshot that exists.
pub(super) fn check_new(world: &World, kind: SnapshotKind, id: &Identifier) -> Result<(), Refusal> {
    if !world.snapshots.contains_key(&(kind, id.clone())) {
        return Ok(());
    }
    let code = match kind {
        SnapshotKind::Instance => Code::SnapshotAlreadyExists,
        SnapshotKind::Cluster => Code::ClusterSnapshotAlreadyExists,
    };
    Err(Refusal::new(code, format!("Cannot create the snapshot because {id} already exists.")))
}

/// The record of a snapshot of an instance.
pub(super) fn of_instance(instance: &Instance, id: &Identifier) -> Snapshot {
    Snapshot {
        kind: SnapshotKind::Instance,
        id: id.clone(),
        of: instance.id.clone(),
        status: SnapshotStatus::Creating,
        created: Timestamp::now(),
        engine: instance.engine,
        version: instance.version,
        storage_gib: instance.storage_gib,
        master_user: instance.master.user.clone(),
        encrypted: encryption(&instance.switches),
        resource_id: instance.resource_id.clone(),
    }
}

/// The record of a snapshot of a cluster.
pub(super) fn of_cluster(cluster: &Cluster, id: &Identifier) -> Snapshot {
    Snapshot {
        kind: SnapshotKind::Cluster,
        id: id.clone(),
        of: cluster.id.clone(),
        status: SnapshotStatus::Creating,
        created: Timestamp::now(),
        engine: Engine::Aurora,
        version: cluster.version,
        storage_gib: 1,
        master_user: cluster.master.user.clone(),
        encrypted: encryption(&cluster.switches),
        resource_id: cluster.resource_id.clone(),
    }
}

fn encryption(switches: &BTreeSet<Switch>) -> Encryption {
    if switches.contains(&Switch::StorageEncrypted) {
        Encryption::Encrypted
    } else {
        Encryption::Plain
    }
}
