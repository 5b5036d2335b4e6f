//! Purpose: the source is the production database again: it wears its own groups.
//! Reads: the source.
//! Changes: its security groups, as they were before the move, order and all. The target stays
//!   fenced: it is kept, and deleted by nobody but a person.
//! Undo: refused; the source is the database.
//! If it dies here: the gateway reaches the source either way; the next start puts the groups back.

use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::Instance;
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::super::{Membership, groups_are, source};
use crate::step::{Look, Plan, Step};

/// The source's production settings.
pub struct FinishSource;

/// The source.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    source: Instance,
}

impl Step for FinishSource {
    const ID: &'static str = "reverse.finish_source";
    const TITLE: &'static str = "Give the source its groups back";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        Ok(Seen { source: source(look).await? })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let were = facts.forward.as_ref().and_then(|forward| forward.groups_were.clone());
        let Some(groups) = were else { return Plan::Done };
        match groups_are(&seen.source.security_groups, &groups) {
            Membership::InForce => Plan::Done,
            Membership::Changing => {
                let why = format!("the security groups of {} to be as they were", seen.source.id);
                Plan::wait(spec, why, "")
            }
            Membership::Different => {
                let instance = seen.source.id.clone();
                Plan::act(CloudAction::SetInstanceSecurityGroups { instance, groups })
            }
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}
