//! A world in memory: a cloud, two servers, a gateway and an application, in virtual time.
//!
//! The simulator breaks it, the harness compares it, and the dry run walks it. It is no truth
//! about AWS: the same conformance suites run on it and on the real adapters, so that it cannot
//! drift from what they show. Everything follows from one seed.

mod beside;
mod cloud;
mod database;
mod equipment;
mod executor;
mod meddling;
mod orders;
mod outside;
mod router;
mod seed;
mod store;
mod traffic;
mod way_back;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::ids::{ClusterId, Endpoint, InstanceId, SecurityGroupId};
use landfall_core::port::Ports;
use landfall_core::port::cloud::{
    Alarm, AttachedParameterGroup, CloudEvent, Cluster, ClusterEndpoint, EngineVersion, GroupLevel,
    GroupMembership, Instance, InstanceDetail, Parameter, ParameterGroup, ResourceState, Snapshot,
    Subject,
};
use landfall_core::port::router::{Passage, ProxyView, Route, RouterAbility};
use landfall_core::{Spec, spec};

pub use executor::{Lane, run_to_end};
pub use meddling::{Meddling, Presence};
pub use seed::Likeness;
pub use store::MemoryStore;
pub use traffic::{Ledger, TWO_SIDES, Write};
pub use way_back::{Applying, Circumstances, GIVEN_TWICE, Loss, SEQUENCE};

/// How long things take in the model.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// One call of any port.
    pub call: Duration,
    /// A change of security groups.
    pub groups: Duration,
    /// A cluster without instances.
    pub cluster: Duration,
    /// The build of the replica.
    pub writer: Duration,
    /// A reboot.
    pub reboot: Duration,
    /// A promotion.
    pub promote: Duration,
    /// A deletion.
    pub delete: Duration,
    /// The replica's lag.
    pub lag: Duration,
    /// Between two points of a metric.
    pub metric: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self {
            call: Duration::from_millis(5),
            groups: Duration::from_millis(300),
            cluster: Duration::from_secs(5),
            writer: Duration::from_secs(60),
            reboot: Duration::from_secs(8),
            promote: Duration::from_secs(4),
            delete: Duration::from_secs(5),
            lag: Duration::from_millis(40),
            metric: Duration::from_secs(1),
        }
    }
}

/// What is wrong with a world, on purpose: the checks must find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sabotage {
    /// Nothing.
    #[default]
    None,
    /// Groups and terminations are reported as in force and cut nobody.
    Fence,
}

/// A server of the model.
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Whether it accepts connections at all.
    pub(crate) up: bool,
    pub(crate) in_recovery: bool,
    pub(crate) started_at: Timestamp,
    /// WAL flushed, bytes.
    pub(crate) wal: u64,
    /// Writes in the order of their commit, with the WAL position after each.
    pub(crate) writes: Vec<(Write, u64, Timestamp)>,
    /// Rows written by clients since it became a primary, as statistics count them.
    pub(crate) counted: u64,
    /// Rows written in the other database.
    pub(crate) counted_beside: u64,
    /// The marker's table, and its rows with their WAL position and instant.
    pub(crate) markers: Option<Vec<(String, u64, Timestamp)>>,
    /// Whether its tables have statistics.
    pub(crate) analyzed: bool,
    /// The groups in force at the firewall.
    pub(crate) groups: Vec<SecurityGroupId>,
    /// What it has of a way back.
    pub(crate) back: way_back::Ends,
}

/// A change that the world will make by itself.
#[derive(Debug, Clone)]
pub(crate) enum Later {
    Groups(Subject, Vec<SecurityGroupId>),
    ClusterReady(ClusterId),
    WriterReady(InstanceId),
    Rebooted(InstanceId),
    Promoted(ClusterId),
    InstanceGone(InstanceId),
    ClusterGone(ClusterId),
    BackupsOn(InstanceId),
    SnapshotReady(String),
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) now: Timestamp,
    pub(crate) delays: Delays,
    pub(crate) sabotage: Sabotage,
    pub(crate) instances: BTreeMap<InstanceId, Instance>,
    pub(crate) clusters: BTreeMap<ClusterId, Cluster>,
    pub(crate) groups: BTreeMap<(GroupLevel, String), (ParameterGroup, Vec<Parameter>)>,
    /// Snapshots, with the instance each is of.
    pub(crate) snapshots: BTreeMap<String, (InstanceId, Snapshot)>,
    pub(crate) events: Vec<(Subject, CloudEvent)>,
    /// Alarms, with what each is about.
    pub(crate) alarms: Vec<(Subject, Alarm)>,
    pub(crate) endpoints: BTreeMap<ClusterId, Vec<ClusterEndpoint>>,
    /// What stands before and beside clusters.
    pub(crate) beside: beside::Beside,
    pub(crate) versions: Vec<EngineVersion>,
    pub(crate) classes: Vec<String>,
    /// Aurora's parameters, by level.
    pub(crate) offer: BTreeMap<GroupLevel, Vec<Parameter>>,
    /// The groups that let nobody from outside in: the source's, the target's.
    pub(crate) quarantine: [SecurityGroupId; 2],
    pub(crate) source_at: Endpoint,
    /// The instance that `source` is the server of; further ones are records only.
    pub(crate) served: InstanceId,
    pub(crate) source: Server,
    /// When the world began; nothing was measured before.
    pub(crate) begin: Timestamp,
    /// The source's WAL position over time, as far back as the replica still needs it.
    pub(crate) wal_then: VecDeque<(Timestamp, u64)>,
    /// Prepared transactions of the source.
    pub(crate) prepared: BTreeSet<String>,
    pub(crate) target: Option<Server>,
    /// The replica stopped receiving at this instant.
    pub(crate) stalled: Option<Timestamp>,
    /// Another slot of the source keeps its metric up since this instant.
    pub(crate) stale_slot: Option<Timestamp>,
    /// CloudWatch has no point from this instant on.
    pub(crate) silent: Option<Timestamp>,
    pub(crate) routes: BTreeMap<String, Route>,
    /// The service that the writing application connects to: the first that was adopted.
    pub(crate) written: Option<String>,
    /// What the gateway can do.
    pub(crate) ability: RouterAbility,
    /// What every change of a route brings.
    pub(crate) passage: Passage,
    /// `max_connections` of the source and of the target.
    pub(crate) takes: (u32, u32),
    pub(crate) proxies: Vec<ProxyView>,
    /// The newest epoch each proxy acknowledged of each service.
    pub(crate) acknowledged: BTreeMap<(String, String), u64>,
    /// Proxies that are told and never answer.
    pub(crate) mute: BTreeSet<String>,
    /// The highest epoch ever seen of a route.
    pub(crate) highest: BTreeMap<String, u64>,
    pub(crate) traffic: traffic::Traffic,
    /// What a way back depends on.
    pub(crate) way_back: Circumstances,
    pub(crate) later: Vec<(Timestamp, Later)>,
    /// Invariants that were broken, with the instant.
    pub(crate) broken: Vec<String>,
}

/// The world.
#[derive(Debug, Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
}

/// Where the model's target answers.
pub const TARGET_AT: (&str, u16) = ("target.model", 5432);
/// Where its readers answer, once there are any.
pub const READERS_AT: (&str, u16) = ("target-ro.model", 5432);
const SOURCE_AT: (&str, u16) = ("source.model", 5432);

/// A spec that fits the model's world.
pub fn example_spec() -> Spec {
    spec::parse(EXAMPLE).expect("the example is a good spec")
}

/// The example's text.
pub const EXAMPLE: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-quarantine-target"
[access]
user = "landfall"
password = "env:LANDFALL_PASSWORD"
[route]
service = "orders"
pause_budget = "60s"
acknowledge_within = "5s"
[cutover]
quarantine_group = "sg-quarantine-source"
sustained_for = "10s"
[smoke]
sql = ["select 1", { query = "select 42", expect = 42 }]
http = [{ url = "http://well.model/{endpoint}", contains = "all is well" }]
command = [{ program = "/bin/speak", args = ["{host}"] }]
[baseline]
compare_for = "5s"
[limits]
step_within = "5m"
look_every = "1s"
[approve]
backups = "automatic"
cutover = "automatic"
acceptance = "automatic"
"#;

impl World {
    /// A world with the example's source and an application that writes to it.
    pub fn new(delays: Delays, sabotage: Sabotage) -> Self {
        let now = Timestamp::from_second(1_800_000_000).expect("an instant within the calendar");
        let source_at = Endpoint::new(SOURCE_AT.0, SOURCE_AT.1);
        let instance = example_instance(&source_at);
        let source = Server {
            up: true,
            in_recovery: false,
            started_at: now,
            wal: 0x1000_0000,
            writes: Vec::new(),
            counted: 0,
            counted_beside: 0,
            markers: None,
            analyzed: false,
            groups: instance.security_groups.iter().map(|m| m.group.clone()).collect(),
            back: way_back::Ends::default(),
        };
        let inner = Inner {
            now,
            delays,
            sabotage,
            instances: BTreeMap::from([(instance.id.clone(), instance)]),
            clusters: BTreeMap::new(),
            groups: cloud::example_groups(),
            snapshots: BTreeMap::new(),
            events: Vec::new(),
            alarms: Vec::new(),
            endpoints: BTreeMap::new(),
            beside: beside::Beside::default(),
            versions: cloud::example_versions(),
            classes: ["db.r6g.large", "db.r7g.large"].map(str::to_owned).to_vec(),
            offer: cloud::example_offer(),
            quarantine: ["sg-quarantine-source".into(), "sg-quarantine-target".into()],
            source_at,
            served: "orders-prod".into(),
            source,
            begin: now,
            wal_then: VecDeque::new(),
            prepared: BTreeSet::new(),
            target: None,
            stalled: None,
            stale_slot: None,
            silent: None,
            routes: BTreeMap::new(),
            written: None,
            ability: router::holding(),
            passage: Passage::default(),
            takes: (500, 500),
            proxies: vec![router::connected("sidecar-1", now), router::connected("sidecar-2", now)],
            acknowledged: BTreeMap::new(),
            mute: BTreeSet::new(),
            highest: BTreeMap::new(),
            traffic: traffic::Traffic::new(4),
            way_back: Circumstances::default(),
            later: Vec::new(),
            broken: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The world as ports, with SQL access when the spec gives it.
    pub fn ports(&self, spec: &Spec) -> Ports<'_> {
        let database = spec.access.is_some().then_some(self as _);
        Ports { cloud: self, database, router: self, tests: self, clock: self }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no port panics while it holds the world")
    }

    /// Changes something behind everybody's back.
    pub fn meddle(&self, change: impl FnOnce(&mut Meddling<'_>)) {
        change(&mut Meddling { inner: &mut self.lock() });
    }

    /// The instant now.
    pub fn instant(&self) -> Timestamp {
        self.lock().now
    }

    /// Invariants that were broken so far.
    pub fn broken(&self) -> Vec<String> {
        self.lock().broken.clone()
    }

    /// Whether anybody wrote to the promoted target.
    pub fn target_is_written(&self) -> bool {
        let inner = self.lock();
        inner.target.as_ref().is_some_and(|target| !target.in_recovery && target.counted > 0)
    }

    /// What the application was told, and what the servers have.
    pub fn ledger(&self) -> Ledger {
        self.lock().ledger()
    }

    /// Everything a move could leave behind, for comparing two worlds. Epochs only grow, and data
    /// goes on, so neither is part of it.
    pub fn footprint(&self) -> BTreeMap<String, String> {
        self.lock().footprint()
    }
}

impl Inner {
    /// Lets the world go on to an instant, in small steps so that the application is everywhere.
    pub(crate) fn advance_to(&mut self, to: Timestamp) {
        const TICK: Duration = Duration::from_millis(20);
        while self.now < to {
            let due = self.later.iter().map(|(at, _)| *at).min();
            let next = (self.now + TICK).min(to);
            self.now = due.filter(|due| *due > self.now).map_or(next, |due| due.min(next));
            self.settle();
            self.tick();
        }
    }

    fn settle(&mut self) {
        let now = self.now;
        let (due, later) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| *at <= now);
        self.later = later;
        let mut due: Vec<(Timestamp, Later)> = due;
        due.sort_by_key(|(at, _)| *at);
        for (_, change) in due {
            self.come_true(change);
        }
    }

    pub(crate) fn plan(&mut self, after: Duration, change: Later) {
        self.later.push((self.now + after, change));
    }

    pub(crate) fn event(&mut self, subject: Subject, message: &str) {
        self.events.push((subject, CloudEvent { at: self.now, message: message.to_owned() }));
    }

    fn footprint(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (id, instance) in &self.instances {
            let groups: Vec<_> = instance
                .security_groups
                .iter()
                .map(|m| format!("{}:{}", m.group, m.active))
                .collect();
            let what = format!(
                "{:?} {groups:?} backups {} protected {}",
                instance.state, instance.backup_retention_days, instance.deletion_protected
            );
            all.insert(format!("instance {id}"), what);
        }
        for (id, cluster) in &self.clusters {
            let groups: Vec<_> =
                cluster.security_groups.iter().map(|member| member.group.to_string()).collect();
            let what = format!(
                "{:?} replica {} {groups:?} protected {}",
                cluster.state,
                cluster.replicates_from.is_some(),
                cluster.deletion_protected
            );
            all.insert(format!("cluster {id}"), what);
        }
        for (level, name) in self.groups.keys() {
            all.insert(format!("group {level:?} {name}"), String::new());
        }
        for (service, route) in &self.routes {
            all.insert(
                format!("route {service}"),
                format!("{} {:?}", route.endpoint, route.traffic),
            );
        }
        let target = self.target.as_ref().filter(|target| !target.in_recovery);
        for (side, server) in [("source", Some(&self.source)), ("target", target)] {
            if server.is_some_and(|server| server.markers.is_some()) {
                all.insert(format!("marker table on the {side}"), String::new());
            }
            for what in server.iter().flat_map(|server| server.back.left()) {
                all.insert(format!("{what} on the {side}"), String::new());
            }
        }
        for id in self.snapshots.keys() {
            all.insert(format!("snapshot {id}"), String::new());
        }
        all
    }
}

pub(crate) fn example_instance(at: &Endpoint) -> Instance {
    let member = |group: &str| GroupMembership { group: group.into(), active: true };
    Instance {
        id: "orders-prod".into(),
        arn: "arn:aws:rds:eu-west-1:123456789012:db:orders-prod".to_owned(),
        engine: "postgres".to_owned(),
        engine_version: "15.14".to_owned(),
        class: "db.m6g.large".to_owned(),
        state: ResourceState::Available,
        endpoint: Some(at.clone()),
        master_user: "shop".to_owned(),
        backup_retention_days: 7,
        security_groups: vec![member("sg-app"), member("sg-office")],
        subnet_group: Some("private".to_owned()),
        parameter_group: Some(AttachedParameterGroup {
            name: landfall_core::ids::ParameterGroupName::new("orders-pg15"),
            apply_status: "in-sync".to_owned(),
        }),
        replica_clusters: vec![],
        replica_instances: vec![],
        replica_of: None,
        cluster: None,
        encrypted: true,
        kms_key: Some("arn:aws:kms:eu-west-1:123456789012:key/1".to_owned()),
        multi_az: false,
        allocated_gib: 100,
        deletion_protected: false,
        tags: BTreeMap::new(),
        detail: InstanceDetail::default(),
    }
}
