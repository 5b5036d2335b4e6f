//! Bringing a lab up and down: in this process for tests, in a process of its own for people.
//!
//! A [`Lab`] owns its servers, doors and gateway; when its process dies, they die with it, and
//! [`down`] removes what files it left. Several labs run side by side: every port is picked free
//! and every folder is a lab's own.

mod capture;
mod client;
mod config;
mod error;
mod foreground;
mod leftovers;
mod record;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig as TlsConfig;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tokio_postgres::SimpleQueryMessage;

pub use capture::Capture;
pub use client::{Client, Listing, NewInstance};
pub use config::{LabConfig, SourceConfig, Tls};
pub use error::Error;
pub use foreground::{Outcome, down, run_foreground, status};
pub use record::{Access, Record};

use crate::account::{self, Account, Names};
use crate::catalogue::parameters::{ApplyType, Parameters, Scope};
use crate::catalogue::versions::{Engine, Version, claimed};
use crate::cloud::group::{ApplyMethod, GroupKind};
use crate::cloud::machines::{Blueprint, Machine, Workshop};
use crate::cloud::names::{ACCOUNT, Identifier, REGION};
use crate::cloud::security::SecurityGroups;
use crate::cloud::{Cloud, InstanceRequest, ParameterChange, Parts, running_instance};
use crate::consumers::Consumers;
use crate::door::{Door, Request};
use crate::faults::{Fault, Order};
use crate::firewall::Actor;
use crate::gateway::{Gateway, GatewayConfig};
use crate::{tls, tools};

/// The most parameters that one call changes.
const BATCH: usize = 20;

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    cloud: Cloud,
    account: Arc<Account>,
    door: Door,
    gateway: Mutex<Hops>,
    capture: Mutex<Option<Consumers>>,
    dir: PathBuf,
    made_dir: MadeDir,
    source: Access,
    profile: crate::cloud::delays::Profile,
}

/// The Envoys between applications and databases.
#[derive(Debug, Default)]
struct Hops {
    /// In front of the databases, with its admin address.
    gateway: Option<(Gateway, SocketAddr)>,
    /// Beside the application, on the way to the gateway.
    sidecar: Option<(Gateway, SocketAddr)>,
}

/// Whose the state folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MadeDir {
    ByUs,
    ByTheCaller,
}

/// A row of SQL that the lab ran, as text.
pub type TextRow = Vec<Option<String>>;

/// What an instance of the lab looks like from outside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceStatus {
    pub identifier: String,
    pub status: String,
    pub cluster: Option<String>,
    pub port: Option<u16>,
    /// The actors that the firewall lets in.
    pub admitted: Vec<String>,
    /// Connections that are open.
    pub connections: usize,
    pub denied: u64,
}

impl Lab {
    /// Brings a lab up. What was begun is taken down again when it fails.
    pub async fn up(config: LabConfig) -> Result<Self, Error> {
        let made_dir = make_dir(&config.dir)?;
        let built = Self::build(&config, made_dir).await;
        if built.is_err() && made_dir == MadeDir::ByUs {
            // The servers' folders are in it; the error itself is what matters.
            let _ = std::fs::remove_dir_all(&config.dir);
        }
        built
    }

    async fn build(config: &LabConfig, made_dir: MadeDir) -> Result<Self, Error> {
        let names = config.names.clone();
        let names = names.unwrap_or_else(|| Names::any_target(&config.source.identifier));
        let account = Account::new(&names, &config.secret_key).map_err(Error::Policy)?;
        let account = Arc::new(account);
        let postgres = tools::postgres()?;
        let real = Version::parse(postgres.version())
            .unwrap_or(Version { major: postgres.major(), minor: 0 });
        let mut workshop = Workshop::open(postgres, &config.dir, config.base_settings())?;
        if config.tls == Tls::Offered {
            workshop = workshop.with_front(offer_tls(&config.dir)?, Arc::clone(&account));
        }
        let endpoint = Arc::new(workshop.reserve().await?);
        let blueprint = Blueprint {
            actor: Actor::Source,
            master_user: config.source.master_user.clone(),
            master_password: config.source.master_password.clone(),
            databases: config.source.databases.clone(),
        };
        let machine = workshop
            .build_primary(&blueprint, endpoint, &std::collections::BTreeMap::new())
            .await?;
        let parameters = Parameters::new(&machine.settings().await?);
        let mut security = SecurityGroups::default();
        for (id, actors) in &config.security_groups {
            security.define(id, actors.clone());
        }
        let cloud = Cloud::new(Parts {
            delays: config.delays.unwrap_or_else(|| config.profile.delays()),
            version: claimed(real),
            parameters,
            security,
            workshop,
        });
        let access = access(&config.source, machine.port());
        let opened = async {
            furnish(&cloud, &config.source, machine).await?;
            Door::open(cloud.clone(), Arc::clone(&account)).await.map_err(Error::Door)
        };
        let door = match opened.await {
            Ok(door) => door,
            Err(error) => {
                // The cloud's own tasks hold it, so it would outlive its failure.
                cloud.shut_down().await;
                return Err(error);
            }
        };
        Ok(Self {
            cloud,
            account,
            door,
            gateway: Mutex::default(),
            capture: Mutex::default(),
            dir: config.dir.clone(),
            made_dir,
            source: access,
            profile: config.profile,
        })
    }

    /// The URL for `AWS_ENDPOINT_URL`.
    pub fn endpoint_url(&self) -> String {
        self.door.url()
    }

    /// The environment in which Landfall talks to this lab, under the policy that it ships.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment_of(account::LANDFALL)
    }

    /// The environment of whoever has this access key; any that no policy is for is the
    /// administrator's.
    pub fn environment_of(&self, access_key: &str) -> Vec<(&'static str, String)> {
        let url = self.endpoint_url();
        environment_of(url, access_key, self.account.secret_key())
    }

    /// The cloud behind the door.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The state folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How to log in to the source as its master user.
    pub fn source(&self) -> &Access {
        &self.source
    }

    /// How to log in to any instance as its master user, once it has a server.
    pub fn access(&self, instance: &str) -> Result<Access, Error> {
        let id = Identifier::lookup(instance);
        let found = self.cloud.read(|world| {
            let instance = world.instances.get(&id)?;
            let master = instance
                .cluster
                .as_ref()
                .and_then(|id| world.clusters.get(id))
                .map_or(&instance.master, |cluster| &cluster.master);
            Some(Access {
                instance: id.to_string(),
                host: "127.0.0.1".to_owned(),
                port: instance.machine.as_ref()?.port(),
                user: master.user.clone(),
                password: master.password.clone(),
                databases: master.database.iter().cloned().collect(),
            })
        });
        found.ok_or_else(|| Error::NoInstance(instance.to_owned()))
    }

    /// What the door was asked so far.
    pub fn requests(&self) -> Vec<Request> {
        self.door.log().all()
    }

    /// Arms a fault; one that is a deed is done at once.
    pub async fn arm(&self, order: Order) {
        if order.fault == Fault::GatewayDead {
            if let Some((gateway, _)) = self.gateway.lock().await.gateway.take() {
                gateway.kill().await;
            }
        } else {
            self.cloud.faults().arm(order);
            self.cloud.follow_stall();
        }
    }

    /// Starts the gateway, in place of one that runs.
    pub async fn start_gateway(&self, bootstrap: String, admin: SocketAddr) -> Result<(), Error> {
        let mut hops = self.gateway.lock().await;
        if let Some((running, _)) = hops.gateway.take() {
            running.stop().await;
        }
        let envoy = tools::envoy()?;
        let config = GatewayConfig { envoy, dir: self.gateway_dir(), bootstrap, admin };
        hops.gateway = Some((Gateway::start(config).await.map_err(Error::Gateway)?, admin));
        self.note_gateway(Some(admin))
    }

    /// Starts an Envoy beside the application, in place of one that runs. Where it leads is said by
    /// its bootstrap: to the gateway.
    pub async fn start_sidecar(&self, bootstrap: String, admin: SocketAddr) -> Result<(), Error> {
        let mut hops = self.gateway.lock().await;
        if let Some((running, _)) = hops.sidecar.take() {
            running.stop().await;
        }
        let (envoy, dir) = (tools::envoy()?, self.gateway_dir().join("sidecar"));
        let config = GatewayConfig { envoy, dir, bootstrap, admin };
        hops.sidecar = Some((Gateway::start(config).await.map_err(Error::Gateway)?, admin));
        Ok(())
    }

    /// Where the files of all its Envoys are; goes with the lab.
    pub fn gateway_dir(&self) -> PathBuf {
        gateway_dir(&self.dir)
    }

    /// Stops the gateway, and the sidecar before it, if they run.
    pub async fn stop_gateway(&self) {
        let mut hops = self.gateway.lock().await;
        if let Some((sidecar, _)) = hops.sidecar.take() {
            sidecar.stop().await;
        }
        if let Some((gateway, _)) = hops.gateway.take() {
            gateway.stop().await;
            if let Err(error) = self.note_gateway(None) {
                tracing::warn!(%error, "could not take the gateway off the record");
            }
        }
    }

    /// Says in the record, if this lab has written one, where the gateway is.
    fn note_gateway(&self, admin: Option<SocketAddr>) -> Result<(), Error> {
        match Record::read(&self.dir) {
            Ok(record) if record.pid == std::process::id() => {
                Record { gateway_admin: admin, ..record }.write(&self.dir)
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The admin address of the gateway, if one runs.
    pub async fn gateway_admin(&self) -> Option<SocketAddr> {
        admin_of(self.gateway.lock().await.gateway.as_ref())
    }

    /// The admin address of the sidecar, if one runs.
    pub async fn sidecar_admin(&self) -> Option<SocketAddr> {
        admin_of(self.gateway.lock().await.sidecar.as_ref())
    }

    /// Lets the source's master user create subscriptions, as every `rds_superuser` may: a way back
    /// takes it. Before PostgreSQL 16 only a superuser can, and so the user becomes one; that is why
    /// a lab does not begin like this.
    pub async fn allow_subscriptions(&self) -> Result<(), Error> {
        let id = Identifier::lookup(&self.source.instance);
        let machine = self
            .cloud
            .read(|world| world.instances.get(&id)?.machine.clone())
            .ok_or_else(|| Error::NoInstance(self.source.instance.clone()))?;
        let allowed = machine.server().allow_subscriptions(&self.source.user).await;
        allowed.map_err(|error| Error::Sql(Box::new(error)))
    }

    /// Runs SQL as the lab's own superuser, past the firewall.
    pub async fn sql(
        &self,
        instance: &str,
        database: &str,
        sql: &str,
    ) -> Result<Vec<TextRow>, Error> {
        let id = Identifier::lookup(instance);
        let machine = self
            .cloud
            .read(|world| world.instances.get(&id)?.machine.clone())
            .ok_or_else(|| Error::NoInstance(instance.to_owned()))?;
        let client = machine
            .server()
            .connect(database)
            .await
            .map_err(|error| Error::Sql(Box::new(error)))?;
        let messages = client.simple_query(sql).await.map_err(|error| {
            let detail = error.as_db_error().map(|error| error.message().to_owned());
            Error::Statement(detail.unwrap_or_else(|| error.to_string()))
        })?;
        let text = |row: &tokio_postgres::SimpleQueryRow| -> TextRow {
            (0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect()
        };
        Ok(messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(text(row)),
                SimpleQueryMessage::CommandComplete(_)
                | SimpleQueryMessage::RowDescription(_)
                | _ => None,
            })
            .collect())
    }

    /// The instances as they are.
    pub fn instances(&self) -> Vec<InstanceStatus> {
        self.cloud.read(|world| {
            let status = |instance: &crate::cloud::instance::Instance| {
                let firewall = instance.machine.as_ref().map(|machine| machine.firewall());
                let admitted = firewall.map(|firewall| firewall.allowed()).unwrap_or_default();
                let counts = firewall.map(|firewall| firewall.counts()).unwrap_or_default();
                InstanceStatus {
                    identifier: instance.id.to_string(),
                    status: instance.status.word().to_owned(),
                    cluster: instance.cluster.as_ref().map(ToString::to_string),
                    port: instance.machine.as_ref().map(|machine| machine.port()),
                    admitted: admitted.iter().map(ToString::to_string).collect(),
                    connections: firewall.map_or(0, |firewall| firewall.tracked().len()),
                    denied: counts.values().map(|count| count.denied).sum(),
                }
            };
            world.instances.values().map(status).collect()
        })
    }

    /// Takes the lab down: no process and no file is left. Nothing works afterwards.
    pub async fn down(&self) {
        self.stop_gateway().await;
        self.stop_capture().await;
        self.cloud.shut_down().await;
        // Servers that were still being made end on their own, just after their tasks.
        leftovers::wait_until_dead(&self.dir).await;
        let gateway = self.gateway_dir();
        if self.made_dir == MadeDir::ByUs {
            remove_folder(&self.dir);
        } else if gateway.exists() {
            remove_folder(&gateway);
        }
    }
}

impl Drop for Lab {
    /// A lab that is dropped without [`Lab::down`] must not go on sampling; its servers end when
    /// the last task has let go of them, its files stay.
    fn drop(&mut self) {
        self.cloud.abandon();
    }
}

/// Where a lab in this folder keeps the files of its Envoys.
pub fn gateway_dir(dir: &Path) -> PathBuf {
    dir.join("gateway")
}

fn admin_of(envoy: Option<&(Gateway, SocketAddr)>) -> Option<SocketAddr> {
    envoy.filter(|(envoy, _)| envoy.is_running()).map(|(_, admin)| *admin)
}

/// The environment of Landfall for the endpoint of a lab whose secret key nobody has changed.
pub fn environment(endpoint_url: String) -> Vec<(&'static str, String)> {
    environment_of(endpoint_url, account::LANDFALL, "lab")
}

fn environment_of(
    endpoint_url: String,
    access_key: &str,
    secret_key: &str,
) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint_url),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", access_key.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret_key.to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ]
}

/// What clients verify the servers of a lab by, when it offers TLS.
pub fn root_certificate(dir: &Path) -> PathBuf {
    dir.join("root.pem")
}

fn offer_tls(dir: &Path) -> Result<Arc<TlsConfig>, Error> {
    let certificates = tls::certificates().map_err(Error::Certificates)?;
    let path = root_certificate(dir);
    std::fs::write(&path, certificates.root).map_err(|cause| Error::Folder { path, cause })?;
    Ok(certificates.server)
}

fn remove_folder(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path) {
        tracing::warn!(path = %path.display(), %error, "could not remove a folder");
    }
}

fn make_dir(dir: &Path) -> Result<MadeDir, Error> {
    let before = Record::read(dir).ok();
    if before.as_ref().is_some_and(Record::is_alive) || !leftovers::sweep(dir) {
        return Err(Error::Occupied { path: dir.to_owned() });
    }
    // A folder that an earlier lab made and could not remove is still the lab's.
    let ours = !dir.exists() || before.is_some_and(|record| record.made_dir);
    let made = if ours { MadeDir::ByUs } else { MadeDir::ByTheCaller };
    std::fs::create_dir_all(dir).map_err(|cause| Error::Folder { path: dir.to_owned(), cause })?;
    Ok(made)
}

fn access(source: &SourceConfig, port: u16) -> Access {
    Access {
        instance: source.identifier.clone(),
        host: "127.0.0.1".to_owned(),
        port,
        user: source.master_user.clone(),
        password: source.master_password.clone(),
        databases: source.databases.clone(),
    }
}

/// Gives the cloud its first instance, with its parameter group in force.
async fn furnish(cloud: &Cloud, source: &SourceConfig, machine: Machine) -> Result<(), Error> {
    let family = Engine::Postgres.family(cloud.version().major);
    if let Some(name) = &source.parameter_group {
        let description = format!("Parameters of {}", source.identifier);
        let group = cloud
            .create_group(GroupKind::Instance, name, &family, &description)
            .map_err(Error::Source)?;
        let changes: Vec<ParameterChange> =
            source.parameters.iter().map(|(name, value)| change(cloud, name, value)).collect();
        for batch in changes.chunks(BATCH) {
            cloud.modify_group(GroupKind::Instance, &group, batch).map_err(Error::Source)?;
        }
    }
    let request = InstanceRequest {
        id: source.identifier.clone(),
        class: source.class.clone(),
        engine: Engine::Postgres.name().to_owned(),
        parameter_group: source.parameter_group.clone(),
        security_groups: source.security_groups.clone(),
        storage_gib: Some(source.storage_gib),
        master_user: Some(source.master_user.clone()),
        master_password: Some(source.master_password.clone()),
        database: source.databases.first().cloned(),
        retention_days: Some(source.retention_days),
        ..InstanceRequest::default()
    };
    let mut instance =
        running_instance(&request, cloud.version(), Arc::new(machine)).map_err(Error::Source)?;
    let values = cloud.values_of(&instance);
    if let Some(machine) = &instance.machine {
        machine.boot_with(&values).await?;
    }
    instance.running = values;
    cloud.adopt(instance, source.tags.clone()).map_err(Error::Source)
}

fn change(cloud: &Cloud, name: &str, value: &str) -> ParameterChange {
    let parameter = cloud.parameters().find(Scope::Rds, name);
    let method = match parameter.map(|parameter| parameter.apply_type) {
        Some(ApplyType::Dynamic) => ApplyMethod::Immediate,
        Some(ApplyType::Static) | None => ApplyMethod::PendingReboot,
    };
    ParameterChange { name: name.to_owned(), value: value.to_owned(), method }
}

/// The names of all faults, for help texts.
pub fn fault_names() -> BTreeSet<&'static str> {
    Fault::ALL.into_iter().map(Fault::name).collect()
}

impl Lab {
    /// The record of this lab for another process.
    fn record(&self, control_url: String, token: String) -> Record {
        let pid = std::process::id();
        Record {
            endpoint_url: self.endpoint_url(),
            control_url,
            token,
            pid,
            started: record::started(pid).unwrap_or_default(),
            profile: self.profile,
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            source: self.source.clone(),
            sockets: self.cloud.sockets().to_owned(),
            made_dir: self.made_dir == MadeDir::ByUs,
            gateway_admin: None,
        }
    }
}
