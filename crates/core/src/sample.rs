//! Samples: what was measured while a move went on, kept so that months of it fit.
//!
//! A series is a row of buckets, oldest first, which grow wider the older they are; minimum,
//! maximum, count and mean of what fell into them survive. Not the journal: nothing is decided by
//! a sample alone, and a sample that is lost is lost. [`add`] is pure and takes each measurement
//! once, however often it is handed over, so two orchestrators cannot count one twice.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a series measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Series {
    /// Bytes by which the slowest slot of the source lags, by CloudWatch and its clock.
    LagBytes,
    /// Bytes of WAL per second that the source writes, by CloudWatch and its clock.
    WalBytesPerSecond,
    /// Bytes of WAL per second that the replica replayed, with access, by its own clock.
    ReplayBytesPerSecond,
    /// Bytes of WAL that all slots keep on the source, with access.
    SlotRetainedBytes,
    /// Queries that the replica cancelled for the sake of replay since the look before, with
    /// access.
    ReplicaConflicts,
    /// Bytes of WAL on the target that did not flow back to the source yet, by our own clock.
    WayBackLagBytes,
}

impl Series {
    /// Every series.
    pub const ALL: [Self; 6] = [
        Self::LagBytes,
        Self::WalBytesPerSecond,
        Self::ReplayBytesPerSecond,
        Self::SlotRetainedBytes,
        Self::ReplicaConflicts,
        Self::WayBackLagBytes,
    ];

    /// As stored; never renamed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LagBytes => "lag_bytes",
            Self::WalBytesPerSecond => "wal_bytes_per_second",
            Self::ReplayBytesPerSecond => "replay_bytes_per_second",
            Self::SlotRetainedBytes => "slot_retained_bytes",
            Self::ReplicaConflicts => "replica_conflicts",
            Self::WayBackLagBytes => "way_back_lag_bytes",
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The first measurement, or where a wider bucket begins.
    pub at: Timestamp,
    /// The last measurement.
    pub until: Timestamp,
    /// The lowest.
    pub minimum: f64,
    /// The mean.
    pub average: f64,
    /// The highest.
    pub maximum: f64,
    /// How many.
    pub count: u32,
}

impl Sample {
    /// One measurement.
    #[must_use]
    pub const fn of(at: Timestamp, value: f64) -> Self {
        Self { at, until: at, minimum: value, average: value, maximum: value, count: 1 }
    }

    fn is_sound(&self) -> bool {
        let finite =
            [self.minimum, self.average, self.maximum].iter().all(|value| value.is_finite());
        finite && self.count > 0 && self.at <= self.until
    }

    fn absorb(&mut self, later: &Self) {
        let (mine, theirs) = (f64::from(self.count), f64::from(later.count));
        self.average = (self.average * mine + later.average * theirs) / (mine + theirs);
        self.minimum = self.minimum.min(later.minimum);
        self.maximum = self.maximum.max(later.maximum);
        self.until = self.until.max(later.until);
        self.count = self.count.saturating_add(later.count);
    }
}

/// Buckets of so many seconds, for what is younger than so many seconds. Each width divides the
/// next, so that buckets merge and are never cut.
const LADDER: [(i64, i64); 5] = [
    (1, 15 * 60),
    (10, 2 * 3_600),
    (60, 24 * 3_600),
    (600, 14 * 24 * 3_600),
    (7_200, 400 * 24 * 3_600),
];

/// No series is longer, whatever is measured and however long.
pub const SERIES_MAX: usize = 900 + 630 + 1_320 + 1_872 + 4_632 + LADDER.len();

/// The width of the bucket for something of this age; beyond the last it is forgotten.
fn width(age: i64) -> Option<i64> {
    LADDER.iter().find(|(_, younger_than)| age < *younger_than).map(|(width, _)| *width)
}

/// Adds measurements to a series and widens what has grown old. What is not newer than the newest
/// is known already and left out.
pub fn add(kept: &mut Vec<Sample>, new: &[Sample]) {
    let newest = kept.last().map(|last| last.until);
    let mut fresh: Vec<Sample> = new
        .iter()
        .filter(|sample| sample.is_sound() && newest.is_none_or(|newest| sample.at > newest))
        .copied()
        .collect();
    if fresh.is_empty() {
        return;
    }
    fresh.sort_by_key(|sample| sample.at);
    fresh.dedup_by_key(|sample| sample.at);
    kept.append(&mut fresh);
    widen(kept);
}

fn widen(kept: &mut Vec<Sample>) {
    let Some(now) = kept.last().map(|last| last.until.as_second()) else { return };
    let mut wide: Vec<(i64, Sample)> = Vec::with_capacity(kept.len());
    for sample in kept.drain(..) {
        let second = sample.at.as_second();
        let Some(width) = width(now.saturating_sub(second)) else { continue };
        let bucket = second.div_euclid(width);
        let same = |(before, last): &&mut (i64, Sample)| {
            *before == bucket.saturating_mul(width) || {
                // A bucket that has just become this wide may begin earlier than it would now.
                last.at.as_second().div_euclid(width) == bucket
            }
        };
        match wide.last_mut().filter(|last| same(last)) {
            Some((_, last)) => last.absorb(&sample),
            None => wide.push((bucket.saturating_mul(width), sample)),
        }
    }
    kept.extend(wide.into_iter().map(|(_, sample)| sample));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    #[test]
    fn what_is_handed_over_twice_is_counted_once() {
        let samples: Vec<Sample> =
            (0..50).map(|n| Sample::of(at(n * 60), f64::from(3_u8))).collect();
        let mut once = Vec::new();
        add(&mut once, &samples);
        let mut twice = once.clone();
        add(&mut twice, &samples[10..]);
        add(&mut twice, &samples);
        assert_eq!(once, twice);
    }

    #[test]
    fn months_fit_and_extremes_survive() {
        let mut kept = Vec::new();
        let mut count = 0_u32;
        // A point a minute for 60 days, with one peak in it, three hours at a time.
        for hours in 0..60 * 8 {
            let minutes = (0..180).map(|minute| hours * 180 + minute);
            let samples: Vec<Sample> = minutes
                .map(|minute| {
                    let value = if minute == 1_234 { 900.0 } else { f64::from(minute % 7) };
                    Sample::of(at(i64::from(minute) * 60), value)
                })
                .collect();
            add(&mut kept, &samples);
            count += 180;
            assert!(kept.len() <= SERIES_MAX, "{} after {hours} times three hours", kept.len());
        }
        let peak = kept.iter().map(|sample| sample.maximum).fold(0.0, f64::max);
        assert!((peak - 900.0).abs() < f64::EPSILON, "{peak}");
        assert_eq!(kept.iter().map(|sample| sample.count).sum::<u32>(), count, "nothing is lost");
        assert!(kept.len() < 4_000, "{}", kept.len());
        assert!(kept.is_sorted_by_key(|sample| sample.at));
    }

    #[test]
    fn what_no_number_is_is_left_out() {
        let mut kept = vec![Sample::of(at(0), 1.0)];
        add(&mut kept, &[Sample::of(at(1), f64::NAN), Sample::of(at(2), f64::INFINITY)]);
        assert_eq!(kept.len(), 1);
    }

    proptest! {
        #[test]
        fn a_series_is_bounded_sorted_and_true(
            steps in prop::collection::vec((0_i64..200_000, -1e9_f64..1e9), 1..200),
        ) {
            let (mut kept, mut second) = (Vec::new(), 0);
            let mut low = f64::INFINITY;
            for (step, value) in &steps {
                second += step;
                add(&mut kept, &[Sample::of(at(second), *value)]);
                low = low.min(*value);
            }
            prop_assert!(kept.len() <= SERIES_MAX);
            prop_assert!(kept.is_sorted_by_key(|sample| sample.until));
            for sample in &kept {
                prop_assert!(sample.minimum <= sample.average + 1e-3);
                prop_assert!(sample.average <= sample.maximum + 1e-3);
            }
            if second < 400 * 24 * 3_600 {
                let lowest = kept.iter().map(|sample| sample.minimum).fold(f64::INFINITY, f64::min);
                prop_assert!((lowest - low).abs() < 1e-9);
            }
        }
    }
}
