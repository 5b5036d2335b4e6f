//! Purpose: before anybody is held, it is known that everything can flow back, or what is lost.
//! Reads: the target; with access publications, slots and subscriptions, both sides' catalogues,
//!   and what was written to the target.
//! Changes: nothing; where the target answers, and a loss that was accepted, are remembered.
//! Undo: nothing to undo.
//! If it dies here: traffic goes to the target as before.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{try_join, try_join3};
use jiff::Timestamp;
use landfall_core::action::Apply;
use landfall_core::facts::AcceptedLoss;
use landfall_core::failure::Failure;
use landfall_core::ids::DatabaseName;
use landfall_core::port::Database;
use landfall_core::port::database::WriteCounters;
use landfall_core::port::way_back::{
    PublisherView, SlotState, SubscriberView, Survey, WayBackName,
};
use landfall_core::quantity::ByteCount;
use landfall_core::{Code, Endpoint, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::super::{endpoint, source_endpoint, target, way_back};
use super::carry_sequences::missing as missing_sequences;
use crate::step::{Look, Plan, Step};

/// How long the replication may take to come close, before anybody waits.
const COMES_CLOSE_WITHIN: Duration = Duration::from_mins(30);

/// The look before the roll-back.
pub struct CheckWayBack;

/// Both ends of the way back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ends {
    publisher: BTreeMap<DatabaseName, PublisherView>,
    subscriber: BTreeMap<DatabaseName, SubscriberView>,
    /// The source's tables, to be compared with the target's.
    source: BTreeMap<DatabaseName, BTreeMap<String, String>>,
    /// Sequences that only the target has.
    sequences: Vec<String>,
}

/// The target, and what leads from it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    target: Endpoint,
    /// Absent without a way back.
    ends: Option<Ends>,
    /// What was written to the target, when a loss was accepted and access may count.
    written: Option<WriteCounters>,
    now: Timestamp,
}

impl Step for CheckWayBack {
    const ID: &'static str = "reverse.check_way_back";
    const TITLE: &'static str = "See that everything can flow back";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cluster = target(look).await?;
        let target = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
        let way_back = &look.facts.way_back;
        let name = way_back::name(look.spec);
        let ends = match (look.ports.database, source_endpoint(look.facts)) {
            (Some(database), Some(source)) if way_back.is_armed() => {
                Some(ends(database, &name, &target, source).await?)
            }
            _ => None,
        };
        let written = match look.ports.database {
            Some(database) if way_back.consent.is_some() => {
                Some(database.write_counters(&target).await?)
            }
            _ => None,
        };
        Ok(Seen { target, ends, written, now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let way_back = &facts.way_back;
        if way_back.target.as_ref() != Some(&seen.target) {
            return Plan::Learn(Fact::TargetAt { endpoint: seen.target.clone() });
        }
        let troubles = seen.ends.as_ref().map(|ends| troubles(facts, ends)).unwrap_or_default();
        match (&way_back.consent, troubles.is_empty()) {
            (None, _) if !way_back.is_armed() => return Plan::blocked(missing(spec, facts)),
            (None, false) => return Plan::blocked(broken(spec, &troubles)),
            (Some(_), false) => {
                return Plan::Learn(Fact::WayBackClosed { why: troubles.join("; ") });
            }
            (Some(consent), true) if way_back.loss.is_none() => {
                return Plan::Learn(Fact::LossAccepted(Box::new(loss(facts, consent, seen))));
            }
            (_, true) => {}
        }
        let behind = seen.ends.as_ref().map(farthest).unwrap_or_default();
        if behind > spec.cutover.lag_max {
            let late = Problem::new(
                Code::WayBackBroken,
                format!("the source is {behind} behind the target"),
                "Less load on the target lets it catch up; then run `landfall resume`. `landfall \
                 abort` leaves the target in charge.",
            );
            return Plan::wait(spec, "the source to come close to the target", behind.to_string())
                .or(COMES_CLOSE_WITHIN, late);
        }
        Plan::Done
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

async fn ends(
    database: &dyn Database,
    name: &WayBackName,
    target: &Endpoint,
    source: &Endpoint,
) -> Result<Ends, Failure> {
    let of_source = database.survey(source);
    let ends =
        try_join3(database.publisher(target, name), database.subscriber(source, name), of_source);
    let sequences = try_join(database.sequences(target), database.sequences(source));
    let ((publisher, subscriber, of_source), (theirs, ours)) = try_join(ends, sequences).await?;
    let fingerprint = |(name, survey): (DatabaseName, Survey)| (name, survey.fingerprint);
    let source = of_source.into_iter().map(fingerprint).collect();
    Ok(Ends { publisher, subscriber, source, sequences: missing_sequences(&theirs, &ours) })
}

/// What keeps something from flowing back, one sentence each.
fn troubles(facts: &Facts, ends: &Ends) -> Vec<String> {
    let mut found = Vec::new();
    for (database, publisher) in &ends.publisher {
        let subscription = ends.subscriber.get(database).and_then(|one| one.subscription.as_ref());
        let mut say = |what: String| found.push(format!("database {database}: {what}"));
        match publisher.slot.as_ref().map(|slot| slot.state) {
            None => say("the slot on the target is gone".to_owned()),
            Some(SlotState::Lost) => {
                say("the target dropped WAL that the source needs (wal_status lost)".to_owned());
            }
            Some(SlotState::Inactive) => say("nobody reads the slot on the target".to_owned()),
            Some(SlotState::Active) => {}
        }
        match subscription {
            None => say("the subscription on the source is gone".to_owned()),
            Some(one) if one.apply == Apply::Off => {
                say("the subscription on the source is disabled".to_owned());
            }
            Some(one) if one.worker.is_none() => {
                say("the source's apply worker does not run; its log says why".to_owned());
            }
            Some(_) => {}
        }
        let known = facts.way_back.armed.as_ref().and_then(|armed| armed.lost.get(database));
        let known = known.map_or(0, |lost| lost.tables.count);
        if publisher.left_out.count > known {
            let since = publisher.left_out.count - known;
            let such = publisher.left_out.names.join(", ");
            say(format!("{since} tables are not published ({such})"));
        }
        for schema in differing(&publisher.fingerprint, ends.source.get(database)) {
            say(format!("tables of schema {schema} differ between target and source"));
        }
    }
    for database in ends.source.keys().filter(|name| !ends.publisher.contains_key(*name)) {
        found.push(format!("database {database} is not on the target any more"));
    }
    if let Some(first) = ends.sequences.first() {
        let count = ends.sequences.len();
        found.push(format!("{count} sequences are not on the source (such as {first})"));
    }
    found
}

/// Schemas whose tables are not the same on both sides.
fn differing(
    ours: &BTreeMap<String, String>,
    theirs: Option<&BTreeMap<String, String>>,
) -> Vec<String> {
    let Some(theirs) = theirs else { return ours.keys().cloned().collect() };
    let all = ours.keys().chain(theirs.keys().filter(|schema| !ours.contains_key(*schema)));
    all.filter(|schema| ours.get(*schema) != theirs.get(*schema)).cloned().collect()
}

/// The bytes that the database farthest behind lacks.
fn farthest(ends: &Ends) -> ByteCount {
    let behind = |view: &PublisherView| {
        let confirmed = view.slot.as_ref()?.confirmed?;
        Some(view.flush_lsn?.0.saturating_sub(confirmed.0))
    };
    ByteCount(ends.publisher.values().filter_map(behind).max().unwrap_or(0))
}

/// What goes back nowhere: everything, or what the way back leaves out.
fn loss(facts: &Facts, consent: &str, seen: &Seen) -> AcceptedLoss {
    let armed = facts.way_back.armed.as_ref().filter(|_| facts.way_back.is_armed());
    let kept = |database: &DatabaseName, table: &String| {
        armed.is_some_and(|armed| {
            let lost = armed.lost.get(database);
            !lost.is_some_and(|lost| lost.tables.names.contains(table))
        })
    };
    let rows = seen.written.as_ref().map(|written| {
        let of = |(database, tables): (&DatabaseName, &BTreeMap<String, u64>)| {
            let lost = tables.iter().filter(|(name, rows)| **rows > 0 && !kept(database, name));
            (database.clone(), lost.map(|(name, rows)| (name.clone(), *rows)).collect())
        };
        let all: BTreeMap<_, BTreeMap<String, u64>> = written.iter().map(of).collect();
        all.into_iter().filter(|(_, tables)| !tables.is_empty()).collect()
    });
    let released = facts.forward.as_ref().and_then(|forward| forward.released_at);
    AcceptedLoss { consent: consent.to_owned(), since: released.unwrap_or(seen.now), rows }
}

/// What a person is told who asks for a roll-back where nothing flows back.
pub(crate) fn missing(spec: &Spec, facts: &Facts) -> Problem {
    let name = &spec.migration.name;
    let why = facts.way_back.closed.clone().unwrap_or_else(|| "it was not armed".to_owned());
    Problem::new(
        Code::WayBackMissing,
        format!("{name} cannot be rolled back without a loss: {why}"),
        format!(
            "Nothing has changed: the target takes writes. `landfall roll-back {name} \
             --accept-loss \"WHY\"` goes back all the same, and records what is lost."
        ),
    )
}

fn broken(spec: &Spec, troubles: &[String]) -> Problem {
    let name = &spec.migration.name;
    Problem::new(
        Code::WayBackBroken,
        format!("not everything can flow back: {}", troubles.join("; ")),
        format!(
            "Nobody is held, and nothing has changed. Mend it, then `landfall resume {name}`; \
             `landfall abort {name}` leaves the target in charge."
        ),
    )
}
