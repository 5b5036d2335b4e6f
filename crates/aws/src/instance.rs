//! DB instances: the view of one, and every order about one.
//!
//! Orders about a writer look at its tag first, because its name may be somebody else's instance;
//! orders about the source cannot, since the source is never Landfall's. What may be lost for good
//! is guarded by what can be seen: a source is deleted only beside a finished snapshot of this move.

use aws_sdk_rds::config::Config;
use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::types::{
    DbInstance, DbInstanceRole, DomainMembership, Endpoint as AwsEndpoint,
    VpcSecurityGroupMembership,
};
use landfall_core::action::NewWriter;
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{
    AssociatedRole, AttachedParameterGroup, GroupMembership, Instance, InstanceDetail,
    ResourceState,
};
use landfall_core::{Endpoint, Failure, FailureKind, InstanceId};

use crate::ownership::{Existing, may_exist, require_ours, settle, stamped, tags};
use crate::time::from_aws;
use crate::{AwsCloud, TARGET_ENGINE, fault, pending};

/// How the option groups that AWS makes by itself are called.
const DEFAULT_OPTIONS: &str = "default:";

impl AwsCloud {
    pub(crate) async fn read_instance(&self, id: &InstanceId) -> Result<Option<Instance>, Failure> {
        let answer =
            self.rds.describe_db_instances().db_instance_identifier(id.as_str()).send().await;
        match answer {
            Ok(found) => Ok(found.db_instances().first().map(view)),
            Err(error) => {
                absent_if_not_found(fault::failure(format!("read instance {id}"), &error))
            }
        }
    }

    pub(crate) async fn set_backup_retention(
        &self,
        what: &str,
        id: &InstanceId,
        days: u16,
    ) -> Result<(), Failure> {
        let order = self.rds.modify_db_instance().db_instance_identifier(id.as_str());
        let order = order.backup_retention_period(i32::from(days)).apply_immediately(true);
        order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
    }

    pub(crate) async fn set_instance_groups(
        &self,
        what: &str,
        id: &InstanceId,
        groups: &[SecurityGroupId],
    ) -> Result<(), Failure> {
        let order = self.rds.modify_db_instance().db_instance_identifier(id.as_str());
        let order = order.set_vpc_security_group_ids(Some(group_ids(groups)));
        let order = order.apply_immediately(true);
        order.send().await.map(drop).map_err(|error| fault::failure(what, &error))
    }

    /// An instance that is rebooting already has taken the order before. The SDK must not retry:
    /// when the answer is lost and the reboot is over, its retry would be a second outage.
    pub(crate) async fn reboot(&self, what: &str, id: &InstanceId) -> Result<(), Failure> {
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let order = self.rds.reboot_db_instance().db_instance_identifier(id.as_str());
        let Err(error) = order.customize().config_override(once).send().await else {
            return Ok(());
        };
        let refusal = fault::failure(what, &error);
        if refusal.kind != FailureKind::WrongState {
            return Err(refusal);
        }
        match self.read_instance(id).await?.map(|instance| instance.state) {
            Some(ResourceState::Busy(status)) if status == "rebooting" => Ok(()),
            _ => Err(refusal),
        }
    }

    pub(crate) async fn create_member(
        &self,
        what: &str,
        new: &NewWriter,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let order = self
            .rds
            .create_db_instance()
            .db_instance_identifier(new.instance.as_str())
            .db_cluster_identifier(new.cluster.as_str())
            .db_instance_class(&new.class)
            .db_parameter_group_name(new.parameter_group.as_str())
            .engine(TARGET_ENGINE)
            .set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = self.read_instance(&new.instance).await?;
        let found = found.map(|instance| Existing { tags: instance.tags, state: instance.state });
        settle(refusal, &format!("instance {}", new.instance), found, stamp)
    }

    pub(crate) async fn delete_writer(
        &self,
        what: &str,
        id: &InstanceId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let Some(found) = self.read_instance(id).await? else { return Ok(()) };
        require_ours(what, &format!("instance {id}"), &found.tags, stamp)?;
        if found.state == ResourceState::Deleting {
            return Ok(());
        }
        let order = self.rds.delete_db_instance().db_instance_identifier(id.as_str());
        match order.skip_final_snapshot(true).send().await {
            Ok(_) => Ok(()),
            Err(error) => gone_is_done(fault::failure(what, &error)),
        }
    }

    /// The source's own automated backups stay: they are its owner's, and the last way to a
    /// moment before the snapshot.
    pub(crate) async fn delete_retired_source(
        &self,
        what: &str,
        id: &InstanceId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let Some(found) = self.read_instance(id).await? else { return Ok(()) };
        if found.state == ResourceState::Deleting {
            return Ok(());
        }
        if let Some(cluster) = &found.cluster {
            return Err(Failure::new(
                FailureKind::Invalid,
                what,
                format!("instance {id} is a member of cluster {cluster}, not a retired source"),
            ));
        }
        self.require_final_snapshot(what, id, stamp).await?;
        let order = self.rds.delete_db_instance().db_instance_identifier(id.as_str());
        let order = order.skip_final_snapshot(true).delete_automated_backups(false);
        match order.send().await {
            Ok(_) => Ok(()),
            Err(error) => gone_is_done(fault::failure(what, &error)),
        }
    }
}

/// A read of what does not exist is `None`.
pub(crate) fn absent_if_not_found<T>(failure: Failure) -> Result<Option<T>, Failure> {
    if failure.kind == FailureKind::NotFound { Ok(None) } else { Err(failure) }
}

/// A deletion of what does not exist is done.
pub(crate) fn gone_is_done(failure: Failure) -> Result<(), Failure> {
    if failure.kind == FailureKind::NotFound { Ok(()) } else { Err(failure) }
}

/// Security groups as an order lists them.
pub(crate) fn group_ids(groups: &[SecurityGroupId]) -> Vec<String> {
    groups.iter().map(|group| group.as_str().to_owned()).collect()
}

/// Security groups as a view has them.
pub(crate) fn memberships(list: &[VpcSecurityGroupMembership]) -> Vec<GroupMembership> {
    list.iter()
        .filter_map(|membership| {
            let group = SecurityGroupId::new(membership.vpc_security_group_id()?);
            Some(GroupMembership { group, active: membership.status() == Some("active") })
        })
        .collect()
}

/// A count that AWS gives as a signed number; a negative one is nothing.
pub(crate) fn count<T: TryFrom<i32> + Default>(number: Option<i32>) -> T {
    number.and_then(|number| T::try_from(number).ok()).unwrap_or_default()
}

/// A resource's state; one without a status is busy, so that nothing starts on it.
pub(crate) fn state(status: Option<&str>) -> ResourceState {
    ResourceState::from_status(status.unwrap_or("unknown"))
}

fn endpoint(endpoint: &AwsEndpoint) -> Option<Endpoint> {
    let host = endpoint.address().filter(|address| !address.is_empty())?;
    Some(Endpoint::new(host, u16::try_from(endpoint.port()?).ok()?))
}

fn view(found: &DbInstance) -> Instance {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Instance {
        id: InstanceId::new(text(found.db_instance_identifier())),
        arn: text(found.db_instance_arn()),
        engine: text(found.engine()),
        engine_version: text(found.engine_version()),
        class: text(found.db_instance_class()),
        state: state(found.db_instance_status()),
        endpoint: found.endpoint().and_then(endpoint),
        master_user: text(found.master_username()),
        backup_retention_days: count(found.backup_retention_period()),
        security_groups: memberships(found.vpc_security_groups()),
        subnet_group: found
            .db_subnet_group()
            .and_then(|group| group.db_subnet_group_name())
            .map(str::to_owned),
        parameter_group: found.db_parameter_groups().first().and_then(|group| {
            Some(AttachedParameterGroup {
                name: group.db_parameter_group_name()?.into(),
                apply_status: text(group.parameter_apply_status()),
            })
        }),
        replica_clusters: found
            .read_replica_db_cluster_identifiers()
            .iter()
            .map(|id| id.as_str().into())
            .collect(),
        replica_instances: found
            .read_replica_db_instance_identifiers()
            .iter()
            .filter(|id| !is_elsewhere(id))
            .map(|id| id.as_str().into())
            .collect(),
        replica_of: found.read_replica_source_db_instance_identifier().map(str::to_owned),
        cluster: found.db_cluster_identifier().map(Into::into),
        encrypted: found.storage_encrypted().unwrap_or_default(),
        kms_key: found.kms_key_id().map(str::to_owned),
        multi_az: found.multi_az().unwrap_or_default(),
        allocated_gib: count(found.allocated_storage()),
        deletion_protected: found.deletion_protection().unwrap_or_default(),
        tags: tags(found.tag_list()),
        detail: detail(found),
    }
}

/// AWS lists a replica in another Region by its ARN, and one of this Region by its name.
fn is_elsewhere(replica: &str) -> bool {
    replica.starts_with("arn:")
}

fn detail(found: &DbInstance) -> InstanceDetail {
    let owned = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    InstanceDetail {
        resource_id: owned(found.dbi_resource_id()),
        storage_type: owned(found.storage_type()),
        iops: found.iops().and_then(|number| u32::try_from(number).ok()),
        max_allocated_gib: found.max_allocated_storage().and_then(|n| u32::try_from(n).ok()),
        auto_minor_upgrade: found.auto_minor_version_upgrade().unwrap_or_default(),
        iam_auth: found.iam_database_authentication_enabled().unwrap_or_default(),
        domains: found.domain_memberships().iter().map(domain).collect(),
        roles: found.associated_roles().iter().filter_map(role).collect(),
        log_exports: found.enabled_cloudwatch_logs_exports().to_vec(),
        performance_insights: found.performance_insights_enabled().unwrap_or_default(),
        backup_window: owned(found.preferred_backup_window()),
        maintenance_window: owned(found.preferred_maintenance_window()),
        pending: found.pending_modified_values().map(pending::changes).unwrap_or_default(),
        latest_restorable: found.latest_restorable_time().and_then(from_aws),
        publicly_accessible: found.publicly_accessible().unwrap_or_default(),
        ca: owned(found.ca_certificate_identifier()),
        master_secret: found.master_user_secret().and_then(|secret| owned(secret.secret_arn())),
        option_groups: found
            .option_group_memberships()
            .iter()
            .filter_map(|group| owned(group.option_group_name()))
            .filter(|name| !name.starts_with(DEFAULT_OPTIONS))
            .collect(),
        replicas_elsewhere: found
            .read_replica_db_instance_identifiers()
            .iter()
            .filter(|replica| is_elsewhere(replica))
            .cloned()
            .collect(),
    }
}

fn domain(membership: &DomainMembership) -> String {
    let name = membership.fqdn().or(membership.domain()).unwrap_or("unknown");
    format!("{name} {}", membership.status().unwrap_or("unknown"))
}

fn role(role: &DbInstanceRole) -> Option<AssociatedRole> {
    let feature = role.feature_name().filter(|feature| !feature.is_empty());
    Some(AssociatedRole { arn: role.role_arn()?.to_owned(), feature: feature.map(str::to_owned) })
}
