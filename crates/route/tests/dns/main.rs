//! The DNS router over a real DNS server: what resolvers are told during a move, who may change
//! the record, and what a person reads when it cannot be changed.
//!
//! Both sides have an address of their own and share a port, as databases behind a name do.

mod bench;
mod conformance;
mod hosted;
mod knot;
#[path = "../envoy/memory.rs"]
#[expect(dead_code, reason = "a store in trouble is tried over Envoy")]
mod memory;
mod mistakes;
#[path = "../envoy/patience.rs"]
#[expect(dead_code, reason = "nothing is held here")]
mod patience;
mod side;
mod stale;
#[path = "../envoy/wall_clock.rs"]
mod wall_clock;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use landfall_core::Endpoint;
use landfall_core::port::router::{Router as _, Sessions};

use crate::bench::{
    NAME, TTL, act, adopt, followed, gateway, hold, key, nodes, point, release, router, says, spec,
};
use crate::knot::{Knot, free_address};
use crate::memory::MemoryStore;
use crate::patience::eventually;
use crate::side::{Side, ask};

const SOURCE: &str = "127.0.0.2";
const TARGET: &str = "127.0.0.3";

fn at(ip: &str, port: u16) -> Endpoint {
    Endpoint::new(ip, port)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[tokio::test]
async fn a_move_changes_the_record_at_the_release_and_waits_for_the_old_one() {
    let knot = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let (store, port) = (Arc::new(MemoryStore::default()), free_address().port());
    let router = router(&store, gateway(&spec(knot.address, port), key()));
    let ability = router.ability().await.expect("an ability");
    assert_eq!((ability.holds, ability.sessions), (false, Sessions::Cut));
    let serial = knot.serial().await;
    act(&router, adopt(at(SOURCE, port))).await;
    says(&router, "resolvers may have the record from before").await;
    followed(&router, 1).await;
    act(&router, hold(2)).await;
    followed(&router, 2).await;
    act(&router, point(at(TARGET, port), 3)).await;
    followed(&router, 3).await;
    assert_eq!(knot.address_of(NAME).await, ip(SOURCE), "DNS cannot hold, nor point quietly");
    assert_eq!(knot.serial().await, serial, "the zone was changed before the release");

    let released = Instant::now();
    act(&router, release(4)).await;
    assert_eq!(knot.resolve(NAME).await, [(TARGET.to_owned(), 1)]);
    says(&router, "resolvers may have the record from before").await;
    followed(&router, 4).await;
    assert!(released.elapsed() >= TTL, "{:?}", released.elapsed());
    assert_ne!(knot.serial().await, serial);
    let seen = nodes(&router).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].node, format!("dns {}", knot.address));
}

#[tokio::test]
async fn an_undone_move_leaves_the_zone_as_it_was() {
    let knot = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let (store, port) = (Arc::new(MemoryStore::default()), free_address().port());
    let router = router(&store, gateway(&spec(knot.address, port), key()));
    let serial = knot.serial().await;
    act(&router, adopt(at(SOURCE, port))).await;
    act(&router, hold(2)).await;
    act(&router, point(at(TARGET, port), 3)).await;
    act(&router, point(at(SOURCE, port), 4)).await;
    act(&router, release(5)).await;
    followed(&router, 5).await;
    assert_eq!(knot.resolve(NAME).await, [(SOURCE.to_owned(), 1)]);
    assert_eq!(knot.serial().await, serial);
}

#[tokio::test]
async fn a_client_with_the_old_address_meets_the_fence() {
    let port = free_address().port();
    let knot = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let (mut a, b) = (Side::start(b'A', SOURCE, port).await, Side::start(b'B', TARGET, port).await);
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, gateway(&spec(knot.address, port), key()));
    act(&router, adopt(a.endpoint())).await;
    followed(&router, 1).await;
    let cached = knot.address_of(NAME).await;
    assert_eq!(ask(cached, port).await, Ok(b'A'));
    act(&router, hold(2)).await;
    followed(&router, 2).await;
    assert_eq!(ask(cached, port).await, Ok(b'A'), "DNS does not hold");

    a.fence().await;
    let answered = a.answered();
    assert_eq!(router.probe(&b.endpoint()).await, Ok(Ok(())));
    act(&router, point(b.endpoint(), 3)).await;
    act(&router, release(4)).await;
    // Both at once: who resolves anew is at the target, who does not is refused.
    for _ in 0..50 {
        assert!(ask(cached, port).await.is_err(), "the source answers behind the fence");
        assert_eq!(ask(knot.address_of(NAME).await, port).await, Ok(b'B'));
    }
    assert_eq!(a.answered(), answered);
    followed(&router, 4).await;
}

#[tokio::test]
async fn a_restarted_process_releases_what_the_first_one_pointed() {
    let knot = Knot::start(&["orders 1 CNAME old.db.test."]).await;
    let (store, port) = (Arc::new(MemoryStore::default()), free_address().port());
    let first = router(&store, gateway(&spec(knot.address, port), key()));
    act(&first, adopt(at("old.db.test", port))).await;
    act(&first, hold(2)).await;
    act(&first, point(at("New.db.test", port), 3)).await;
    drop(first);
    let second = router(&store, gateway(&spec(knot.address, port), key()));
    followed(&second, 3).await;
    act(&second, release(4)).await;
    assert_eq!(knot.resolve(NAME).await, [("new.db.test.".to_owned(), 1)]);
    drop(second);

    // It stored the release and died before it told anybody.
    let third = router(&store, gateway(&spec(knot.address, port), key()));
    followed(&third, 4).await;
    act(&third, hold(5)).await;
    act(&third, point(at("10.0.0.9", port), 6)).await;
    drop(third);
    let stored = landfall_core::port::router::Route {
        service: bench::orders(),
        endpoint: at("10.0.0.9", port),
        traffic: landfall_core::port::router::Traffic::Open,
        epoch: 7,
        passage: landfall_core::port::router::Passage::default(),
    };
    landfall_core::journal::Store::put_route(store.as_ref(), &stored, None).await.expect("stored");
    let fourth = router(&store, gateway(&spec(knot.address, port), key()));
    followed(&fourth, 7).await;
    assert_eq!(
        knot.resolve(NAME).await,
        [("10.0.0.9".to_owned(), 1)],
        "an alias became an address"
    );
}

#[tokio::test]
async fn a_secondary_that_shows_the_old_record_is_a_straggler() {
    let knot = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let slow = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let (store, port) = (Arc::new(MemoryStore::default()), free_address().port());
    let mut both = spec(knot.address, port);
    both.secondaries = vec![slow.address.to_string()];
    let router = router(&store, gateway(&both, key()));
    act(&router, adopt(at(SOURCE, port))).await;
    followed(&router, 1).await;
    act(&router, hold(2)).await;
    act(&router, point(at(TARGET, port), 3)).await;
    act(&router, release(4)).await;
    let seen = eventually("the primary follows", async || {
        let seen = nodes(&router).await;
        seen.iter().any(|node| node.follows(4)).then_some(seen)
    })
    .await;
    let late: Vec<_> = seen.iter().filter(|node| !node.follows(4)).collect();
    assert_eq!(late.len(), 1, "{seen:?}");
    assert_eq!(late[0].node, format!("dns {}", slow.address));
    assert!(late[0].rejected.as_deref().is_some_and(|said| said.contains("not to 127.0.0.3 yet")));
    // The transfer, made by hand.
    let own = gateway(&spec(slow.address, port), key());
    let moved = bench::router(&store, own);
    followed(&moved, 4).await;
    followed(&router, 4).await;
}
