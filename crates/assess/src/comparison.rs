//! The target beside what the source was: spreads, ratios, slower statements, and a verdict. Pure.
//!
//! Few points say nothing and are said to be few. Counters that were reset between two looks count
//! from the reset. A statement is found again by its id and its text, or by its text alone where
//! the ids of two servers differ. A verdict is for a person to read: it stops nothing.

mod aurora;
mod counters;

use jiff::Timestamp;
use landfall_core::ByteCount;
use landfall_core::comparison::{
    Comparison, ComparisonVerdict, Counters, Hours, Judged, MetricBaseline, MetricRatio, Spread,
};
use landfall_core::port::cloud::{Metric, MetricPoint, MetricSpan};

use crate::lag::{bytes, percentile};

pub use aurora::aurora_notes;
pub use counters::{Beside, read_counters, slower_statements};

/// What is compared. Of the first the less the better; of the rest neither is.
pub const METRICS: [Metric; 12] = [
    Metric::CpuUtilization,
    Metric::ReadLatency,
    Metric::WriteLatency,
    Metric::CommitLatency,
    Metric::DiskQueueDepth,
    Metric::ReadIops,
    Metric::WriteIops,
    Metric::DatabaseConnections,
    Metric::NetworkReceiveThroughput,
    Metric::NetworkTransmitThroughput,
    Metric::FreeableMemory,
    Metric::TransactionLogsGeneration,
];

/// Fewer points of a side say nothing.
const POINTS_MIN: u32 = 10;

/// Beyond what the source itself showed by this factor, something is better or worse.
const NOTABLE: f64 = 1.2;

/// How points are spread; `None` of none.
pub fn spread(points: &[MetricPoint]) -> Option<Spread> {
    spread_of(points.iter().map(|point| point.value).filter(|value| value.is_finite()).collect())
}

fn spread_of(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let points = u32::try_from(values.len()).unwrap_or(u32::MAX);
    Some(Spread {
        points,
        mean: values.iter().sum::<f64>() / f64::from(points.max(1)),
        p5: percentile(&values, 5)?,
        p50: percentile(&values, 50)?,
        p95: percentile(&values, 95)?,
        maximum: *values.last()?,
    })
}

/// A metric's history in short; `None` when there is none.
pub fn baseline(metric: Metric, spans: &[MetricSpan]) -> Option<MetricBaseline> {
    let (from, to) = (spans.first()?.at, spans.last()?.at);
    let finite = spans.iter().map(|span| span.average).filter(|value| value.is_finite());
    let mut spread = spread_of(finite.collect())?;
    spread.maximum = spans.iter().map(|span| span.maximum).fold(spread.maximum, f64::max);
    Some(MetricBaseline { metric, spread, from, to })
}

/// The most WAL that any period of a history saw per second.
pub fn wal_peak(spans: &[MetricSpan]) -> Option<ByteCount> {
    let peak = spans.iter().map(|span| span.maximum).filter(|value| value.is_finite());
    peak.reduce(f64::max).map(bytes)
}

/// What one metric says.
pub fn ratio(metric: Metric, before: Option<Spread>, after: Option<Spread>) -> MetricRatio {
    let both = before.zip(after);
    let ratio = both.map(|(before, after)| after.mean / before.mean).filter(|r| r.is_finite());
    MetricRatio { metric, before, after, ratio, judged: judged(metric, both) }
}

fn judged(metric: Metric, both: Option<(Spread, Spread)>) -> Judged {
    if !less_is_better(metric) {
        return Judged::Shown;
    }
    match both {
        Some((before, after)) if before.points.min(after.points) >= POINTS_MIN => {
            // What the source itself reached at times is no difference of the target's.
            if after.mean > before.mean * NOTABLE && after.mean > before.p95 {
                Judged::Worse
            } else if after.mean * NOTABLE < before.mean && after.mean < before.p5 {
                Judged::Better
            } else {
                Judged::Same
            }
        }
        Some(_) | None => Judged::TooFew,
    }
}

const fn less_is_better(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::CpuUtilization
            | Metric::ReadLatency
            | Metric::WriteLatency
            | Metric::CommitLatency
            | Metric::DiskQueueDepth
    )
}

/// Everything that a comparison is made of.
#[derive(Debug, Clone)]
pub struct Sides {
    /// The target was looked at from here to here.
    pub window: (Timestamp, Timestamp),
    /// The source's hours.
    pub hours: Hours,
    /// By metric: the source's points, and the target's.
    pub metrics: Vec<(Metric, Vec<MetricPoint>, Vec<MetricPoint>)>,
    /// The source's counters at the baseline, and after the fence.
    pub source: (Option<Counters>, Option<Counters>),
    /// The target's counters when the watching began, and at its end.
    pub target: (Option<Counters>, Option<Counters>),
    /// What could not be looked at.
    pub not_looked: Vec<String>,
}

/// The comparison.
pub fn compare(sides: &Sides) -> Comparison {
    let mut notes = sides.not_looked.clone();
    let metrics: Vec<MetricRatio> = sides
        .metrics
        .iter()
        .map(|(metric, before, after)| ratio(*metric, spread(before), spread(after)))
        .collect();
    let of_source = counters::between(&sides.source, "source", &mut notes);
    let of_target = counters::between(&sides.target, "target", &mut notes);
    let statements = slower_statements(&of_source, &of_target);
    match sides.hours {
        Hours::SameOfTheWeek => {}
        Hours::RightBefore => notes.push(
            "the source has no history of the same hours of a week: the target is compared with \
             the time right before the hold"
                .to_owned(),
        ),
        Hours::None => notes.push("no metric of the source was found to compare with".to_owned()),
    }
    let few = metrics.iter().filter(|one| one.judged == Judged::TooFew).count();
    if few > 0 {
        notes.push(format!(
            "{few} metrics have fewer than {POINTS_MIN} points on a side, or none: nothing is said \
             of them"
        ));
    }
    Comparison {
        from: sides.window.0,
        to: sides.window.1,
        verdict: verdict(&metrics, &statements),
        hours: sides.hours,
        metrics,
        statements_compared: statements.compared,
        slower: statements.slower,
        notes,
    }
}

fn verdict(metrics: &[MetricRatio], statements: &Beside) -> ComparisonVerdict {
    let any = |judged| metrics.iter().any(|one| one.judged == judged);
    if !statements.slower.is_empty() || any(Judged::Worse) {
        ComparisonVerdict::Slower
    } else if statements.compared > 0 || any(Judged::Same) || any(Judged::Better) {
        ComparisonVerdict::NotSlower
    } else {
        ComparisonVerdict::TooFew
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn points(count: i64, value: impl Fn(i64) -> f64) -> Vec<MetricPoint> {
        (0..count).map(|n| MetricPoint { at: at(n * 60), value: value(n) }).collect()
    }

    #[test]
    fn a_spread_is_more_than_its_mean() {
        assert_eq!(spread(&[]), None, "no point is not a zero");
        let all = spread(&points(100, |n| f64::from(i32::try_from(n).unwrap()) + 1.0)).unwrap();
        assert_eq!((all.points, all.p5, all.p50, all.p95), (100, 5.0, 50.0, 95.0));
        assert!((all.mean - 50.5).abs() < 1e-9 && (all.maximum - 100.0).abs() < 1e-9);
        assert_eq!(spread(&[MetricPoint { at: at(0), value: f64::NAN }]), None);
    }

    #[test]
    fn each_judgement_has_its_case() {
        let steady = |value: f64| points(60, move |_| value);
        // A source that reaches 60 % now and then.
        let wavy = points(60, |n| if n % 5 == 0 { 60.0 } else { 20.0 });
        let cases = [
            ("twice", steady(20.0), steady(40.0), Judged::Worse),
            ("a little more", steady(20.0), steady(23.0), Judged::Same),
            ("half", steady(20.0), steady(10.0), Judged::Better),
            ("what it reached itself", wavy.clone(), steady(50.0), Judged::Same),
            ("more than it ever reached", wavy, steady(75.0), Judged::Worse),
            ("from nothing", steady(0.0), steady(1.0), Judged::Worse),
            ("few points", points(9, |_| 20.0), steady(40.0), Judged::TooFew),
            ("one side alone", vec![], steady(40.0), Judged::TooFew),
        ];
        for (case, before, after, expected) in cases {
            let ratio = ratio(Metric::CpuUtilization, spread(&before), spread(&after));
            assert_eq!(ratio.judged, expected, "{case}");
            let told = ratio.ratio.is_some();
            assert_eq!(told, !before.is_empty() && case != "from nothing", "{case}: {ratio:?}");
        }
        let more = ratio(Metric::ReadIops, spread(&steady(1.0)), spread(&steady(9.0)));
        assert_eq!((more.judged, more.ratio), (Judged::Shown, Some(9.0)));
    }

    fn sides(before: Vec<MetricPoint>, after: Vec<MetricPoint>, hours: Hours) -> Sides {
        Sides {
            window: (at(0), at(3_600)),
            hours,
            metrics: vec![(Metric::WriteLatency, before, after)],
            source: (None, None),
            target: (None, None),
            not_looked: vec![],
        }
    }

    #[test]
    fn a_verdict_is_only_given_where_there_is_something_to_say() {
        let (slow, fast) = (points(60, |_| 0.01), points(60, |_| 0.001));
        let verdict = |before: &[MetricPoint], after: &[MetricPoint]| {
            let sides = sides(before.to_vec(), after.to_vec(), Hours::SameOfTheWeek);
            compare(&sides).verdict
        };
        assert_eq!(verdict(&fast, &slow), ComparisonVerdict::Slower);
        assert_eq!(verdict(&slow, &fast), ComparisonVerdict::NotSlower);
        assert_eq!(verdict(&fast, &slow[..3]), ComparisonVerdict::TooFew);
        let told = compare(&sides(vec![], vec![], Hours::None)).notes;
        assert!(told.iter().any(|note| note.contains("no metric of the source")), "{told:?}");
        assert!(told.iter().any(|note| note.contains("1 metrics have fewer")), "{told:?}");
    }

    #[test]
    fn a_history_keeps_its_peak() {
        let span = |second, average, maximum| MetricSpan {
            at: at(second),
            average,
            minimum: 0.0,
            maximum,
            samples: 60.0,
        };
        let spans = [span(0, 2.0, 3.0), span(3_600, 4.0, 90.0)];
        let found = baseline(Metric::TransactionLogsGeneration, &spans).unwrap();
        assert_eq!((found.spread.points, found.spread.maximum), (2, 90.0));
        assert_eq!((found.from, found.to), (at(0), at(3_600)));
        assert_eq!(wal_peak(&spans), Some(ByteCount(90)));
        assert_eq!(wal_peak(&[]), None);
        assert_eq!(baseline(Metric::CpuUtilization, &[]), None);
    }
}
