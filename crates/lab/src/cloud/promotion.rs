//! `PromoteReadReplicaDBCluster`: from a standby of the source to a cluster of its own.
//!
//! Irreversible from the moment the real server leaves recovery. The records change only after
//! that, so an observer never reads "promoted" while the server still refuses writes.

use std::sync::Arc;

use super::Cloud;
use super::cluster::ClusterStatus;
use super::event::Origin;
use super::instance::InstanceStatus;
use super::machines::{Machine, MachineError};
use super::names::{Identifier, parse_arn};
use super::refusal::{Code, Refusal};
use crate::faults::Fault;

impl Cloud {
    /// Begins the promotion of a replica cluster.
    pub fn promote_cluster(&self, id: &Identifier) -> Result<(), Refusal> {
        let mut world = self.world();
        let cluster = world.available_cluster(id)?;
        let state = |message: String| Err(Refusal::new(Code::InvalidClusterState, message));
        if cluster.replication_source.is_none() {
            return state(format!("DB cluster {id} is not a read replica."));
        }
        let Some(writer) = cluster.members.first().cloned() else {
            return state(format!("DB cluster {id} has no instance."));
        };
        let writer = world.instance(&writer)?;
        let Some(machine) =
            writer.machine.clone().filter(|_| writer.status == InstanceStatus::Available)
        else {
            return state(format!("The writer of DB cluster {id} is {}.", writer.status.word()));
        };
        world.cluster_mut(id)?.status = ClusterStatus::Promoting;
        let (cloud, id) = (self.clone(), id.clone());
        self.spawn(async move { cloud.promote(&id, &machine).await });
        Ok(())
    }

    async fn promote(&self, id: &Identifier, machine: &Arc<Machine>) {
        self.held_by(Fault::StuckPromote).await;
        tokio::time::sleep(self.delays().promote / 2).await;
        match machine.promote().await {
            Ok(slot) => {
                tokio::time::sleep(self.delays().promote / 2).await;
                self.release_source(id, slot.as_deref()).await;
                self.finish_promotion(id);
            }
            Err(error) => self.fail_promotion(id, &error),
        }
    }

    /// The source keeps nothing of its replica: neither the record nor the slot.
    pub(super) async fn release_source(&self, cluster: &Identifier, slot: Option<&str>) {
        let source = {
            let mut world = self.world();
            let source = world
                .cluster(cluster)
                .ok()
                .and_then(|cluster| cluster.replication_source.as_deref().and_then(parse_arn))
                .map(|(_, source)| source);
            source.and_then(|source| {
                let instance = world.instance_mut(&source).ok()?;
                instance.replica_cluster = None;
                instance.machine.clone()
            })
        };
        if let (Some(machine), Some(slot)) = (source, slot)
            && let Err(error) = machine.drop_slot(slot).await
        {
            tracing::warn!(%slot, %error, "could not drop a replica's slot");
        }
    }

    fn finish_promotion(&self, id: &Identifier) {
        let mut world = self.world();
        if let Ok(cluster) = world.cluster_mut(id) {
            cluster.replication_source = None;
            cluster.status = ClusterStatus::Available;
        }
        let message = "Promoted Read Replica cluster to a stand-alone database cluster.";
        world.note(Origin::Cluster, id, "notification", message);
    }

    fn fail_promotion(&self, id: &Identifier, error: &MachineError) {
        tracing::error!(cluster = %id, %error, "could not promote");
        let mut world = self.world();
        if let Ok(cluster) = world.cluster_mut(id) {
            cluster.status = ClusterStatus::Available;
        }
        world.note(Origin::Cluster, id, "failure", format!("The lab could not {error}"));
    }
}
