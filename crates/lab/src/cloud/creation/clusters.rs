//! `CreateDBCluster`: an empty cluster, of its own or as a replica of an instance.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    ClusterRequest, check_major, cluster_group, default_key, failed, newest, offered_version,
    or_default,
};
use crate::catalogue::versions::{Engine, Version, replica_targets};
use crate::cloud::Cloud;
use crate::cloud::cluster::{Cluster, ClusterStatus};
use crate::cloud::event::Origin;
use crate::cloud::instance::{InstanceStatus, Master, Switch, Windows, apply_switches};
use crate::cloud::machines::Reservation;
use crate::cloud::names::{Identifier, REGION, Resource, parse_arn, resource_id};
use crate::cloud::refusal::{Code, Refusal};
use crate::cloud::security::active;
use crate::cloud::world::{World, busy_instance};

/// What a cluster takes over from what it replicates, or brings along itself.
struct Origins {
    source: Option<(Identifier, String)>,
    master: Master,
    version: Version,
    encrypted: bool,
}

impl Cloud {
    /// Makes an empty cluster, and on its source the note that it is replicated.
    pub async fn create_cluster(&self, request: ClusterRequest) -> Result<Identifier, Refusal> {
        let id = Identifier::create(&request.id)?;
        check_cluster(&self.world(), &id, &request)?;
        let endpoint = self.workshop().reserve().await.map_err(failed)?;
        self.insert_cluster(&id, request, Arc::new(endpoint))?;
        let cloud = self.clone();
        let created = id.clone();
        self.spawn(async move {
            tokio::time::sleep(cloud.delays().create_cluster).await;
            let mut world = cloud.world();
            if let Ok(cluster) = world.cluster_mut(&created) {
                cluster.status = ClusterStatus::Available;
            }
            world.note(Origin::Cluster, &created, "creation", "DB cluster created");
        });
        Ok(id)
    }

    fn insert_cluster(
        &self,
        id: &Identifier,
        request: ClusterRequest,
        endpoint: Arc<Reservation>,
    ) -> Result<(), Refusal> {
        let mut world = self.world();
        // The lock was released while the endpoint was opened, so everything is checked again.
        let origins = check_cluster(&world, id, &request)?;
        let family = Engine::Aurora.family(origins.version.major);
        let parameter_group = cluster_group(&world, request.parameter_group.as_deref(), &family)?;
        let mut switches = BTreeSet::new();
        if origins.encrypted {
            switches.insert(Switch::StorageEncrypted);
        }
        apply_switches(&mut switches, &request.switches);
        let encrypted = switches.contains(&Switch::StorageEncrypted);
        let cluster = Cluster {
            id: id.clone(),
            resource_id: resource_id("cluster"),
            region: request.region.unwrap_or(REGION),
            version: origins.version,
            status: ClusterStatus::Creating,
            created: Timestamp::now(),
            master: origins.master,
            retention_days: request.retention_days.unwrap_or(1),
            memberships: active(&or_default(request.security_groups)),
            parameter_group,
            kms_key: encrypted.then(|| request.kms_key.unwrap_or_else(default_key)),
            switches,
            log_exports: request.log_exports,
            subnet_group: world.subnet_group(request.subnet_group.as_deref())?,
            windows: Windows::default(),
            serverless: request.serverless,
            roles: Vec::new(),
            replication_source: origins.source.as_ref().map(|(_, arn)| arn.clone()),
            members: Vec::new(),
            endpoint,
        };
        if let Some((source, _)) = origins.source {
            world.instance_mut(&source)?.replica_cluster = Some(id.clone());
        }
        let joined = request.global.as_deref().map(Identifier::lookup);
        if let Some(global) = joined.and_then(|name| world.globals.get_mut(&name)) {
            global.followers.push(id.clone());
        }
        world.tags.insert(cluster.arn(), request.tags);
        world.clusters.insert(id.clone(), cluster);
        Ok(())
    }
}

fn check_cluster(
    world: &World,
    id: &Identifier,
    request: &ClusterRequest,
) -> Result<Origins, Refusal> {
    if world.clusters.contains_key(id) {
        return Err(Refusal::new(
            Code::ClusterAlreadyExists,
            format!("DB Cluster already exists: {id}"),
        ));
    }
    if Engine::parse(&request.engine) != Some(Engine::Aurora) {
        return Err(Refusal::value(format!("Invalid DB engine: {}", request.engine)));
    }
    if request.retention_days.is_some_and(|days| !(1..=35).contains(&days)) {
        return Err(Refusal::value("Invalid backup retention period: must be between 1 and 35."));
    }
    world.security.check(&request.security_groups)?;
    world.subnet_group(request.subnet_group.as_deref())?;
    let origins = match (&request.replication_source, &request.global) {
        (Some(source), _) => origins_of_replica(world, source, request)?,
        (None, Some(global)) => origins_of_follower(world, global, request)?,
        (None, None) => own_origins(world, request)?,
    };
    cluster_group(
        world,
        request.parameter_group.as_deref(),
        &Engine::Aurora.family(origins.version.major),
    )?;
    Ok(origins)
}

fn origins_of_replica(
    world: &World,
    source: &str,
    request: &ClusterRequest,
) -> Result<Origins, Refusal> {
    let Some((Resource::Instance, name)) = parse_arn(source) else {
        return Err(Refusal::value(format!(
            "ReplicationSourceIdentifier {source} is not the ARN of a DB instance."
        )));
    };
    let instance = world.instance(&name)?;
    if request.master_user.is_some()
        || request.master_password.is_some()
        || request.database.is_some()
    {
        return Err(Refusal::combination(
            "MasterUsername, MasterUserPassword and DatabaseName can't be set for a cluster that \
             replicates from a DB instance.",
        ));
    }
    if instance.engine != Engine::Postgres {
        return Err(Refusal::combination(format!("{name} is not a RDS for PostgreSQL instance.")));
    }
    if instance.status != InstanceStatus::Available {
        return Err(busy_instance(instance));
    }
    let state = |message: String| Err(Refusal::new(Code::InvalidInstanceState, message));
    if let Some(replica) = &instance.replica_cluster {
        return state(format!("DB instance {name} already has the Aurora read replica {replica}."));
    }
    if instance.retention_days == 0 {
        return state(format!("Automated backups are not enabled for DB instance {name}."));
    }
    if instance.master_secret.is_some() {
        return state(format!(
            "The master password of DB instance {name} is managed in Secrets Manager."
        ));
    }
    let encrypted = instance.switches.contains(&Switch::StorageEncrypted);
    if encrypted && request.switches.get(&Switch::StorageEncrypted) == Some(&false) {
        return Err(Refusal::combination(
            "An encrypted DB instance can't be replicated to a cluster without encryption.",
        ));
    }
    Ok(Origins {
        source: Some((name, source.to_owned())),
        master: instance.master.clone(),
        version: replica_version(instance.version, request.version.as_deref())?,
        encrypted,
    })
}

/// A cluster of another Region that follows the one that writes.
fn origins_of_follower(
    world: &World,
    global: &str,
    request: &ClusterRequest,
) -> Result<Origins, Refusal> {
    let leader = world.leader(global)?;
    if request.region == Some(leader.region) {
        let message = format!("Global cluster {global} has a cluster in this Region already.");
        return Err(Refusal::new(Code::InvalidGlobalClusterState, message));
    }
    if request.master_user.is_some() || request.master_password.is_some() {
        return Err(Refusal::combination(
            "MasterUsername and MasterUserPassword can't be set for a cluster of a global cluster.",
        ));
    }
    let encrypted = leader.switches.contains(&Switch::StorageEncrypted);
    if encrypted && request.kms_key.is_none() {
        return Err(Refusal::combination(
            "KmsKeyId of this Region is needed for an encrypted cluster of a global cluster.",
        ));
    }
    Ok(Origins { source: None, master: leader.master.clone(), version: leader.version, encrypted })
}

/// The version a replica cluster gets: the one asked for, or the nearest.
fn replica_version(source: Version, wanted: Option<&str>) -> Result<Version, Refusal> {
    let targets = replica_targets(source);
    let Some(wanted) = wanted else {
        return targets.first().copied().ok_or_else(|| {
            Refusal::combination(format!("No version of aurora-postgresql replicates {source}."))
        });
    };
    let version = offered_version(Engine::Aurora, wanted)?;
    if targets.contains(&version) {
        Ok(version)
    } else {
        Err(Refusal::combination(format!(
            "The engine version {version} can't replicate from a source of version {source}."
        )))
    }
}

fn own_origins(world: &World, request: &ClusterRequest) -> Result<Origins, Refusal> {
    let (Some(user), Some(password)) = (&request.master_user, &request.master_password) else {
        return Err(Refusal::combination(
            "MasterUsername and MasterUserPassword are required for a new cluster.",
        ));
    };
    let major = world.groups.values().find_map(|group| {
        group.family.strip_prefix(Engine::Aurora.name()).and_then(|major| major.parse().ok())
    });
    let version = match request.version.as_deref() {
        Some(wanted) => offered_version(Engine::Aurora, wanted)?,
        None => newest(Engine::Aurora, major.unwrap_or_default())?,
    };
    check_major(version, major)?;
    Ok(Origins {
        source: None,
        master: Master {
            user: user.clone(),
            password: password.clone(),
            database: request.database.clone(),
        },
        version,
        encrypted: false,
    })
}
