//! Purpose: the gateway reaches the source, and nobody else does yet.
//! Reads: the source's groups and state.
//! Changes: the group that let only the gateway into the target before the release, on the source.
//! Undo: the source's own quarantine group again.
//! If it dies here: nobody is sent there; the next start goes on, or the budget shuts it.

use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::cloud::{Instance, ResourceState};
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::super::{Membership, groups_are, source};
use crate::step::{BRISK, Look, Plan, Step};

/// The source's antechamber.
pub struct AdmitGateway;

/// The source.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    source: Instance,
}

impl Step for AdmitGateway {
    const ID: &'static str = "reverse.admit_gateway";
    const TITLE: &'static str = "Let the gateway into the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        Ok(Seen { source: source(look).await? })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        wear(spec, &seen.source, &spec.target.quarantine_group)
    }

    fn undo(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        wear(spec, &seen.source, &spec.cutover.quarantine_group)
    }
}

fn wear(spec: &Spec, source: &Instance, group: &SecurityGroupId) -> Plan {
    let wanted = vec![group.clone()];
    match groups_are(&source.security_groups, &wanted) {
        Membership::Different => Plan::act(CloudAction::SetInstanceSecurityGroups {
            instance: source.id.clone(),
            groups: wanted,
        }),
        Membership::InForce if source.state == ResourceState::Available => Plan::Done,
        Membership::Changing | Membership::InForce => {
            let why = format!("{group} to be in force on {}", source.id);
            Plan::wait(spec, why, source.state.to_string()).every(BRISK)
        }
    }
}
