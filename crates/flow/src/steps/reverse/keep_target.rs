//! Purpose: the target is left fenced: behind the end of a roll-back nobody watches it any more.
//! Reads: the target's groups, once more.
//! Changes: puts the quarantine group back when somebody took it off.
//! Undo: refused; the source is the database.
//! If it dies here: the next start looks, and shuts it.

use landfall_core::failure::Failure;
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::super::side::{self, Origin};
use super::super::{Membership, groups_are};
use crate::step::{Look, Plan, Step};

/// The last look.
pub struct KeepTarget;

/// The target; absent when somebody deleted it, who may.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    target: Option<Origin>,
}

impl Step for KeepTarget {
    const ID: &'static str = "reverse.keep_target";
    const TITLE: &'static str = "Leave the target fenced";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        Ok(Seen { target: side::find(look).await? })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        let Some(target) = &seen.target else { return Plan::Done };
        let wanted = vec![spec.cutover.quarantine_group.clone()];
        match groups_are(&target.groups, &wanted) {
            Membership::InForce => Plan::Done,
            Membership::Different => Plan::act(target.wear(wanted)),
            Membership::Changing => {
                Plan::wait(spec, format!("the groups of {} to be in force", target.name()), "")
            }
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}
