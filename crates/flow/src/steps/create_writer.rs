//! Purpose: the cluster's writer, whose creation really builds the replica from the source.
//! Reads: the instance of the writer's name and its tags, and whether its cluster replicates.
//! Changes: CreateDBInstance in the cluster.
//! Undo: deletes it, unless the target was promoted, by us or by anybody.
//! If it dies here: the instance is there, with our tag, or it is not.

use landfall_core::action::{CloudAction, NewWriter};
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Cluster, Instance, ResourceState};
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{is_ours, name_taken};
use crate::step::{Look, Plan, Step};

/// The target's first instance.
pub struct CreateWriter;

/// The instance of the writer's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    writer: Option<Instance>,
    cluster: Option<Cluster>,
}

impl Step for CreateWriter {
    const ID: &'static str = "replicate.create_writer";
    const TITLE: &'static str = "Create the replica's instance";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cloud = look.ports.cloud;
        Ok(Seen {
            writer: cloud.instance(&look.spec.writer()).await?,
            cluster: cloud.cluster(&look.spec.target.cluster).await?,
        })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match &seen.writer {
            // AWS takes an instance only into a cluster that is there.
            None if !available(seen) => {
                let why = format!("cluster {} to take an instance", spec.target.cluster);
                Plan::wait(spec, why, reading(seen))
            }
            None => Plan::act(CloudAction::CreateWriter(NewWriter {
                instance: spec.writer(),
                cluster: spec.target.cluster.clone(),
                class: facts.target.as_ref().map(|t| t.class.clone()).unwrap_or_default(),
                parameter_group: spec.instance_group(),
            })),
            Some(writer) if !is_ours(spec, &writer.tags) => {
                Plan::blocked(name_taken(format!("instance {}", writer.id)))
            }
            Some(_) => Plan::Done,
        }
    }

    fn undo(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        // A promoted cluster may hold writes of somebody: undo never deletes it.
        let promoted = seen.cluster.as_ref().is_some_and(|c| c.replicates_from.is_none());
        match &seen.writer {
            Some(writer) if is_ours(spec, &writer.tags) && !promoted => {
                if writer.state == ResourceState::Deleting {
                    return Plan::wait(spec, format!("instance {} to be deleted", writer.id), "");
                }
                Plan::act(CloudAction::DeleteWriter { instance: writer.id.clone() })
            }
            Some(_) | None => Plan::Done,
        }
    }
}

fn available(seen: &Seen) -> bool {
    seen.cluster.as_ref().is_some_and(|cluster| cluster.state == ResourceState::Available)
}

fn reading(seen: &Seen) -> String {
    seen.cluster.as_ref().map_or_else(|| "not there".to_owned(), |c| c.state.to_string())
}
