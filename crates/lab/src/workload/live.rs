//! What the load is doing at this moment: counters, a current rate, and one line for people.
//!
//! Fed by the ledger, entry by entry, so that it cannot disagree with the file. It is for watching
//! only; the figures that count are read back from the file when the run is over.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Event};

/// The current rate is taken over the last second, in tenths.
const TENTH: Duration = Duration::from_millis(100);
const TENTHS: u128 = 10;
/// Longer silence than this is shown as a hold.
const SILENCE: Duration = Duration::from_millis(500);

/// Where a running load stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub running_ms: u64,
    pub acknowledged: u64,
    pub failed: u64,
    pub unknown: u64,
    pub sessions_cut: u64,
    /// Acknowledgements in the last second.
    pub rate_per_second: u64,
    /// How long ago the last acknowledgement came; none yet at the start.
    pub last_ack_age_ms: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    acknowledged: u64,
    failed: u64,
    unknown: u64,
    sessions_cut: u64,
    last_ack: Option<Duration>,
    /// Tenths of a second (counted from the start) with the acknowledgements in each.
    recent: VecDeque<(u128, u64)>,
}

impl Counters {
    pub(super) fn count(&mut self, entry: &Entry) {
        match entry.event {
            Event::Acknowledged { .. } => self.acknowledgement(entry.at),
            Event::Failed { .. } => self.failed += 1,
            Event::Unknown { .. } => self.unknown += 1,
            Event::Cut { .. } => self.sessions_cut += 1,
            Event::Tried(_) | Event::Closed => (),
        }
    }

    fn acknowledgement(&mut self, at: Duration) {
        self.acknowledged += 1;
        self.last_ack = Some(at);
        let tenth = tenth(at);
        match self.recent.back_mut() {
            Some((last, count)) if *last == tenth => *count += 1,
            Some(_) | None => self.recent.push_back((tenth, 1)),
        }
        while self.recent.front().is_some_and(|(first, _)| first + TENTHS < tenth) {
            self.recent.pop_front();
        }
    }

    pub(super) fn snapshot(&self, now: Duration) -> Snapshot {
        let current = tenth(now);
        let recent = self.recent.iter().filter(|(at, _)| at + TENTHS >= current && *at < current);
        Snapshot {
            running_ms: millis(now),
            acknowledged: self.acknowledged,
            failed: self.failed,
            unknown: self.unknown,
            sessions_cut: self.sessions_cut,
            rate_per_second: recent.map(|(_, count)| count).sum(),
            last_ack_age_ms: self.last_ack.map(|at| millis(now.saturating_sub(at))),
        }
    }
}

fn tenth(at: Duration) -> u128 {
    at.as_millis() / TENTH.as_millis()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One line for people, without end of line. The binary shows it while `lab load` runs.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveLine(pub Snapshot);

impl fmt::Display for LiveLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = &self.0;
        write!(
            f,
            "{:>6.1} s  {:>8} acknowledged  {:>5}/s  {} failed  {} unknown  {} cut",
            Duration::from_millis(now.running_ms).as_secs_f64(),
            now.acknowledged,
            now.rate_per_second,
            now.failed,
            now.unknown,
            now.sessions_cut,
        )?;
        match now.last_ack_age_ms.map(Duration::from_millis) {
            Some(age) if age > SILENCE => write!(f, "  no answer for {:.1} s", age.as_secs_f64()),
            Some(_) => Ok(()),
            None => f.write_str("  no answer yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::entry::Key;

    fn acknowledgement(at_ms: u64) -> Entry {
        let key = Key { writer: 0, seq: 1 };
        let event = Event::Acknowledged { key, started: Duration::ZERO };
        Entry { at: Duration::from_millis(at_ms), event }
    }

    #[test]
    fn the_rate_is_of_the_last_second_and_silence_is_shown() {
        let mut counters = Counters::default();
        for at in (0..3000).step_by(10) {
            counters.count(&acknowledgement(at));
        }
        let busy = counters.snapshot(Duration::from_millis(3000));
        assert_eq!((busy.acknowledged, busy.rate_per_second), (300, 100));
        assert!(!LiveLine(busy).to_string().contains("no answer"));

        let held = counters.snapshot(Duration::from_millis(5490));
        assert_eq!((held.rate_per_second, held.last_ack_age_ms), (0, Some(2500)));
        assert!(LiveLine(held).to_string().ends_with("no answer for 2.5 s"));
        assert!(counters.recent.len() <= 11, "{:?}", counters.recent);
    }
}
