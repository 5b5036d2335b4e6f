//! The evidence: everything that the probes look at, read once. Each part for itself.

use aws_sdk_cloudwatch::types::{Datapoint, Dimension, Metric, Statistic};
use aws_sdk_rds::types::{
    DbCluster, DbEngineVersion, DbInstance, Event, OrderableDbInstanceOption, Parameter, SourceType,
};
use jiff::{SignedDuration, Timestamp};
use landfall_core::Failure;

use crate::metric::NAMESPACE;
use crate::time::to_aws;
use crate::{AwsCloud, SOURCE_ENGINE, TARGET_ENGINE, fault};

/// RDS keeps events for 14 days, and takes no longer span.
const EVENTS: SignedDuration = SignedDuration::from_hours(14 * 24 - 1);
/// Enough saw-teeth of five minutes to see their feet.
const READINGS: SignedDuration = SignedDuration::from_hours(3);
/// Subjects of one metric that are read at most.
const SUBJECTS: usize = 5;

/// The metrics that are read.
pub(super) const METRICS: [&str; 3] =
    ["OldestReplicationSlotLag", "RDSToAuroraPostgreSQLReplicaLag", "TransactionLogsDiskUsage"];

/// One metric of one subject, lately.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) metric: String,
    pub(super) subject: String,
    pub(super) points: Vec<Datapoint>,
}

/// What was read, part by part.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) now: Timestamp,
    pub(super) source_versions: Result<Vec<DbEngineVersion>, Failure>,
    pub(super) target_versions: Result<Vec<DbEngineVersion>, Failure>,
    /// For the newest Aurora version of a major that the account runs.
    pub(super) classes: Result<Vec<OrderableDbInstanceOption>, Failure>,
    /// For its family, at the cluster's level.
    pub(super) parameters: Result<Vec<Parameter>, Failure>,
    pub(super) instances: Result<Vec<DbInstance>, Failure>,
    /// The first instance, asked for by its name in capitals.
    pub(super) capitals: Result<Option<DbInstance>, Failure>,
    pub(super) clusters: Result<Vec<DbCluster>, Failure>,
    pub(super) instance_events: Result<Vec<Event>, Failure>,
    pub(super) cluster_events: Result<Vec<Event>, Failure>,
    pub(super) series: Result<Vec<Series>, Failure>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            source_versions: Ok(vec![]),
            target_versions: Ok(vec![]),
            classes: Ok(vec![]),
            parameters: Ok(vec![]),
            instances: Ok(vec![]),
            capitals: Ok(None),
            clusters: Ok(vec![]),
            instance_events: Ok(vec![]),
            cluster_events: Ok(vec![]),
            series: Ok(vec![]),
        }
    }
}

impl Evidence {
    /// Nothing could be read.
    #[cfg(test)]
    pub(super) fn unread(failure: &Failure) -> Self {
        Self {
            now: Timestamp::UNIX_EPOCH,
            source_versions: Err(failure.clone()),
            target_versions: Err(failure.clone()),
            classes: Err(failure.clone()),
            parameters: Err(failure.clone()),
            instances: Err(failure.clone()),
            capitals: Err(failure.clone()),
            clusters: Err(failure.clone()),
            instance_events: Err(failure.clone()),
            cluster_events: Err(failure.clone()),
            series: Err(failure.clone()),
        }
    }
}

impl AwsCloud {
    pub(super) async fn gather(&self) -> Evidence {
        let now = self.clock();
        let target_versions = self.versions_of(TARGET_ENGINE).await;
        let instances = self.all_instances().await;
        let here = instances.as_ref().map(Vec::as_slice).unwrap_or_default();
        let newest = target_versions.as_ref().ok().and_then(|all| newest(all, here)).cloned();
        let first = instances.as_ref().ok().and_then(|all| all.first());
        let name = first.and_then(|one| one.db_instance_identifier().map(str::to_uppercase));
        Evidence {
            now,
            source_versions: self.versions_of(SOURCE_ENGINE).await,
            classes: self.classes_of(newest.as_ref()).await,
            parameters: self.parameters_of(newest.as_ref()).await,
            capitals: self.in_capitals(name).await,
            clusters: self.all_clusters().await,
            instance_events: self.all_events(SourceType::DbInstance, now).await,
            cluster_events: self.all_events(SourceType::DbCluster, now).await,
            series: self.all_series(now).await,
            target_versions,
            instances,
        }
    }

    /// The clock that signs the requests.
    fn clock(&self) -> Timestamp {
        let clock = self.rds.config().time_source();
        let now = clock.and_then(|clock| Timestamp::try_from(clock.now()).ok());
        now.unwrap_or(Timestamp::UNIX_EPOCH)
    }

    async fn versions_of(&self, engine: &str) -> Result<Vec<DbEngineVersion>, Failure> {
        let pages = self.rds.describe_db_engine_versions().engine(engine).into_paginator();
        let all: Result<Vec<_>, _> = pages.items().send().collect().await;
        all.map_err(|error| fault::failure(format!("read the versions of {engine}"), &error))
    }

    async fn classes_of(
        &self,
        version: Option<&DbEngineVersion>,
    ) -> Result<Vec<OrderableDbInstanceOption>, Failure> {
        let Some(version) = version.and_then(|found| found.engine_version()) else {
            return Ok(vec![]);
        };
        let call = self.rds.describe_orderable_db_instance_options().engine(TARGET_ENGINE);
        let pages = call.engine_version(version).into_paginator();
        let all: Result<Vec<_>, _> = pages.items().send().collect().await;
        all.map_err(|error| fault::failure(format!("read the classes for {version}"), &error))
    }

    async fn parameters_of(
        &self,
        version: Option<&DbEngineVersion>,
    ) -> Result<Vec<Parameter>, Failure> {
        let family = version.and_then(|found| found.db_parameter_group_family());
        let Some(family) = family else { return Ok(vec![]) };
        let mut parameters = Vec::new();
        let mut marker = None;
        loop {
            let call = self.rds.describe_engine_default_cluster_parameters();
            let call = call.db_parameter_group_family(family).set_marker(marker);
            let answer = call.send().await;
            let answer = answer.map_err(|error| {
                fault::failure(format!("read the default parameters of {family}"), &error)
            })?;
            let Some(defaults) = answer.engine_defaults else { return Ok(parameters) };
            parameters.extend(defaults.parameters.unwrap_or_default());
            marker = defaults.marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(parameters);
            }
        }
    }

    async fn all_instances(&self) -> Result<Vec<DbInstance>, Failure> {
        let pages = self.rds.describe_db_instances().into_paginator();
        let all: Result<Vec<_>, _> = pages.items().send().collect().await;
        all.map_err(|error| fault::failure("read the instances", &error))
    }

    async fn in_capitals(&self, name: Option<String>) -> Result<Option<DbInstance>, Failure> {
        let Some(name) = name else { return Ok(None) };
        let answer = self.rds.describe_db_instances().db_instance_identifier(&name).send().await;
        let found =
            answer.map_err(|error| fault::failure(format!("read instance {name}"), &error))?;
        Ok(found.db_instances.unwrap_or_default().into_iter().next())
    }

    async fn all_clusters(&self) -> Result<Vec<DbCluster>, Failure> {
        let pages = self.rds.describe_db_clusters().into_paginator();
        let all: Result<Vec<_>, _> = pages.items().send().collect().await;
        all.map_err(|error| fault::failure("read the clusters", &error))
    }

    async fn all_events(&self, of: SourceType, now: Timestamp) -> Result<Vec<Event>, Failure> {
        let from = now.checked_sub(EVENTS).unwrap_or(Timestamp::UNIX_EPOCH);
        let call = self.rds.describe_events().source_type(of.clone());
        let call = call.start_time(to_aws(from)).end_time(to_aws(now));
        let all: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        all.map_err(|error| {
            fault::failure(format!("read the events of kind {}", of.as_str()), &error)
        })
    }

    async fn all_series(&self, now: Timestamp) -> Result<Vec<Series>, Failure> {
        let mut series = Vec::new();
        for metric in METRICS {
            let mut subjects: Vec<_> = self.subjects_of(metric).await?;
            subjects.truncate(SUBJECTS);
            for dimensions in subjects {
                let points = self.points_of(metric, &dimensions, now).await?;
                let names = dimensions.iter().filter_map(|one| one.value());
                let subject = names.collect::<Vec<_>>().join("/");
                series.push(Series { metric: metric.to_owned(), subject, points });
            }
        }
        Ok(series)
    }

    /// The sets of dimensions under which CloudWatch has a metric of one instance or cluster.
    async fn subjects_of(&self, metric: &str) -> Result<Vec<Vec<Dimension>>, Failure> {
        let what = format!("read who has the metric {metric}");
        let call = self.metrics.list_metrics().namespace(NAMESPACE).metric_name(metric);
        let mut pages = call.into_paginator().send();
        let mut subjects = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| fault::failure(&*what, &error))?;
            let named = page.metrics().iter().map(Metric::dimensions);
            let one = |dimensions: &[Dimension]| {
                let [only] = dimensions else { return false };
                only.name().is_some_and(|name| name.ends_with("Identifier"))
            };
            subjects.extend(named.filter(|found| one(found)).map(<[_]>::to_vec));
        }
        Ok(subjects)
    }

    async fn points_of(
        &self,
        metric: &str,
        dimensions: &[Dimension],
        now: Timestamp,
    ) -> Result<Vec<Datapoint>, Failure> {
        let from = now.checked_sub(READINGS).unwrap_or(Timestamp::UNIX_EPOCH);
        let call = self.metrics.get_metric_statistics().namespace(NAMESPACE).metric_name(metric);
        let answer = call
            .set_dimensions(Some(dimensions.to_vec()))
            .start_time(to_aws(from))
            .end_time(to_aws(now))
            .period(60)
            .statistics(Statistic::Minimum)
            .statistics(Statistic::Maximum)
            .send()
            .await;
        let answer = answer.map_err(|error| fault::failure(format!("read {metric}"), &error))?;
        Ok(answer.datapoints.unwrap_or_default())
    }
}

/// The newest version of a major that this account runs, or the newest of all. AWS lists them from
/// the lowest to the highest.
fn newest<'a>(
    versions: &'a [DbEngineVersion],
    instances: &[DbInstance],
) -> Option<&'a DbEngineVersion> {
    fn major(version: Option<&str>) -> Option<u32> {
        version?.split('.').next()?.parse().ok()
    }
    let plain = |version: &&DbEngineVersion| {
        let text = version.engine_version().unwrap_or_default();
        text.chars().all(|one| one.is_ascii_digit() || one == '.')
    };
    let run: Vec<_> = instances.iter().filter_map(|one| major(one.engine_version())).collect();
    let ours = |version: &&DbEngineVersion| {
        major(version.engine_version()).is_some_and(|major| run.contains(&major))
    };
    let mut plain_ones = versions.iter().filter(plain);
    plain_ones.clone().rfind(ours).or_else(|| plain_ones.next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_looked_at_is_one_that_the_account_would_move_to() {
        let version = |text: &str| DbEngineVersion::builder().engine_version(text).build();
        let all = ["15.9", "15.15", "16.4-limitless", "17.6"].map(version);
        let instance = |text: &str| DbInstance::builder().engine_version(text).build();
        let chosen = |instances: &[DbInstance]| {
            newest(&all, instances).and_then(|found| found.engine_version()).unwrap()
        };
        assert_eq!(chosen(&[instance("15.7"), instance("9.6.22")]), "15.15");
        assert_eq!(chosen(&[instance("16.1")]), "17.6", "no plain version of that major");
        assert_eq!(chosen(&[]), "17.6");
    }
}
