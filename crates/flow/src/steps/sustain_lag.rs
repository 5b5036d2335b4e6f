//! Purpose: show that the replica keeps up with production traffic over a window, not for a moment.
//! Reads: `OldestReplicationSlotLag` of the source since this step began.
//! Changes: nothing; the verdict is remembered with its figures.
//! Undo: nothing to undo.
//! If it dies here: CloudWatch keeps the points; the window goes on.

use jiff::{SignedDuration, Timestamp};
use landfall_core::facts::SustainedLag;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Metric, MetricPoint, MetricQuery, Subject};
use landfall_core::{ByteCount, Code, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use crate::step::{Look, Plan, Step};

/// CloudWatch reports once a minute; a longer silence is a hole.
const GAP_AT_MOST: SignedDuration = SignedDuration::from_mins(3);

/// The window of production traffic.
pub struct SustainLag;

/// The points since the step began.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    points: Vec<MetricPoint>,
    now: Timestamp,
}

impl Step for SustainLag {
    const ID: &'static str = "replicate.sustain_lag";
    const TITLE: &'static str = "See the replica keep up with production traffic";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let now = look.now();
        let query = MetricQuery {
            metric: Metric::OldestReplicationSlotLag,
            subject: Subject::Instance(look.spec.source.instance.clone()),
            from: look.entered_at,
            to: now,
        };
        Ok(Seen { points: look.ports.cloud.metric(&query).await?, now })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.sustained.is_some() {
            return Plan::Done;
        }
        match sustained(spec, &seen.points) {
            Ok(verdict) => Plan::Conclude(Fact::Sustained(verdict)),
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
                Plan::wait(spec, why, reading).or(spec.limits.lag_sustained_within, late)
            }
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The saw-tooth of an idle source rises by a segment each time it is switched; `lag_max` counts
/// on top of that.
fn limit(spec: &Spec) -> ByteCount {
    ByteCount(spec.cutover.lag_max.0.saturating_add(ByteCount::RDS_SEGMENT.0))
}

/// The newest stretch of points under the limit, when it is long enough.
fn sustained(spec: &Spec, points: &[MetricPoint]) -> Result<SustainedLag, String> {
    let Some(newest) = points.last() else { return Err("no data point yet".to_owned()) };
    // Below zero there is no slot, and so nothing that keeps up.
    let keeps_up = 0.0..=as_f64(limit(spec));
    let mut later = newest.at;
    // Where points are missing nobody knows the lag: the stretch ends there.
    let mut known = |at: Timestamp| {
        let gap = later.duration_since(at);
        later = at;
        gap <= GAP_AT_MOST
    };
    let under: Vec<_> = points
        .iter()
        .rev()
        .take_while(|point| keeps_up.contains(&point.value) && known(point.at))
        .collect();
    let Some(oldest) = under.last() else {
        return Err(format!("lag {} at {:.0}", bytes(newest.value), newest.at));
    };
    let span = newest.at.duration_since(oldest.at).unsigned_abs();
    if span < spec.cutover.sustained_for {
        return Err(format!("lag {}, steady for {} s", bytes(newest.value), span.as_secs()));
    }
    let worst = under.iter().map(|point| point.value).fold(0.0, f64::max);
    Ok(SustainedLag {
        points: u32::try_from(under.len()).unwrap_or(u32::MAX),
        lag_max: bytes(worst),
        from: oldest.at,
        to: newest.at,
    })
}

#[expect(clippy::cast_precision_loss, reason = "a limit far below 2^52 bytes")]
fn as_f64(count: ByteCount) -> f64 {
    count.0 as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a metric in bytes, clamped to what a byte count can be"
)]
pub(super) fn bytes(value: f64) -> ByteCount {
    ByteCount(value.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example_spec;

    fn at(second: i64, mebi: f64) -> MetricPoint {
        MetricPoint { at: Timestamp::from_second(second).unwrap(), value: mebi * 1048576.0 }
    }

    #[test]
    fn a_window_is_a_stretch_without_a_break() {
        let mut spec = example_spec();
        spec.cutover.sustained_for = std::time::Duration::from_secs(60);
        assert!(sustained(&spec, &[]).is_err(), "no point is not a zero");
        assert!(sustained(&spec, &[at(0, 1.0)]).is_err(), "one point is no window");
        let gone = [at(0, -1.0), at(60, -1.0), at(120, -1.0)];
        assert!(sustained(&spec, &gone).is_err(), "no slot is not a zero");
        let good = [at(0, 500.0), at(60, 3.0), at(120, 64.0)];
        assert_eq!(sustained(&spec, &good).unwrap().points, 2);
        let hole = [at(0, 1.0), at(3600, 1.0)];
        assert!(sustained(&spec, &hole).is_err(), "an hour without points is no hour without lag");
        let broken = [at(0, 1.0), at(60, 1.0), at(120, 300.0)];
        assert!(sustained(&spec, &broken).unwrap_err().contains("300 MiB"));
    }
}
