//! Purpose: nothing is applied to the source any more once clients may write there.
//! Reads: the subscriptions on the source.
//! Changes: disables them; they keep their origin and their slot, so that undo loses nothing.
//! Undo: enables them.
//! If it dies here: they are disabled or not; the next start looks.

use std::collections::BTreeMap;

use landfall_core::action::{Apply, WayBackAction};
use landfall_core::failure::Failure;
use landfall_core::ids::DatabaseName;
use landfall_core::port::way_back::SubscriberView;
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::super::{source_endpoint, way_back};
use crate::step::{BRISK, Look, Plan, Step};

/// The end of the replication.
pub struct StopApply;

/// Absent without a way back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    subscriber: Option<BTreeMap<DatabaseName, SubscriberView>>,
}

impl Step for StopApply {
    const ID: &'static str = "reverse.stop_apply";
    const TITLE: &'static str = "Stop applying to the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let subscriber = match (look.ports.database, source_endpoint(look.facts)) {
            (Some(database), Some(at)) if look.facts.way_back.armed.is_some() => {
                let name = way_back::name(look.spec);
                Some(database.subscriber(at, &name).await?)
            }
            _ => None,
        };
        Ok(Seen { subscriber })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let all = || subscriptions(seen);
        if all().any(|one| one.apply == Apply::On) {
            return set(spec, facts, Apply::Off);
        }
        // A worker that still runs may still commit.
        if all().any(|one| one.worker.is_some()) {
            return Plan::wait(spec, "the apply workers of the source to end", "").every(BRISK);
        }
        Plan::Done
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.way_back.is_armed() && subscriptions(seen).any(|one| one.apply == Apply::Off) {
            return set(spec, facts, Apply::On);
        }
        Plan::Done
    }
}

fn subscriptions(
    seen: &Seen,
) -> impl Iterator<Item = &landfall_core::port::way_back::SubscriptionView> {
    seen.subscriber.iter().flatten().filter_map(|(_, view)| view.subscription.as_ref())
}

fn set(spec: &Spec, facts: &Facts, apply: Apply) -> Plan {
    let Some(at) = source_endpoint(facts).cloned() else { return Plan::Done };
    let name = way_back::name(spec);
    Plan::act(WayBackAction::SetApply { at, name, apply })
}
