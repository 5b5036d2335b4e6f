//! Behind the release the source stays shut, wherever the move stands and whatever it does there;
//! and a look that takes long keeps nobody from being heard.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{Either, select};
use landfall_core::Action;
use landfall_core::Code;
use landfall_core::action::{CloudAction, DatabaseAction};
use landfall_core::failure::FailureKind;
use landfall_core::ids::SecurityGroupId;
use landfall_core::journal::{Cause, Commitment, Entry, NewEntry, Record, Request};
use landfall_core::port::Clock;
use landfall_core::spec::Approval;
use landfall_core::status::{Outcome, Road, Run, Status};
use landfall_flow::Ended;
use landfall_flow::process::{self, Row};
use landfall_flow::sim::{Fate, Sight, Tap, Watch};

use crate::stage::{Counting, Healthy, Moment, Strike, Way, abort, bench, entered, judge, started};
use crate::support::{Bench, Nobody};

const PRODUCTION: [&str; 2] = ["sg-app", "sg-office"];
const QUARANTINE: &str = "sg-quarantine-source";

fn open(bench: &Bench) {
    let groups: Vec<SecurityGroupId> = PRODUCTION.iter().map(|group| (*group).into()).collect();
    bench.world.meddle(|world| world.regroup_source(&groups));
}

fn source(bench: &Bench) -> String {
    bench.world.footprint()["instance orders-prod"].clone()
}

fn is_shut(bench: &Bench) -> bool {
    source(bench).contains(QUARANTINE)
}

/// The watch's orders, as the journal has them.
fn orders(bench: &Bench) -> Vec<(Option<String>, Action)> {
    let of = |entry: Entry| {
        let Record::Intended { action, cause: Cause::Watch, .. } = entry.record else {
            return None;
        };
        Some((entry.step, *action))
    };
    bench.entries().into_iter().filter_map(of).collect()
}

/// Every row behind the release.
fn behind() -> Vec<&'static Row> {
    let rows = process::table(Road::Physical);
    let released = rows.iter().position(|row| row.commitment == Commitment::Committed).unwrap();
    rows.iter().skip(released + 1).collect()
}

/// Drives for a while, and no longer: nobody comes to help.
fn drive_for(bench: &Bench, time: Duration, tap: &dyn Tap, watch: &dyn Watch) -> Option<Ended> {
    let mut ended = None;
    bench.on(async {
        let driver = Box::pin(bench.drive_lane("first", tap, watch, &Nobody));
        if let Either::Left((end, _)) = select(driver, bench.ports().clock.sleep(time)).await {
            ended = end;
        }
    });
    ended
}

/// Enough for every row to be reached, and for several looks of the watch.
const LONG: Duration = Duration::from_mins(20);
/// Enough for every row to be reached where nobody has to wait for a gate.
const SHORT: Duration = Duration::from_mins(3);
const A_WHILE: Duration = Duration::from_secs(40);

/// The ways in which a move stands still in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    Paused,
    Stopped,
}

/// Everything that is not the source is hidden, from when a row is entered: no row gets on.
struct Hidden<'a> {
    bench: &'a Bench,
    row: &'static str,
    also: Stands,
}

impl Tap for Hidden<'_> {
    fn order(&self, _: &Action) -> Fate {
        Fate::Done
    }

    fn look(&self, what: &'static str) -> Sight {
        let there = stands_in(self.bench, self.row);
        if self.also == Stands::Stopped && there && what != "an instance" {
            return Sight::Blind(FailureKind::Denied);
        }
        Sight::Clear
    }
}

/// Whether the last entry belongs to a row.
fn stands_in(bench: &Bench, row: &str) -> bool {
    let of_row = |entry: &Entry| entry.step.as_deref() == Some(row);
    bench.store.last(bench.name(), of_row).unwrap_or_default()
}

fn stands(bench: &Bench, row: &'static str, how: Stands) -> Option<Status> {
    let strike = Strike::does(Moment::After, entered(row), || {
        if how == Stands::Paused {
            let (by, why) = ("ann".to_owned(), "lunch".to_owned());
            bench.ask(Request::Pause { by, why }).unwrap();
        }
    });
    let hidden = Hidden { bench, row, also: how };
    let ended = drive_for(bench, SHORT, &hidden, &strike);
    let status = bench.view().status;
    let still = matches!(status.run, Run::Paused { .. } | Run::NeedsHuman { .. });
    (ended.is_none() && still && status.step == row).then_some(status)
}

#[test]
fn a_source_that_is_opened_while_the_move_stands_still_is_shut_again() {
    let mut tried = Vec::new();
    for row in behind() {
        for how in [Stands::Paused, Stands::Stopped] {
            let id = row.step.id();
            let (bench, _) = started(Way::Terminate);
            let Some(before) = stands(&bench, id, how) else {
                assert_eq!(how, Stands::Stopped, "{id} cannot be paused\n{}", bench.tail());
                continue;
            };
            open(&bench);
            let hidden = Hidden { bench: &bench, row: id, also: how };
            assert_eq!(drive_for(&bench, A_WHILE, &hidden, &Healthy), None);
            assert!(is_shut(&bench), "{id} {how:?}: {}\n{}", source(&bench), bench.tail());
            assert_eq!(bench.view().status, before, "{id} {how:?}: the move went on");
            let orders = orders(&bench);
            let [(at, Action::Cloud(_)), (_, Action::Database(_))] = orders.as_slice() else {
                panic!("{id} {how:?}: {orders:?}\n{}", bench.tail());
            };
            assert_eq!(at.as_deref(), Some(id));
            let warnings = bench.view().facts.warnings;
            let told = &warnings["the fence of instance orders-prod"];
            assert!(told.contains("sg-app, sg-office") && told.contains("shut again"), "{told}");
            tried.push((id, how));
        }
    }
    let stopped = tried.iter().filter(|(_, how)| *how == Stands::Stopped).count();
    assert_eq!(tried.len() - stopped, behind().len());
    assert!(stopped >= 3, "{tried:?}");
}

#[test]
fn a_move_that_goes_on_is_watched_as_well() {
    for row in behind() {
        let id = row.step.id();
        let (bench, before) = started(Way::CredentialFree);
        let strike = Strike::does(Moment::After, entered(id), || open(&bench));
        let ended = bench.drive_with("first", &Counting::default(), &strike);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{id}\n{}", bench.tail());
        if !orders(&bench).is_empty() {
            judge(&bench, &before, Outcome::Moved);
        }
    }
}

#[test]
fn a_driver_that_died_between_two_orders_of_the_watch_leaves_the_second_to_the_next() {
    let row = "soak.keep_fence";
    let mut bench = bench(Way::Terminate);
    bench.spec.approve.acceptance = Approval::Person;
    bench.start();
    let shuts = |entry: &NewEntry| {
        matches!(&entry.record, Record::Intended { cause: Cause::Watch, action, .. }
            if matches!(**action, Action::Cloud(CloudAction::SetInstanceSecurityGroups { .. })))
    };
    drive_for(&bench, LONG, &Counting::default(), &Healthy);
    assert_eq!(bench.view().status.step, row);
    open(&bench);
    let dies = Strike::new(Moment::After, shuts, || landfall_flow::sim::Beat::Dies);
    assert_eq!(drive_for(&bench, A_WHILE, &Counting::default(), &dies), None);
    assert!(dies.has_struck(), "{}", bench.tail());
    drive_for(&bench, LONG, &Counting::default(), &Healthy);
    assert!(is_shut(&bench), "{}", bench.tail());
    let ends = |(_, action): &(_, Action)| {
        matches!(action, Action::Database(DatabaseAction::TerminateSessions { .. }))
    };
    assert_eq!(orders(&bench).iter().filter(|order| ends(order)).count(), 1, "{}", bench.tail());
    assert!(matches!(bench.view().status.run, Run::AwaitingApproval { .. }), "{}", bench.tail());
}

/// Orders of the watch are refused.
struct Refusing;

impl Tap for Refusing {
    fn order(&self, action: &Action) -> Fate {
        if action.keeps_a_fence() { Fate::Refused(FailureKind::Denied) } else { Fate::Done }
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

#[test]
fn a_fence_that_cannot_be_shut_is_told_and_tried_less_and_less_often() {
    let mut bench = bench(Way::Terminate);
    bench.spec.approve.acceptance = Approval::Person;
    bench.start();
    drive_for(&bench, LONG, &Counting::default(), &Healthy);
    open(&bench);
    drive_for(&bench, Duration::from_mins(60), &Refusing, &Healthy);
    let tries = orders(&bench).len();
    assert!((5..=20).contains(&tries), "{tries}\n{}", bench.tail());
    let told = bench.view().facts.warnings["the fence of instance orders-prod"].clone();
    assert!(told.contains("was found open, and could not"), "{told}");
    drive_for(&bench, Duration::from_mins(10), &Counting::default(), &Healthy);
    assert!(is_shut(&bench), "{}", bench.tail());
}

/// One kind of look takes for ever, once a row is entered.
struct Endless<'a> {
    bench: &'a Bench,
    row: &'static str,
    asked: Mutex<u32>,
}

impl Tap for Endless<'_> {
    fn order(&self, _: &Action) -> Fate {
        Fate::Done
    }

    fn look(&self, _: &'static str) -> Sight {
        if !stands_in(self.bench, self.row) {
            return Sight::Clear;
        }
        *self.asked.lock().unwrap() += 1;
        Sight::Slow(Duration::from_hours(100))
    }
}

fn endless<'a>(bench: &'a Bench, row: &'static str) -> Endless<'a> {
    Endless { bench, row, asked: Mutex::default() }
}

#[test]
fn an_abort_is_heard_during_a_look_that_never_ends() {
    let (bench, before) = started(Way::Terminate);
    let row = "replicate.validate_replica";
    let tap = endless(&bench, row);
    let mut ended = None;
    bench.on(async {
        let driver = bench.drive_lane("first", &tap, &Healthy, &Nobody);
        let person = async {
            while *tap.asked.lock().unwrap() == 0 {
                bench.world.sleep(Duration::from_millis(100)).await;
            }
            bench.world.sleep(Duration::from_mins(1)).await;
            bench.ask(abort()).unwrap();
        };
        ended = Some(Box::pin(futures_util::future::join(driver, person)).await.0);
    });
    assert_eq!(ended.unwrap(), Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Undone);
}

#[test]
fn a_budget_ends_during_a_look_that_never_ends() {
    let (bench, before) = started(Way::Terminate);
    let tap = endless(&bench, "quiesce.prove_fence");
    let ended = bench.drive_with("first", &tap, &Healthy);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Undone);
}

#[test]
fn a_look_that_never_ends_keeps_its_lease_and_becomes_a_problem() {
    let (bench, _) = started(Way::Terminate);
    let tap = endless(&bench, "replicate.validate_replica");
    let ended = bench.drive_with("first", &tap, &Healthy);
    assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
    let problem = bench.assert_stopped_by(Code::WaitTooLong);
    assert!(problem.primary.contains("did not end within"), "{problem}");
    let leaders = bench.entries().iter().filter(|e| matches!(e.record, Record::Led { .. })).count();
    assert_eq!(leaders, 1, "{}", bench.tail());
}
