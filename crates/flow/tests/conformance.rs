//! The model keeps the promises that the real adapters keep: the same suites, run on the fake.
//!
//! Every suite runs in virtual time; a fixture lets time pass by sleeping in it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use jiff::Timestamp;
use landfall_core::action::{
    CloudAction, DatabaseAction, NewReplicaCluster, NewWriter, ParameterChange,
};
use landfall_core::conformance::cloud::{self, CloudFixture};
use landfall_core::conformance::database::{self, DatabaseFixture};
use landfall_core::conformance::router::{self, RouterFixture};
use landfall_core::conformance::store::{self, StoreFixture, Task};
use landfall_core::conformance::tests::{self, TestsFixture};
use landfall_core::conformance::way_back::{self, WayBackFixture};
use landfall_core::ids::{
    DatabaseName, Endpoint, Epoch, InstanceId, ParameterGroupName, SecurityGroupId, ServiceName,
};
use landfall_core::port::cloud::{ApplyType, GroupLevel};
use landfall_core::port::database::SessionState;
use landfall_core::port::{Clock, Cloud, Database, Router, Stamp, Tests};
use landfall_core::spec::CommandTest;
use landfall_flow::model::{Delays, MemoryStore, SEQUENCE, Sabotage, TARGET_AT, World, run_to_end};

const AT_MOST: Duration = Duration::from_hours(1);

/// Runs a suite to its end in the world's time.
fn on(world: &World, suite: impl Future<Output = ()>) {
    assert!(run_to_end(world, 1, AT_MOST, vec![Box::pin(suite)]), "virtual time ran out");
}

fn source_at() -> Endpoint {
    Endpoint::new("source.model", 5432)
}

fn target_at() -> Endpoint {
    Endpoint::new(TARGET_AT.0, TARGET_AT.1)
}

/// A world whose source has a replica, and no application.
async fn with_replica(world: &World) {
    let stamp = Stamp { migration: "orders".into(), epoch: Epoch(1) };
    let source = world.instance(&"orders-prod".into()).await.expect("read").expect("there");
    let cluster = CloudAction::CreateReplicaCluster(NewReplicaCluster {
        cluster: "orders-aurora".into(),
        source_arn: source.arn,
        engine_version: "15.15".to_owned(),
        parameter_group: ParameterGroupName::new("orders-cluster"),
        security_groups: vec!["sg-quarantine-target".into()],
        subnet_group: None,
        encrypted: true,
        kms_key: None,
        backup_retention_days: 7,
        serverless: None,
    });
    let writer = CloudAction::CreateWriter(NewWriter {
        instance: "orders-aurora-1".into(),
        cluster: "orders-aurora".into(),
        class: "db.r7g.large".to_owned(),
        parameter_group: ParameterGroupName::new("orders-instance"),
    });
    for order in [cluster, writer] {
        Cloud::act(world, &order, &stamp).await.expect("the order is taken");
    }
    world.sleep(Duration::from_mins(5)).await;
    world.meddle(|world| world.dismiss());
}

struct Stores(std::sync::Mutex<MemoryStore>);

#[async_trait]
impl StoreFixture for Stores {
    type Store = MemoryStore;

    async fn fresh(&self) -> MemoryStore {
        let fresh = MemoryStore::default();
        *self.0.lock().expect("nobody panics with it") = fresh.clone();
        fresh
    }

    async fn reopen(&self) -> MemoryStore {
        self.0.lock().expect("nobody panics with it").clone()
    }

    fn drive(&self, task: Task<'_>) {
        task.now_or_never().expect("a store in memory does not wait");
    }
}

#[test]
fn the_store_in_memory_keeps_every_promise() {
    let stores = Stores(std::sync::Mutex::default());
    store::every_promise(&stores).now_or_never().expect("a store in memory does not wait");
}

struct Gateway {
    world: World,
    made: AtomicU32,
}

#[async_trait]
impl RouterFixture for Gateway {
    fn router(&self) -> &dyn Router {
        &self.world
    }

    async fn fresh_service(&self) -> ServiceName {
        ServiceName::new(format!("orders-{}", self.made.fetch_add(1, Ordering::Relaxed)))
    }

    async fn answering(&self) -> Endpoint {
        let turn = self.made.fetch_add(1, Ordering::Relaxed);
        if turn.is_multiple_of(2) { source_at() } else { target_at() }
    }

    async fn silent(&self) -> Endpoint {
        Endpoint::new("nowhere.model", 5432)
    }

    async fn proxy(&self, service: &ServiceName) -> String {
        let node = format!("sidecar-of-{service}");
        self.world.meddle(|world| world.proxy(&node));
        node
    }

    async fn pause(&self) {
        self.world.sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn the_models_gateway_keeps_every_promise() {
    let world = World::new(Delays::default(), Sabotage::None);
    let gateway = Gateway { world: world.clone(), made: AtomicU32::new(0) };
    on(&world, async {
        with_replica(&world).await;
        router::every_promise(&gateway).await;
    });
}

struct Aws {
    world: World,
    made: AtomicU32,
}

#[async_trait]
impl CloudFixture for Aws {
    fn cloud(&self) -> &dyn Cloud {
        &self.world
    }

    async fn fresh_source(&self) -> InstanceId {
        let id = format!("shop-{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.world.meddle(|world| world.further_instance(&id));
        InstanceId::new(id)
    }

    async fn put_alarm(&self, on: &InstanceId, name: &str) {
        self.world.meddle(|world| world.alarm(on, name));
    }

    fn spare_group(&self) -> SecurityGroupId {
        "sg-spare".into()
    }

    fn now(&self) -> Timestamp {
        Clock::now(&self.world)
    }

    async fn pause(&self) {
        self.world.sleep(Duration::from_millis(500)).await;
    }

    fn looks_max(&self) -> u32 {
        400
    }
}

#[test]
fn the_models_cloud_keeps_every_promise() {
    let world = World::new(Delays::default(), Sabotage::None);
    let aws = Aws { world: world.clone(), made: AtomicU32::new(0) };
    on(&world, cloud::every_promise(&aws));
}

struct Servers {
    world: World,
}

#[async_trait]
impl DatabaseFixture for Servers {
    fn port(&self) -> &dyn Database {
        &self.world
    }

    fn source(&self) -> Endpoint {
        source_at()
    }

    fn replica(&self) -> Endpoint {
        target_at()
    }

    fn nowhere(&self) -> Endpoint {
        Endpoint::new("nowhere.model", 5432)
    }

    async fn connect(&self, state: SessionState) -> i32 {
        let mut pid = 0;
        self.world.meddle(|world| pid = world.session(state));
        pid
    }

    async fn write(&self, database: &DatabaseName) {
        self.world.meddle(|world| world.row(database));
    }

    async fn prepare(&self, identifier: &str) {
        self.world.meddle(|world| {
            world.prepared().insert(identifier.to_owned());
        });
    }

    async fn roll_back_prepared(&self, identifier: &str) {
        self.world.meddle(|world| {
            world.prepared().remove(identifier);
        });
    }

    fn passing_test(&self) -> String {
        "select 1".to_owned()
    }

    fn failing_test(&self) -> String {
        "select fail".to_owned()
    }

    fn writing_test(&self) -> String {
        "insert into orders default values".to_owned()
    }

    async fn moment(&self) {
        self.world.sleep(Duration::from_millis(25)).await;
    }
}

#[test]
fn the_models_servers_keep_every_promise() {
    let world = World::new(Delays::default(), Sabotage::None);
    let servers = Servers { world: world.clone() };
    on(&world, async {
        with_replica(&world).await;
        database::every_promise(&servers).await;
    });
}

struct Ends(World);

/// A promoted target whose cluster group says that it writes what decoding needs.
async fn with_target(world: &World) {
    let stamp = Stamp { migration: "orders".into(), epoch: Epoch(1) };
    let (level, name) = (GroupLevel::Cluster, ParameterGroupName::new("orders-cluster"));
    let family = "aurora-postgresql15".to_owned();
    let create = CloudAction::CreateParameterGroup { level, name: name.clone(), family };
    let logical = ParameterChange {
        name: "rds.logical_replication".to_owned(),
        value: "1".to_owned(),
        apply_type: ApplyType::Static,
    };
    let set = CloudAction::SetParameters { level, name, changes: vec![logical] };
    for action in [create, set] {
        Cloud::act(world, &action, &stamp).await.expect("a group is made");
    }
    with_replica(world).await;
    let markers = DatabaseAction::CreateMarkerTable { at: source_at() };
    Database::act(world, &markers).await.expect("a marker table is made");
    world.sleep(Duration::from_secs(1)).await;
    let promote = CloudAction::PromoteCluster { cluster: "orders-aurora".into() };
    Cloud::act(world, &promote, &stamp).await.expect("it is promoted");
    world.sleep(Duration::from_secs(10)).await;
}

#[async_trait]
impl WayBackFixture for Ends {
    fn port(&self) -> &dyn Database {
        &self.0
    }

    fn publisher(&self) -> Endpoint {
        target_at()
    }

    fn subscriber(&self) -> Endpoint {
        source_at()
    }

    fn nowhere(&self) -> Endpoint {
        Endpoint::new("nowhere.model", 5432)
    }

    fn application(&self) -> (DatabaseName, String) {
        (DatabaseName::new("shop"), SEQUENCE.to_owned())
    }

    async fn write(&self) {
        self.0.meddle(|world| world.row_on_target());
    }

    async fn arrived(&self) -> u64 {
        self.0.ledger().source.len() as u64
    }

    async fn change(&self) {
        self.0.meddle(|world| world.change_target());
    }

    async fn moment(&self) {
        self.0.sleep(Duration::from_millis(25)).await;
    }
}

#[test]
fn the_models_way_back_keeps_every_promise() {
    let world = World::new(Delays::default(), Sabotage::None);
    let ends = Ends(world.clone());
    on(&world, async {
        with_target(&world).await;
        way_back::every_promise(&ends).await;
    });
    assert_eq!(world.broken(), Vec::<String>::new());
}

struct Owner(World);

impl TestsFixture for Owner {
    fn port(&self) -> &dyn Tests {
        &self.0
    }

    fn well(&self) -> String {
        "http://well.model/{endpoint}".to_owned()
    }

    fn ill(&self) -> String {
        "http://ill.model/".to_owned()
    }

    fn mute(&self) -> String {
        "http://mute.model/".to_owned()
    }

    fn nobody(&self) -> String {
        "http://nobody.model/".to_owned()
    }

    fn speaks(&self) -> CommandTest {
        program("/bin/speak")
    }

    fn fails(&self) -> CommandTest {
        program("/bin/fail")
    }

    fn chatters(&self) -> CommandTest {
        program("/bin/chatter")
    }

    fn hangs(&self) -> CommandTest {
        program("/bin/hang")
    }
}

fn program(path: &str) -> CommandTest {
    CommandTest { program: path.to_owned(), args: vec![], within: Duration::from_secs(1) }
}

#[test]
fn the_models_outside_keeps_every_promise() {
    let world = World::new(Delays::default(), Sabotage::None);
    let owner = Owner(world.clone());
    on(&world, tests::every_promise(&owner));
}
