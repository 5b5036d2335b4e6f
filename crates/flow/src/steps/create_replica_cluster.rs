//! Purpose: an Aurora cluster that replicates from the source, in the target's quarantine group.
//! Reads: the cluster of the target's name and its tags.
//! Changes: CreateDBCluster with the source as ReplicationSourceIdentifier.
//! Undo: deletes it, unless it was promoted, by us or by anybody: then it is a person's to delete.
//! If it dies here: the cluster is there, with our tag, or it is not.

use landfall_core::action::{CloudAction, NewReplicaCluster};
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Cluster, ResourceState};
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{is_ours, name_taken};
use crate::step::{Look, Plan, Step};

/// The target's cluster, empty.
pub struct CreateReplicaCluster;

/// The cluster of the target's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: Option<Cluster>,
}

impl Step for CreateReplicaCluster {
    const ID: &'static str = "replicate.create_replica_cluster";
    const TITLE: &'static str = "Create the Aurora read replica's cluster";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        Ok(Seen { cluster: look.ports.cloud.cluster(&look.spec.target.cluster).await? })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match &seen.cluster {
            None => Plan::act(CloudAction::CreateReplicaCluster(new_cluster(spec, facts))),
            Some(cluster) if !is_ours(spec, &cluster.tags) || cluster.replicates_from.is_none() => {
                Plan::blocked(name_taken(format!("cluster {}", cluster.id)))
            }
            Some(_) => Plan::Done,
        }
    }

    fn undo(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        match &seen.cluster {
            Some(cluster) if is_ours(spec, &cluster.tags) && cluster.replicates_from.is_some() => {
                match cluster.state {
                    ResourceState::Deleting => gone(spec),
                    // An order to delete may be refused while it is busy; the driver retries.
                    ResourceState::Available
                    | ResourceState::Busy(_)
                    | ResourceState::Failed(_) => {
                        Plan::act(CloudAction::DeleteCluster { cluster: cluster.id.clone() })
                    }
                }
            }
            Some(_) | None => Plan::Done,
        }
    }
}

fn gone(spec: &Spec) -> Plan {
    Plan::wait(spec, format!("cluster {} to be deleted", spec.target.cluster), "")
}

fn new_cluster(spec: &Spec, facts: &Facts) -> NewReplicaCluster {
    let source = facts.source.clone();
    let target = facts.target.clone();
    NewReplicaCluster {
        cluster: spec.target.cluster.clone(),
        source_arn: source.as_ref().map(|s| s.arn.clone()).unwrap_or_default(),
        engine_version: target.map(|t| t.engine_version).unwrap_or_default(),
        parameter_group: spec.cluster_group(),
        security_groups: vec![spec.target.quarantine_group.clone()],
        subnet_group: source.as_ref().and_then(|s| s.subnet_group.clone()),
        encrypted: source.as_ref().is_some_and(|s| s.encrypted),
        kms_key: source.and_then(|s| s.kms_key),
        backup_retention_days: spec.target.backup_retention_days,
        serverless: spec.target.serverless,
    }
}
