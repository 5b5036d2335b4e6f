//! Abort and release contend for one place in the journal: exactly one wins, and nothing is lost.

use std::sync::Mutex;

use landfall_core::Code;
use landfall_core::journal::{Commitment, Record, Request};
use landfall_core::status::Outcome;
use landfall_flow::Ended;

use crate::stage::{Counting, Moment, Strike, WAYS, Way, abort, baseline, judge, nth, started};

/// The writes around the point of no return: from the promotion to the end of the release.
fn around_release(way: Way) -> std::ops::Range<usize> {
    let writes = baseline(way, None).writes;
    let committed = writes.iter().position(|record| {
        matches!(record, Record::Intended { commitment: Commitment::Committed, .. })
    });
    let committed = committed.expect("a move that went through has passed it");
    committed - 12..committed + 10
}

#[test]
fn abort_and_release_are_never_both_taken() {
    for way in WAYS {
        let mut outcomes = [0, 0];
        for n in around_release(way) {
            for moment in [Moment::Before, Moment::After] {
                match contend(way, n, moment) {
                    Outcome::Undone => outcomes[0] += 1,
                    Outcome::Moved => outcomes[1] += 1,
                    Outcome::RolledBack => unreachable!("nobody asked for that"),
                }
            }
        }
        assert!(outcomes.iter().all(|count| *count >= 5), "{way:?}: {outcomes:?}");
    }
}

fn contend(way: Way, n: usize, moment: Moment) -> Outcome {
    let (bench, before) = started(way);
    let answer = Mutex::new(None);
    let strike = Strike::does(moment, nth(n), || {
        *answer.lock().unwrap() = Some(bench.ask(abort()));
    });
    let ended = bench.drive_with("first", &Counting::default(), &strike);
    let at = format!("{way:?} write {n} {moment:?}");
    let answer = answer.lock().unwrap().take();
    let outcome = match answer.unwrap_or_else(|| panic!("{at}: it was not asked")) {
        Ok(()) => Outcome::Undone,
        Err(problem) => {
            assert_eq!(problem.code, Code::PointOfNoReturn, "{at}: {problem}");
            Outcome::Moved
        }
    };
    assert_eq!(ended, Some(Ended::Finished(outcome)), "{at}\n{}", bench.tail());
    let entries = bench.entries();
    let committed = entries.iter().any(|entry| {
        matches!(entry.record, Record::Intended { commitment: Commitment::Committed, .. })
    });
    let aborted = entries
        .iter()
        .any(|e| matches!(e.record, Record::Requested { request: Request::Abort { .. } }));
    assert!(committed != aborted, "{at}: released {committed}, aborted {aborted}");
    assert_eq!(committed, outcome == Outcome::Moved, "{at}");
    judge(&bench, &before, outcome);
    outcome
}
