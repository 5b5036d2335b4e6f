//! What a run measured, folded from its ledger file.
//!
//! The pause is the longest interval between two consecutive acknowledgements over all writers: a
//! number that needs no knowledge of what was going on, so that the product cannot flatter it.
//! One pass, with memory for two windows only. Because the file is the single source, a run whose
//! process was killed can be summed up as well.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use super::Error;
use super::entry::{Entry, Event, Header};
use super::ledger::Reader;
use super::summary::{Added, Pause, Summary, Tally, Window, millis, per_second};

/// Reads the summary of a run back from its ledger. `window` is how far before and after the pause
/// rates and latencies are taken.
pub(super) fn summarise(path: &Path, window: Duration) -> Result<Summary, Error> {
    let reader = Reader::open(path)?;
    let header = reader.header.clone();
    let mut meter = Meter::new(window, &header);
    for entry in reader {
        meter.take(&entry?);
    }
    Ok(meter.finish(&header))
}

/// An acknowledgement, by its place in time.
#[derive(Debug, Clone, Copy)]
struct Ack {
    at: Duration,
    started: Duration,
}

/// The longest gap so far, with what surrounds it.
#[derive(Debug)]
struct Gap {
    begin: Duration,
    end: Duration,
    before: Vec<Ack>,
    after: Vec<Ack>,
    /// Start of the first attempt that was answered only after the gap.
    held_since: Option<Duration>,
}

struct Meter {
    window: Duration,
    first: Option<Duration>,
    last: Option<Ack>,
    last_entry: Duration,
    recent: VecDeque<Ack>,
    gap: Option<Gap>,
    tally: Tally,
    persistent_writers: i16,
}

impl Meter {
    fn new(window: Duration, header: &Header) -> Self {
        Self {
            window,
            first: None,
            last: None,
            last_entry: Duration::ZERO,
            recent: VecDeque::new(),
            gap: None,
            tally: Tally::default(),
            persistent_writers: header.writers,
        }
    }

    fn take(&mut self, entry: &Entry) {
        self.last_entry = entry.at;
        self.tally.take(entry, self.persistent_writers);
        match entry.event {
            Event::Acknowledged { started, .. } => self.acknowledged(Ack { at: entry.at, started }),
            Event::Tried(_)
            | Event::Failed { .. }
            | Event::Unknown { .. }
            | Event::Cut { .. }
            | Event::Closed => (),
        }
    }

    fn acknowledged(&mut self, ack: Ack) {
        self.first.get_or_insert(ack.at);
        if let Some(previous) = self.last
            && self.gap.as_ref().is_none_or(|gap| ack.at - previous.at > gap.end - gap.begin)
        {
            self.gap = Some(Gap {
                begin: previous.at,
                end: ack.at,
                before: self.recent.iter().copied().collect(),
                after: Vec::new(),
                held_since: None,
            });
        }
        if let Some(gap) = &mut self.gap {
            gap.note(ack, self.window);
        }
        self.last = Some(ack);
        self.recent.push_back(ack);
        while self.recent.front().is_some_and(|old| old.at + self.window < ack.at) {
            self.recent.pop_front();
        }
    }

    fn finish(self, header: &Header) -> Summary {
        let started = header.started;
        let silent = self.last.map(|last| self.last_entry.saturating_sub(last.at));
        let running = self.last_entry;
        let (before, after, pause, added) = match self.gap {
            Some(gap) => {
                let lead = gap.begin.saturating_sub(self.first.unwrap_or(gap.begin));
                let tail = self.last.map_or(Duration::ZERO, |last| last.at - gap.end);
                let before = Window::over(lead.min(self.window), gap.before.len(), gap.before());
                let after = Window::over(tail.min(self.window), gap.after.len(), gap.after());
                let added = before.latency_median_ms.and_then(|ms| Added::over(ms, gap.all()));
                (before, after, Some(gap.pause(started)), added)
            }
            None => (Window::default(), Window::default(), None, None),
        };
        Summary {
            run: header.run,
            started,
            ended: started + running,
            running_ms: millis(running),
            persistent_writers: header.writers,
            reconnecting_writers: header.reconnecting,
            rate_per_second: per_second(self.tally.all.acknowledged, running),
            last_acknowledged: self.last.map(|last| started + last.at),
            silent_at_end_ms: silent.map(millis),
            pause,
            before,
            after,
            added,
            tally: self.tally,
        }
    }
}

impl Gap {
    fn note(&mut self, ack: Ack, window: Duration) {
        if ack.started < self.end {
            self.held_since = Some(self.held_since.map_or(ack.started, |s| s.min(ack.started)));
        }
        if ack.at <= self.end + window {
            self.after.push(ack);
        }
    }

    fn before(&self) -> impl Iterator<Item = Duration> + '_ {
        self.before.iter().map(|ack| ack.at.saturating_sub(ack.started))
    }

    /// Latencies after the gap leave out the attempts that waited through it: they are the pause.
    fn after(&self) -> impl Iterator<Item = Duration> + '_ {
        let ordinary = self.after.iter().filter(|ack| ack.started >= self.end);
        ordinary.map(|ack| ack.at.saturating_sub(ack.started))
    }

    fn all(&self) -> impl Iterator<Item = Duration> + '_ {
        self.before.iter().chain(&self.after).map(|ack| ack.at.saturating_sub(ack.started))
    }

    fn pause(&self, started: jiff::Timestamp) -> Pause {
        Pause {
            pause_ms: millis(self.end - self.begin),
            held_ms: self.held_since.map(|since| millis(self.end.saturating_sub(since))),
            begin: started + self.begin,
            end: started + self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::workload::entry::{Code, Key, Stage};

    const WINDOW: Duration = Duration::from_secs(2);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn ack(at: u64, started: u64) -> Entry {
        let key = Key { writer: 0, seq: 1 };
        Entry { at: ms(at), event: Event::Acknowledged { key, started: ms(started) } }
    }

    fn measured(entries: &[Entry]) -> Summary {
        let header = Header { run: 1, started: Timestamp::UNIX_EPOCH, writers: 1, reconnecting: 1 };
        let mut meter = Meter::new(WINDOW, &header);
        entries.iter().for_each(|entry| meter.take(entry));
        meter.finish(&header)
    }

    /// 100/s with 4 ms each until 5 s, nothing until 8 s, then 50/s with 8 ms each until 11 s; one
    /// attempt begins at 5.2 s and is answered at 8.01 s.
    fn one_pause() -> Vec<Entry> {
        let before = (10..=5000).step_by(10).map(|at| ack(at, at - 4));
        let after = (8020..=11_000).step_by(20).map(|at| ack(at, at - 8));
        before.chain([ack(8000, 5400), ack(8010, 5200)]).chain(after).collect()
    }

    #[test]
    fn the_pause_is_the_longest_gap_and_held_begins_with_the_first_attempt_in_it() {
        let summary = measured(&one_pause());
        let pause = summary.pause.expect("a pause");
        assert_eq!((pause.pause_ms, pause.held_ms), (3000.0, Some(2800.0)));
        assert_eq!(pause.begin, Timestamp::UNIX_EPOCH + ms(5000));
        assert_eq!(pause.end, Timestamp::UNIX_EPOCH + ms(8000));
    }

    #[test]
    fn rates_and_latencies_are_of_the_windows_beside_the_pause() {
        let summary = measured(&one_pause());
        let (before, after) = (summary.before, summary.after);
        assert!((before.rate_per_second - 100.0).abs() < 1.0, "{before:?}");
        assert!((after.rate_per_second - 50.0).abs() < 1.5, "{after:?}");
        assert_eq!((before.latency_median_ms, before.latency_p99_ms), (Some(4.0), Some(4.0)));
        assert_eq!((after.latency_median_ms, after.latency_p99_ms), (Some(8.0), Some(8.0)));
        let added = summary.added.expect("a pause");
        assert_eq!(
            (added.p99_ms, added.max_ms),
            (4.0, 2806.0),
            "5.2 s to 8.01 s, 4 ms of it usual"
        );
    }

    #[test]
    fn a_later_shorter_gap_does_not_replace_the_pause() {
        let mut entries = one_pause();
        entries.push(ack(13_000, 12_990));
        let summary = measured(&entries);
        assert_eq!(summary.pause.expect("a pause").pause_ms, 3000.0);
    }

    #[test]
    fn silence_at_the_end_is_not_hidden_for_want_of_an_answer() {
        let mut entries = one_pause();
        entries.push(Entry { at: ms(20_000), event: Event::Closed });
        let summary = measured(&entries);
        assert_eq!(summary.silent_at_end_ms, Some(9000.0));
        assert_eq!(summary.running_ms, 20_000.0);
    }

    #[test]
    fn failures_are_counted_by_code_class_stage_and_kind_of_writer() {
        let failed = |writer, stage, code| Event::Failed {
            key: Key { writer, seq: 9 },
            started: ms(1),
            stage,
            code: Code::new(code),
        };
        let events = [
            failed(0, Stage::Statement, "57P01"),
            failed(0, Stage::Connect, "57P03"),
            failed(1, Stage::Connect, "refused"),
            Event::Cut { writer: 0, code: Code::new("57P01") },
            Event::Unknown {
                key: Key { writer: 1, seq: 2 },
                started: ms(1),
                code: Code::new("eof"),
            },
        ];
        let entries: Vec<_> = events.into_iter().map(|event| Entry { at: ms(7), event }).collect();
        let tally = measured(&entries).tally;
        assert_eq!((tally.all.failed, tally.all.sessions_cut, tally.all.unknown), (3, 1, 1));
        assert_eq!((tally.persistent.failed, tally.reconnecting.failed), (2, 1));
        assert_eq!(tally.classes.get("57"), Some(&2));
        assert_eq!(tally.codes.get("refused"), Some(&1));
        assert_eq!(tally.stages.get(&Stage::Connect), Some(&2));
        assert_eq!(tally.cuts.get("57P01"), Some(&1));
    }

    #[test]
    fn a_run_without_answers_has_no_pause() {
        let summary = measured(&[]);
        assert_eq!((summary.pause, summary.silent_at_end_ms), (None, None));
        assert_eq!(summary.rate_per_second, 0.0);
    }
}
