//! A metric over longer periods, with average, extremes and the number of measurements.
//!
//! Units convert as in [`crate::metric`], and a unit that does not convert fails the call. A period
//! that began before the window is left out, because part of it lies outside.

use aws_sdk_cloudwatch::types::{Datapoint, Dimension, StandardUnit, Statistic};
use jiff::SignedDuration;
use landfall_core::port::cloud::{MetricQuery, MetricSpan};
use landfall_core::{Failure, FailureKind};

use crate::metric::{NAMESPACE, dimension, factor, spans};
use crate::time::{from_aws, to_aws};
use crate::{AwsCloud, fault};

/// Points that one call returns at most.
const POINTS: i64 = 1_440;

impl AwsCloud {
    pub(crate) async fn read_history(
        &self,
        query: &MetricQuery,
        period: u32,
    ) -> Result<Vec<MetricSpan>, Failure> {
        let name = query.metric.name();
        let (dimension, id) = dimension(&query.subject);
        let what = format!("read the history of the metric {name} of {id}");
        let call = self
            .metrics
            .get_metric_statistics()
            .namespace(NAMESPACE)
            .metric_name(name)
            .dimensions(Dimension::builder().name(dimension).value(id).build())
            .period(i32::try_from(period).unwrap_or(i32::MAX))
            .statistics(Statistic::Average)
            .statistics(Statistic::Minimum)
            .statistics(Statistic::Maximum)
            .statistics(Statistic::SampleCount);
        let span = SignedDuration::from_secs(i64::from(period).saturating_mul(POINTS));
        let mut found = Vec::new();
        for (from, to) in spans(query.from, query.to, span) {
            let call = call.clone().start_time(to_aws(from)).end_time(to_aws(to));
            let answer = call.send().await.map_err(|error| fault::failure(&*what, &error))?;
            for datum in answer.datapoints() {
                found.extend(one(&what, query, datum)?);
            }
        }
        found.sort_by_key(|span| span.at);
        found.dedup_by_key(|span| span.at);
        Ok(found)
    }
}

fn one(what: &str, query: &MetricQuery, datum: &Datapoint) -> Result<Option<MetricSpan>, Failure> {
    let Some(at) = datum.timestamp().and_then(from_aws) else { return Ok(None) };
    if at < query.from || at >= query.to {
        return Ok(None);
    }
    let Some(average) = datum.average().filter(|value| value.is_finite()) else { return Ok(None) };
    let factor = factor(query.metric, datum.unit()).ok_or_else(|| {
        let unit = datum.unit().map_or("none", StandardUnit::as_str);
        let words = format!("CloudWatch reports it in the unit {unit}, which cannot be converted");
        Failure::new(FailureKind::Unknown, what, words)
    })?;
    Ok(Some(MetricSpan {
        at,
        average: average * factor,
        minimum: datum.minimum().unwrap_or(average) * factor,
        maximum: datum.maximum().unwrap_or(average) * factor,
        samples: datum.sample_count().unwrap_or_default(),
    }))
}
