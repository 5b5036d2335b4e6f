//! Global Databases: the view of one, its cluster in a second Region, and the orders that make both.
//!
//! A second Region is a second client of the same account: everything about its cluster is asked
//! and ordered there. A Global Database is a move's own when the move's cluster writes in it; the
//! second cluster and its instance carry the move's tag as everything else does.

use std::time::Duration;

use aws_config::Region;
use aws_sdk_cloudwatch::types::{Datapoint, DimensionFilter, StandardUnit, Statistic};
use aws_sdk_rds::primitives::DateTime;
use landfall_core::action::NewSecondary;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::ResourceState;
use landfall_core::port::equipment::{GlobalDatabase, Secondary};
use landfall_core::spec::GlobalSpec;
use landfall_core::{ClusterId, Failure, FailureKind};

use crate::equipment::scaling;
use crate::instance::{absent_if_not_found, group_ids, state};
use crate::metric::NAMESPACE;
use crate::ownership::{Existing, may_exist, settle, stamped};
use crate::{AwsCloud, TARGET_ENGINE, fault};

const LAG: &str = "AuroraGlobalDBReplicationLag";
/// How far back the newest point of the lag may lie.
const LAG_WITHIN: Duration = Duration::from_mins(10);

impl AwsCloud {
    /// The same account in another Region.
    fn in_region(&self, region: &str) -> Result<Self, Failure> {
        let config = self.config.clone().into_builder();
        let config = config.region(Some(Region::new(region.to_owned()))).build();
        Self::new(&config, self.call_timeout)
    }

    pub(crate) async fn read_global_database(
        &self,
        name: &str,
    ) -> Result<Option<GlobalDatabase>, Failure> {
        let call = self.rds.describe_global_clusters().global_cluster_identifier(name);
        let found = match call.send().await {
            Ok(answer) => answer.global_clusters.unwrap_or_default().into_iter().next(),
            Err(error) => {
                let what = format!("read the Global Database {name}");
                return absent_if_not_found(fault::failure(what, &error));
            }
        };
        Ok(found.map(|found| {
            let members = found.global_cluster_members().iter();
            let (writers, readers): (Vec<_>, Vec<_>) =
                members.partition(|member| member.is_writer() == Some(true));
            let arn = |member: &aws_sdk_rds::types::GlobalClusterMember| {
                member.db_cluster_arn().unwrap_or_default().to_owned()
            };
            GlobalDatabase {
                name: name.to_owned(),
                state: state(found.status()),
                writer: writers.first().copied().map(arn),
                readers: readers.into_iter().map(arn).collect(),
            }
        }))
    }

    pub(crate) async fn read_secondary(
        &self,
        of: &GlobalSpec,
    ) -> Result<Option<Secondary>, Failure> {
        let there = self.in_region(&of.region)?;
        let Some(cluster) = there.read_cluster(&of.cluster).await? else { return Ok(None) };
        let instance = there.read_instance(&of.instance()).await?.map(|found| found.state);
        let lag_ms = match &instance {
            Some(ResourceState::Available) => there.read_global_lag(&of.cluster).await?,
            Some(_) | None => None,
        };
        Ok(Some(Secondary { state: cluster.state, tags: cluster.tags, instance, lag_ms }))
    }

    /// The newest point, under whatever further dimensions CloudWatch keeps it.
    async fn read_global_lag(&self, cluster: &ClusterId) -> Result<Option<f64>, Failure> {
        let what = format!("read the metric {LAG} of {cluster}");
        let dimension = DimensionFilter::builder().name("DBClusterIdentifier");
        let call = self.metrics.list_metrics().namespace(NAMESPACE).metric_name(LAG);
        let call = call.dimensions(dimension.value(cluster.as_str()).build());
        let listed = call.send().await.map_err(|error| fault::failure(&*what, &error))?;
        let Some(metric) = listed.metrics().first() else { return Ok(None) };
        let Some(clock) = self.rds.config().time_source() else { return Ok(None) };
        let to = clock.now();
        let call = self.metrics.get_metric_statistics().namespace(NAMESPACE).metric_name(LAG);
        let call = call.set_dimensions(Some(metric.dimensions().to_vec())).period(60);
        let call = call.start_time(DateTime::from(to - LAG_WITHIN)).end_time(DateTime::from(to));
        let answer = call.statistics(Statistic::Average).send().await;
        let answer = answer.map_err(|error| fault::failure(&*what, &error))?;
        let newest = answer.datapoints().iter().max_by_key(|point| point.timestamp().cloned());
        newest.and_then(|point| milliseconds(&what, point)).transpose()
    }

    pub(crate) async fn create_global_database(
        &self,
        what: &str,
        (name, cluster): (&str, &ClusterId),
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let primary = self.our_cluster(what, cluster, stamp).await?;
        let order = self.rds.create_global_cluster().global_cluster_identifier(name);
        let order = order.source_db_cluster_identifier(&primary.arn).set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        match self.read_global_database(name).await? {
            Some(found) if found.writer.as_ref() == Some(&primary.arn) => Ok(()),
            Some(_) => Err(Failure::new(
                FailureKind::TakenByAnother,
                what,
                format!("a Global Database {name} exists, and {cluster} does not write in it"),
            )),
            None => Err(refusal),
        }
    }

    pub(crate) async fn create_secondary_cluster(
        &self,
        what: &str,
        new: &NewSecondary,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let GlobalSpec { name, region, cluster, subnet_group, security_groups, kms_key, .. } =
            &new.global;
        let there = self.in_region(region)?;
        let groups = Some(group_ids(security_groups)).filter(|groups| !groups.is_empty());
        let order = there
            .rds
            .create_db_cluster()
            .db_cluster_identifier(cluster.as_str())
            .global_cluster_identifier(name)
            .engine(TARGET_ENGINE)
            .engine_version(&new.engine_version)
            .set_db_subnet_group_name(subnet_group.clone())
            .set_vpc_security_group_ids(groups)
            .storage_encrypted(new.encrypted)
            .set_kms_key_id(kms_key.clone())
            .set_serverless_v2_scaling_configuration(new.serverless.map(scaling))
            .set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = there.read_cluster(cluster).await?;
        let found = found.map(|found| Existing { tags: found.tags, state: found.state });
        settle(refusal, &format!("cluster {cluster} in {region}"), found, stamp)
    }

    pub(crate) async fn create_secondary_instance(
        &self,
        what: &str,
        (global, class): (&GlobalSpec, &str),
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let there = self.in_region(&global.region)?;
        there.our_cluster(what, &global.cluster, stamp).await?;
        let id = global.instance();
        let order = there.rds.create_db_instance().db_instance_identifier(id.as_str());
        let order = order.db_cluster_identifier(global.cluster.as_str()).engine(TARGET_ENGINE);
        let order = order.db_instance_class(class).set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = there.read_instance(&id).await?;
        let found = found.map(|found| Existing { tags: found.tags, state: found.state });
        settle(refusal, &format!("instance {id} in {}", global.region), found, stamp)
    }
}

fn milliseconds(what: &str, point: &Datapoint) -> Option<Result<f64, Failure>> {
    let value = point.average()?;
    Some(match point.unit() {
        Some(StandardUnit::Milliseconds) => Ok(value),
        Some(StandardUnit::Seconds) => Ok(value * 1_000.0),
        unit => Err(Failure::new(
            FailureKind::Unknown,
            what,
            format!("the lag is in an unexpected unit: {unit:?}"),
        )),
    })
}
