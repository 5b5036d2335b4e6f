//! Stored metric points, per metric and per instance or cluster, under CloudWatch's names.
//!
//! A point is what was measured at that time and nothing else: a server that was down left no
//! point, and reading never invents one. The oldest points are dropped once a series is full.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::names::Identifier;

/// More than an hour of a quick lab, two weeks of a realistic one.
const POINTS_MAX: usize = 20_000;

/// CloudWatch's own resolution: at it, labs that sample more often hand out every sample.
const RESOLUTION: Duration = Duration::from_secs(60);

/// What a metric is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Instance(Identifier),
    Cluster(Identifier),
}

impl Subject {
    /// The dimension's name and value.
    pub fn dimension(&self) -> (&'static str, &str) {
        match self {
            Self::Instance(id) => ("DBInstanceIdentifier", id.as_str()),
            Self::Cluster(id) => ("DBClusterIdentifier", id.as_str()),
        }
    }
}

/// A measured value with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    pub metric: &'static str,
    pub unit: &'static str,
    pub value: f64,
}

#[derive(Debug, Default)]
struct Series {
    unit: &'static str,
    points: VecDeque<(Timestamp, f64)>,
}

/// How points within a period become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Average,
    Minimum,
    Maximum,
    Sum,
    SampleCount,
    /// A percentile, in per cent.
    Percentile(u8),
}

impl Statistic {
    /// The statistic of that name; percentiles are `p0` to `p100`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Average" => Some(Self::Average),
            "Minimum" => Some(Self::Minimum),
            "Maximum" => Some(Self::Maximum),
            "Sum" => Some(Self::Sum),
            "SampleCount" => Some(Self::SampleCount),
            _ => {
                let rank = text.strip_prefix('p')?.parse().ok()?;
                (rank <= 100).then_some(Self::Percentile(rank))
            }
        }
    }

    /// The one value of a bucket that is not empty.
    fn of(self, values: &[f64]) -> f64 {
        let count = u32::try_from(values.len()).map_or(f64::MAX, f64::from);
        let sum: f64 = values.iter().sum();
        match self {
            Self::Average => sum / count,
            Self::Minimum => values.iter().copied().fold(f64::INFINITY, f64::min),
            Self::Maximum => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Self::Sum => sum,
            Self::SampleCount => count,
            Self::Percentile(rank) => percentile(values, rank),
        }
    }
}

/// The nearest-rank percentile.
fn percentile(values: &[f64], rank: u8) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() * usize::from(rank)).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Which points to read.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub start: Timestamp,
    /// Not included.
    pub end: Timestamp,
    pub period: Duration,
}

type Key = (Subject, &'static str);

/// All series.
#[derive(Debug)]
pub struct Metrics {
    sampling: Duration,
    series: Mutex<BTreeMap<Key, Series>>,
}

impl Metrics {
    /// An empty store for samples taken that often.
    pub fn new(sampling: Duration) -> Self {
        Self { sampling, series: Mutex::default() }
    }

    /// Stores what was measured about one subject.
    pub fn store(&self, subject: &Subject, at: Timestamp, readings: &[Reading]) {
        let mut all = self.all();
        for reading in readings {
            let series = all.entry((subject.clone(), reading.metric)).or_default();
            series.unit = reading.unit;
            if series.points.len() >= POINTS_MAX {
                series.points.pop_front();
            }
            series.points.push_back((at, reading.value));
        }
    }

    /// The names of all series, with their subjects.
    pub fn names(&self) -> Vec<(Subject, &'static str)> {
        self.all().keys().cloned().collect()
    }

    /// The unit of a series that exists.
    pub fn unit(&self, subject: &Subject, metric: &str) -> Option<&'static str> {
        self.find(subject, metric, |series| series.unit)
    }

    /// Points, oldest first, one per period; of a lab that samples faster than CloudWatch every
    /// sample, unless longer periods than CloudWatch's shortest are asked for.
    pub fn read(
        &self,
        subject: &Subject,
        metric: &str,
        window: &Window,
        statistics: &[Statistic],
    ) -> Vec<(Timestamp, Vec<f64>)> {
        let points: Vec<(Timestamp, f64)> = self
            .find(subject, metric, |series| {
                series
                    .points
                    .iter()
                    .copied()
                    .filter(|(at, _)| (window.start..window.end).contains(at))
                    .collect()
            })
            .unwrap_or_default();
        let mut buckets: BTreeMap<Timestamp, Vec<f64>> = BTreeMap::new();
        for (at, value) in points {
            let every = self.sampling < RESOLUTION && window.period <= RESOLUTION;
            let bucket = if every { at } else { start_of(at, window.period) };
            buckets.entry(bucket).or_default().push(value);
        }
        let summarise = |values: &[f64]| statistics.iter().map(|each| each.of(values)).collect();
        buckets.into_iter().map(|(at, values)| (at, summarise(&values))).collect()
    }

    /// Drops the series of an instance that is deleted.
    pub fn forget_instance(&self, id: &Identifier) {
        self.all().retain(|(subject, _), _| *subject != Subject::Instance(id.clone()));
    }

    /// Drops the series of a cluster that is deleted.
    pub fn forget_cluster(&self, id: &Identifier) {
        self.all().retain(|(subject, _), _| *subject != Subject::Cluster(id.clone()));
    }

    fn find<T>(
        &self,
        subject: &Subject,
        metric: &str,
        take: impl FnOnce(&Series) -> T,
    ) -> Option<T> {
        let all = self.all();
        let found = all.iter().find(|((of, name), _)| of == subject && *name == metric);
        found.map(|(_, series)| take(series))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The start of the period that a time falls into.
fn start_of(at: Timestamp, period: Duration) -> Timestamp {
    let seconds = i64::try_from(period.as_secs()).unwrap_or(60).max(1);
    let start = at.as_second().div_euclid(seconds).saturating_mul(seconds);
    Timestamp::from_second(start).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn filled(sampling: Duration) -> (Metrics, Subject) {
        let metrics = Metrics::new(sampling);
        let subject = Subject::Instance(Identifier::lookup("shop-prod"));
        for (second, value) in [(0, 1.0), (20, 3.0), (59, 8.0), (180, 5.0)] {
            let reading = Reading { metric: "CPUUtilization", unit: "Percent", value };
            metrics.store(&subject, at(second), &[reading]);
        }
        (metrics, subject)
    }

    fn window(period: u64) -> Window {
        Window { start: at(0), end: at(600), period: Duration::from_secs(period) }
    }

    #[test]
    fn a_period_without_a_sample_is_a_gap() {
        let (metrics, subject) = filled(Duration::from_secs(60));
        let statistics = [Statistic::Average, Statistic::Maximum, Statistic::SampleCount];
        let read = metrics.read(&subject, "CPUUtilization", &window(60), &statistics);
        assert_eq!(read, [(at(0), vec![4.0, 8.0, 3.0]), (at(180), vec![5.0, 5.0, 1.0])]);
    }

    #[test]
    fn a_lab_that_samples_faster_than_cloudwatch_hands_out_every_sample() {
        let (metrics, subject) = filled(Duration::from_millis(200));
        let read = metrics.read(&subject, "CPUUtilization", &window(60), &[Statistic::Average]);
        assert_eq!(read.len(), 4);
        assert_eq!(read[1], (at(20), vec![3.0]));
        let statistics = [Statistic::Average, Statistic::SampleCount];
        let read = metrics.read(&subject, "CPUUtilization", &window(300), &statistics);
        assert_eq!(read, [(at(0), vec![4.25, 4.0])], "a longer period is one");
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert!((percentile(&values, 50) - 3.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 99) - 5.0).abs() < f64::EPSILON);
        assert!((percentile(&values, 0) - 1.0).abs() < f64::EPSILON);
        assert_eq!(Statistic::parse("p99"), Some(Statistic::Percentile(99)));
        assert_eq!(Statistic::parse("p101"), None);
    }
}
