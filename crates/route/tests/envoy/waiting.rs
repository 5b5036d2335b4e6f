//! Who waits at a proxy, as Envoy itself says it: counted while held, silent while open, told anew
//! to a control plane that was restarted, and not guessed at for a bootstrap that does not report.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::ServiceName;
use landfall_core::port::router::Waiting;
use landfall_route::bootstrap::{BootstrapOptions, Hop, Listen, bootstrap};

use crate::control::{ControlPlane, adopt, hold, release};
use crate::gateway::{Gateway, plain};
use crate::memory::MemoryStore;
use crate::patience::{eventually, stay_waiting};
use crate::stand_in::{Client, StandIn};
use crate::{Answers, World, all_answered_by, clients};

const NOBODY: Option<Waiting> = Some(Waiting { connections: 0, since: None });

/// What the one proxy reports.
async fn waiting(control: &ControlPlane) -> Option<Waiting> {
    control.proxies("orders").await.first().and_then(|proxy| proxy.waiting)
}

/// Until so many wait.
async fn until(control: &ControlPlane, connections: u64) -> Waiting {
    eventually(&format!("{connections} wait"), async || {
        waiting(control).await.filter(|seen| seen.connections == connections)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_wait_are_counted_from_their_beginning() {
    let world = World::start().await;
    let mut established = world.client_answered_by("A").await;
    assert_eq!(waiting(&world.control).await, NOBODY, "an open connection does not wait");
    world.hold().await;
    let begun = Timestamp::now();
    let mut held = Answers::new();
    clients(world.orders, 20, &mut held);
    let seen = until(&world.control, 20).await;
    let since = seen.since.expect("somebody waits");
    // Envoy counts from when it took the connection, a moment later.
    let late = since.duration_since(begun).as_millis();
    assert!((-100..5_000).contains(&late), "the oldest waits since {late} ms after the first");
    let one = Client::connect(world.orders).await;
    let oldest = until(&world.control, 21).await.since;
    assert_eq!(oldest, Some(since), "the oldest is the same");
    drop(one);

    world.control.act(release("orders", 3)).await;
    all_answered_by("A", 20, held).await;
    eventually("nobody waits any more", async || {
        (waiting(&world.control).await == NOBODY).then_some(())
    })
    .await;
    assert_eq!(established.ask().await.as_deref(), Ok("A"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_control_plane_is_told_again_since_when() {
    let world = World::start().await;
    world.client_answered_by("A").await;
    world.hold().await;
    let begun = Timestamp::now();
    let mut held = Answers::new();
    clients(world.orders, 5, &mut held);
    until(&world.control, 5).await;
    let world = world.restart().await;
    // The first lines may have waited for the connection; the next ones are exact again.
    eventually("all five wait since they came, not since the restart", async || {
        let seen = waiting(&world.control).await.filter(|seen| seen.connections == 5)?;
        let late = seen.since?.duration_since(begun).as_millis();
        (-100..1_000).contains(&late).then_some(())
    })
    .await;
    stay_waiting("while held", &mut held).await;
    world.control.act(release("orders", 3)).await;
    all_answered_by("A", 5, held).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_bootstrap_is_not_guessed_at() {
    let a = StandIn::start("A").await;
    let control = ControlPlane::start(&Arc::new(MemoryStore::default())).await;
    let gateway = Gateway::from_text(&older(&control)).await;
    control.act(adopt("orders", a.endpoint())).await;
    let mut held = Answers::new();
    clients(gateway.listener("orders").await, 1, &mut held);
    all_answered_by("A", 1, held).await;
    control.followed("orders", 1).await;
    control.act(hold("orders", 2)).await;
    control.followed("orders", 2).await;
    assert_eq!(waiting(&control).await, None);
}

/// As a bootstrap was before proxies reported who waits.
fn older(control: &ControlPlane) -> String {
    let any = "127.0.0.1:0".parse().expect("an address");
    let text = bootstrap(&BootstrapOptions {
        node_id: "gateway-1".to_owned(),
        cluster: "tests".to_owned(),
        xds: Some(plain(control.address())),
        admin: any,
        listeners: vec![(ServiceName::new("orders"), Listen::Tcp(any))],
        hold_timeout: Duration::from_secs(120),
        hop: Hop::One,
    });
    let (before, rest) = text.split_once("          access_log_options:").expect("it reports");
    let (_, after) = rest.split_once("          # A connection whose").expect("it holds");
    let text = format!("{before}          # A connection whose{after}");
    let said = text.lines().filter(|line| !line.contains("landfall.reports_waiting"));
    said.collect::<Vec<_>>().join("\n")
}
