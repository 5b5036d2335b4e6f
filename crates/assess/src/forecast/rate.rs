//! A rate out of CloudWatch's periods. A period without a measurement is left out, never a zero.

use std::time::Duration;

use landfall_core::port::cloud::MetricSpan;
use landfall_core::quantity::{ByteCount, duration_text};
use serde::{Deserialize, Serialize};

/// Bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// The average of half of all periods was below.
    pub p50: f64,
    /// The average of nineteen in twenty was below.
    pub p95: f64,
    /// The highest measurement of all.
    pub peak: f64,
    /// How much time the measurements cover at least.
    #[serde(with = "duration_text")]
    pub covers: Duration,
    /// Periods between the first and the last that have none.
    pub missing: u64,
}

impl Rates {
    /// From the periods of a metric, oldest first; `None` without any.
    pub(super) fn of(spans: &[MetricSpan]) -> Option<Self> {
        let spans: Vec<&MetricSpan> = spans.iter().filter(|span| span.average >= 0.0).collect();
        let averages: Vec<f64> = spans.iter().map(|span| span.average).collect();
        let (first, last) = (spans.first()?, spans.last()?);
        let steps = spans.iter().zip(spans.iter().skip(1));
        let period = steps
            .map(|(one, next)| next.at.duration_since(one.at).as_secs())
            .filter(|step| *step > 0)
            .min()
            .unwrap_or(60);
        let count = i64::try_from(spans.len()).unwrap_or(i64::MAX);
        let expected = last.at.duration_since(first.at).as_secs() / period + 1;
        let seconds = |seconds: i64| Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        Some(Self {
            p50: quantile(&averages, 0.5)?,
            p95: quantile(&averages, 0.95)?,
            peak: spans.iter().map(|span| span.maximum.max(span.average)).fold(0.0, f64::max),
            // The first and the last period may have begun, or be cut off, anywhere.
            covers: seconds(period.saturating_mul(count - 1)),
            missing: u64::try_from(expected - count).unwrap_or(0),
        })
    }
}

/// The value below which a share of all lies; between two of them, the nearer by rank (upwards).
pub(super) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank among the periods of some weeks"
    )]
    let rank = (last as f64 * share).ceil() as usize;
    sorted.get(rank.min(last)).copied()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and a negative count of bytes is none"
)]
pub(super) fn as_bytes(bytes: f64) -> ByteCount {
    ByteCount(bytes.max(0.0) as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a forecast has no use for single bytes")]
pub(super) fn as_float(bytes: ByteCount) -> f64 {
    bytes.0 as f64
}
