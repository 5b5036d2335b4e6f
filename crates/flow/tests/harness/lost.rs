//! Every answer lost once, every order refused once, every look failing once: the same end.

use std::collections::BTreeSet;
use std::sync::Mutex;

use landfall_core::Action;
use landfall_core::failure::FailureKind;
use landfall_flow::Ended;
use landfall_flow::sim::{Fate, Sight, Tap};

use crate::stage::{Counting, Healthy, WAYS, Way, aborting, baseline, judge, name, started};
use crate::support::Bench;

/// The first time an order is given it meets this fate, afterwards it is done.
struct FirstTime {
    fate: Fate,
    given: Mutex<BTreeSet<String>>,
    counting: Counting,
}

impl FirstTime {
    fn new(fate: Fate) -> Self {
        Self { fate, given: Mutex::default(), counting: Counting::default() }
    }
}

impl Tap for FirstTime {
    fn order(&self, action: &Action) -> Fate {
        self.counting.order(action);
        let first = self.given.lock().unwrap().insert(name(action));
        if first { self.fate } else { Fate::Done }
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

const ABORTS: [Option<&str>; 3] =
    [None, Some("quiesce.drain_replica"), Some("cutover.smoke_target")];

fn every_order_meets(fate: Fate) {
    for way in WAYS {
        for abort_at in ABORTS {
            let expected = baseline(way, abort_at);
            let (bench, before) = started(way);
            let tap = FirstTime::new(fate);
            let strike = aborting(&bench, abort_at);
            let ended = bench.drive_with("first", &tap, &strike);
            let at = format!("{way:?} abort {abort_at:?} {fate:?}");
            assert_eq!(ended, Some(Ended::Finished(expected.outcome)), "{at}\n{}", bench.tail());
            judge(&bench, &before, expected.outcome);
            let met: BTreeSet<_> = tap.given.lock().unwrap().clone();
            let planned: BTreeSet<_> = expected.orders.keys().cloned().collect();
            assert_eq!(met, planned, "{at}");
        }
    }
}

#[test]
fn an_answer_may_be_lost() {
    every_order_meets(Fate::AnswerLost);
}

#[test]
fn an_order_may_be_refused() {
    every_order_meets(Fate::Refused(FailureKind::Throttled));
}

#[test]
fn an_order_whose_answer_was_lost_is_not_given_again() {
    for way in WAYS {
        let expected = baseline(way, None);
        let (bench, _) = started(way);
        let tap = FirstTime::new(Fate::AnswerLost);
        bench.drive_with("first", &tap, &Healthy);
        assert_eq!(tap.counting.taken(), expected.orders, "{way:?}\n{}", bench.tail());
    }
}

/// Each kind of look fails once in each step.
struct BlindOnce<'a> {
    bench: &'a Bench,
    kind: FailureKind,
    failed: Mutex<BTreeSet<(String, &'static str)>>,
}

impl Tap for BlindOnce<'_> {
    fn order(&self, _: &Action) -> Fate {
        Fate::Done
    }

    fn look(&self, what: &'static str) -> Sight {
        let step = self.bench.store.last(self.bench.name(), |entry| entry.step.clone());
        let step = step.flatten().unwrap_or_default();
        let first = self.failed.lock().unwrap().insert((step, what));
        // An owner's test that fails is no look that failed: people are called.
        let looks = what != "a test";
        if first && looks { Sight::Blind(self.kind) } else { Sight::Clear }
    }
}

#[test]
fn a_look_may_fail_in_every_step() {
    for kind in [FailureKind::Unavailable, FailureKind::Throttled, FailureKind::TimedOut] {
        for way in WAYS {
            for abort_at in ABORTS {
                blind(way, abort_at, kind);
            }
        }
    }
}

fn blind(way: Way, abort_at: Option<&str>, kind: FailureKind) {
    let expected = baseline(way, abort_at);
    let (bench, before) = started(way);
    let tap = BlindOnce { bench: &bench, kind, failed: Mutex::default() };
    let strike = aborting(&bench, abort_at);
    let ended = bench.drive_with("first", &tap, &strike);
    let at = format!("{way:?} abort {abort_at:?} {kind:?}");
    assert_eq!(ended, Some(Ended::Finished(expected.outcome)), "{at}\n{}", bench.tail());
    judge(&bench, &before, expected.outcome);
    assert!(tap.failed.lock().unwrap().len() > 20, "{at}: hardly anything was looked at");
}
