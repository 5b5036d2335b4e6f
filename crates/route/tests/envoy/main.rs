//! The router over a real Envoy: what its connections see when a service is held, pointed and
//! released, and when the control plane dies on the way.
//!
//! Two stand-ins take the place of source and target; whoever answers is where a connection went.

mod conformance;
mod control;
mod direct_tls;
mod gateway;
mod memory;
mod mutual;
mod paced;
mod patience;
mod stand_in;
mod waiting;
mod wall_clock;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::journal::Store as _;
use landfall_core::port::router::{Passage, Route, Router as _, Traffic};
use landfall_core::{Endpoint, FailureKind, ServiceName};
use tokio::task::JoinSet;

use crate::control::{ControlPlane, adopt, hold, point, release};
use crate::gateway::Gateway;
use crate::memory::{MemoryStore, Trouble, broken};
use crate::patience::{eventually, results, stay_waiting, stay_waiting_for};
use crate::stand_in::{Client, StandIn};

type Answers = JoinSet<Result<String, String>>;

/// Both sides, a control plane with `orders` adopted at A, and an Envoy in front.
struct World {
    store: Arc<MemoryStore>,
    control: ControlPlane,
    gateway: Gateway,
    orders: SocketAddr,
    a: StandIn,
    b: StandIn,
}

impl World {
    async fn start() -> Self {
        let (a, b) = (StandIn::start("A").await, StandIn::start("B").await);
        let store = Arc::new(MemoryStore::default());
        let control = ControlPlane::start(&store).await;
        let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
        let orders = gateway.listener("orders").await;
        control.act(adopt("orders", a.endpoint())).await;
        Self { store, control, gateway, orders, a, b }
    }

    /// Kills the control plane and starts another from the same store at the same address.
    async fn restart(mut self) -> Self {
        let address = self.control.address();
        self.control.kill();
        self.control = ControlPlane::at(address, &self.store).await;
        self
    }

    fn kill(self) -> (Halted, SocketAddr) {
        let address = self.control.address();
        self.control.kill();
        let Self { store, gateway, orders, a, b, .. } = self;
        (Halted { store, gateway, orders, a, b }, address)
    }

    async fn client_answered_by(&self, name: &str) -> Client {
        let mut client = Client::connect(self.orders).await;
        assert_eq!(client.ask().await.as_deref(), Ok(name));
        client
    }

    async fn hold(&self) {
        self.control.act(hold("orders", 2)).await;
        self.control.followed("orders", 2).await;
    }
}

/// A world whose control plane is dead.
struct Halted {
    store: Arc<MemoryStore>,
    gateway: Gateway,
    orders: SocketAddr,
    a: StandIn,
    b: StandIn,
}

impl Halted {
    async fn revive(self, address: SocketAddr) -> World {
        let control = ControlPlane::at(address, &self.store).await;
        let Self { store, gateway, orders, a, b } = self;
        World { store, control, gateway, orders, a, b }
    }
}

fn clients(listener: SocketAddr, count: usize, into: &mut Answers) {
    for _ in 0..count {
        into.spawn(async move { Client::connect(listener).await.ask().await });
    }
}

async fn all_answered_by(name: &str, count: usize, tasks: Answers) {
    let answers = results("held connections come through", tasks).await;
    assert_eq!(answers, vec![Ok(name.to_owned()); count]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_wait_through_a_hold_and_reach_the_target() {
    let world = World::start().await;
    let mut established = world.client_answered_by("A").await;
    world.control.followed("orders", 1).await;
    world.hold().await;

    let mut waiting = Answers::new();
    clients(world.orders, 20, &mut waiting);
    world.gateway.has_connections("orders", 21).await;
    stay_waiting("while held", &mut waiting).await;
    world.control.act(point("orders", world.b.endpoint(), 3)).await;
    world.control.followed("orders", 3).await;
    stay_waiting("after pointing", &mut waiting).await;
    assert_eq!((world.a.accepted(), world.b.accepted()), (1, 0));

    world.control.act(release("orders", 4)).await;
    all_answered_by("B", 20, waiting).await;
    world.control.followed("orders", 4).await;
    assert_eq!((world.a.accepted(), world.b.accepted()), (1, 20));
    assert_eq!(established.ask().await.as_deref(), Ok("A"), "established sessions go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_outlives_the_control_plane() {
    let world = World::start().await;
    let mut established = world.client_answered_by("A").await;
    world.hold().await;
    let mut waiting = Answers::new();
    clients(world.orders, 20, &mut waiting);
    world.gateway.has_connections("orders", 21).await;

    let (halted, address) = world.kill();
    clients(halted.orders, 5, &mut waiting);
    halted.gateway.has_connections("orders", 26).await;
    stay_waiting("without a control plane", &mut waiting).await;
    assert_eq!(established.ask().await.as_deref(), Ok("A"));

    let world = halted.revive(address).await;
    world.control.followed("orders", 2).await;
    stay_waiting("after a restart", &mut waiting).await;
    world.control.act(point("orders", world.b.endpoint(), 3)).await;
    stay_waiting("after pointing", &mut waiting).await;
    world.control.act(release("orders", 4)).await;
    all_answered_by("B", 25, waiting).await;
    assert_eq!((world.a.accepted(), world.b.accepted()), (1, 25));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_missed_the_beginning_of_a_hold_is_told_when_it_is_back() {
    let world = World::start().await;
    world.client_answered_by("A").await;
    world.control.followed("orders", 1).await;
    let (halted, address) = world.kill();
    let held = Route {
        service: ServiceName::new("orders"),
        endpoint: halted.a.endpoint(),
        traffic: Traffic::Held,
        epoch: 2,
        passage: Passage::default(),
    };
    halted.store.put_route(&held, None).await.expect("the next epoch");

    let world = halted.revive(address).await;
    world.control.followed("orders", 2).await;
    let mut waiting = Answers::new();
    clients(world.orders, 5, &mut waiting);
    world.gateway.has_connections("orders", 6).await;
    stay_waiting("held since the restart", &mut waiting).await;
    // Another restart, now with connections that a second removal would end.
    let world = world.restart().await;
    world.control.followed("orders", 2).await;
    stay_waiting("after a second restart", &mut waiting).await;
    world.control.act(point("orders", world.b.endpoint(), 3)).await;
    world.control.act(release("orders", 4)).await;
    all_answered_by("B", 5, waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_control_plane_costs_an_open_route_nothing() {
    let world = World::start().await;
    world.client_answered_by("A").await;
    let (halted, address) = world.kill();
    let mut client = Client::connect(halted.orders).await;
    assert_eq!(client.ask().await.as_deref(), Ok("A"));
    let world = halted.revive(address).await;
    world.control.followed("orders", 1).await;
    world.client_answered_by("A").await;
    assert_eq!(client.ask().await.as_deref(), Ok("A"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_stop_frees_the_address_and_the_proxy_comes_back() {
    let world = World::start().await;
    world.client_answered_by("A").await;
    world.hold().await;
    let mut waiting = Answers::new();
    clients(world.orders, 5, &mut waiting);
    world.gateway.has_connections("orders", 6).await;
    let address = world.control.address();
    let (router, _runtime) = world.control.take_apart();
    // Its runtime lives on: what ends is what the stop ends.
    tokio::time::timeout(patience::BOUND, router.stop()).await.expect("a stop is bounded");
    let control = ControlPlane::at(address, &world.store).await;
    control.followed("orders", 2).await;
    stay_waiting("after an orderly restart", &mut waiting).await;
    control.act(release("orders", 3)).await;
    all_answered_by("A", 5, waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_envoy_refuses_is_shown_in_its_words_and_can_be_mended() {
    let world = World::start().await;
    let orders = ServiceName::new("orders");
    // Past our own check, as a newer version's store might have it.
    let refused = Route {
        service: orders.clone(),
        endpoint: Endpoint::new("", 5432),
        traffic: Traffic::Open,
        epoch: 2,
        passage: Passage::default(),
    };
    world.client_answered_by("A").await;
    world.store.put_route(&refused, None).await.expect("the next epoch");
    let words = eventually("the refusal is listed", async || {
        world.control.proxies("orders").await.into_iter().find_map(|proxy| proxy.rejected)
    })
    .await;
    assert!(words.to_lowercase().contains("address"), "{words}");
    assert!(!world.control.proxies("orders").await.iter().any(|proxy| proxy.follows(2)));
    world.client_answered_by("A").await;

    world.control.act(hold("orders", 3)).await;
    world.control.followed("orders", 3).await;
    let mut waiting = Answers::new();
    clients(world.orders, 3, &mut waiting);
    world.gateway.has_connections("orders", 5).await;
    stay_waiting("refused, then held", &mut waiting).await;
    world.control.act(point("orders", world.b.endpoint(), 4)).await;
    world.control.act(release("orders", 5)).await;
    all_answered_by("B", 3, waiting).await;
    world.control.followed("orders", 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_cluster_that_is_refused_ends_those_who_wait_and_no_others() {
    let store = Arc::new(MemoryStore::default());
    let route = |endpoint, traffic, epoch| Route {
        service: ServiceName::new("orders"),
        endpoint,
        traffic,
        epoch,
        passage: Passage::default(),
    };
    let refused = route(Endpoint::new("", 5432), Traffic::Open, 1);
    store.put_route(&refused, None).await.expect("the first epoch");
    let control = ControlPlane::start(&store).await;
    let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
    let target = StandIn::start("B").await;
    let listener = gateway.listener("orders").await;
    let ended = Client::connect(listener).await.ask().await;
    assert!(ended.is_err(), "{ended:?}");
    control.act(hold("orders", 2)).await;
    control.followed("orders", 2).await;
    let mut waiting = Answers::new();
    clients(listener, 3, &mut waiting);
    gateway.has_connections("orders", 4).await;
    stay_waiting("refused, then held", &mut waiting).await;
    control.act(point("orders", target.endpoint(), 3)).await;
    control.act(release("orders", 4)).await;
    all_answered_by("B", 3, waiting).await;
    control.followed("orders", 4).await;
}

/// Longer than the 15 seconds after which Envoy, left to its defaults, takes silence for an
/// absence and ends who waits; for a service it never had, and for one that was withdrawn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_holds_beyond_envoys_own_patience() {
    let a = StandIn::start("A").await;
    let store = Arc::new(MemoryStore::default());
    let control = ControlPlane::start(&store).await;
    let gateway = Gateway::start("gateway-1", control.address(), &["orders", "users"]).await;
    let (orders, users) = (gateway.listener("orders").await, gateway.listener("users").await);
    control.act(adopt("orders", a.endpoint())).await;
    control.act(hold("orders", 2)).await;
    control.act(adopt("users", a.endpoint())).await;
    assert_eq!(Client::connect(users).await.ask().await.as_deref(), Ok("A"));
    control.act(hold("users", 2)).await;
    control.followed("users", 2).await;
    let mut waiting = Answers::new();
    clients(orders, 3, &mut waiting);
    clients(users, 3, &mut waiting);
    gateway.has_connections("orders", 3).await;
    gateway.has_connections("users", 4).await;
    stay_waiting_for(Duration::from_secs(17), "held in silence", &mut waiting).await;
    control.act(release("orders", 3)).await;
    control.act(release("users", 3)).await;
    all_answered_by("A", 6, waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_in_silence_does_not_delay_another() {
    let a = StandIn::start("A").await;
    let store = Arc::new(MemoryStore::default());
    let control = ControlPlane::start(&store).await;
    let gateway = Gateway::start("gateway-1", control.address(), &["orders", "users"]).await;
    control.act(adopt("users", a.endpoint())).await;
    let mut waiting = Answers::new();
    clients(gateway.listener("orders").await, 1, &mut waiting);
    eventually("orders is asked for", async || {
        let services = control.gateway.waiting().await.expect("it is up");
        services.contains(&ServiceName::new("orders")).then_some(())
    })
    .await;
    let users = gateway.listener("users").await;
    let mut client = Client::connect(users).await;
    let asked = tokio::time::timeout(patience::BOUND, client.ask()).await;
    assert_eq!(asked, Ok(Ok("A".to_owned())));
    stay_waiting("nobody adopted orders", &mut waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_is_waited_for_until_it_is_adopted_and_may_go_to_a_name() {
    let store = Arc::new(MemoryStore::default());
    let control = ControlPlane::start(&store).await;
    let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
    let target = StandIn::start("B").await;
    let mut waiting = Answers::new();
    clients(gateway.listener("orders").await, 1, &mut waiting);
    eventually("the service is listed as waiting", async || {
        let services = control.gateway.waiting().await.expect("it is up");
        services.contains(&ServiceName::new("orders")).then_some(())
    })
    .await;
    stay_waiting("before adoption", &mut waiting).await;
    control.act(adopt("orders", target.named_endpoint())).await;
    all_answered_by("B", 1, waiting).await;
    control.followed("orders", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_by_another_process_is_told_soon() {
    let world = World::start().await;
    world.client_answered_by("A").await;
    let other = ControlPlane::start(&world.store).await;
    other.act(hold("orders", 2)).await;
    world.control.followed("orders", 2).await;
    let mut waiting = Answers::new();
    clients(world.orders, 3, &mut waiting);
    world.gateway.has_connections("orders", 4).await;
    stay_waiting("held by another process", &mut waiting).await;
    other.act(point("orders", world.b.endpoint(), 3)).await;
    other.act(release("orders", 4)).await;
    all_answered_by("B", 3, waiting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_ends_at_the_bootstraps_timeout() {
    let store = Arc::new(MemoryStore::default());
    let control = ControlPlane::start(&store).await;
    let bound = Duration::from_secs(1);
    let address = control.address();
    let gateway = Gateway::with_hold_timeout("gateway-1", address, &["orders"], bound).await;
    let mut waiting = Answers::new();
    let asked = tokio::time::Instant::now();
    clients(gateway.listener("orders").await, 1, &mut waiting);
    let answers = results("the timeout ends it", waiting).await;
    assert!(matches!(answers.as_slice(), [Err(_)]), "{answers:?}");
    // Envoy's timers count milliseconds from the time that its event loop last read, which may be
    // a moment before the connection came.
    let precision = Duration::from_millis(10);
    assert!(asked.elapsed() + precision >= bound, "{:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_trouble_refuses_acts_and_leaves_traffic_alone() {
    let world = World::start().await;
    world.client_answered_by("A").await;
    let troubles = [
        (Trouble::Fails(broken("disk full")), FailureKind::Store),
        (Trouble::Hangs, FailureKind::TimedOut),
    ];
    for (trouble, kind) in troubles {
        world.store.get_into(trouble);
        let refused =
            world.control.router.act(&hold("orders", 2), None).await.expect_err("no store");
        assert_eq!(refused.kind, kind, "{refused}");
        let unseen = world.control.router.view(&ServiceName::new("orders")).await;
        assert_eq!(unseen.expect_err("no store").kind, kind);
        world.client_answered_by("A").await;
    }
    world.store.get_into(Trouble::None);
    world.hold().await;
}
