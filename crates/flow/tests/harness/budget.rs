//! The pause budget: a pause ends by itself, whoever sleeps.

use std::time::Duration;

use landfall_core::action::RouteAction;
use landfall_core::journal::{Record, Request};
use landfall_core::spec::OnOverrun;
use landfall_core::status::Outcome;
use landfall_core::{Action, Code};
use landfall_flow::Ended;
use landfall_flow::sim::{Beat, Footprint};

use crate::stage::{Counting, Healthy, Moment, Strike, Way, completed, entered, judge};
use crate::support::Bench;

const BUDGET: Duration = Duration::from_secs(60);

fn with_budget(way: Way, change: impl FnOnce(&mut Bench)) -> (Bench, Footprint) {
    let mut bench = crate::stage::bench(way);
    bench.spec.route.pause_budget = Some(BUDGET);
    change(&mut bench);
    let before = bench.world.footprint();
    bench.start();
    (bench, before)
}

/// How long connections waited: from the first hold to the first release.
fn pause(bench: &Bench) -> Duration {
    let at = |wanted: fn(&RouteAction) -> bool| {
        bench.ordered_at(|order| matches!(order, Action::Route(order) if wanted(order)))
    };
    let held = at(|action| matches!(action, RouteAction::Hold { .. }));
    let released = at(|action| matches!(action, RouteAction::Release { .. }));
    released.duration_since(held).unsigned_abs()
}

fn aborted_by(bench: &Bench) -> Option<String> {
    bench.entries().into_iter().find_map(|entry| {
        let Record::Requested { request: Request::Abort { by, .. } } = entry.record else {
            return None;
        };
        Some(by)
    })
}

fn assert_undone_by_the_budget(bench: &Bench, before: &Footprint) {
    assert_eq!(aborted_by(bench).as_deref(), Some("the pause budget"), "{}", bench.tail());
    judge(bench, before, Outcome::Undone);
    let pause = pause(bench);
    assert!(pause >= BUDGET && pause < BUDGET + Duration::from_secs(10), "{pause:?}");
}

#[test]
fn a_stalled_replica_ends_the_pause() {
    for way in crate::stage::WAYS {
        let (bench, before) = with_budget(way, |_| {});
        let strike = Strike::does(Moment::After, entered("quiesce.final_marker"), || {
            bench.world.meddle(|world| world.stall());
        });
        let ended = bench.drive_alone(&Counting::default(), &strike);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{way:?}\n{}", bench.tail());
        assert_undone_by_the_budget(&bench, &before);
    }
}

#[test]
fn a_problem_inside_the_pause_ends_with_the_budget() {
    let (bench, before) = with_budget(Way::Terminate, |_| {});
    let strike = Strike::does(Moment::After, completed("quiesce.fence_source"), || {
        bench.world.meddle(|world| world.bypass());
    });
    let ended = bench.drive_alone(&Counting::default(), &strike);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    let stopped = bench.entries().into_iter().any(
        |entry| matches!(entry.record, Record::Stopped { problem } if problem.code == Code::FenceLeaks),
    );
    assert!(stopped, "nobody was told\n{}", bench.tail());
    bench.world.meddle(|world| world.end_bypass());
    assert_undone_by_the_budget(&bench, &before);
}

#[test]
fn a_pause_of_a_person_ends_with_the_budget() {
    let (bench, before) = with_budget(Way::Terminate, |_| {});
    let strike = Strike::does(Moment::After, entered("quiesce.final_marker"), || {
        let by = "ann".to_owned();
        bench.ask(Request::Pause { by, why: "lunch".to_owned() }).unwrap();
    });
    let ended = bench.drive_alone(&Counting::default(), &strike);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    assert_undone_by_the_budget(&bench, &before);
}

fn slow_promotion(on_overrun: OnOverrun) -> (Bench, Footprint, Option<Ended>) {
    let (bench, before) = with_budget(Way::Terminate, |bench| {
        bench.spec.cutover.on_overrun = on_overrun;
        bench.world.meddle(|world| world.delays().promote = Duration::from_secs(150));
    });
    let ended = bench.drive_with("first", &Counting::default(), &Healthy);
    (bench, before, ended)
}

#[test]
fn an_overrun_after_promotion_is_finished_when_asked_so() {
    let (bench, before, ended) = slow_promotion(OnOverrun::Finish);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    assert_eq!(aborted_by(&bench), None);
    assert!(pause(&bench) > 2 * BUDGET, "{:?}", pause(&bench));
}

#[test]
fn an_overrun_after_promotion_is_undone_when_asked_so() {
    let (bench, before, ended) = slow_promotion(OnOverrun::Undo);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Undone);
    assert_eq!(aborted_by(&bench).as_deref(), Some("the pause budget"));
}

#[test]
fn a_promotion_that_no_longer_fits_is_not_begun() {
    let (bench, before) = with_budget(Way::Terminate, |_| {});
    // Two thirds of the budget pass at this write.
    let slow = Strike::new(Moment::Before, entered("cutover.promote_replica"), || {
        Beat::Hangs(Duration::from_secs(45))
    });
    let counting = Counting::default();
    let ended = bench.drive_alone(&counting, &slow);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{}", bench.tail());
    let promoted = counting.taken().keys().any(|order| order.starts_with("Promote"));
    assert!(!promoted, "{:?}", counting.taken());
    let told = bench.entries().into_iter().any(|entry| {
        matches!(entry.record, Record::Stopped { problem } if problem.code == Code::PauseBudgetTooSmall)
    });
    assert!(told, "{}", bench.tail());
    assert_undone_by_the_budget(&bench, &before);
}
