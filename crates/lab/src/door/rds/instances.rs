//! The actions on instances.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, filters, owned, page, security_groups, set, shapes, switches, tags};
use crate::cloud::instance::{Instance, Switch};
use crate::cloud::names::{Identifier, Resource};
use crate::cloud::refusal::Refusal;
use crate::cloud::{Cloud, Failover, Final, InstanceChange, InstanceRequest, Timing};

pub(super) fn describe(cloud: &Cloud, region: &str, form: &Form) -> Answer {
    let known = ["db-cluster-id", "db-instance-id", "dbi-resource-id", "domain", "engine"];
    let filters = filters(form, &known)?;
    let wanted = form
        .text("DBInstanceIdentifier")
        .map(|text| Identifier::lookup_or_arn(text, Resource::Instance));
    cloud.read(|world| {
        if let Some(wanted) = &wanted
            && world.instance(wanted)?.region != region
        {
            return Err(Refusal::no_instance(wanted.as_str()));
        }
        let matching = world
            .instances
            .values()
            .filter(|instance| instance.region == region)
            .filter(|instance| wanted.as_ref().is_none_or(|wanted| *wanted == instance.id))
            .filter(|instance| filters.iter().all(|(name, values)| passes(instance, name, values)))
            .map(|instance| (instance.id.to_string(), instance))
            .collect();
        let (instances, marker) = page(form, matching)?;
        let instances = instances.into_iter().map(|instance| shapes::instance(world, instance));
        Ok(Fields::new().maybe("Marker", marker).list("DBInstances", "DBInstance", instances))
    })
}

fn passes(instance: &Instance, filter: &str, values: &[String]) -> bool {
    let is = |text: &str, resource| {
        values.iter().any(|value| Identifier::lookup_or_arn(value, resource).as_str() == text)
    };
    match filter {
        "db-cluster-id" => {
            instance.cluster.as_ref().is_some_and(|cluster| is(cluster.as_str(), Resource::Cluster))
        }
        "db-instance-id" => is(instance.id.as_str(), Resource::Instance),
        "dbi-resource-id" => values.contains(&instance.resource_id),
        "engine" => values.iter().any(|value| value == instance.engine.name()),
        "domain" => instance.domain.as_ref().is_some_and(|domain| values.contains(domain)),
        _ => false,
    }
}

pub(super) fn create(cloud: &Cloud, form: &Form) -> Answer {
    let request = InstanceRequest {
        id: form.required("DBInstanceIdentifier")?.to_owned(),
        class: form.required("DBInstanceClass")?.to_owned(),
        engine: form.required("Engine")?.to_owned(),
        version: owned(form, "EngineVersion"),
        cluster: owned(form, "DBClusterIdentifier"),
        parameter_group: owned(form, "DBParameterGroupName"),
        subnet_group: owned(form, "DBSubnetGroupName"),
        security_groups: security_groups(form),
        storage_gib: form.number("AllocatedStorage")?,
        storage_kind: owned(form, "StorageType"),
        iops: form.number("Iops")?,
        max_storage_gib: form.number("MaxAllocatedStorage")?,
        domain: owned(form, "Domain"),
        options: owned(form, "OptionGroupName"),
        backup_window: owned(form, "PreferredBackupWindow"),
        maintenance_window: owned(form, "PreferredMaintenanceWindow"),
        kms_key: owned(form, "KmsKeyId"),
        master_user: owned(form, "MasterUsername"),
        master_password: owned(form, "MasterUserPassword"),
        database: owned(form, "DBName"),
        retention_days: form.number("BackupRetentionPeriod")?,
        certificate: owned(form, "CACertificateIdentifier"),
        promotion_tier: form.number("PromotionTier")?,
        switches: switches(form, &Switch::OF_INSTANCE)?,
        log_exports: set(form, "EnableCloudwatchLogsExports"),
        tags: tags(form),
    };
    let id = cloud.create_instance(request)?;
    one(cloud, &id)
}

pub(super) fn modify(cloud: &Cloud, form: &Form) -> Answer {
    let id = named(form)?;
    if form.text("NewDBInstanceIdentifier").is_some() {
        return Err(Refusal::combination("The lab cannot rename an instance."));
    }
    let logs = form.sub("CloudwatchLogsExportConfiguration");
    let change = InstanceChange {
        timing: match form.flag("ApplyImmediately")? {
            Some(true) => Timing::Immediately,
            Some(false) | None => Timing::InTheWindow,
        },
        security_groups: Some(security_groups(form)).filter(|groups| !groups.is_empty()),
        parameter_group: owned(form, "DBParameterGroupName"),
        retention_days: form.number("BackupRetentionPeriod")?,
        class: owned(form, "DBInstanceClass"),
        storage_gib: form.number("AllocatedStorage")?,
        storage_kind: owned(form, "StorageType"),
        iops: form.number("Iops")?,
        max_storage_gib: form.number("MaxAllocatedStorage")?,
        domain: owned(form, "Domain"),
        options: owned(form, "OptionGroupName"),
        version: owned(form, "EngineVersion"),
        password: owned(form, "MasterUserPassword"),
        certificate: owned(form, "CACertificateIdentifier"),
        promotion_tier: form.number("PromotionTier")?,
        backup_window: owned(form, "PreferredBackupWindow"),
        maintenance_window: owned(form, "PreferredMaintenanceWindow"),
        switches: switches(form, &Switch::OF_INSTANCE)?,
        logs_on: set(logs, "EnableLogTypes"),
        logs_off: set(logs, "DisableLogTypes"),
    };
    let managed = ["ManageMasterUserPassword", "RotateMasterUserPassword"];
    for parameter in managed {
        if form.flag(parameter)? == Some(true) {
            cloud.manage_master_password(&id)?;
            return one(cloud, &id);
        }
    }
    cloud.modify_instance(&id, change)?;
    one(cloud, &id)
}

pub(super) fn reboot(cloud: &Cloud, form: &Form) -> Answer {
    let id = named(form)?;
    let failover = match form.flag("ForceFailover")? {
        Some(true) => Failover::Forced,
        Some(false) | None => Failover::None,
    };
    cloud.reboot_instance(&id, failover)?;
    one(cloud, &id)
}

pub(super) fn delete(cloud: &Cloud, form: &Form) -> Answer {
    let id = named(form)?;
    cloud.delete_instance(&id, &last(form)?)?;
    one(cloud, &id)
}

/// What a deletion is to leave behind.
pub(super) fn last(form: &Form) -> Result<Final, Refusal> {
    let skip = form.flag("SkipFinalSnapshot")?.unwrap_or(false);
    Ok(match (skip, form.text("FinalDBSnapshotIdentifier")) {
        (true, None) => Final::Nothing,
        (false, Some(name)) => Final::Snapshot(name.to_owned()),
        (true, Some(_)) | (false, None) => Final::Unclear,
    })
}

fn named(form: &Form) -> Result<Identifier, Refusal> {
    let text = form.required("DBInstanceIdentifier")?;
    Ok(Identifier::lookup_or_arn(text, Resource::Instance))
}

fn one(cloud: &Cloud, id: &Identifier) -> Answer {
    cloud.read(|world| {
        let fields = shapes::instance(world, world.instance(id)?);
        Ok(Fields::new().structure("DBInstance", fields))
    })
}
