//! The storm: what seeded bad luck does to calls and to drivers.
//!
//! It blows for a while and then lies down: a night of endless faults shows nothing but waiting.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::Action;
use landfall_core::failure::FailureKind;
use landfall_core::journal::{NewEntry, Record};

use super::dice::{Dice, Luck};
use super::pulse::{Beat, Watch};
use super::story::Story;
use super::tap::{Fate, Sight, Tap};
use crate::model::World;

/// Failures that pass by themselves.
const PASSING: [FailureKind; 4] = [
    FailureKind::Unavailable,
    FailureKind::Throttled,
    FailureKind::TimedOut,
    FailureKind::WrongState,
];

/// A person is called for these.
const STICKING: [FailureKind; 2] = [FailureKind::Denied, FailureKind::Unknown];

/// A call of a driver takes no longer than its timeout.
const SLOW_AT_MOST: Duration = Duration::from_millis(4_000);

/// Bad luck with calls and writes.
pub(super) struct Storm<'a> {
    pub(super) world: &'a World,
    pub(super) dice: &'a Dice,
    pub(super) luck: Luck,
    pub(super) story: &'a Story,
    pub(super) until: Timestamp,
}

impl Storm<'_> {
    fn blows(&self, per_mille: u32) -> bool {
        self.world.instant() < self.until && self.dice.chance(per_mille)
    }

    fn kind(&self) -> FailureKind {
        if self.dice.chance(60) { self.dice.pick(&STICKING) } else { self.dice.pick(&PASSING) }
    }

    fn beat(&self, entry: &NewEntry, side: &str) -> Beat {
        if !self.blows(self.luck.writes) {
            return Beat::Goes;
        }
        let beat =
            if self.dice.chance(600) { Beat::Dies } else { Beat::Hangs(self.dice.seconds(1, 40)) };
        self.story.tell(format!("the driver at {side} {}: {beat:?}", entry.record.name()));
        beat
    }
}

impl Tap for Storm<'_> {
    fn order(&self, action: &Action) -> Fate {
        if !self.blows(self.luck.orders) {
            return Fate::Done;
        }
        let slow = Fate::Slow(self.dice.time(Duration::ZERO, SLOW_AT_MOST));
        let fates = [Fate::Refused(self.kind()), Fate::AnswerLost, Fate::Twice, slow];
        let fate = self.dice.pick(&fates);
        self.story.tell(format!("{fate:?}: {action}"));
        fate
    }

    fn look(&self, what: &'static str) -> Sight {
        if !self.blows(self.luck.looks) {
            return Sight::Clear;
        }
        let slow = Sight::Slow(self.dice.time(Duration::ZERO, SLOW_AT_MOST));
        let sight = self.dice.pick(&[Sight::Blind(self.kind()), Sight::Stale, slow]);
        self.story.tell(format!("{sight:?}: {what}"));
        sight
    }
}

impl Watch for Storm<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        self.beat(entry, "before")
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        // Once the end is written nobody is left to see the driver die.
        if matches!(entry.record, Record::Finished { .. }) {
            return Beat::Goes;
        }
        self.beat(entry, "after")
    }
}
