//! New clusters and instances.
//!
//! A cluster is empty until an instance is made in it; the first instance of a cluster that
//! replicates is a real standby of the source. A server that cannot be made leaves the instance
//! in `failed` with an event that says why; the caller deletes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::Cloud;
use super::cluster::{Cluster, ClusterStatus};
use super::event::Origin;
use super::group::GroupKind;
use super::instance::{
    ApplyStatus, GroupUse, Instance, InstanceStatus, Master, Pending, Switch, SwitchChange,
    Windows, apply_switches,
};
use super::machines::{Blueprint, Machine, MachineError, Reservation};
use super::names::{ACCOUNT, Identifier, REGION, Resource, parse_arn, resource_id};
use super::refusal::{Code, Refusal};
use super::security::active;
use super::world::{World, busy_instance};
use crate::catalogue::classes;
use crate::catalogue::versions::{Engine, Version, offered, replica_targets};
use crate::faults::Fault;
use crate::firewall::Actor;

/// `CreateDBCluster`, parsed.
#[derive(Debug, Clone, Default)]
pub struct ClusterRequest {
    pub id: String,
    pub engine: String,
    pub version: Option<String>,
    pub replication_source: Option<String>,
    pub parameter_group: Option<String>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub kms_key: Option<String>,
    pub master_user: Option<String>,
    pub master_password: Option<String>,
    pub database: Option<String>,
    pub retention_days: Option<u32>,
    pub switches: SwitchChange,
    pub log_exports: BTreeSet<String>,
    pub serverless: Option<(String, String)>,
    pub tags: BTreeMap<String, String>,
}

/// `CreateDBInstance`, parsed.
#[derive(Debug, Clone, Default)]
pub struct InstanceRequest {
    pub id: String,
    pub class: String,
    pub engine: String,
    pub version: Option<String>,
    pub cluster: Option<String>,
    pub parameter_group: Option<String>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub storage_gib: Option<u32>,
    pub kms_key: Option<String>,
    pub master_user: Option<String>,
    pub master_password: Option<String>,
    pub database: Option<String>,
    pub retention_days: Option<u32>,
    pub certificate: Option<String>,
    pub promotion_tier: Option<u32>,
    pub switches: SwitchChange,
    pub log_exports: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
}

/// The group of those who name none.
const DEFAULT_SECURITY_GROUP: &str = "sg-app";
/// The certificate authority of new instances.
pub const DEFAULT_CERTIFICATE: &str = "rds-ca-rsa2048-g1";

/// What a cluster takes over from what it replicates, or brings along itself.
struct Origins {
    source: Option<(Identifier, String)>,
    master: Master,
    version: Version,
    encrypted: bool,
}

/// How the server of a new instance comes to be.
enum Construction {
    Fresh(Blueprint),
    StandbyOf { source: Arc<Machine>, slot: String },
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
            replication_source: origins.source.as_ref().map(|(_, arn)| arn.clone()),
            members: Vec::new(),
            endpoint,
        };
        if let Some((source, _)) = origins.source {
            world.instance_mut(&source)?.replica_cluster = Some(id.clone());
        }
        world.tags.insert(cluster.arn(), request.tags);
        world.clusters.insert(id.clone(), cluster);
        Ok(())
    }

    /// Makes an instance, alone or in a cluster.
    pub fn create_instance(&self, request: InstanceRequest) -> Result<Identifier, Refusal> {
        let id = Identifier::create(&request.id)?;
        let mut world = self.world();
        if world.instances.contains_key(&id) {
            return Err(Refusal::new(
                Code::InstanceAlreadyExists,
                format!("DB instance already exists: {id}"),
            ));
        }
        let engine = Engine::parse(&request.engine)
            .ok_or_else(|| Refusal::value(format!("Invalid DB engine: {}", request.engine)))?;
        check_class(&request.class, engine)?;
        check_certificate(request.certificate.as_deref())?;
        let (instance, construction, endpoint) = if request.cluster.is_some() {
            plan_member(&world, &id, engine, &request)?
        } else {
            plan_single(&world, self.version(), &id, &request)?
        };
        if let Some(cluster) = &instance.cluster {
            world.cluster_mut(cluster)?.members.push(id.clone());
        }
        world.tags.insert(instance.arn(), request.tags);
        world.instances.insert(id.clone(), instance);
        drop(world);
        let cloud = self.clone();
        let created = id.clone();
        self.spawn(async move { cloud.build(created, construction, endpoint).await });
        Ok(id)
    }

    /// Takes over a server that runs already: the lab's first instance.
    pub fn adopt(&self, instance: Instance, tags: BTreeMap<String, String>) -> Result<(), Refusal> {
        let mut world = self.world();
        let groups: Vec<String> =
            instance.memberships.iter().map(|membership| membership.group.clone()).collect();
        world.security.check(&groups)?;
        world.group(GroupKind::Instance, &instance.parameter_group.name)?;
        if let Some(machine) = &instance.machine {
            machine.admit(world.security.admitted(&instance.memberships));
        }
        world.tags.insert(instance.arn(), tags);
        world.instances.insert(instance.id.clone(), instance);
        Ok(())
    }

    async fn build(
        &self,
        id: Identifier,
        construction: Construction,
        endpoint: Option<Arc<Reservation>>,
    ) {
        let values = self.boot_values(&id);
        let built = self.construct(construction, endpoint, &values).await;
        let machine = match built {
            Ok(machine) => Arc::new(machine),
            Err(error) => return self.give_up(&id, &error),
        };
        self.held_by(Fault::StuckCreate).await;
        tokio::time::sleep(self.delays().create_instance).await;
        let mut world = self.world();
        let memberships = world
            .instance(&id)
            .ok()
            .map(|instance| match instance.cluster.as_ref().map(|id| world.cluster(id)) {
                Some(Ok(cluster)) => cluster.memberships.clone(),
                Some(Err(_)) | None => instance.memberships.clone(),
            })
            .unwrap_or_default();
        machine.admit(world.security.admitted(&memberships));
        if let Ok(instance) = world.instance_mut(&id) {
            instance.running = values;
            instance.machine = Some(machine);
            instance.status = InstanceStatus::Available;
        }
        world.note(Origin::Instance, &id, "creation", "DB instance created");
    }

    async fn construct(
        &self,
        construction: Construction,
        endpoint: Option<Arc<Reservation>>,
        values: &BTreeMap<String, String>,
    ) -> Result<Machine, MachineError> {
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => Arc::new(self.workshop().reserve().await?),
        };
        match construction {
            Construction::Fresh(blueprint) => {
                self.workshop().build_primary(&blueprint, endpoint, values).await
            }
            Construction::StandbyOf { source, slot } => {
                self.workshop().build_standby(&source, slot, endpoint, values).await
            }
        }
    }

    fn give_up(&self, id: &Identifier, error: &MachineError) {
        tracing::error!(instance = %id, error = %error, "could not build a server");
        let mut world = self.world();
        if let Ok(instance) = world.instance_mut(id) {
            instance.status = InstanceStatus::Failed;
        }
        world.note(Origin::Instance, id, "failure", format!("The lab could not {error}"));
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
    let origins = match &request.replication_source {
        Some(source) => origins_of_replica(world, source, request)?,
        None => own_origins(world, request)?,
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

fn newest(engine: Engine, major: u32) -> Result<Version, Refusal> {
    offered(engine)
        .into_iter()
        .rfind(|version| version.major == major)
        .ok_or_else(|| Refusal::value(format!("Cannot find version {major} for {engine}")))
}

fn offered_version(engine: Engine, text: &str) -> Result<Version, Refusal> {
    Version::parse(text)
        .filter(|version| offered(engine).contains(version))
        .ok_or_else(|| Refusal::value(format!("Cannot find version {text} for {engine}")))
}

/// The lab has one real PostgreSQL: other majors exist only in the catalogue.
fn check_major(version: Version, major: Option<u32>) -> Result<(), Refusal> {
    if Some(version.major) == major {
        Ok(())
    } else {
        Err(Refusal::value(format!("This lab cannot run version {version}.")))
    }
}

/// The same look-up as for any group, under the code that the cluster actions have for it.
pub(super) fn cluster_group(
    world: &World,
    name: Option<&str>,
    family: &str,
) -> Result<Identifier, Refusal> {
    world.group_for(GroupKind::Cluster, name, family).map_err(|refusal| {
        if refusal.code == Code::ParameterGroupNotFound {
            Refusal::new(Code::ClusterParameterGroupNotFound, refusal.message)
        } else {
            refusal
        }
    })
}

pub(super) fn check_class(name: &str, engine: Engine) -> Result<(), Refusal> {
    let class = classes::find(name)
        .ok_or_else(|| Refusal::value(format!("Invalid DB Instance class: {name}")))?;
    if class.offers(engine) {
        Ok(())
    } else {
        Err(Refusal::combination(format!(
            "RDS does not support creating a DB instance with the following combination: \
             DBInstanceClass={name}, Engine={engine}."
        )))
    }
}

pub(super) fn check_certificate(name: Option<&str>) -> Result<(), Refusal> {
    match name {
        Some(name) if !CERTIFICATES.contains(&name) => Err(Refusal::new(
            Code::CertificateNotFound,
            format!("CertificateIdentifier not found: {name}."),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The certificate authorities that exist.
pub const CERTIFICATES: [&str; 3] = ["rds-ca-ecc384-g1", "rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1"];

type Plan = (Instance, Construction, Option<Arc<Reservation>>);

fn plan_member(
    world: &World,
    id: &Identifier,
    engine: Engine,
    request: &InstanceRequest,
) -> Result<Plan, Refusal> {
    let cluster = world.cluster(&Identifier::lookup(request.cluster.as_deref().unwrap_or("")))?;
    if cluster.status != ClusterStatus::Available {
        return Err(Refusal::new(
            Code::InvalidClusterState,
            format!("DB cluster {} is {}.", cluster.id, cluster.status.word()),
        ));
    }
    if engine != Engine::Aurora {
        return Err(Refusal::combination(format!(
            "The engine {engine} does not match the cluster's."
        )));
    }
    let of_cluster = !request.security_groups.is_empty()
        || request.master_user.is_some()
        || request.master_password.is_some()
        || request.database.is_some()
        || request.storage_gib.is_some();
    if of_cluster {
        return Err(Refusal::combination(
            "Security groups, master user, database and storage are managed by the DB cluster.",
        ));
    }
    let mut instance = blank(id, request, cluster.master.clone(), cluster.version);
    let construction = match cluster.members.first() {
        Some(writer) => standby_of(world, writer, &instance.resource_id)?,
        None => match cluster.replication_source.as_deref().and_then(parse_arn) {
            Some((_, source)) => standby_of(world, &source, &instance.resource_id)?,
            None => Construction::Fresh(Blueprint::of(&cluster.master, Actor::Target)),
        },
    };
    let endpoint = cluster.members.is_empty().then(|| Arc::clone(&cluster.endpoint));
    let family = Engine::Aurora.family(cluster.version.major);
    let group =
        world.group_for(GroupKind::Instance, request.parameter_group.as_deref(), &family)?;
    instance.engine = Engine::Aurora;
    instance.parameter_group = GroupUse::in_sync(group);
    instance.retention_days = cluster.retention_days;
    instance.storage_gib = 1;
    instance.subnet_group.clone_from(&cluster.subnet_group);
    instance.kms_key.clone_from(&cluster.kms_key);
    if cluster.switches.contains(&Switch::StorageEncrypted) {
        instance.switches.insert(Switch::StorageEncrypted);
    }
    instance.cluster = Some(cluster.id.clone());
    Ok((instance, construction, endpoint))
}

fn standby_of(
    world: &World,
    source: &Identifier,
    resource_id: &str,
) -> Result<Construction, Refusal> {
    let instance = world.instance(source)?;
    match &instance.machine {
        Some(machine) if instance.status.is_up() => {
            let region = REGION.replace('-', "_");
            let tail = resource_id.trim_start_matches("db-").to_ascii_lowercase();
            let slot = format!("rds_{region}_db_{tail}");
            Ok(Construction::StandbyOf { source: Arc::clone(machine), slot })
        }
        Some(_) | None => Err(Refusal::new(
            Code::InvalidClusterState,
            format!("{source}, which is to be copied, is {}.", instance.status.word()),
        )),
    }
}

fn plan_single(
    world: &World,
    default_version: Version,
    id: &Identifier,
    request: &InstanceRequest,
) -> Result<Plan, Refusal> {
    if Engine::parse(&request.engine) == Some(Engine::Aurora) {
        return Err(Refusal::combination("An Aurora instance needs a DBClusterIdentifier."));
    }
    let (Some(user), Some(password)) = (&request.master_user, &request.master_password) else {
        return Err(Refusal::combination(
            "MasterUsername and MasterUserPassword are required for a new instance.",
        ));
    };
    if request.storage_gib.is_none_or(|storage| storage < 5) {
        return Err(Refusal::value("Invalid storage size for engine name postgres: at least 5."));
    }
    if request.retention_days.is_some_and(|days| days > 35) {
        return Err(Refusal::value("Invalid backup retention period: must be between 0 and 35."));
    }
    world.security.check(&request.security_groups)?;
    let version = match request.version.as_deref() {
        Some(text) => offered_version(Engine::Postgres, text)?,
        None => default_version,
    };
    check_major(version, Some(default_version.major))?;
    let family = Engine::Postgres.family(version.major);
    let group =
        world.group_for(GroupKind::Instance, request.parameter_group.as_deref(), &family)?;
    let master = Master {
        user: user.clone(),
        password: password.clone(),
        database: request.database.clone(),
    };
    let construction = Construction::Fresh(Blueprint::of(&master, Actor::Source));
    let mut instance = blank(id, request, master, version);
    instance.subnet_group = world.subnet_group(request.subnet_group.as_deref())?;
    instance.parameter_group = GroupUse::in_sync(group);
    instance.memberships = active(&or_default(request.security_groups.clone()));
    Ok((instance, construction, None))
}

/// An RDS instance in `creating` with what the request alone decides.
fn blank(id: &Identifier, request: &InstanceRequest, master: Master, version: Version) -> Instance {
    let mut switches = BTreeSet::from([Switch::AutoMinorVersionUpgrade]);
    apply_switches(&mut switches, &request.switches);
    let encrypted = switches.contains(&Switch::StorageEncrypted);
    Instance {
        id: id.clone(),
        resource_id: resource_id("db"),
        class: request.class.clone(),
        engine: Engine::Postgres,
        version,
        status: InstanceStatus::Creating,
        created: Timestamp::now(),
        master,
        storage_gib: request.storage_gib.unwrap_or(20),
        retention_days: request.retention_days.unwrap_or(1),
        memberships: Vec::new(),
        parameter_group: GroupUse::in_sync(super::group::default_name(
            &Engine::Postgres.family(version.major),
        )),
        cluster_group_status: ApplyStatus::InSync,
        switches,
        log_exports: request.log_exports.clone(),
        kms_key: encrypted.then(|| request.kms_key.clone().unwrap_or_else(default_key)),
        cluster: None,
        replica_cluster: None,
        pending: Pending::default(),
        windows: Windows::default(),
        certificate: request.certificate.clone().unwrap_or(DEFAULT_CERTIFICATE.to_owned()),
        promotion_tier: request.promotion_tier.unwrap_or(1),
        subnet_group: "default".to_owned(),
        running: BTreeMap::new(),
        machine: None,
    }
}

/// A single instance for [`Cloud::adopt`], `available` from the start.
pub fn running_instance(
    request: &InstanceRequest,
    version: Version,
    machine: Arc<Machine>,
) -> Result<Instance, Refusal> {
    let master = Master {
        user: request.master_user.clone().unwrap_or_default(),
        password: request.master_password.clone().unwrap_or_default(),
        database: request.database.clone(),
    };
    check_class(&request.class, Engine::Postgres)?;
    let mut instance = blank(&Identifier::create(&request.id)?, request, master, version);
    if let Some(group) = &request.parameter_group {
        instance.parameter_group = GroupUse::in_sync(Identifier::create(group)?);
    }
    instance.memberships = active(&or_default(request.security_groups.clone()));
    instance.machine = Some(machine);
    instance.status = InstanceStatus::Available;
    Ok(instance)
}

fn or_default(groups: Vec<String>) -> Vec<String> {
    if groups.is_empty() { vec![DEFAULT_SECURITY_GROUP.to_owned()] } else { groups }
}

/// The account's default key, which RDS takes when none is named.
fn default_key() -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/aws-rds-default")
}

fn failed(error: MachineError) -> Refusal {
    Refusal::new(Code::InternalFailure, format!("The lab could not {error}"))
}
