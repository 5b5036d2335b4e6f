//! Fail at every row, at each of its moments, and unwind: the world is as at the start.

use std::sync::Mutex;
use std::time::Duration;

use landfall_core::journal::{Commitment, NewEntry, Record};
use landfall_core::status::{Course, Outcome};
use landfall_core::{Action, Code};
use landfall_flow::Ended;
use landfall_flow::process::{PHYSICAL, Row, Undo};
use landfall_flow::sim::{Fate, Sight, Tap};

use crate::stage::{Counting, Moment, Strike, Way, abort, judge, started};
use crate::twice::Twice;

/// Where in a row it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Entered,
    FirstIntent,
    Completed,
}

const PLACES: [Place; 3] = [Place::Entered, Place::FirstIntent, Place::Completed];

fn is_there(row: &'static Row, place: Place) -> impl Fn(&NewEntry) -> bool + Send + Sync {
    move |entry: &NewEntry| {
        let here = entry.step.as_deref() == Some(row.step.id());
        let fits = match (&entry.record, place) {
            (Record::Entered { course, .. }, Place::Entered)
            | (Record::Intended { course, .. }, Place::FirstIntent) => *course == Course::Doing,
            (Record::Completed { .. }, Place::Completed) => true,
            _ => false,
        };
        here && fits
    }
}

/// Aborts at one place and judges; whether the place was reached.
fn unwinds(way: Way, row: &'static Row, place: Place, tap: &dyn Tap) -> bool {
    let (bench, before) = started(way);
    let answer = Mutex::new(None);
    let strike = Strike::does(Moment::After, is_there(row, place), || {
        let committed = bench.view().status.commitment == Commitment::Committed;
        *answer.lock().unwrap() = Some((committed, bench.ask(abort())));
    });
    let ended = bench.drive_with("first", tap, &strike);
    let Some((committed, asked)) = answer.lock().unwrap().take() else { return false };
    let at = format!("{} {place:?} {way:?}", row.step.id());
    let outcome = if committed { Outcome::Moved } else { Outcome::Undone };
    assert_eq!(ended, Some(Ended::Finished(outcome)), "{at}\n{}", bench.tail());
    match asked {
        Ok(()) => assert!(!committed, "{at}: an abort after the point of no return"),
        Err(problem) => {
            assert!(committed, "{at}: {problem}");
            assert_eq!(problem.code, Code::PointOfNoReturn, "{at}: {problem}");
        }
    }
    judge(&bench, &before, outcome);
    true
}

fn every_place_unwinds(way: Way, tap: impl Fn() -> Box<dyn Tap>) {
    for row in PHYSICAL {
        for place in PLACES {
            let reached = unwinds(way, row, place, &*tap());
            let must = match (place, row.undo) {
                (Place::Entered | Place::Completed, _) => true,
                (Place::FirstIntent, Undo::Reverts(_) | Undo::Keeps(_)) => way == Way::Terminate,
                (Place::FirstIntent, Undo::Nothing | Undo::Refused) => false,
            };
            assert!(reached || !must, "{} {place:?} was not reached", row.step.id());
        }
    }
}

#[test]
fn every_row_unwinds() {
    every_place_unwinds(Way::Terminate, || Box::new(Counting::default()));
}

#[test]
fn every_row_unwinds_after_a_reboot() {
    every_place_unwinds(Way::Reboot, || Box::new(Counting::default()));
}

#[test]
fn every_row_unwinds_without_credentials() {
    every_place_unwinds(Way::CredentialFree, || Box::new(Counting::default()));
}

#[test]
fn every_row_unwinds_with_every_order_given_twice() {
    every_place_unwinds(Way::Terminate, || Box::new(Twice));
}

#[test]
fn every_row_unwinds_after_a_reboot_with_every_order_given_twice() {
    every_place_unwinds(Way::Reboot, || Box::new(Twice));
}

/// RDS shows what it showed before, for as long as it may.
struct Stale;

impl Tap for Stale {
    fn order(&self, _: &Action) -> Fate {
        Fate::Done
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Stale
    }
}

#[test]
fn every_row_unwinds_on_stale_views() {
    every_place_unwinds(Way::Terminate, || Box::new(Stale));
}

#[test]
fn every_row_unwinds_after_a_reboot_on_stale_views() {
    every_place_unwinds(Way::Reboot, || Box::new(Stale));
}

#[test]
fn every_row_unwinds_without_credentials_on_stale_views() {
    every_place_unwinds(Way::CredentialFree, || Box::new(Stale));
}

#[test]
fn a_replica_that_is_still_built_for_an_hour_is_removed_by_itself() {
    let (bench, before) = started(Way::Terminate);
    bench.world.meddle(|world| world.delays().writer = Duration::from_mins(70));
    let building = |entry: &NewEntry| entry.step.as_deref() == Some("replicate.wait_available");
    let strike = Strike::does(Moment::After, building, || bench.ask(abort()).unwrap());
    let ended = bench.drive_alone(&Counting::default(), &strike);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Undone);
}
