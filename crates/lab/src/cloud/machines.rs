//! The seam between the cloud's records and real servers: a workshop that builds machines.
//!
//! A machine is a PostgreSQL server behind the firewall that is its endpoint. The endpoint is
//! reserved first and keeps its port for life, so a cluster has an address before it has a writer.
//! Nothing here knows a state of the cloud. When the lab's process dies, the servers die with it;
//! the folders are found by whoever takes the lab down.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig as TlsConfig;

use super::instance::Master;
use crate::account::Account;
use crate::catalogue::parameters::Setting;
use crate::firewall::{Actor, Egress, Firewall, Front, Instances};
use crate::process::{self, RunAs};
use crate::server::{self, Origin, RunFolder, Server, ServerConfig, StopMode, unclaimed_address};
use crate::tools::PostgresTools;

/// Settings that a standby needs at least as high as its source has them.
const STANDBY_FLOORS: [&str; 5] = [
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
];

const PROMOTION_BOUND: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// Why a machine could not do something; fits after "could not".
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    #[error("{0}")]
    Server(Box<server::Error>),
    #[error("find a user to run PostgreSQL as")]
    User(#[source] process::Error),
    #[error("open an endpoint")]
    Endpoint(#[source] std::io::Error),
    #[error("see the server writable within {0:?} of its promotion")]
    Promotion(Duration),
}

impl From<server::Error> for MachineError {
    fn from(error: server::Error) -> Self {
        Self::Server(Box::new(error))
    }
}

/// What a new primary holds.
#[derive(Debug, Clone)]
pub struct Blueprint {
    /// How firewalls see the connections that it opens itself.
    pub actor: Actor,
    pub master_user: String,
    pub master_password: String,
    pub databases: Vec<String>,
}

impl Blueprint {
    /// With the master's own database, if it has one.
    pub fn of(master: &Master, actor: Actor) -> Self {
        Self {
            actor,
            master_user: master.user.clone(),
            master_password: master.password.clone(),
            databases: master.database.iter().cloned().collect(),
        }
    }
}

/// An endpoint that nothing answers at yet, or a machine does.
#[derive(Debug)]
pub struct Reservation {
    number: u32,
    socket_dir: PathBuf,
    /// Where its server will listen.
    behind: SocketAddr,
    firewall: Firewall,
}

impl Reservation {
    /// The port of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.firewall.port()
    }
}

/// Builds machines in a folder of its own.
#[derive(Debug)]
pub struct Workshop {
    tools: PostgresTools,
    run_as: Option<RunAs>,
    dir: PathBuf,
    sockets: RunFolder,
    settings: BTreeMap<String, String>,
    /// Lets every firewall tell which server dials.
    instances: Instances,
    built: AtomicU32,
    /// What stands before every server, when the lab offers TLS.
    front: Option<(Arc<TlsConfig>, Arc<Account>)>,
}

impl Workshop {
    /// A workshop in `dir`; `settings` are every server's, under its parameter groups.
    pub fn open(
        tools: PostgresTools,
        dir: impl Into<PathBuf>,
        settings: BTreeMap<String, String>,
    ) -> Result<Self, MachineError> {
        Ok(Self {
            tools,
            run_as: RunAs::detect().map_err(MachineError::User)?,
            dir: dir.into(),
            sockets: RunFolder::create()?,
            settings,
            instances: Instances::default(),
            built: AtomicU32::new(0),
            front: None,
        })
    }

    /// The same with TLS and login tokens before every server.
    #[must_use]
    pub fn with_front(self, tls: Arc<TlsConfig>, account: Arc<Account>) -> Self {
        Self { front: Some((tls, account)), ..self }
    }

    /// The folder of all sockets.
    pub fn sockets(&self) -> &Path {
        self.sockets.path()
    }

    /// Connections of a program beside the servers, and of its children, are this actor's.
    pub fn know(&self, actor: Actor, pid: impl Fn() -> Option<u32> + Send + Sync + 'static) {
        self.instances.add(actor, pid);
    }

    /// Opens an endpoint for a machine to come. Nobody is admitted.
    pub async fn reserve(&self) -> Result<Reservation, MachineError> {
        let number = self.built.fetch_add(1, Ordering::Relaxed);
        let socket_dir = self.sockets.path().join(format!("s{number}"));
        let behind = unclaimed_address();
        let firewall = Firewall::open(behind).await.map_err(MachineError::Endpoint)?;
        firewall.know(&self.instances);
        Ok(Reservation { number, socket_dir, behind, firewall })
    }

    /// A new, empty primary.
    pub async fn build_primary(
        &self,
        blueprint: &Blueprint,
        endpoint: Arc<Reservation>,
        values: &BTreeMap<String, String>,
    ) -> Result<Machine, MachineError> {
        let config = ServerConfig {
            master_user: blueprint.master_user.clone(),
            master_password: blueprint.master_password.clone(),
            databases: blueprint.databases.clone(),
            ..self.config(&endpoint)
        };
        let server = Arc::new(Server::initialise(config).await?);
        self.make_known(&server, blueprint.actor);
        self.put_front(&server, &endpoint);
        let machine = Machine { server, endpoint, upstream: Mutex::default() };
        machine.boot_with(values).await?;
        Ok(machine)
    }

    /// A standby of another machine, streaming through an egress of its own.
    pub async fn build_standby(
        &self,
        source: &Machine,
        slot: String,
        endpoint: Arc<Reservation>,
        values: &BTreeMap<String, String>,
    ) -> Result<Machine, MachineError> {
        let folder = self.sockets.path().join(format!("e{}", endpoint.number));
        let egress = Egress::open(folder, Actor::Managed, source.port(), self.run_as.as_ref())
            .map_err(MachineError::Endpoint)?;
        let origin = Origin { source: &source.server, egress: &egress, slot: &slot };
        let server = Arc::new(Server::clone_as_standby(self.config(&endpoint), origin).await?);
        // Standbys are Aurora's, and Aurora is the target.
        self.make_known(&server, Actor::Target);
        self.put_front(&server, &endpoint);
        let upstream = Mutex::new(Some(Upstream { egress, slot }));
        let machine = Machine { server, endpoint, upstream };
        let mut values = values.clone();
        source.raise_to_floors(&mut values).await?;
        machine.boot_with(&values).await?;
        Ok(machine)
    }

    fn put_front(&self, server: &Arc<Server>, endpoint: &Reservation) {
        if let Some((tls, account)) = self.front.clone() {
            let server = Arc::downgrade(server);
            endpoint.firewall.set_front(Front { tls, account, server });
        }
    }

    fn make_known(&self, server: &Arc<Server>, actor: Actor) {
        let server = Arc::downgrade(server);
        self.instances.add(actor, move || server.upgrade()?.pid());
    }

    fn config(&self, endpoint: &Reservation) -> ServerConfig {
        let dir = self.dir.join(format!("server-{}", endpoint.number));
        ServerConfig {
            run_as: self.run_as.clone(),
            settings: self.settings.clone(),
            listen: endpoint.behind,
            ..ServerConfig::new(dir, &endpoint.socket_dir, self.tools.clone())
        }
    }
}

/// Where a standby streams from.
#[derive(Debug)]
struct Upstream {
    egress: Egress,
    slot: String,
}

/// A real server at its endpoint.
#[derive(Debug)]
pub struct Machine {
    server: Arc<Server>,
    endpoint: Arc<Reservation>,
    upstream: Mutex<Option<Upstream>>,
}

impl Machine {
    /// The port of its endpoint.
    pub fn port(&self) -> u16 {
        self.endpoint.port()
    }

    /// The server itself, for samples and for the lab's own SQL.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The firewall before it.
    pub fn firewall(&self) -> &Firewall {
        &self.endpoint.firewall
    }

    /// Who may open connections from here on.
    pub fn admit(&self, actors: BTreeSet<Actor>) {
        self.endpoint.firewall.set_allowed(actors);
    }

    /// Puts values in force that need no restart.
    pub async fn apply(&self, values: &BTreeMap<String, String>) -> Result<(), MachineError> {
        self.server.apply_settings(values).await?;
        Ok(())
    }

    /// Restarts with values: every session dies.
    pub async fn restart(&self, values: &BTreeMap<String, String>) -> Result<(), MachineError> {
        let mut values = values.clone();
        if self.is_standby() {
            self.raise_to_floors(&mut values).await?;
        }
        self.server.apply_settings(&values).await?;
        self.server.restart().await?;
        Ok(())
    }

    /// The values a standby really runs with: never below what its source has.
    pub async fn raise_to_floors(
        &self,
        values: &mut BTreeMap<String, String>,
    ) -> Result<(), MachineError> {
        for name in STANDBY_FLOORS {
            let Some(floor) = self.server.setting(name).await? else { continue };
            let number = |text: &str| text.parse::<u64>().unwrap_or(0);
            let wanted = values.get(name).map_or(0, |value| number(value));
            if number(&floor) > wanted {
                values.insert(name.to_owned(), floor);
            }
        }
        Ok(())
    }

    /// Whether it still follows a source.
    pub fn is_standby(&self) -> bool {
        self.upstream.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Makes a standby writable and waits until it is; returns the slot it used on its source.
    pub async fn promote(&self) -> Result<Option<String>, MachineError> {
        self.server.promote().await?;
        let deadline = Instant::now() + PROMOTION_BOUND;
        while self.server.is_in_recovery().await? {
            if Instant::now() > deadline {
                return Err(MachineError::Promotion(PROMOTION_BOUND));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(self.detach())
    }

    /// Closes the way to its source and says which slot was used there.
    pub fn detach(&self) -> Option<String> {
        let mut upstream = self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        upstream.take().map(|upstream| upstream.slot)
    }

    /// The fault "replica stall", on or off.
    pub fn stall(&self, stall: Stall) {
        let upstream = self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upstream) = upstream.as_ref() {
            match stall {
                Stall::Still => upstream.egress.stall(),
                Stall::Flowing => upstream.egress.flow(),
            }
        }
    }

    /// Drops a slot that a standby of this server used.
    pub async fn drop_slot(&self, slot: &str) -> Result<(), MachineError> {
        self.server.drop_slot(slot).await?;
        Ok(())
    }

    /// Gives the master user a new password.
    pub async fn set_password(&self, user: &str, password: &str) -> Result<(), MachineError> {
        let statement = format!(
            "alter role \"{}\" password '{}'",
            user.replace('"', "\"\""),
            password.replace('\'', "''")
        );
        self.server.run_script("postgres", &statement).await?;
        Ok(())
    }

    /// PostgreSQL's own parameters, for the catalogue.
    pub async fn settings(&self) -> Result<Vec<Setting>, MachineError> {
        let sql = "select name, context, vartype, min_val, max_val, \
                   coalesce(enumvals, '{}'), short_desc from pg_settings order by name";
        let rows = self.server.query(sql, &[]).await?;
        let setting = |row: &tokio_postgres::Row| -> Result<Setting, tokio_postgres::Error> {
            Ok(Setting {
                name: row.try_get(0)?,
                context: row.try_get(1)?,
                kind: row.try_get(2)?,
                least: row.try_get(3)?,
                most: row.try_get(4)?,
                choices: row.try_get(5)?,
                description: row.try_get(6)?,
            })
        };
        let read: Result<Vec<Setting>, _> = rows.iter().map(setting).collect();
        read.map_err(|_| server::Error::Answer { what: "pg_settings" }.into())
    }

    /// Stops the server at once and removes its files. The endpoint closes with its last holder.
    pub async fn demolish(&self) {
        self.server.stop(StopMode::Immediate).await;
        self.endpoint.firewall.set_allowed(BTreeSet::new());
        self.endpoint.firewall.sever_all();
        let dir = &self.server.config().dir;
        if let Err(error) = std::fs::remove_dir_all(dir) {
            tracing::warn!(dir = %dir.display(), %error, "could not remove a server's folder");
        }
    }

    /// Puts the values in force that a server begins with, with a restart if one needs it.
    pub async fn boot_with(&self, values: &BTreeMap<String, String>) -> Result<(), MachineError> {
        if values.is_empty() && !self.is_standby() {
            return Ok(());
        }
        let applied = self.server.apply_settings(values).await?;
        if !applied.pending_restart.is_empty() {
            self.server.restart().await?;
        }
        Ok(())
    }
}

/// Whether the stream of a standby moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stall {
    Still,
    Flowing,
}
