//! Purpose: the source stays fenced, and a person says when the move is good.
//! Reads: the source's groups, again and again; with read-only services, whether the target has
//!   readers by now.
//! Changes: puts the quarantine group back when somebody took it off.
//! Undo: refused; the target is the database.
//! If it dies here: the source is as it is; the next start looks and closes it.

use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Instance, ResourceState};
use landfall_core::spec::Approval;
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::move_readers::{self, MoveReaders};
use super::{Membership, groups_are};
use crate::step::{Look, Plan, Step};

/// The gate that this step keeps.
pub const ACCEPT_GATE: &str = "accept";

/// The soak.
pub struct KeepFence;

/// The source, or its absence: somebody may have deleted it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    source: Option<Instance>,
    /// The target has readers, and a read-only service does not lead to them.
    readers_due: bool,
}

impl Step for KeepFence {
    const ID: &'static str = "soak.keep_fence";
    const TITLE: &'static str = "Keep the source fenced until the move is accepted";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let source = look.ports.cloud.instance(&look.spec.source.instance).await?;
        Ok(Seen { source, readers_due: move_readers::is_due(look).await? })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let wanted = vec![spec.cutover.quarantine_group.clone()];
        let open =
            seen.source.as_ref().filter(|source| source.state != ResourceState::Deleting).filter(
                |source| groups_are(&source.security_groups, &wanted) == Membership::Different,
            );
        if let Some(source) = open {
            return Plan::act(CloudAction::SetInstanceSecurityGroups {
                instance: source.id.clone(),
                groups: wanted,
            });
        }
        if seen.readers_due {
            return Plan::Return(MoveReaders::ID);
        }
        let accepted = facts.approvals.iter().any(|gate| gate == ACCEPT_GATE);
        if accepted || spec.approve.acceptance == Approval::Automatic {
            return Plan::Done;
        }
        Plan::Gate(ACCEPT_GATE)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}
