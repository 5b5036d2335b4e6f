//! The actions on clusters.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{
    Answer, filters, instances, owned, page, security_groups, set, shapes, switches, tags,
};
use crate::catalogue::versions::Engine;
use crate::cloud::cluster::Cluster;
use crate::cloud::instance::Switch;
use crate::cloud::names::{Identifier, Resource};
use crate::cloud::refusal::Refusal;
use crate::cloud::{Cloud, ClusterChange, ClusterRequest};

pub(super) fn describe(cloud: &Cloud, region: &str, form: &Form) -> Answer {
    let known = ["clone-group-id", "db-cluster-id", "db-cluster-resource-id", "domain", "engine"];
    let filters = filters(form, &known)?;
    let wanted = form
        .text("DBClusterIdentifier")
        .map(|text| Identifier::lookup_or_arn(text, Resource::Cluster));
    cloud.read(|world| {
        if let Some(wanted) = &wanted
            && world.cluster(wanted)?.region != region
        {
            return Err(Refusal::no_cluster(wanted.as_str()));
        }
        let matching = world
            .clusters
            .values()
            .filter(|cluster| cluster.region == region)
            .filter(|cluster| wanted.as_ref().is_none_or(|wanted| *wanted == cluster.id))
            .filter(|cluster| filters.iter().all(|(name, values)| passes(cluster, name, values)))
            .map(|cluster| (cluster.id.to_string(), cluster))
            .collect();
        let (clusters, marker) = page(form, matching)?;
        let clusters = clusters.into_iter().map(|cluster| shapes::cluster(world, cluster));
        Ok(Fields::new().maybe("Marker", marker).list("DBClusters", "DBCluster", clusters))
    })
}

fn passes(cluster: &Cluster, filter: &str, values: &[String]) -> bool {
    match filter {
        "db-cluster-id" => values
            .iter()
            .any(|value| Identifier::lookup_or_arn(value, Resource::Cluster) == cluster.id),
        "db-cluster-resource-id" => values.contains(&cluster.resource_id),
        "engine" => values.iter().any(|value| value == Engine::Aurora.name()),
        // Nothing in the lab is a clone or in a directory domain.
        _ => false,
    }
}

pub(super) async fn create(cloud: &Cloud, region: &'static str, form: &Form) -> Answer {
    let request = ClusterRequest {
        id: form.required("DBClusterIdentifier")?.to_owned(),
        engine: form.required("Engine")?.to_owned(),
        version: owned(form, "EngineVersion"),
        replication_source: owned(form, "ReplicationSourceIdentifier"),
        global: owned(form, "GlobalClusterIdentifier"),
        region: Some(region),
        parameter_group: owned(form, "DBClusterParameterGroupName"),
        subnet_group: owned(form, "DBSubnetGroupName"),
        security_groups: security_groups(form),
        kms_key: owned(form, "KmsKeyId"),
        master_user: owned(form, "MasterUsername"),
        master_password: owned(form, "MasterUserPassword"),
        database: owned(form, "DatabaseName"),
        retention_days: form.number("BackupRetentionPeriod")?,
        switches: switches(form, &Switch::OF_CLUSTER)?,
        log_exports: set(form, "EnableCloudwatchLogsExports"),
        serverless: serverless(form),
        tags: tags(form),
    };
    let id = cloud.create_cluster(request).await?;
    one(cloud, &id)
}

pub(super) fn modify(cloud: &Cloud, form: &Form) -> Answer {
    let id = named(form)?;
    if form.text("NewDBClusterIdentifier").is_some() {
        return Err(Refusal::combination("The lab cannot rename a cluster."));
    }
    let logs = form.sub("CloudwatchLogsExportConfiguration");
    let change = ClusterChange {
        security_groups: Some(security_groups(form)).filter(|groups| !groups.is_empty()),
        parameter_group: owned(form, "DBClusterParameterGroupName"),
        retention_days: form.number("BackupRetentionPeriod")?,
        version: owned(form, "EngineVersion"),
        password: owned(form, "MasterUserPassword"),
        backup_window: owned(form, "PreferredBackupWindow"),
        maintenance_window: owned(form, "PreferredMaintenanceWindow"),
        switches: switches(form, &Switch::OF_CLUSTER)?,
        logs_on: set(logs, "EnableLogTypes"),
        logs_off: set(logs, "DisableLogTypes"),
        serverless: serverless(form),
    };
    cloud.modify_cluster(&id, change)?;
    one(cloud, &id)
}

pub(super) fn promote(cloud: &Cloud, form: &Form) -> Answer {
    let id = named(form)?;
    cloud.promote_cluster(&id)?;
    one(cloud, &id)
}

pub(super) fn delete(cloud: &Cloud, form: &Form) -> Answer {
    let id = named(form)?;
    cloud.delete_cluster(&id, &instances::last(form)?)?;
    one(cloud, &id)
}

fn serverless(form: &Form) -> Option<(String, String)> {
    let scaling = form.sub("ServerlessV2ScalingConfiguration");
    Some((owned(scaling, "MinCapacity")?, owned(scaling, "MaxCapacity")?))
}

fn named(form: &Form) -> Result<Identifier, Refusal> {
    let text = form.required("DBClusterIdentifier")?;
    Ok(Identifier::lookup_or_arn(text, Resource::Cluster))
}

fn one(cloud: &Cloud, id: &Identifier) -> Answer {
    cloud.read(|world| {
        let fields = shapes::cluster(world, world.cluster(id)?);
        Ok(Fields::new().structure("DBCluster", fields))
    })
}
