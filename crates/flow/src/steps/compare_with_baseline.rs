//! Purpose: compare the target with what the source was, without anybody waiting for it.
//! Reads: the target's counters and tables without statistics; in the soak, once it was watched
//!   long enough, CloudWatch's metrics of both and both servers' counters.
//! Changes: analyzes tables that were never analyzed; with access only.
//! Undo: refused; the target is the database.
//! If it dies here: the beginning is remembered, or the watching begins anew.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use landfall_core::action::DatabaseAction;
use landfall_core::comparison::{Comparison, Counters, Hours};
use landfall_core::failure::Failure;
use landfall_core::ids::InstanceId;
use landfall_core::port::Cloud;
use landfall_core::port::cloud::{Metric, MetricPoint, MetricQuery, Subject};
use landfall_core::{Action, DatabaseName, Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::record_baseline::counters;
use super::{source_endpoint, target};
use crate::step::{Look, Plan, Step};
use landfall_assess::comparison::{METRICS, Sides, aurora_notes, compare};
use landfall_assess::question::performance::{self, NeverAnalyzed};
use landfall_assess::question::{aurora, databases};

/// The same hours of so many weeks before.
const WEEKS: i64 = 2;

/// The beginning of the comparison; the soak ends it.
pub struct CompareWithBaseline;

/// With access, the target as it is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    at: Option<Endpoint>,
    counters: Option<Box<Counters>>,
    /// By database: schema and name.
    never_analyzed: Vec<(DatabaseName, Vec<(String, String)>)>,
    now: Timestamp,
}

impl Step for CompareWithBaseline {
    const ID: &'static str = "verify.compare_with_baseline";
    const TITLE: &'static str = "Begin to compare the target with what the source was";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let at = target(look).await?.endpoint;
        let now = look.now();
        let mut seen = Seen { at, counters: None, never_analyzed: vec![], now };
        let (Some(database), Some(at)) = (look.ports.database, &seen.at) else { return Ok(seen) };
        // What is not seen is not compared, or not analyzed; neither stops a move.
        if look.facts.comparison_began.is_none() {
            seen.counters = counters(database, at, now).await.ok().map(Box::new);
        } else if look.facts.analyze_ordered.is_none()
            && let Ok(answers) = database.ask(at, performance::ANALYZED).await
        {
            let tables = databases::<NeverAnalyzed>(&answers).into_iter();
            seen.never_analyzed = tables
                .filter_map(|(name, reading)| {
                    let tables = reading.looked()?.0.items.iter();
                    let named = tables.map(|table| (table.schema.clone(), table.name.clone()));
                    Some((name.clone(), named.collect::<Vec<_>>()))
                })
                .filter(|(_, tables)| !tables.is_empty())
                .collect();
        }
        Ok(seen)
    }

    fn plan(&self, _: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.comparison_began.is_none() {
            let (at, counters) = (seen.now, seen.counters.clone());
            return Plan::Learn(Fact::ComparisonBegan { at, counters });
        }
        let Some(at) = seen.at.as_ref().filter(|_| facts.analyze_ordered.is_none()) else {
            return Plan::Done;
        };
        let actions: Vec<Action> = seen
            .never_analyzed
            .iter()
            .map(|(database, tables)| {
                let (at, database, tables) = (at.clone(), database.clone(), tables.clone());
                DatabaseAction::Analyze { at, database, tables }.into()
            })
            .collect();
        if actions.is_empty() { Plan::Done } else { Plan::Do(actions) }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// Whether the target is still watched for its comparison.
pub(super) fn is_awaited(facts: &Facts) -> bool {
    facts.comparison_began.is_some() && facts.comparison.is_none()
}

/// The comparison, once the target was watched long enough.
pub(super) async fn when_due(look: &Look<'_>) -> Option<Box<Comparison>> {
    let (began, first) = look.facts.comparison_began.as_ref()?;
    let now = look.now();
    let watched = now.duration_since(*began);
    let long_enough =
        !watched.is_negative() && watched.unsigned_abs() >= look.spec.baseline.compare_for;
    if look.facts.comparison.is_some() || !long_enough {
        return None;
    }
    let window = (*began, now);
    let mut not_looked = Vec::new();
    let (hours, metrics) = metrics(look, window, &mut not_looked).await;
    let baseline = look.facts.baseline.as_ref().and_then(|baseline| baseline.counters.clone());
    let source_at = source_endpoint(look.facts).cloned();
    let target_at = target(look).await.ok().and_then(|cluster| cluster.endpoint);
    let source = latest(look, source_at.as_ref(), &mut not_looked).await;
    let of_target = latest(look, target_at.as_ref(), &mut not_looked).await;
    let sides = Sides {
        window,
        hours,
        metrics,
        source: (baseline, source),
        target: (first.as_deref().cloned(), of_target),
        not_looked,
    };
    let mut comparison = compare(&sides);
    comparison.notes.extend(of_aurora(look, target_at.as_ref()).await);
    Some(Box::new(comparison))
}

/// What the target tells of itself by functions that only Aurora has, as far as it has them.
async fn of_aurora(look: &Look<'_>, at: Option<&Endpoint>) -> Vec<String> {
    let (Some(database), Some(at)) = (look.ports.database, at) else { return vec![] };
    let answers = async {
        let present = database.ask(at, aurora::PRESENT).await?;
        database.ask(at, &aurora::of(&present)).await
    };
    match answers.await {
        Ok(answers) => aurora_notes(&answers),
        Err(failure) => vec![failure.to_string()],
    }
}

async fn latest(
    look: &Look<'_>,
    at: Option<&Endpoint>,
    not_looked: &mut Vec<String>,
) -> Option<Counters> {
    let (database, at) = (look.ports.database?, at?);
    match counters(database, at, look.now()).await {
        Ok(counters) => Some(counters),
        Err(failure) => {
            not_looked.push(failure.to_string());
            None
        }
    }
}

type Points = Vec<(Metric, Vec<MetricPoint>, Vec<MetricPoint>)>;
type Window = (Timestamp, Timestamp);

/// Both sides' points, the source's of the hours that are told beside them.
async fn metrics(look: &Look<'_>, window: Window, not_looked: &mut Vec<String>) -> (Hours, Points) {
    let (source, writer) = (look.spec.source.instance.clone(), look.spec.writer());
    let weeks = (1..=WEEKS).filter_map(|week| weeks_before(window, week)).collect();
    let before = of_instance(look.ports.cloud, &source, weeks, not_looked).await;
    let after = of_instance(look.ports.cloud, &writer, vec![window], not_looked).await;
    let (hours, before) = if before.iter().any(|points| !points.is_empty()) {
        (Hours::SameOfTheWeek, before)
    } else {
        let right_before = right_before(look.facts, window).into_iter().collect();
        let before = of_instance(look.ports.cloud, &source, right_before, not_looked).await;
        let found = before.iter().any(|points| !points.is_empty());
        (if found { Hours::RightBefore } else { Hours::None }, before)
    };
    let both = before.into_iter().zip(after);
    (hours, METRICS.into_iter().zip(both).map(|(metric, (b, a))| (metric, b, a)).collect())
}

fn weeks_before((from, to): Window, weeks: i64) -> Option<Window> {
    let back = SignedDuration::from_hours(weeks * 7 * 24);
    Some((from.checked_sub(back).ok()?, to.checked_sub(back).ok()?))
}

/// As long as the window, up to the hold.
fn right_before(facts: &Facts, (from, to): Window) -> Option<Window> {
    let held = facts.held_since?;
    Some((held.checked_sub(to.duration_since(from)).ok()?, held))
}

/// Every metric of one instance over some windows, in the order of [`METRICS`].
async fn of_instance(
    cloud: &dyn Cloud,
    instance: &InstanceId,
    windows: Vec<Window>,
    not_looked: &mut Vec<String>,
) -> Vec<Vec<MetricPoint>> {
    let read = METRICS.map(|metric| {
        let windows = &windows;
        async move {
            let mut points = Vec::new();
            for (from, to) in windows.iter().copied() {
                let subject = Subject::Instance(instance.clone());
                points.extend(cloud.metric(&MetricQuery { metric, subject, from, to }).await?);
            }
            Ok::<_, Failure>(points)
        }
    });
    let read = join_all(read).await;
    let told = |read: Result<_, Failure>| {
        read.unwrap_or_else(|failure| {
            not_looked.push(failure.to_string());
            Vec::new()
        })
    };
    read.into_iter().map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example_spec;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn seen(tables: &[&str]) -> Seen {
        let tables: Vec<_> =
            tables.iter().map(|name| ("public".to_owned(), (*name).to_owned())).collect();
        let never_analyzed =
            if tables.is_empty() { vec![] } else { vec![(DatabaseName::new("shop"), tables)] };
        let at_target = Some(Endpoint::new("target", 5432));
        Seen { at: at_target, counters: None, never_analyzed, now: at(0) }
    }

    #[test]
    fn it_begins_analyzes_once_and_goes_on() {
        let (spec, mut facts) = (example_spec(), Facts::default());
        let begins = CompareWithBaseline.plan(&spec, &facts, &seen(&["orders"]));
        let expected = Plan::Learn(Fact::ComparisonBegan { at: at(0), counters: None });
        assert_eq!(begins, expected);
        facts.comparison_began = Some((at(0), None));
        assert!(is_awaited(&facts));
        let Plan::Do(actions) = CompareWithBaseline.plan(&spec, &facts, &seen(&["orders"])) else {
            panic!("nothing is analyzed")
        };
        let told = actions[0].to_string();
        assert_eq!(told, "analyze 1 tables of database shop on target:5432");
        assert_eq!(CompareWithBaseline.plan(&spec, &facts, &seen(&[])), Plan::Done);
        // A role that may not analyze does not hold up a move.
        facts.analyze_ordered = Some(at(1));
        assert_eq!(CompareWithBaseline.plan(&spec, &facts, &seen(&["orders"])), Plan::Done);
    }

    #[test]
    fn the_same_hours_are_those_of_the_weeks_before() {
        let window = (at(0), at(3_600));
        let week = 7 * 24 * 3_600;
        assert_eq!(weeks_before(window, 1), Some((at(-week), at(3_600 - week))));
        let mut facts = Facts::default();
        assert_eq!(right_before(&facts, window), None);
        facts.held_since = Some(at(-60));
        assert_eq!(right_before(&facts, window), Some((at(-3_660), at(-60))));
    }
}
