//! Envoy and DNS under one router: most applications come through Envoy, stragglers resolve a name.
//! One route, one epoch and one verdict over both, and whoever is late is named.

#[path = "../dns/bench.rs"]
#[expect(dead_code, reason = "what only DNS alone needs")]
mod bench;
#[path = "../envoy/control.rs"]
#[expect(dead_code, reason = "what only Envoy alone needs")]
mod control;
#[path = "../envoy/gateway.rs"]
mod gateway;
#[path = "../dns/knot.rs"]
#[expect(dead_code, reason = "the zone's serial is looked at with DNS alone")]
mod knot;
#[path = "../envoy/memory.rs"]
#[expect(dead_code, reason = "a store in trouble is tried over Envoy")]
mod memory;
#[path = "../envoy/patience.rs"]
mod patience;
#[path = "../dns/side.rs"]
mod side;
#[path = "../envoy/stand_in.rs"]
#[expect(dead_code, reason = "sides are the stand-ins here")]
mod stand_in;
#[path = "../envoy/wall_clock.rs"]
mod wall_clock;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::port::router::{Router as _, Sessions};
use landfall_route::ServiceRouter;
use tokio::task::JoinSet;

use crate::bench::{NAME, act, adopt, followed, hold, key, nodes, orders, point, release, spec};
use crate::control::ControlPlane;
use crate::gateway::Gateway;
use crate::knot::{Knot, free_address};
use crate::memory::MemoryStore;
use crate::patience::{eventually, results, stay_waiting};
use crate::side::{Side, ask};
use crate::stand_in::Client;

struct World {
    knot: Knot,
    control: ControlPlane,
    envoy: Gateway,
    listener: SocketAddr,
    router: ServiceRouter,
    source: Side,
    target: Side,
    port: u16,
}

impl World {
    async fn start() -> Self {
        let port = free_address().port();
        let knot = Knot::start(&["orders 1 A 127.0.0.4"]).await;
        let source = Side::start(b'A', "127.0.0.4", port).await;
        let target = Side::start(b'B', "127.0.0.5", port).await;
        let store = Arc::new(MemoryStore::default());
        let control = ControlPlane::start(&store).await;
        let envoy = Gateway::start("gateway-1", control.address(), &["orders"]).await;
        let listener = envoy.listener("orders").await;
        let dns = bench::gateway(&spec(knot.address, port), key());
        let gateways: Vec<Arc<dyn landfall_route::Gateway>> =
            vec![Arc::clone(&control.gateway) as _, dns];
        let router = ServiceRouter::new(store, gateways, Duration::from_secs(2));
        let router = router.tending(vec![orders()]);
        act(&router, adopt(source.endpoint())).await;
        Self { knot, control, envoy, listener, router, source, target, port }
    }

    async fn resolved(&self) -> Result<u8, String> {
        ask(self.knot.address_of(NAME).await, self.port).await
    }

    async fn stragglers(&self, epoch: u64) -> Vec<String> {
        let seen = nodes(&self.router).await;
        seen.into_iter().filter(|node| !node.follows(epoch)).map(|node| node.node).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_are_held_pointed_and_released_under_one_epoch() {
    let mut world = World::start().await;
    let ability = world.router.ability().await.expect("an ability");
    assert_eq!((ability.holds, ability.sessions), (false, Sessions::Cut));
    assert_eq!(Client::connect(world.listener).await.ask().await.as_deref(), Ok("A"));
    assert_eq!(world.resolved().await, Ok(b'A'));
    followed(&world.router, 1).await;
    assert_eq!(nodes(&world.router).await.len(), 2, "Envoy and the zone's server");

    act(&world.router, hold(2)).await;
    followed(&world.router, 2).await;
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let listener = world.listener;
        waiting.spawn(async move { Client::connect(listener).await.ask().await });
    }
    world.envoy.has_connections("orders", 6).await;
    world.source.fence().await;
    let answered = world.source.answered();
    act(&world.router, point(world.target.endpoint(), 3)).await;
    followed(&world.router, 3).await;
    stay_waiting("through Envoy", &mut waiting).await;
    assert!(world.resolved().await.is_err(), "by name, the fence is met");

    act(&world.router, release(4)).await;
    assert_eq!(results("held", waiting).await, vec![Ok("B".to_owned()); 5]);
    assert_eq!(world.resolved().await, Ok(b'B'));
    followed(&world.router, 4).await;
    assert_eq!(world.source.answered(), answered, "the source answered behind the fence");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_is_late_is_named_and_the_other_is_not() {
    let World { knot, control, envoy, listener, router, source, target, port } =
        World::start().await;
    let mut client = Client::connect(listener).await;
    assert_eq!(client.ask().await.as_deref(), Ok("A"));
    followed(&router, 1).await;
    let server = format!("dns {}", knot.address);
    drop(knot);
    let world = World {
        knot: Knot::start(&[]).await,
        control,
        envoy,
        listener,
        router,
        source,
        target,
        port,
    };
    act(&world.router, hold(2)).await;
    eventually("only the zone's server is late", async || {
        (world.stragglers(2).await == [server.clone()]).then_some(())
    })
    .await;
    let World { envoy, router, control, knot, .. } = world;
    drop(envoy);
    eventually("both are late", async || {
        let seen = nodes(&router).await;
        let late: Vec<_> = seen.iter().filter(|node| !node.follows(2)).collect();
        (late.len() == 2 && late.iter().any(|node| node.node == "gateway-1")).then_some(())
    })
    .await;
    drop((control, knot));
}
