//! `CreateDBInstance`: a record at once, and a real server behind it some time later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::{
    DEFAULT_CERTIFICATE, InstanceRequest, check_certificate, check_class, check_major,
    check_storage, default_key, offered_version, or_default,
};
use crate::catalogue::versions::{Engine, Version};
use crate::cloud::Cloud;
use crate::cloud::cluster::ClusterStatus;
use crate::cloud::event::Origin;
use crate::cloud::group::{GroupKind, default_name};
use crate::cloud::instance::{
    ApplyStatus, GroupUse, Instance, InstanceStatus, Master, Pending, Storage, Switch, Windows,
    apply_switches,
};
use crate::cloud::machines::{Blueprint, Machine, MachineError, Reservation};
use crate::cloud::names::{Identifier, REGION, parse_arn, resource_id};
use crate::cloud::refusal::{Code, Refusal};
use crate::cloud::security::active;
use crate::cloud::world::World;
use crate::faults::Fault;
use crate::firewall::Actor;

/// How the server of a new instance comes to be.
enum Construction {
    Fresh(Blueprint),
    StandbyOf { source: Arc<Machine>, slot: String },
}

impl Cloud {
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
    let construction = match cluster.members.first().or_else(|| world.followed_by(&cluster.id)) {
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
    instance.region = cluster.region;
    instance.parameter_group = GroupUse::in_sync(group);
    instance.retention_days = cluster.retention_days;
    instance.storage_gib = 1;
    instance.storage = Storage { kind: "aurora".to_owned(), iops: None, max_gib: None };
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
    check_storage(request.storage_kind.as_deref().unwrap_or("gp3"), request.iops)?;
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
        region: REGION,
        class: request.class.clone(),
        engine: Engine::Postgres,
        version,
        status: InstanceStatus::Creating,
        created: Timestamp::now(),
        master,
        master_secret: None,
        storage_gib: request.storage_gib.unwrap_or(20),
        storage: Storage {
            kind: request.storage_kind.clone().unwrap_or_else(|| "gp3".to_owned()),
            iops: request.iops,
            max_gib: request.max_storage_gib,
        },
        roles: Vec::new(),
        domain: request.domain.clone(),
        options: request.options.clone(),
        retention_days: request.retention_days.unwrap_or(1),
        memberships: Vec::new(),
        parameter_group: GroupUse::in_sync(default_name(&Engine::Postgres.family(version.major))),
        cluster_group_status: ApplyStatus::InSync,
        switches,
        log_exports: request.log_exports.clone(),
        kms_key: encrypted.then(|| request.kms_key.clone().unwrap_or_else(default_key)),
        cluster: None,
        replica_cluster: None,
        pending: Pending::default(),
        windows: windows(request),
        certificate: request.certificate.clone().unwrap_or(DEFAULT_CERTIFICATE.to_owned()),
        promotion_tier: request.promotion_tier.unwrap_or(1),
        subnet_group: "default".to_owned(),
        running: BTreeMap::new(),
        machine: None,
    }
}

fn windows(request: &InstanceRequest) -> Windows {
    let Windows { backup, maintenance } = Windows::default();
    Windows {
        backup: request.backup_window.clone().unwrap_or(backup),
        maintenance: request.maintenance_window.clone().unwrap_or(maintenance),
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
