//! The figures of one run, as the JSON file and the tests read them.
//!
//! Counts by outcome, by SQLSTATE and by kind of writer; the pause; and rate and latency on both
//! sides of it. Filled by measure.rs; nothing here decides whether the run was good.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry::{Entry, Event, Stage};

/// What happened to a load from start to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub run: i64,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub running_ms: f64,
    pub persistent_writers: i16,
    pub reconnecting_writers: i16,
    #[serde(flatten)]
    pub tally: Tally,
    pub rate_per_second: f64,
    pub last_acknowledged: Option<Timestamp>,
    /// From the last acknowledgement to the end: large when the load was stopped inside a hold, which
    /// `pause` cannot see because nothing was answered after it.
    pub silent_at_end_ms: Option<f64>,
    /// Nothing when fewer than two acknowledgements came.
    pub pause: Option<Pause>,
    pub before: Window,
    pub after: Window,
    /// How much longer than the median before the pause attempts took, from the window before the
    /// pause to the one after it, those that waited through it included.
    pub added: Option<Added>,
}

/// Latency above the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Added {
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// The longest interval between consecutive acknowledgements over all writers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    pub pause_ms: f64,
    /// From the start of the first attempt answered only after the gap to the end of the gap.
    pub held_ms: Option<f64>,
    pub begin: Timestamp,
    pub end: Timestamp,
}

/// Rate and latency close to the pause, the attempts that waited through it left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub length_ms: f64,
    pub rate_per_second: f64,
    pub latency_median_ms: Option<f64>,
    pub latency_p99_ms: Option<f64>,
}

/// Outcomes of attempts, and sessions that ended from the other side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub acknowledged: u64,
    pub failed: u64,
    pub unknown: u64,
    pub sessions_cut: u64,
}

/// Counts over all writers, by kind of writer, and failures by what the server said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    #[serde(flatten)]
    pub all: Counts,
    pub persistent: Counts,
    /// Writers that open a connection per transaction: they show whether the hold holds.
    pub reconnecting: Counts,
    /// Failed attempts by SQLSTATE, or by a word where there was none.
    pub codes: BTreeMap<String, u64>,
    /// The same by the two-letter class.
    pub classes: BTreeMap<String, u64>,
    /// The same by how far the attempt had come.
    pub stages: BTreeMap<Stage, u64>,
    /// Cut sessions by the reason the server gave (`57P01`) or `eof`.
    pub cuts: BTreeMap<String, u64>,
}

impl Tally {
    /// Writers are numbered from zero, the persistent ones first.
    pub(super) fn take(&mut self, entry: &Entry, persistent_writers: i16) {
        let mut count = |writer: i16, one: fn(&mut Counts)| {
            one(&mut self.all);
            let persistent = writer < persistent_writers;
            one(if persistent { &mut self.persistent } else { &mut self.reconnecting });
        };
        match &entry.event {
            Event::Acknowledged { key, .. } => count(key.writer, |c| c.acknowledged += 1),
            Event::Failed { key, stage, code, .. } => {
                count(key.writer, |c| c.failed += 1);
                *self.codes.entry(code.as_str().to_owned()).or_default() += 1;
                *self.classes.entry(code.class().to_owned()).or_default() += 1;
                *self.stages.entry(*stage).or_default() += 1;
            }
            Event::Unknown { key, .. } => count(key.writer, |c| c.unknown += 1),
            Event::Cut { writer, code } => {
                count(*writer, |c| c.sessions_cut += 1);
                *self.cuts.entry(code.as_str().to_owned()).or_default() += 1;
            }
            Event::Tried(_) | Event::Closed => (),
        }
    }
}

impl Window {
    pub(super) fn over(
        length: Duration,
        acknowledged: usize,
        latencies: impl Iterator<Item = Duration>,
    ) -> Self {
        let mut latencies: Vec<_> = latencies.collect();
        latencies.sort_unstable();
        Self {
            length_ms: millis(length),
            rate_per_second: per_second(acknowledged as u64, length),
            latency_median_ms: rank(&latencies, 50).map(millis),
            latency_p99_ms: rank(&latencies, 99).map(millis),
        }
    }
}

impl Added {
    pub(super) fn over(median_ms: f64, latencies: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut latencies: Vec<_> = latencies.collect();
        latencies.sort_unstable();
        let above = |latency: Duration| (millis(latency) - median_ms).max(0.0);
        Some(Self { p99_ms: above(rank(&latencies, 99)?), max_ms: above(*latencies.last()?) })
    }
}

/// Nearest rank: the smallest value that at least `percent` of all do not exceed.
fn rank(sorted: &[Duration], percent: usize) -> Option<Duration> {
    let place = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    sorted.get(place).copied()
}

/// Milliseconds to the microsecond, which is what the ledger resolves.
pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

pub(super) fn per_second(count: u64, over: Duration) -> f64 {
    if over.is_zero() {
        return 0.0;
    }
    (count as f64 / over.as_secs_f64() * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_nearest_ranks() {
        let hundred: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(rank(&hundred, 50), Some(Duration::from_millis(50)));
        assert_eq!(rank(&hundred, 99), Some(Duration::from_millis(99)));
        assert_eq!(rank(&hundred[..1], 99), Some(Duration::from_millis(1)));
        assert_eq!(rank(&[], 50), None);
    }
}
