//! Data points of CloudWatch, each in the unit its metric is defined in.
//!
//! Asked through GetMetricStatistics, because its points name their unit: GetMetricData's do not,
//! and for the lag of slots AWS's own pages disagree on it. A point in a unit that cannot be
//! converted fails the call, since a wrong lag would promote too early. CloudWatch rounds the
//! start down to a period, so points from before it are dropped: one of them might have been
//! measured before the fence. A point that is not there is not there.

use aws_sdk_cloudwatch::types::{Datapoint, Dimension, StandardUnit, Statistic};
use jiff::{SignedDuration, Timestamp};
use landfall_core::port::cloud::{Metric, MetricPoint, MetricQuery, Subject};
use landfall_core::{Failure, FailureKind};

use crate::time::{from_aws, to_aws};
use crate::{AwsCloud, fault};

pub(crate) const NAMESPACE: &str = "AWS/RDS";
/// RDS measures once a minute.
const PERIOD_SECONDS: u32 = 60;
/// Points that one call returns at most: a day of minutes.
const POINTS: i64 = 1_440;

impl AwsCloud {
    pub(crate) async fn read_metric(
        &self,
        query: &MetricQuery,
    ) -> Result<Vec<MetricPoint>, Failure> {
        let what = format!("read the metric {} of {}", query.metric.name(), id(&query.subject));
        let data = self.read_data(&what, query, PERIOD_SECONDS, &[careful(query.metric)]).await?;
        let read = data.iter().map(|datum| point(&what, query, datum));
        let mut points: Vec<MetricPoint> =
            read.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        points.sort_by_key(|point| point.at);
        points.dedup_by_key(|point| point.at);
        Ok(points)
    }

    /// The data of a query by periods of so many seconds, in as many calls as that takes.
    pub(crate) async fn read_data(
        &self,
        what: &str,
        query: &MetricQuery,
        period: u32,
        statistics: &[Statistic],
    ) -> Result<Vec<Datapoint>, Failure> {
        let (dimension, id) = dimension(&query.subject);
        let call = self
            .metrics
            .get_metric_statistics()
            .namespace(NAMESPACE)
            .metric_name(query.metric.name())
            .dimensions(Dimension::builder().name(dimension).value(id).build())
            .period(i32::try_from(period).unwrap_or(i32::MAX))
            .set_statistics(Some(statistics.to_vec()));
        let span = SignedDuration::from_secs(i64::from(period).saturating_mul(POINTS));
        let mut data = Vec::new();
        for (from, to) in spans(query.from, query.to, span) {
            let call = call.clone().start_time(to_aws(from)).end_time(to_aws(to));
            let answer = call.send().await.map_err(|error| fault::failure(what, &error))?;
            data.extend(answer.datapoints.unwrap_or_default());
        }
        Ok(data)
    }
}

/// The identifier of a subject.
pub(crate) fn id(subject: &Subject) -> &str {
    dimension(subject).1
}

/// A subject as a dimension: its name and value.
pub(crate) fn dimension(subject: &Subject) -> (&'static str, &str) {
    match subject {
        Subject::Instance(id) => ("DBInstanceIdentifier", id.as_str()),
        Subject::Cluster(id) => ("DBClusterIdentifier", id.as_str()),
    }
}

/// Where a minute holds more than one measurement, the one that promises least.
const fn careful(metric: Metric) -> Statistic {
    match metric {
        Metric::OldestReplicationSlotLag
        | Metric::RdsToAuroraPostgreSqlReplicaLag
        | Metric::DatabaseConnections
        | Metric::ReplicationSlotDiskUsage
        | Metric::TransactionLogsDiskUsage
        | Metric::MaximumUsedTransactionIds
        | Metric::VolumeBytesUsed => Statistic::Maximum,
        Metric::FreeStorageSpace | Metric::FreeableMemory => Statistic::Minimum,
        Metric::TransactionLogsGeneration
        | Metric::CpuUtilization
        | Metric::ReadIops
        | Metric::WriteIops
        | Metric::ReadLatency
        | Metric::WriteLatency
        | Metric::CommitLatency
        | Metric::DiskQueueDepth
        | Metric::NetworkReceiveThroughput
        | Metric::NetworkTransmitThroughput => Statistic::Average,
    }
}

/// `from .. to` in pieces that one call can answer.
fn spans(from: Timestamp, to: Timestamp, span: SignedDuration) -> Vec<(Timestamp, Timestamp)> {
    let mut spans = Vec::new();
    let mut begin = from;
    while begin < to {
        let end = begin.checked_add(span).map_or(to, |end| end.min(to));
        spans.push((begin, end));
        begin = end;
    }
    spans
}

fn point(
    what: &str,
    query: &MetricQuery,
    datum: &Datapoint,
) -> Result<Option<MetricPoint>, Failure> {
    let Some(at) = datum.timestamp().and_then(from_aws) else { return Ok(None) };
    let value = datum.maximum().or(datum.minimum()).or(datum.average());
    let Some(value) = value.filter(|value| value.is_finite()) else { return Ok(None) };
    if at < query.from || at >= query.to {
        return Ok(None);
    }
    let factor = factor(what, query.metric, datum.unit())?;
    Ok(Some(MetricPoint { at, value: value * factor }))
}

/// What a metric is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dimensioned {
    Bytes,
    BytesPerSecond,
    Seconds,
    Count,
    CountPerSecond,
    Percent,
}

const fn dimensioned(metric: Metric) -> Dimensioned {
    match metric {
        Metric::OldestReplicationSlotLag
        | Metric::FreeStorageSpace
        | Metric::FreeableMemory
        | Metric::ReplicationSlotDiskUsage
        | Metric::TransactionLogsDiskUsage
        | Metric::VolumeBytesUsed => Dimensioned::Bytes,
        Metric::TransactionLogsGeneration
        | Metric::NetworkReceiveThroughput
        | Metric::NetworkTransmitThroughput => Dimensioned::BytesPerSecond,
        Metric::RdsToAuroraPostgreSqlReplicaLag
        | Metric::ReadLatency
        | Metric::WriteLatency
        | Metric::CommitLatency => Dimensioned::Seconds,
        Metric::DatabaseConnections
        | Metric::DiskQueueDepth
        | Metric::MaximumUsedTransactionIds => Dimensioned::Count,
        Metric::ReadIops | Metric::WriteIops => Dimensioned::CountPerSecond,
        Metric::CpuUtilization => Dimensioned::Percent,
    }
}

const KIB: f64 = 1024.0;

/// By what to multiply; a unit that cannot be converted fails the call.
pub(crate) fn factor(
    what: &str,
    metric: Metric,
    unit: Option<&StandardUnit>,
) -> Result<f64, Failure> {
    conversion(metric, unit).ok_or_else(|| {
        let unit = unit.map_or("none", StandardUnit::as_str);
        let words = format!("CloudWatch reports it in the unit {unit}, which cannot be converted");
        Failure::new(FailureKind::Unknown, what, words)
    })
}

/// RDS counts megabytes of WAL in units of 2^20: its 64 MB segment is 64 MiB.
fn conversion(metric: Metric, unit: Option<&StandardUnit>) -> Option<f64> {
    let unit = unit?;
    let factor = match (dimensioned(metric), unit) {
        (Dimensioned::Bytes, StandardUnit::Bytes)
        | (Dimensioned::BytesPerSecond, StandardUnit::BytesSecond)
        | (Dimensioned::Seconds, StandardUnit::Seconds)
        | (Dimensioned::CountPerSecond, StandardUnit::CountSecond)
        | (Dimensioned::Percent, StandardUnit::Percent)
        | (Dimensioned::Count, StandardUnit::Count | StandardUnit::None) => 1.0,
        (Dimensioned::Bytes, StandardUnit::Kilobytes)
        | (Dimensioned::BytesPerSecond, StandardUnit::KilobytesSecond) => KIB,
        (Dimensioned::Bytes, StandardUnit::Megabytes)
        | (Dimensioned::BytesPerSecond, StandardUnit::MegabytesSecond) => KIB * KIB,
        (Dimensioned::Bytes, StandardUnit::Gigabytes)
        | (Dimensioned::BytesPerSecond, StandardUnit::GigabytesSecond) => KIB * KIB * KIB,
        (Dimensioned::Bytes, StandardUnit::Terabytes)
        | (Dimensioned::BytesPerSecond, StandardUnit::TerabytesSecond) => KIB * KIB * KIB * KIB,
        (Dimensioned::Seconds, StandardUnit::Milliseconds) => 1e-3,
        (Dimensioned::Seconds, StandardUnit::Microseconds) => 1e-6,
        _ => return None,
    };
    Some(factor)
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::primitives::DateTime;

    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn query(metric: Metric) -> MetricQuery {
        MetricQuery {
            metric,
            subject: Subject::Instance("orders".into()),
            from: Timestamp::from_second(1_000).unwrap(),
            to: Timestamp::from_second(2_000).unwrap(),
        }
    }

    fn datum(second: i64, value: f64, unit: StandardUnit) -> Datapoint {
        let timestamp = DateTime::from_secs(second);
        Datapoint::builder().timestamp(timestamp).maximum(value).unit(unit).build()
    }

    #[test]
    fn a_segment_is_a_segment_in_every_unit() {
        let lag = query(Metric::OldestReplicationSlotLag);
        for (value, unit) in [
            (67_108_864.0, StandardUnit::Bytes),
            (65_536.0, StandardUnit::Kilobytes),
            (64.0, StandardUnit::Megabytes),
            (0.0625, StandardUnit::Gigabytes),
        ] {
            let point = point("read", &lag, &datum(1_500, value, unit)).unwrap().unwrap();
            assert_eq!(point.value, 67_108_864.0);
        }
    }

    #[test]
    fn times_rates_and_counts_convert_too() {
        let converted = |metric, value, unit| {
            point("read", &query(metric), &datum(1_500, value, unit)).unwrap().unwrap().value
        };
        let lag = Metric::RdsToAuroraPostgreSqlReplicaLag;
        assert_eq!(converted(lag, 1_500.0, StandardUnit::Milliseconds), 1.5);
        let rate = Metric::TransactionLogsGeneration;
        assert_eq!(converted(rate, 2.0, StandardUnit::MegabytesSecond), 2_097_152.0);
        assert_eq!(converted(Metric::DatabaseConnections, 7.0, StandardUnit::None), 7.0);
    }

    #[test]
    fn a_unit_of_another_kind_fails_the_call() {
        let lag = query(Metric::OldestReplicationSlotLag);
        for unit in [StandardUnit::Seconds, StandardUnit::Percent, StandardUnit::None] {
            let failure = point("read the lag", &lag, &datum(1_500, 1.0, unit)).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Unknown);
        }
        let bare = Datapoint::builder().timestamp(DateTime::from_secs(1_500)).maximum(1.0).build();
        assert!(point("read the lag", &lag, &bare).is_err());
    }

    #[test]
    fn outside_the_window_and_without_a_value_there_is_no_point() {
        let lag = query(Metric::OldestReplicationSlotLag);
        for absent in [
            datum(999, 1.0, StandardUnit::Bytes),
            datum(2_000, 1.0, StandardUnit::Bytes),
            datum(1_500, f64::NAN, StandardUnit::Bytes),
            Datapoint::builder().timestamp(DateTime::from_secs(1_500)).build(),
        ] {
            assert_eq!(point("read", &lag, &absent), Ok(None));
        }
        assert!(point("read", &lag, &datum(1_000, 1.0, StandardUnit::Bytes)).unwrap().is_some());
    }

    #[test]
    fn a_long_window_is_asked_in_days() {
        let from = Timestamp::from_second(0).unwrap();
        let hours = |count: i64| Timestamp::from_second(count * 3_600).unwrap();
        assert_eq!(spans(from, hours(24), DAY), [(from, hours(24))]);
        let two = [(from, hours(24)), (hours(24), hours(30))];
        assert_eq!(spans(from, hours(30), DAY), two);
        assert_eq!(spans(hours(1), from, DAY), []);
    }
}
