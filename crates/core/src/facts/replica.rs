//! What was seen of the replica before the cutover: how it kept up, and how it is set.
//!
//! Figures and their words, no judgement: that is the assessment's, and the step's.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::quantity::{ByteCount, duration_text};

/// How far the replica kept up over the window. Times are AWS's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SustainedLag {
    /// Points looked at.
    pub points: u32,
    /// The worst.
    pub lag_max: ByteCount,
    /// The window's begin.
    pub from: Timestamp,
    /// The window's end.
    pub to: Timestamp,
    /// 95 of 100 points are not above. Absent in older journals, as all that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_p95: Option<ByteCount>,
    /// How often lag rose above its limit since the replica is watched, and came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bursts: Option<Bursts>,
    /// How the replica's pace stands to the source's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<ReplayPace>,
    /// Queries that the replica cancelled for the sake of replay, with access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<u64>,
    /// Times without any point: nobody knows the lag there.
    #[serde(default)]
    pub gaps: u32,
}

impl SustainedLag {
    /// The verdict with its figures, for a person: a sentence each, without its final stop.
    pub fn sentences(&self) -> Vec<String> {
        let p95 = self.lag_p95.map_or_else(String::new, |p95| format!(" ({p95} at p95)"));
        let mut told =
            vec![format!("lag at most {}{p95} over {} points", self.lag_max, self.points)];
        match self.bursts {
            Some(bursts) if bursts.count > 0 => told.push(format!(
                "above the limit {} times, and back each time, after {} at most",
                bursts.count,
                duration_text::to_text(bursts.longest)
            )),
            Some(_) | None => {}
        }
        told.extend(self.pace.map(|pace| pace.to_string()));
        if let Some(conflicts) = self.conflicts.filter(|count| *count > 0) {
            told.push(format!("{conflicts} queries of the replica were cancelled by replay"));
        }
        if self.gaps > 0 {
            told.push(format!("{} times without any point, in which nobody knows", self.gaps));
        }
        told
    }
}

/// Stretches in which lag was above its limit. Each of them ended: else there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Bursts {
    /// How many.
    pub count: u32,
    /// How long the longest took to come back.
    #[serde(with = "crate::quantity::duration_text")]
    pub longest: Duration,
}

/// The replica's pace beside the WAL that the source writes; all per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayPace {
    /// The most WAL in any minute while the replica was watched.
    pub wal_peak: ByteCount,
    /// The most WAL in any minute of the source's history, when it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_peak: Option<ByteCount>,
    /// The most that the replica was seen to replay, with access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_max: Option<ByteCount>,
    /// What that says.
    pub verdict: PaceVerdict,
}

/// Whether the replica can keep up with the source at its busiest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaceVerdict {
    /// It was seen to replay faster than the source ever writes, with a margin.
    Faster,
    /// It kept up while the source wrote about as much as it ever does.
    KeptUp,
    /// The source was quieter than it can be: nobody has seen the replica at its peak.
    Quiet,
    /// The source's peak is not known.
    Unknown,
}

impl fmt::Display for ReplayPace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peak = self.source_peak.unwrap_or(self.wal_peak).max(self.wal_peak);
        match (self.verdict, self.replay_max) {
            (PaceVerdict::Faster, Some(replay)) => {
                write!(f, "the replica replays {replay}/s, the source writes {peak}/s at its peak")
            }
            (PaceVerdict::Faster | PaceVerdict::KeptUp, _) => {
                write!(f, "the replica kept up with {}/s, the source's peak", self.wal_peak)
            }
            (PaceVerdict::Quiet, _) => write!(
                f,
                "the source wrote {}/s at most and can write {peak}/s: nobody has seen the replica \
                 at that",
                self.wal_peak
            ),
            (PaceVerdict::Unknown, _) => {
                write!(f, "the source wrote {}/s at most; its peak is not known", self.wal_peak)
            }
        }
    }
}

/// A setting that is not the same on both sides as they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingDifference {
    /// Which.
    pub name: String,
    /// On the source; absent where it is not known there.
    pub source: Option<String>,
    /// On the target; absent where it is not known there.
    pub target: Option<String>,
}

/// Both sides as they run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parity {
    /// Parameters set by hand that are in force on the target as planned.
    pub in_force: u32,
    /// Those that differ as they run, as planned or not settable.
    pub different: Vec<SettingDifference>,
    /// Extensions, all of them with the same version on both sides.
    pub extensions: u32,
}

impl fmt::Display for Parity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (values, extensions) = (self.in_force, self.extensions);
        write!(f, "{values} planned values in force, {extensions} extensions the same")?;
        for (index, one) in self.different.iter().enumerate() {
            let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
            let begin = if index == 0 { "; different: " } else { ", " };
            write!(f, "{begin}{} {} -> {}", one.name, side(&one.source), side(&one.target))?;
        }
        Ok(())
    }
}
