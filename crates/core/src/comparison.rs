//! Before and after: what the source did, and how the target does beside it.
//!
//! Data only; the verdicts are made in `landfall-assess`, pure. A comparison never stops a move:
//! after the release the target is the database, and what a person reads here is what they accept
//! it by. What could not be looked at is said, never counted as equal.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::DatabaseName;
use crate::port::cloud::Metric;
use crate::quantity::ByteCount;

/// A metric over one window: how it is spread, not only its mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many points.
    pub points: u32,
    /// Mean.
    pub mean: f64,
    /// 5 of 100 points are below.
    pub p5: f64,
    /// Half of them are.
    pub p50: f64,
    /// 5 of 100 are above.
    pub p95: f64,
    /// The highest.
    pub maximum: f64,
}

/// A metric of the source before the move.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricBaseline {
    /// Which.
    pub metric: Metric,
    /// Its spread over the hours looked at.
    pub spread: Spread,
    /// The first of them.
    pub from: Timestamp,
    /// The last.
    pub to: Timestamp,
}

/// A statement's counters, summed over roles; its constants are replaced by `$1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementCounters {
    /// `queryid`.
    pub id: i64,
    /// A hash of its text: the id of a text may differ between two servers.
    pub hash: String,
    /// The text's beginning.
    pub text: String,
    /// How often it ran.
    pub calls: f64,
    /// All the time it took, ms.
    pub total_ms: f64,
}

/// A database's counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseCounters {
    /// Which.
    pub database: DatabaseName,
    /// When they began.
    #[serde(default)]
    pub since: Option<Timestamp>,
    /// `xact_commit`.
    pub commits: f64,
    /// `xact_rollback`.
    pub rollbacks: f64,
    /// `blks_read`.
    pub blocks_read: f64,
    /// `blks_hit`.
    pub blocks_hit: f64,
    /// `temp_bytes`.
    pub temporary_bytes: f64,
    /// `deadlocks`.
    pub deadlocks: f64,
}

/// One database's statements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseStatements {
    /// Which.
    pub database: DatabaseName,
    /// Those that took the most time.
    pub statements: Vec<StatementCounters>,
}

/// What a server's statistics said at one instant, by its own clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// When.
    pub at: Timestamp,
    /// When the statements' counters began, where the server tells.
    #[serde(default)]
    pub statements_since: Option<Timestamp>,
    /// How often statements were forgotten for want of room, where it tells.
    #[serde(default)]
    pub forgotten: Option<f64>,
    /// By database.
    pub statements: Vec<DatabaseStatements>,
    /// By database.
    pub databases: Vec<DatabaseCounters>,
    /// What could not be looked at, and the remedy.
    pub not_looked: Vec<String>,
}

/// The source before the move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// When it was taken, by Landfall's clock.
    pub at: Timestamp,
    /// CloudWatch's metrics.
    pub metrics: Vec<MetricBaseline>,
    /// The most WAL per second that any minute of the history saw.
    #[serde(default)]
    pub wal_peak: Option<ByteCount>,
    /// The statistics, with access.
    #[serde(default)]
    pub counters: Option<Counters>,
    /// What could not be looked at.
    pub not_looked: Vec<String>,
}

/// What one figure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judged {
    /// Within what the source itself showed.
    Same,
    /// Better than that.
    Better,
    /// Worse than that.
    Worse,
    /// Too few points, or a figure that one side does not have: nothing is said.
    TooFew,
    /// Neither more nor less of it is better.
    Shown,
}

/// One metric, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRatio {
    /// Which.
    pub metric: Metric,
    /// The source, in the same hours before.
    pub before: Option<Spread>,
    /// The target.
    pub after: Option<Spread>,
    /// Mean after by mean before.
    pub ratio: Option<f64>,
    /// What that says.
    pub judged: Judged,
}

/// A statement that takes longer than before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlowerStatement {
    /// Where.
    pub database: DatabaseName,
    /// `queryid` on the target.
    pub id: i64,
    /// Its text's beginning.
    pub text: String,
    /// Mean before, ms.
    pub before_ms: f64,
    /// Mean after, ms.
    pub after_ms: f64,
    /// How often it ran before.
    pub calls_before: f64,
    /// How often it ran after.
    pub calls_after: f64,
}

impl SlowerStatement {
    /// After by before.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.after_ms / self.before_ms
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonVerdict {
    /// Nothing is slower than the source was.
    NotSlower,
    /// Something is.
    Slower,
    /// There is too little to say it by.
    TooFew,
}

/// The source's hours that the target's were compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    /// The same hours of the weeks before.
    SameOfTheWeek,
    /// The hours right before the hold: there is no longer history.
    RightBefore,
    /// None: no point was found.
    None,
}

/// The target beside the source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The target was looked at from here.
    pub from: Timestamp,
    /// To here.
    pub to: Timestamp,
    /// What it comes to.
    pub verdict: ComparisonVerdict,
    /// With which hours of the source.
    pub hours: Hours,
    /// By metric.
    pub metrics: Vec<MetricRatio>,
    /// How many statements ran often enough on both sides.
    pub statements_compared: u32,
    /// The ten that got slower by most time.
    pub slower: Vec<SlowerStatement>,
    /// What must be known to read it: a reset in the window, few points, what was not looked at.
    pub notes: Vec<String>,
}

impl Comparison {
    /// How many metrics were judged so.
    pub fn count(&self, judged: Judged) -> usize {
        self.metrics.iter().filter(|one| one.judged == judged).count()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.verdict {
            ComparisonVerdict::NotSlower => "the target is not slower than the source was",
            ComparisonVerdict::Slower => "something is slower than on the source",
            ComparisonVerdict::TooFew => "there is too little to compare the target by",
        })?;
        let [same, better, worse] =
            [Judged::Same, Judged::Better, Judged::Worse].map(|judged| self.count(judged));
        write!(f, ": {same} metrics as before, {better} better, {worse} worse")?;
        for one in self.metrics.iter().filter(|one| one.judged == Judged::Worse) {
            if let (Some(before), Some(after)) = (one.before, one.after) {
                let name = one.metric.name();
                write!(f, ", {name} {:.4} after {:.4}", after.mean, before.mean)?;
            }
        }
        write!(
            f,
            "; {} statements compared, {} slower",
            self.statements_compared,
            self.slower.len()
        )
    }
}
