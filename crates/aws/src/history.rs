//! A metric over longer periods, with average, extremes and the number of measurements.
//!
//! Units convert as in [`crate::metric`], and a unit that does not convert fails the call. A period
//! that began before the window is left out, because part of it lies outside.

use aws_sdk_cloudwatch::types::{Datapoint, Statistic};
use landfall_core::Failure;
use landfall_core::port::cloud::{MetricQuery, MetricSpan};

use crate::AwsCloud;
use crate::metric::{factor, id};
use crate::time::from_aws;

const STATISTICS: [Statistic; 4] =
    [Statistic::Average, Statistic::Minimum, Statistic::Maximum, Statistic::SampleCount];

impl AwsCloud {
    pub(crate) async fn read_history(
        &self,
        query: &MetricQuery,
        period: u32,
    ) -> Result<Vec<MetricSpan>, Failure> {
        let name = query.metric.name();
        let what = format!("read the history of the metric {name} of {}", id(&query.subject));
        let data = self.read_data(&what, query, period, &STATISTICS).await?;
        let read = data.iter().map(|datum| one(&what, query, datum));
        let mut found: Vec<MetricSpan> =
            read.filter_map(Result::transpose).collect::<Result<_, _>>()?;
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
    let factor = factor(what, query.metric, datum.unit())?;
    Ok(Some(MetricSpan {
        at,
        average: average * factor,
        minimum: datum.minimum().unwrap_or(average) * factor,
        maximum: datum.maximum().unwrap_or(average) * factor,
        samples: datum.sample_count().unwrap_or_default(),
    }))
}
