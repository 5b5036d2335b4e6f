//! A crash at every journal write, and a second driver that takes over: the same end.
//!
//! The driver dies right after a record is durable, and, after an intent, also when the effect has
//! happened and its result is about to be written. Nothing is given back; the second driver waits
//! for the lease to expire. An order is repeated at most once in all.

use landfall_core::journal::Record;
use landfall_flow::Ended;
use landfall_flow::sim::{Beat, Watch};
use std::sync::{Arc, Mutex};

use landfall_core::journal::NewEntry;

use crate::stage::{
    Baseline, Counting, Moment, Remember, Strike, Way, aborting, baseline, judge, nth, started,
};

/// Both watches feel each write; the first that is not well decides.
pub(crate) struct Both<'a>(pub(crate) &'a dyn Watch, pub(crate) &'a dyn Watch);

impl Watch for Both<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        match self.0.before(entry) {
            Beat::Goes => self.1.before(entry),
            beat @ (Beat::Dies | Beat::Hangs(_) | Beat::Fails) => beat,
        }
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        match self.0.after(entry) {
            Beat::Goes => self.1.after(entry),
            beat @ (Beat::Dies | Beat::Hangs(_) | Beat::Fails) => beat,
        }
    }
}

/// One crash and one successor.
fn crash(way: Way, abort_at: Option<&str>, expected: &Baseline, n: usize, moment: Moment) {
    let (bench, before) = started(way);
    let counting = Counting::default();
    let aborting = aborting(&bench, abort_at);
    let dying = Strike::new(moment, nth(n), || Beat::Dies);
    let writes = Arc::new(Mutex::new(Vec::new()));
    let both = Both(&aborting, &dying);
    let watch = Remember { writes: Arc::clone(&writes), then: &both };
    let at = format!("{way:?} abort {abort_at:?}: write {n}, {moment:?}");
    let died = bench.drive_with("first", &counting, &watch);
    assert_eq!(died, None, "{at}: it did not die\n{}", bench.tail());
    let ended = bench.drive_with("second", &counting, &aborting);
    assert_eq!(ended, Some(Ended::Finished(expected.outcome)), "{at}\n{}", bench.tail());
    judge(&bench, &before, expected.outcome);
    let mut repeated = 0;
    for (order, times) in counting.taken() {
        let planned = expected.orders.get(&order).copied().unwrap_or(0);
        assert!(times <= planned + 1, "{at}: {order} {times} times\n{}", bench.tail());
        repeated += times.saturating_sub(planned);
    }
    assert!(repeated <= 1, "{at}: {repeated} orders were repeated\n{}", bench.tail());
}

fn crash_at_every_write(way: Way, abort_at: Option<&str>) {
    let expected = baseline(way, abort_at);
    assert!(expected.writes.len() > 60, "too few writes: {}", expected.writes.len());
    let mut intents = 0;
    for (index, record) in expected.writes.iter().enumerate() {
        let n = index + 1;
        if matches!(record, Record::Finished { .. }) {
            continue;
        }
        crash(way, abort_at, &expected, n, Moment::After);
        if matches!(record, Record::Intended { .. }) {
            intents += 1;
            crash(way, abort_at, &expected, n + 1, Moment::Before);
        }
    }
    assert!(intents >= 10, "{intents}");
}

#[test]
fn a_crash_at_every_write_changes_nothing() {
    crash_at_every_write(Way::Terminate, None);
}

#[test]
fn a_crash_at_every_write_changes_nothing_with_a_reboot() {
    crash_at_every_write(Way::Reboot, None);
}

#[test]
fn a_crash_at_every_write_changes_nothing_without_credentials() {
    crash_at_every_write(Way::CredentialFree, None);
}

#[test]
fn a_crash_at_every_write_changes_nothing_with_a_reader() {
    crash_at_every_write(Way::Reader, None);
}

#[test]
fn a_crash_at_every_write_of_an_undo_with_a_reader_changes_nothing() {
    crash_at_every_write(Way::Reader, Some("cutover.smoke_target"));
}

#[test]
fn a_crash_at_every_write_of_an_undo_changes_nothing() {
    crash_at_every_write(Way::Terminate, Some("quiesce.drain_replica"));
}

#[test]
fn a_crash_at_every_write_of_an_undo_after_promotion_changes_nothing() {
    crash_at_every_write(Way::Terminate, Some("cutover.smoke_target"));
}

#[test]
fn a_crash_at_every_write_of_an_undo_without_credentials_changes_nothing() {
    crash_at_every_write(Way::CredentialFree, Some("cutover.promote_replica"));
}
