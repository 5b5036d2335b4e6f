//! CloudWatch alarms on the source, and their copies on the target.
//!
//! An alarm that computes over several metrics, or is made of other alarms, is nobody's to copy
//! and is not listed: it names its metrics in an expression. A copy never takes the place of an
//! alarm that is about something else.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::{Dimension, DimensionFilter, MetricAlarm};
use landfall_core::port::cloud::{Alarm, Subject};
use landfall_core::{ClusterId, Failure, FailureKind};

use crate::metric::{NAMESPACE, dimension};
use crate::ownership::missing;
use crate::{AwsCloud, fault};

/// The dimension that follows the writer of a cluster through a failover.
const ROLE: (&str, &str) = ("Role", "WRITER");

impl AwsCloud {
    pub(crate) async fn read_alarms(&self, subject: &Subject) -> Result<Vec<Alarm>, Failure> {
        let (name, id) = dimension(subject);
        let what = format!("read the alarms on {id}");
        let mut pages = self.metrics.describe_alarms().into_paginator().send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::failure(&*what, &error))?;
            let on_it = page.metric_alarms().iter().filter(|alarm| is_about(alarm, name, id));
            alarms.extend(on_it.filter_map(|alarm| {
                Some(Alarm {
                    name: alarm.alarm_name()?.to_owned(),
                    metric: alarm.metric_name()?.to_owned(),
                })
            }));
        }
        Ok(alarms)
    }

    /// CloudWatch lists what had a point in the last two weeks.
    pub(crate) async fn read_metric_names(
        &self,
        subject: &Subject,
    ) -> Result<BTreeSet<String>, Failure> {
        let (name, id) = dimension(subject);
        let what = format!("read the names of the metrics of {id}");
        let filter = |(name, value)| DimensionFilter::builder().name(name).value(value).build();
        let mut filters = vec![filter((name, id))];
        if matches!(subject, Subject::Cluster(_)) {
            filters.push(filter(ROLE));
        }
        let call = self.metrics.list_metrics().namespace(NAMESPACE).set_dimensions(Some(filters));
        let mut pages = call.into_paginator().send();
        let mut names = BTreeSet::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::failure(&*what, &error))?;
            names.extend(page.metrics().iter().filter_map(|m| m.metric_name().map(str::to_owned)));
        }
        Ok(names)
    }

    /// `to` is the copy's name and the cluster it is about.
    pub(crate) async fn copy_alarm(
        &self,
        what: &str,
        alarm: &str,
        to: (&str, &ClusterId),
    ) -> Result<(), Failure> {
        let (copy, cluster) = to;
        if let Some(found) = self.alarm(what, copy).await? {
            let (name, id) = ("DBClusterIdentifier", cluster.as_str());
            return if is_about(&found, name, id) { Ok(()) } else { Err(taken(what, copy)) };
        }
        let object = format!("alarm {alarm:?}");
        let found = self.alarm(what, alarm).await?.ok_or_else(|| missing(what, &object))?;
        let dimension = |(name, value)| Dimension::builder().name(name).value(value).build();
        let dimensions = [("DBClusterIdentifier", cluster.as_str()), ROLE].map(dimension);
        self.metrics
            .put_metric_alarm()
            .alarm_name(copy)
            .set_dimensions(Some(dimensions.to_vec()))
            .set_alarm_description(found.alarm_description)
            .set_actions_enabled(found.actions_enabled)
            .set_ok_actions(found.ok_actions)
            .set_alarm_actions(found.alarm_actions)
            .set_insufficient_data_actions(found.insufficient_data_actions)
            .set_metric_name(found.metric_name)
            .set_namespace(found.namespace)
            .set_statistic(found.statistic)
            .set_extended_statistic(found.extended_statistic)
            .set_period(found.period)
            .set_unit(found.unit)
            .set_evaluation_periods(found.evaluation_periods)
            .set_datapoints_to_alarm(found.datapoints_to_alarm)
            .set_threshold(found.threshold)
            .set_comparison_operator(found.comparison_operator)
            .set_treat_missing_data(found.treat_missing_data)
            .set_evaluate_low_sample_count_percentile(found.evaluate_low_sample_count_percentile)
            .send()
            .await
            .map(drop)
            .map_err(|error| fault::failure(what, &error))
    }

    async fn alarm(&self, what: &str, name: &str) -> Result<Option<MetricAlarm>, Failure> {
        let answer = self.metrics.describe_alarms().alarm_names(name).send().await;
        let answer = answer.map_err(|error| fault::failure(what, &error))?;
        Ok(answer.metric_alarms.unwrap_or_default().into_iter().next())
    }
}

fn is_about(alarm: &MetricAlarm, dimension: &str, id: &str) -> bool {
    let mut dimensions = alarm.dimensions().iter();
    dimensions.any(|one| one.name() == Some(dimension) && one.value() == Some(id))
}

fn taken(what: &str, copy: &str) -> Failure {
    let words = format!("an alarm {copy:?} exists and is about something else");
    Failure::new(FailureKind::TakenByAnother, what, words)
}
