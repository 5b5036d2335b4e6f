//! The proofs of a move with the readings they stand on, as the journal kept them.
//!
//! What a step saw is JSON of that step's own form, which may differ between versions: a reading
//! that is not found is left out, and the verdict stands in the facts all the same.

use jiff::Timestamp;
use landfall_core::facts::{FenceProof, SyncProof};
use landfall_core::journal::{Entry, Record};
use landfall_core::port::cloud::MetricPoint;
use landfall_core::sample::Sample;
use landfall_core::{Facts, Lsn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Titles;

const SUSTAIN: &str = "replicate.sustain_lag";
const DRAIN: &str = "quiesce.drain_replica";
/// Where steps keep the write counters they read.
const COUNTERS: [&str; 3] = ["/inside", "/both/fence", "/fence/inside"];

/// Everything that was proven before the promotion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Proofs {
    /// Since when no new session could come to the source.
    pub closed_since: Option<Timestamp>,
    /// Nobody writes to the source.
    pub fence: Option<FenceProof>,
    /// The readings of the write counters behind it.
    pub counters: Vec<CounterReading>,
    /// The marker's token and position.
    pub marker: Option<(String, Lsn)>,
    /// The replica has everything.
    pub sync: Option<SyncProof>,
    /// Both sides as they were then.
    pub sides: Option<Sides>,
    /// `OldestReplicationSlotLag` after the fence.
    pub metric: Vec<MetricPoint>,
}

/// The sum of all write counters of the source, read twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterReading {
    /// When it was journaled.
    pub at: Timestamp,
    /// At which step, in words.
    pub title: String,
    /// First reading.
    pub before: u64,
    /// Second reading.
    pub after: u64,
}

/// Source and replica at the proof of sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// Flush position of the source.
    pub source_flush: Option<Lsn>,
    /// Replay position of the replica.
    pub target_replay: Option<Lsn>,
    /// System identifier of either side; equal on a physical copy.
    pub systems: (Option<u64>, Option<u64>),
    /// Timeline of either side.
    pub timelines: (Option<u32>, Option<u32>),
}

/// Lag while the replica was watched.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lag {
    /// Oldest first; each is a bucket of one measurement or more.
    pub samples: Vec<Sample>,
    /// Bytes that it must not exceed.
    pub limit: u64,
}

/// What else was measured while the replica was watched; a series that nobody measured is empty.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Watched {
    /// Bytes of WAL per second that the source wrote.
    pub wal: Vec<Sample>,
    /// Bytes of WAL per second that the replica replayed.
    pub replay: Vec<Sample>,
    /// Bytes of WAL that slots kept on the source.
    pub slots: Vec<Sample>,
}

/// What was completed at a step, the last time.
pub(crate) fn completed<'a>(entries: &'a [Entry], step: &str) -> Option<&'a Value> {
    entries.iter().rev().filter(|entry| entry.step.as_deref() == Some(step)).find_map(|entry| {
        match &entry.record {
            Record::Completed { seen } if !seen.is_null() => Some(seen),
            Record::Completed { .. }
            | Record::Started { .. }
            | Record::Led { .. }
            | Record::Entered { .. }
            | Record::Learned { .. }
            | Record::Intended { .. }
            | Record::Acted { .. }
            | Record::Waiting { .. }
            | Record::GateOpened { .. }
            | Record::Requested { .. }
            | Record::Returned { .. }
            | Record::Stopped { .. }
            | Record::Finished { .. } => None,
        }
    })
}

/// A part of what was seen, when it is there in the expected form.
pub(crate) fn part<T: DeserializeOwned>(seen: &Value, pointer: &str) -> Option<T> {
    serde_json::from_value(seen.pointer(pointer)?.clone()).ok()
}

/// The proofs of one attempt.
pub(crate) fn proofs(entries: &[Entry], facts: &Facts, titles: &Titles) -> Proofs {
    let drained = completed(entries, DRAIN);
    Proofs {
        closed_since: facts.fence_active.map(|(at, _)| at),
        fence: facts.fenced.clone(),
        counters: counters(entries, titles),
        marker: facts.marked.clone(),
        sync: facts.proven.clone(),
        sides: drained.and_then(sides),
        metric: drained.and_then(|seen| part(seen, "/points")).unwrap_or_default(),
    }
}

fn counters(entries: &[Entry], titles: &Titles) -> Vec<CounterReading> {
    let reading = |entry: &Entry| {
        let (Record::Completed { seen } | Record::Intended { seen, .. }) = &entry.record else {
            return None;
        };
        let step = entry.step.as_deref()?;
        let place = COUNTERS.iter().find_map(|place| seen.pointer(place))?;
        let (before, after) = (part(place, "/before")?, part(place, "/after")?);
        let title = titles.get(step).map_or(step, String::as_str).to_owned();
        Some(CounterReading { at: entry.at, title, before, after })
    };
    entries.iter().filter_map(reading).collect()
}

fn sides(seen: &Value) -> Option<Sides> {
    let both = seen.get("both").filter(|both| !both.is_null())?;
    Some(Sides {
        source_flush: part(both, "/source/flush_lsn"),
        target_replay: part(both, "/target/replay_lsn"),
        systems: (part(both, "/source/system_identifier"), part(both, "/target/system_identifier")),
        timelines: (part(both, "/source/timeline"), part(both, "/target/timeline")),
    })
}

/// Lag from the store's samples, else from what the step that watched it saw.
pub(crate) fn lag(entries: &[Entry], samples: &[Sample], limit: u64) -> Lag {
    let points = || -> Vec<MetricPoint> {
        completed(entries, SUSTAIN).and_then(|seen| part(seen, "/points")).unwrap_or_default()
    };
    let samples = if samples.is_empty() {
        points().into_iter().map(|point| Sample::of(point.at, point.value)).collect()
    } else {
        samples.to_vec()
    };
    Lag { samples, limit }
}
