//! DB clusters: the view of one, and every order about one.
//!
//! Every cluster Landfall orders about is its own, so each order looks at the tag first: promoting
//! or closing somebody else's cluster could not be taken back. Between the look and the order the
//! name could change hands only if the move's own cluster were deleted meanwhile.

use aws_sdk_rds::types::{DbCluster, DbClusterRole};
use landfall_core::action::NewReplicaCluster;
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{
    AssociatedRole, Cluster, ClusterDetail, ClusterMember, ResourceState,
};
use landfall_core::quantity::Acu;
use landfall_core::spec::Serverless;
use landfall_core::{ClusterId, Endpoint, Failure, FailureKind};

use crate::equipment::scaling;
use crate::instance::{absent_if_not_found, count, gone_is_done, group_ids, memberships, state};
use crate::ownership::{Existing, may_exist, missing, require_ours, settle, stamped, tags};
use crate::time::from_aws;
use crate::{AwsCloud, TARGET_ENGINE, fault};

impl AwsCloud {
    pub(crate) async fn read_cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure> {
        let answer =
            self.rds.describe_db_clusters().db_cluster_identifier(id.as_str()).send().await;
        match answer {
            Ok(found) => Ok(found.db_clusters().first().map(view)),
            Err(error) => absent_if_not_found(fault::failure(format!("read cluster {id}"), &error)),
        }
    }

    /// Deletion protection stays off until promotion: an unpromoted replica is there to be undone.
    pub(crate) async fn create_replica_cluster(
        &self,
        what: &str,
        new: &NewReplicaCluster,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let order = self
            .rds
            .create_db_cluster()
            .db_cluster_identifier(new.cluster.as_str())
            .engine(TARGET_ENGINE)
            .engine_version(&new.engine_version)
            .replication_source_identifier(&new.source_arn)
            .db_cluster_parameter_group_name(new.parameter_group.as_str())
            .set_vpc_security_group_ids(Some(group_ids(&new.security_groups)))
            .set_db_subnet_group_name(new.subnet_group.clone())
            .storage_encrypted(new.encrypted)
            .set_kms_key_id(new.kms_key.clone())
            .backup_retention_period(i32::from(new.backup_retention_days))
            .deletion_protection(false)
            .copy_tags_to_snapshot(true)
            .set_serverless_v2_scaling_configuration(new.serverless.map(scaling))
            .set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = self.read_cluster(&new.cluster).await?;
        let found = found.map(|cluster| Existing { tags: cluster.tags, state: cluster.state });
        settle(refusal, &format!("cluster {}", new.cluster), found, stamp)
    }

    pub(crate) async fn set_cluster_groups(
        &self,
        what: &str,
        id: &ClusterId,
        groups: &[SecurityGroupId],
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_cluster(what, id, stamp).await?;
        let order = self.rds.modify_db_cluster().db_cluster_identifier(id.as_str());
        let order = order.set_vpc_security_group_ids(Some(group_ids(groups)));
        let order = order.apply_immediately(true);
        order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
    }

    pub(crate) async fn protect_cluster(
        &self,
        what: &str,
        id: &ClusterId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        self.our_cluster(what, id, stamp).await?;
        let order = self.rds.modify_db_cluster().db_cluster_identifier(id.as_str());
        let order = order.deletion_protection(true).apply_immediately(true);
        order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
    }

    /// A cluster that replicates from nothing is promoted, and one that is promoting has taken the
    /// order before: neither is asked again.
    pub(crate) async fn promote(
        &self,
        what: &str,
        id: &ClusterId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let found = self.our_cluster(what, id, stamp).await?;
        if found.replicates_from.is_none() || promoting(&found) {
            return Ok(());
        }
        let order = self.rds.promote_read_replica_db_cluster().db_cluster_identifier(id.as_str());
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if refusal.kind != FailureKind::WrongState {
            return Err(refusal);
        }
        let found = self.our_cluster(what, id, stamp).await?;
        if found.replicates_from.is_none() || promoting(&found) { Ok(()) } else { Err(refusal) }
    }

    /// Takes no final snapshot: what is deleted here is an unpromoted replica, and its source has
    /// every row of it.
    pub(crate) async fn delete_cluster(
        &self,
        what: &str,
        id: &ClusterId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let Some(found) = self.read_cluster(id).await? else { return Ok(()) };
        require_ours(what, &format!("cluster {id}"), &found.tags, stamp)?;
        if found.state == ResourceState::Deleting {
            return Ok(());
        }
        let order = self.rds.delete_db_cluster().db_cluster_identifier(id.as_str());
        match order.skip_final_snapshot(true).send().await {
            Ok(_) => Ok(()),
            Err(error) => gone_is_done(fault::failure(what, &error)),
        }
    }

    pub(crate) async fn our_cluster(
        &self,
        what: &str,
        id: &ClusterId,
        stamp: &Stamp,
    ) -> Result<Cluster, Failure> {
        let object = format!("cluster {id}");
        let found = self.read_cluster(id).await?.ok_or_else(|| missing(what, &object))?;
        require_ours(what, &object, &found.tags, stamp)?;
        Ok(found)
    }
}

fn promoting(cluster: &Cluster) -> bool {
    matches!(&cluster.state, ResourceState::Busy(status) if status == "promoting")
}

fn view(found: &DbCluster) -> Cluster {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Cluster {
        id: ClusterId::new(text(found.db_cluster_identifier())),
        arn: text(found.db_cluster_arn()),
        engine: text(found.engine()),
        engine_version: text(found.engine_version()),
        state: state(found.status()),
        endpoint: endpoint(found, found.endpoint()),
        reader_endpoint: endpoint(found, found.reader_endpoint()),
        replicates_from: found
            .replication_source_identifier()
            .filter(|source| !source.is_empty())
            .map(str::to_owned),
        members: found
            .db_cluster_members()
            .iter()
            .filter_map(|member| {
                Some(ClusterMember {
                    instance: member.db_instance_identifier()?.into(),
                    writer: member.is_cluster_writer().unwrap_or_default(),
                })
            })
            .collect(),
        parameter_group: found.db_cluster_parameter_group().map(Into::into),
        security_groups: memberships(found.vpc_security_groups()),
        backup_retention_days: count(found.backup_retention_period()),
        deletion_protected: found.deletion_protection().unwrap_or_default(),
        tags: tags(found.tag_list()),
        detail: detail(found),
    }
}

fn detail(found: &DbCluster) -> ClusterDetail {
    let range = found.serverless_v2_scaling_configuration().and_then(|range| {
        let acu = |number: Option<f64>| number.and_then(Acu::from_number);
        Some(Serverless {
            min_acu: acu(range.min_capacity())?,
            max_acu: acu(range.max_capacity())?,
        })
    });
    ClusterDetail {
        resource_id: found.db_cluster_resource_id().map(str::to_owned),
        iam_auth: found.iam_database_authentication_enabled().unwrap_or_default(),
        log_exports: found.enabled_cloudwatch_logs_exports().to_vec(),
        roles: found.associated_roles().iter().filter_map(role).collect(),
        serverless: range,
        latest_restorable: found.latest_restorable_time().and_then(from_aws),
    }
}

fn role(role: &DbClusterRole) -> Option<AssociatedRole> {
    let feature = role.feature_name().filter(|feature| !feature.is_empty());
    Some(AssociatedRole { arn: role.role_arn()?.to_owned(), feature: feature.map(str::to_owned) })
}

fn endpoint(found: &DbCluster, host: Option<&str>) -> Option<Endpoint> {
    let host = host.filter(|address| !address.is_empty())?;
    Some(Endpoint::new(host, u16::try_from(found.port()?).ok()?))
}
