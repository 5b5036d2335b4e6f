//! How long the pause is beside what the servers take: so many calls, one after the other. A clock
//! on a busy machine cannot tell; in the model each call takes the same time.

use std::time::Duration;

use landfall_core::Action;
use landfall_core::action::RouteAction;
use landfall_core::status::Outcome;
use landfall_flow::Ended;
use landfall_flow::model::Delays;

use crate::stage::{Counting, Healthy};
use crate::support::Bench;

const CALL: Duration = Duration::from_millis(100);

/// Calls that wait for each other between the hold and the release; six of them arm the way back:
/// both ends, the tables of both, an order for each, and a look at what it did.
const CALLS_MAX: u32 = 47;

#[test]
fn looks_in_the_pause_do_not_wait_for_each_other() {
    let bench = Bench::with(Delays {
        call: CALL,
        groups: Duration::ZERO,
        promote: Duration::ZERO,
        lag: Duration::ZERO,
        ..Delays::default()
    });
    bench.start();
    let ended = bench.drive_with("first", &Counting::default(), &Healthy);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    let at = |wanted: fn(&RouteAction) -> bool| {
        bench.ordered_at(|action| matches!(action, Action::Route(route) if wanted(route)))
    };
    let held = at(|route| matches!(route, RouteAction::Hold { .. }));
    let released = at(|route| matches!(route, RouteAction::Release { .. }));
    let pause = released.duration_since(held).unsigned_abs();
    let calls = pause.as_millis().div_ceil(CALL.as_millis());
    assert!(calls <= u128::from(CALLS_MAX), "{calls} calls one after the other");
}
