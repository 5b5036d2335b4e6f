//! Purpose: show that the replica keeps up with production traffic over a window, not for a moment.
//! Reads: `OldestReplicationSlotLag` and `TransactionLogsGeneration` of the source since this step
//!   began, what the sampler measured, and the peak that the baseline knows.
//! Changes: nothing; the verdict is remembered with its figures.
//! Undo: nothing to undo.
//! If it dies here: CloudWatch keeps the points; the window goes on.

use jiff::{SignedDuration, Timestamp};
use landfall_core::facts::SustainedLag;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Metric, MetricPoint, MetricQuery, Subject};
use landfall_core::{ByteCount, Code, Fact, Facts, Problem, Series, Spec};
use serde::{Deserialize, Serialize};

use crate::step::{Look, Plan, SKEW_AT_MOST, Step, highest, total};
use landfall_assess::lag::{self, Wanted, Watched, bytes};

/// A long window is looked at so many times at most.
const LOOKS_AT_MOST: u32 = 120;

/// The window of production traffic.
pub struct SustainLag;

/// The newest point, and what they all come to so far.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    newest: Option<Timestamp>,
    judged: Result<SustainedLag, String>,
    now: Timestamp,
}

impl Step for SustainLag {
    const ID: &'static str = "replicate.sustain_lag";
    const TITLE: &'static str = "See the replica keep up with production traffic";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let lag = points(look, Metric::OldestReplicationSlotLag).await?;
        let wal = points(look, Metric::TransactionLogsGeneration).await?;
        let newest = lag.last().map(|point| point.at);
        let watched = Watched {
            lag: &lag,
            wal: &wal,
            after: look.facts.watched_after.flatten(),
            source_peak: look.facts.baseline.as_ref().and_then(|baseline| baseline.wal_peak),
            replay_max: highest(look.samples, Series::ReplayBytesPerSecond).map(bytes),
            conflicts: total(look.samples, Series::ReplicaConflicts).map(|sum| bytes(sum).0),
        };
        let wanted =
            Wanted { limit: limit(look.spec), sustained_for: look.spec.cutover.sustained_for };
        Ok(Seen { newest, judged: lag::judge(&watched, wanted), now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.sustained.is_some() {
            return Plan::Done;
        }
        if facts.watched_after.is_none() {
            return Plan::Learn(Fact::Watched { after: seen.newest });
        }
        match &seen.judged {
            Ok(verdict) => Plan::Conclude(Fact::Sustained(verdict.clone())),
            Err(reading) => {
                let why = format!(
                    "lag to stay under {} for {:#}",
                    limit(spec),
                    SignedDuration::try_from(spec.cutover.sustained_for).unwrap_or_default()
                );
                let late = Problem::new(
                    Code::LagNotSustained,
                    format!("lag did not stay under {}", limit(spec)),
                    "Look for a stale slot, a long transaction or a class too small; `landfall \
                     resume` watches again, `landfall abort` deletes the replica.",
                )
                .detail(reading.clone());
                Plan::wait(spec, why, reading.clone())
                    .or(spec.limits.lag_sustained_within, late)
                    .seldom(spec.cutover.sustained_for / LOOKS_AT_MOST)
            }
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// Everything since the step began, and a little more: AWS's clock may be behind ours, or ahead.
/// What counts is decided on AWS's timestamps alone.
async fn points(look: &Look<'_>, metric: Metric) -> Result<Vec<MetricPoint>, Failure> {
    let query = MetricQuery {
        metric,
        subject: Subject::Instance(look.spec.source.instance.clone()),
        from: look.entered_at.checked_sub(SKEW_AT_MOST).unwrap_or(look.entered_at),
        to: look.now().checked_add(SKEW_AT_MOST).unwrap_or(Timestamp::MAX),
    };
    look.ports.cloud.metric(&query).await
}

/// The saw-tooth of an idle source rises by a segment each time it is switched; `lag_max` counts
/// on top of that.
fn limit(spec: &Spec) -> ByteCount {
    ByteCount(spec.cutover.lag_max.0.saturating_add(ByteCount::RDS_SEGMENT.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example_spec;

    fn seen(judged: Result<SustainedLag, String>) -> Seen {
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        Seen { newest: Some(at), judged, now: at }
    }

    #[test]
    fn the_watching_begins_with_the_newest_point_of_aws() {
        let (spec, mut facts) = (example_spec(), Facts::default());
        let waits = seen(Err("lag 3 MiB, steady for 5s".to_owned()));
        let first = SustainLag.plan(&spec, &facts, &waits);
        assert_eq!(first, Plan::Learn(Fact::Watched { after: waits.newest }));
        facts.watched_after = Some(None);
        let Plan::Wait(wait) = SustainLag.plan(&spec, &facts, &waits) else {
            panic!("it does not wait")
        };
        assert!(wait.why.contains("lag to stay under 128 MiB for 10s"), "{}", wait.why);
        assert!(wait.late.detail.contains("steady for 5s"));
    }

    #[test]
    fn a_verdict_from_before_is_kept() {
        let (spec, mut facts) = (example_spec(), Facts::default());
        let at = Timestamp::from_second(1_800_000_000).unwrap();
        let old = serde_json::json!({
            "points": 3, "lag_max": 9, "from": at, "to": at,
        });
        let old: SustainedLag = serde_json::from_value(old).expect("journals of older versions");
        facts.sustained = Some(old);
        assert_eq!(SustainLag.plan(&spec, &facts, &seen(Err(String::new()))), Plan::Done);
    }
}
