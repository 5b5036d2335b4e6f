//! Purpose: the cluster's writer, whose creation really builds the replica from the source.
//! Reads: the instance of the writer's name and its tags.
//! Changes: CreateDBInstance in the cluster.
//! Undo: deletes it, unless the target was promoted.
//! If it dies here: the instance is there, with our tag, or it is not.

use landfall_core::action::{CloudAction, NewWriter};
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Instance, ResourceState};
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
}

impl Step for CreateWriter {
    const ID: &'static str = "replicate.create_writer";
    const TITLE: &'static str = "Create the replica's instance";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        Ok(Seen { writer: look.ports.cloud.instance(&look.spec.writer()).await? })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match &seen.writer {
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

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match &seen.writer {
            Some(writer) if is_ours(spec, &writer.tags) && facts.promoted.is_none() => {
                if writer.state == ResourceState::Deleting {
                    return Plan::wait(spec, format!("instance {} to be deleted", writer.id), "");
                }
                Plan::act(CloudAction::DeleteWriter { instance: writer.id.clone() })
            }
            Some(_) | None => Plan::Done,
        }
    }
}
