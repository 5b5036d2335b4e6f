//! What a finished target gets: settings, roles, tags, Performance Insights, custom endpoints.
//!
//! Each order looks at the tag of the cluster or instance first, as every order about something of
//! Landfall's does, and an order that was carried out before is found done.

use aws_sdk_rds::types::{
    CloudwatchLogsExportConfiguration, DbClusterEndpoint, ServerlessV2ScalingConfiguration, Tag,
};
use landfall_core::action::{ClusterSettings, Equipment, NewEndpoint};
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{AssociatedRole, ClusterEndpoint, Tags};
use landfall_core::spec::Serverless;
use landfall_core::{ClusterId, Failure, FailureKind, InstanceId};

use crate::instance::state;
use crate::ownership::{missing, require_ours, stamped, tags};
use crate::{AwsCloud, fault};

/// AWS's code for a role that a cluster has already.
const HAS_ROLE: &str = "DBClusterRoleAlreadyExists";

impl AwsCloud {
    pub(crate) async fn equip(
        &self,
        what: &str,
        equipment: &Equipment,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        match equipment {
            Equipment::PerformanceInsights { instance, on } => {
                self.our_instance(what, instance, stamp).await?;
                let order = self.rds.modify_db_instance().db_instance_identifier(instance.as_str());
                let order = order.enable_performance_insights(*on).apply_immediately(true);
                order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
            }
            Equipment::Role { cluster, role } => self.add_role(what, cluster, role, stamp).await,
            Equipment::Tags { arn, tags } => self.add_tags(what, arn, tags, stamp).await,
            Equipment::Endpoint(new) => self.create_endpoint(what, new, stamp).await,
            Equipment::Proxy { cluster, proxy } => {
                self.create_proxy(what, (cluster, proxy), stamp).await
            }
            Equipment::ProxyPool { proxy, pool } => {
                self.set_proxy_pool(what, (proxy, pool), stamp).await
            }
            Equipment::ProxyTarget { proxy, cluster } => {
                self.register_target(what, (proxy, cluster), stamp).await
            }
            Equipment::GlobalDatabase { name, cluster } => {
                self.create_global_database(what, (name, cluster), stamp).await
            }
            Equipment::SecondaryCluster(new) => {
                self.create_secondary_cluster(what, new, stamp).await
            }
            Equipment::SecondaryInstance { global, class } => {
                self.create_secondary_instance(what, (global, class), stamp).await
            }
            Equipment::AlarmCopy { alarm, copy, cluster } => {
                self.our_cluster(what, cluster, stamp).await?;
                self.copy_alarm(what, alarm, (copy, cluster)).await
            }
        }
    }

    pub(crate) async fn set_cluster_settings(
        &self,
        what: &str,
        id: &ClusterId,
        settings: &ClusterSettings,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_cluster(what, id, stamp).await?;
        let ClusterSettings { backup_retention_days, iam_auth, logs_on, logs_off, serverless } =
            settings;
        let logs = (!logs_on.is_empty() || !logs_off.is_empty()).then(|| {
            CloudwatchLogsExportConfiguration::builder()
                .set_enable_log_types(Some(logs_on.clone()).filter(|logs| !logs.is_empty()))
                .set_disable_log_types(Some(logs_off.clone()).filter(|logs| !logs.is_empty()))
                .build()
        });
        self.rds
            .modify_db_cluster()
            .db_cluster_identifier(id.as_str())
            .set_backup_retention_period(backup_retention_days.map(i32::from))
            .set_enable_iam_database_authentication(*iam_auth)
            .set_cloudwatch_logs_export_configuration(logs)
            .set_serverless_v2_scaling_configuration(serverless.map(scaling))
            .apply_immediately(true)
            .send()
            .await
            .map(drop)
            .map_err(|error| fault::failure(what, &error))
    }

    async fn add_role(
        &self,
        what: &str,
        id: &ClusterId,
        role: &AssociatedRole,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let cluster = self.our_cluster(what, id, stamp).await?;
        if cluster.detail.roles.contains(role) {
            return Ok(());
        }
        let order = self.rds.add_role_to_db_cluster().db_cluster_identifier(id.as_str());
        let order = order.role_arn(&role.arn).set_feature_name(role.feature.clone());
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if refusal.detail.contains(HAS_ROLE) { Ok(()) } else { Err(refusal) }
    }

    async fn add_tags(
        &self,
        what: &str,
        arn: &str,
        added: &Tags,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let found = self.rds.list_tags_for_resource().resource_name(arn).send().await;
        let found = found.map_err(|error| fault::failure(what, &error))?;
        require_ours(what, arn, &tags(found.tag_list()), stamp)?;
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let order = self.rds.add_tags_to_resource().resource_name(arn);
        let order = order.set_tags(Some(added.iter().map(tag).collect()));
        order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
    }

    async fn create_endpoint(
        &self,
        what: &str,
        new: &NewEndpoint,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_cluster(what, &new.cluster, stamp).await?;
        let order = self
            .rds
            .create_db_cluster_endpoint()
            .db_cluster_identifier(new.cluster.as_str())
            .db_cluster_endpoint_identifier(&new.name)
            .endpoint_type(new.kind.word())
            .set_static_members(ids(&new.members))
            .set_excluded_members(ids(&new.excluded))
            .set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if refusal.kind != FailureKind::TakenByAnother {
            return Err(refusal);
        }
        // The name is taken in this account: by this cluster, which is ours, or by another.
        let here = self.read_cluster_endpoints(&new.cluster).await?;
        if here.iter().any(|endpoint| endpoint.name == new.name) { Ok(()) } else { Err(refusal) }
    }

    pub(crate) async fn read_cluster_endpoints(
        &self,
        id: &ClusterId,
    ) -> Result<Vec<ClusterEndpoint>, Failure> {
        let call = self.rds.describe_db_cluster_endpoints().db_cluster_identifier(id.as_str());
        let all: Result<Vec<_>, _> = call.into_paginator().items().send().collect().await;
        match all {
            Ok(all) => Ok(all.iter().filter_map(endpoint).collect()),
            Err(error) => {
                let failure = fault::failure(format!("read the endpoints of {id}"), &error);
                if failure.kind == FailureKind::NotFound { Ok(vec![]) } else { Err(failure) }
            }
        }
    }

    async fn our_instance(
        &self,
        what: &str,
        id: &InstanceId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let object = format!("instance {id}");
        let found = self.read_instance(id).await?.ok_or_else(|| missing(what, &object))?;
        require_ours(what, &object, &found.tags, stamp)
    }
}

fn ids(list: &[InstanceId]) -> Option<Vec<String>> {
    (!list.is_empty()).then(|| list.iter().map(|id| id.as_str().to_owned()).collect())
}

/// A range of capacity as an order has it.
pub(crate) fn scaling(range: Serverless) -> ServerlessV2ScalingConfiguration {
    ServerlessV2ScalingConfiguration::builder()
        .min_capacity(range.min_acu.number())
        .max_capacity(range.max_acu.number())
        .build()
}

/// A custom endpoint; the ones that AWS makes by itself have no name of their own.
fn endpoint(found: &DbClusterEndpoint) -> Option<ClusterEndpoint> {
    Some(ClusterEndpoint {
        name: found.db_cluster_endpoint_identifier()?.to_owned(),
        state: state(found.status()),
        kind: found.custom_endpoint_type().unwrap_or_default().to_owned(),
    })
}
