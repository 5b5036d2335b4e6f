//! Purpose: the source's end, as the spec says: it stays fenced, or is looked at, or is deleted.
//! Reads: the source, its final snapshot.
//! Changes: by default nothing; else the inspection group, or a final snapshot and then deletion.
//!   Deletion protection is never switched off by us.
//! Undo: refused; a deleted source comes back from its final snapshot.
//! If it dies here: the snapshot is complete before the deletion is ordered.

use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Instance, ResourceState, Snapshot};
use landfall_core::spec::RetireSource as Fate;
use landfall_core::{Code, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::{Membership, groups_are};
use crate::step::{Look, Plan, Step};

/// The last step.
pub struct RetireSource;

/// The source and its final snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    source: Option<Instance>,
    snapshot: Option<Snapshot>,
}

impl Step for RetireSource {
    const ID: &'static str = "retire.retire_source";
    const TITLE: &'static str = "Retire the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cloud = look.ports.cloud;
        Ok(Seen {
            source: cloud.instance(&look.spec.source.instance).await?,
            snapshot: cloud.snapshot(&look.spec.final_snapshot()).await?,
        })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        let Some(source) = &seen.source else { return Plan::Done };
        match (spec.retire.source, &spec.retire.inspection_group) {
            (Fate::Keep, None) => Plan::Done,
            (Fate::Keep, Some(group)) => {
                let wanted = vec![group.clone()];
                if groups_are(&source.security_groups, &wanted) != Membership::Different {
                    return Plan::Done;
                }
                let instance = source.id.clone();
                Plan::act(CloudAction::SetInstanceSecurityGroups { instance, groups: wanted })
            }
            (Fate::SnapshotAndDelete, _) => delete(spec, source, seen.snapshot.as_ref()),
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

fn delete(spec: &Spec, source: &Instance, snapshot: Option<&Snapshot>) -> Plan {
    if source.state == ResourceState::Deleting {
        return Plan::wait(spec, format!("instance {} to be deleted", source.id), "");
    }
    if source.deletion_protected {
        return Plan::blocked(Problem::new(
            Code::CallRefused,
            format!("instance {} has deletion protection", source.id),
            "Switch it off yourself if the source may go, then run `landfall resume`; or leave it: \
             the move is done.",
        ));
    }
    match snapshot.map(|snapshot| &snapshot.state) {
        Some(ResourceState::Available) => {
            Plan::act(CloudAction::DeleteRetiredSource { instance: source.id.clone() })
        }
        Some(ResourceState::Failed(status)) => Plan::blocked(Problem::new(
            Code::ResourceFailed,
            format!("final snapshot {} is {status}", spec.final_snapshot()),
            "Delete that snapshot, then run `landfall resume` to take it again.",
        )),
        Some(ResourceState::Busy(_) | ResourceState::Deleting) => {
            Plan::wait(spec, format!("final snapshot {}", spec.final_snapshot()), "")
        }
        None if source.state == ResourceState::Available => {
            Plan::act(CloudAction::CreateSnapshot {
                instance: source.id.clone(),
                snapshot: spec.final_snapshot(),
            })
        }
        None => Plan::wait(spec, format!("{} to be available", source.id), ""),
    }
}
