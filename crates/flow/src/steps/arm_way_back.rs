//! Purpose: from its first write on, what the target takes flows back to the fenced source.
//! Reads: publications and slots on the promoted target, subscriptions on the source; before
//!   anything is made, the tables of both once more, whose fingerprints must be equal.
//! Changes: a role, and per database a publication and a slot on the target, a subscription on the
//!   source. Nothing flows before the release, for nobody writes.
//! Undo: drops the subscriptions, if they were ordered; what is on the target is spent with it.
//! If it dies here: some of it stands; the next start looks and makes the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::time::Duration;

use futures_util::future::try_join;
use jiff::Timestamp;
use landfall_core::action::WayBackAction;
use landfall_core::facts::{Armed, WayBackPlan};
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::port::way_back::{PublisherView, SlotState, SubscriberView};
use landfall_core::quantity::duration_text;
use landfall_core::{Action, Course, DatabaseName, Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::way_back::{self, Surveys};
use super::{endpoint, source_endpoint, target};
use crate::step::{BRISK, Instead, Look, Plan, Step, Tried, elapsed};

/// Replication back, before anybody writes to the target.
pub struct ArmWayBack;

/// Both ends of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    target: Option<Endpoint>,
    publisher: BTreeMap<DatabaseName, PublisherView>,
    subscriber: BTreeMap<DatabaseName, SubscriberView>,
    /// Before anything is published.
    surveyed: Option<Surveyed>,
    /// For how long this step goes on, in brisk looks; the same number is the same look.
    #[serde(skip)]
    since: Duration,
    now: Timestamp,
}

/// The tables of the promoted target, and databases in which the source's differ.
#[derive(Debug, Serialize, Deserialize)]
struct Surveyed {
    found: WayBackPlan,
    unequal: Vec<DatabaseName>,
}

impl Step for ArmWayBack {
    const ID: &'static str = "cutover.arm_way_back";
    const TITLE: &'static str = "Arm the way back";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let now = look.now();
        let nothing = Seen { now, ..Seen::default() };
        let (Some(database), Some(source)) = (look.ports.database, source_endpoint(look.facts))
        else {
            return Ok(nothing);
        };
        let name = way_back::name(look.spec);
        if look.course == Course::Undoing {
            // An undo that has nothing to drop does not depend on a look.
            return Ok(match look.facts.way_back.ordered {
                Some(_) => {
                    Seen { subscriber: database.subscriber(source, &name).await?, ..nothing }
                }
                None => nothing,
            });
        }
        if !is_due(look.spec, look.facts) {
            return Ok(nothing);
        }
        let target = match &look.facts.way_back.target {
            Some(known) => known.clone(),
            None => {
                let cluster = target(look).await?;
                endpoint(&cluster.id, cluster.endpoint.as_ref())?
            }
        };
        let (publisher, subscriber) = try_join(
            pin!(database.publisher(&target, &name)),
            pin!(database.subscriber(source, &name)),
        )
        .await?;
        let surveyed = match is_published(&publisher) {
            true => None,
            false => Some(surveyed(look.spec, database, (source, &target)).await?),
        };
        let since = elapsed(look.entered_at, now);
        Ok(Seen { target: Some(target), publisher, subscriber, surveyed, since, now })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let (true, Some(target), Some(source)) =
            (is_due(spec, facts), &seen.target, source_endpoint(facts))
        else {
            return Plan::Done;
        };
        let name = way_back::name(spec);
        if let Some(surveyed) = &seen.surveyed {
            if let Some(why) = against(surveyed) {
                return way_back::close_in_the_pause(spec, facts, why);
            }
            // What the promoted target shows is the truth about what goes back.
            if facts.way_back.plan.as_ref() != Some(&surveyed.found) {
                return Plan::Learn(Fact::WayBackPlanned(Box::new(surveyed.found.clone())));
            }
            let without_identity = spec.way_back.tables_without_identity;
            let publish = WayBackAction::Publish { at: target.clone(), name, without_identity };
            return Plan::Do(vec![publish.into(), subscribe(source, target, spec)]);
        }
        if seen.subscriber.values().any(|view| view.subscription.is_none()) {
            return Plan::Do(vec![subscribe(source, target, spec)]);
        }
        let idle = idle(seen);
        if idle.is_empty() {
            return Plan::Conclude(Fact::WayBackArmed(Box::new(armed(facts, seen))));
        }
        let idle = idle.join("; ");
        if seen.since >= spec.way_back.arm_within {
            let why = format!(
                "{idle}, {} after it was begun",
                duration_text::to_text(spec.way_back.arm_within)
            );
            return way_back::close_in_the_pause(spec, facts, why);
        }
        Plan::wait(spec, "the way back to stream", idle).every(BRISK)
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let there = seen.subscriber.values().any(|view| view.subscription.is_some());
        match source_endpoint(facts).filter(|_| there) {
            Some(at) => {
                let (at, name) = (at.clone(), way_back::name(spec));
                Plan::act(Action::from(WayBackAction::Unsubscribe { at, name }))
            }
            None => Plan::Done,
        }
    }

    /// People wait at the gateway: a call that fails for too long is not insisted on.
    fn instead(
        &self,
        spec: &Spec,
        facts: &Facts,
        failure: &Failure,
        tried: Tried,
    ) -> Option<Instead> {
        let lasts = match tried {
            Tried::For(since) => since >= spec.way_back.arm_within,
            Tried::InVain => true,
        };
        if !lasts || !is_due(spec, facts) {
            return None;
        }
        Instead::of(way_back::close_in_the_pause(spec, facts, way_back::told(failure)))
    }
}

fn is_due(spec: &Spec, facts: &Facts) -> bool {
    way_back::is_open(spec, facts) && facts.way_back.armed.is_none()
}

fn is_published(publisher: &BTreeMap<DatabaseName, PublisherView>) -> bool {
    let whole = |view: &PublisherView| view.published.is_some() && view.slot.is_some();
    !publisher.is_empty() && publisher.values().all(whole)
}

async fn surveyed(
    spec: &Spec,
    database: &dyn Database,
    (source, target): (&Endpoint, &Endpoint),
) -> Result<Surveyed, Failure> {
    let (here, there) =
        try_join(pin!(database.survey(source)), pin!(database.survey(target))).await?;
    let mut found = way_back::plan_of(spec, &there);
    // Rows are applied on the source, and what hinders that is seen there.
    let applied = way_back::plan_of(spec, &here).obstacles;
    let more = applied.into_iter().filter(|one| !found.obstacles.contains(one));
    let more: Vec<String> = more.collect();
    found.obstacles.extend(more);
    Ok(Surveyed { found, unequal: unequal(&here, &there) })
}

/// Databases whose tables are not the same on both sides.
fn unequal(here: &Surveys, there: &Surveys) -> Vec<DatabaseName> {
    let all: BTreeSet<&DatabaseName> = here.keys().chain(there.keys()).collect();
    let print = |of: &Surveys, name: &DatabaseName| of.get(name).map(|one| one.fingerprint.clone());
    all.into_iter().filter(|name| print(here, name) != print(there, name)).cloned().collect()
}

/// What stands against it at the last moment.
fn against(surveyed: &Surveyed) -> Option<String> {
    if !surveyed.found.obstacles.is_empty() {
        return Some(surveyed.found.obstacles.join("; "));
    }
    let names: Vec<&str> = surveyed.unequal.iter().map(DatabaseName::as_str).collect();
    (!names.is_empty())
        .then(|| format!("the tables of source and target differ in database {}", names.join(", ")))
}

fn subscribe(source: &Endpoint, target: &Endpoint, spec: &Spec) -> Action {
    let (at, publisher) = (source.clone(), target.clone());
    WayBackAction::Subscribe { at, publisher, name: way_back::name(spec) }.into()
}

/// Databases in which nothing streams yet.
fn idle(seen: &Seen) -> Vec<String> {
    let worker = |database: &DatabaseName| {
        let view = seen.subscriber.get(database)?;
        view.subscription.as_ref()?.worker
    };
    let idle = |(database, view): (&DatabaseName, &PublisherView)| {
        let state = view.slot.as_ref().map(|slot| slot.state);
        match (state, worker(database)) {
            (Some(SlotState::Active), Some(_)) => None,
            (Some(SlotState::Active), None) => Some(format!("no apply worker runs in {database}")),
            (Some(SlotState::Inactive) | None, _) => {
                Some(format!("the slot of {database} is not streamed from"))
            }
            (Some(SlotState::Lost), _) => Some(format!("the slot of {database} is lost")),
        }
    };
    seen.publisher.iter().filter_map(idle).collect()
}

fn armed(facts: &Facts, seen: &Seen) -> Armed {
    let of = |(database, view): (&DatabaseName, &PublisherView)| {
        (database.clone(), view.fingerprint.clone())
    };
    let plan = facts.way_back.plan.as_ref();
    Armed {
        at: seen.now,
        published: seen.publisher.values().filter_map(|view| view.published).sum(),
        fingerprint: seen.publisher.iter().map(of).collect(),
        lost: plan.map(|plan| plan.lost.clone()).unwrap_or_default(),
    }
}
