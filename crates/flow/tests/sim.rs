//! The simulator, as much of it as fits into every day. `cargo xtask sim --seeds N` runs more.

use landfall_core::status::Outcome;
use landfall_flow::sim::{self, Break, Coverage, Plan, Report};

fn night(seed: u64) -> Report {
    sim::run(&Plan { seed, ..Plan::default() })
}

fn broken(seed: u64, planted: Break) -> Option<String> {
    sim::run(&Plan { seed, planted: Some(planted), ..Plan::default() }).verdict.err()
}

#[test]
fn seeded_nights_break_no_invariant() {
    let reports: Vec<_> = (1..=60).map(night).collect();
    let failed: Vec<String> = reports
        .iter()
        .filter_map(|report| {
            let invariant = report.verdict.as_ref().err()?;
            let seed = report.seed;
            Some(format!("seed {seed}: {invariant}; see it with `sim --shrink {seed}`"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // Nights in which nothing happens prove nothing.
    let ended = |outcome| reports.iter().filter(|r| r.verdict == Ok(outcome)).count();
    assert!(ended(Outcome::Moved) > 5 && ended(Outcome::Undone) > 5, "the dice are loaded");
    assert!(reports.iter().filter(|report| report.leaders > 2).count() > 10, "nobody died");
    let mut coverage = Coverage::default();
    for report in &reports {
        coverage.add(&report.coverage);
    }
    let (possible, missed) = (coverage.possible().count(), coverage.missed().count());
    assert!(
        missed * 3 < possible * 2,
        "{missed} of {possible} pairs of step and fault were missed"
    );
}

#[test]
fn a_fence_that_cuts_nobody_is_found() {
    let found: Vec<String> =
        (1..=20).filter_map(|seed| broken(seed, Break::FenceNotObserved)).collect();
    assert!(found.len() >= 2, "{found:?}");
}

/// Each mistake is found by some night, within so many.
fn is_found_within(seeds: u64, planted: Break) {
    let found = (1..=seeds).find_map(|seed| broken(seed, planted));
    assert!(found.is_some(), "{planted} is not found within {seeds} seeds");
}

#[test]
fn mistakes_about_intents_and_answers_are_found() {
    for planted in [
        Break::ReleaseBeforeIntent,
        Break::IntentAfterEffect,
        Break::CommitmentForgotten,
        Break::LostAnswerRepeated,
        Break::PointSentAtOnce,
        Break::AbortAndReleaseAccepted,
        Break::EpochNotChecked,
        Break::UndoForgetsGroupOrder,
    ] {
        is_found_within(60, planted);
    }
}
