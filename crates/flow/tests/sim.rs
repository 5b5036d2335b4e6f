//! The simulator, as much of it as fits into every day. `cargo xtask sim --seeds N` runs more.

use landfall_core::status::Outcome;
use landfall_flow::model::{Sabotage, TWO_SIDES};
use landfall_flow::sim;

const SEEDS: u64 = 60;

#[test]
fn seeded_nights_break_no_invariant() {
    let reports: Vec<_> = (1..=SEEDS).map(|seed| sim::run(seed, Sabotage::None)).collect();
    let failed: Vec<String> = reports
        .iter()
        .filter_map(|report| {
            let invariant = report.verdict.as_ref().err()?;
            let seed = report.seed;
            Some(format!("seed {seed}: {invariant}; see it with `sim --seed {seed} --trace`"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    // Nights in which nothing happens prove nothing.
    let ended = |outcome| reports.iter().filter(|r| r.verdict == Ok(outcome)).count();
    assert!(ended(Outcome::Moved) > 10 && ended(Outcome::Undone) > 5, "the dice are loaded");
    assert!(reports.iter().filter(|report| report.leaders > 2).count() > 10, "nobody died");
}

#[test]
fn a_fence_that_cuts_nobody_is_found() {
    let found: Vec<String> =
        (1..=20).filter_map(|seed| sim::run(seed, Sabotage::Fence).verdict.err()).collect();
    let two_sides = found.iter().filter(|invariant| invariant.starts_with(TWO_SIDES)).count();
    assert!(two_sides >= 2, "{found:?}");
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    let [one, two] = [11, 11].map(|seed| sim::run(seed, Sabotage::None));
    assert_eq!(one.story, two.story);
    assert!(one.story.len() > 50, "{}", one.story.join("\n"));
}
