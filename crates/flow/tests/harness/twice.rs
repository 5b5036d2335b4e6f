//! Every order given twice: the same end, the same world.

use landfall_core::Action;
use landfall_core::status::Outcome;
use landfall_flow::Ended;
use landfall_flow::sim::{Fate, Sight, Tap};

use crate::stage::{Healthy, WAYS, judge, started};

/// Gives each order two times; the second must be an order that stands, or find the object busy.
pub(crate) struct Twice;

impl Tap for Twice {
    fn order(&self, _: &Action) -> Fate {
        Fate::Twice
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

#[test]
fn every_order_twice_is_once() {
    for way in WAYS {
        let (bench, before) = started(way);
        let ended = bench.drive_with("first", &Twice, &Healthy);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{way:?}\n{}", bench.tail());
        judge(&bench, &before, Outcome::Moved);
    }
}
