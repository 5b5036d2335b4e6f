//! Risk: a control plane comes back with what it knew before: another one has led since, the route
//! has a newer epoch in the store, and Envoys connect to the one that slept.

use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::status::Run;
use landfall_e2e::product::free_address;
use landfall_lab::faults::Fault;
use landfall_lab::gateway::{Gateway, GatewayConfig};
use landfall_lab::process::Signal;
use landfall_lab::tools;

use crate::partition::fleet::Epochs;
use crate::rivals::{Balancer, answers_again, follow, freeze, through_a_balancer};
use crate::watch::{into_the_pause, moves, stage_with_gates, start};
use crate::world::goes_on;

/// The epoch of the stored route, as this server reads it.
async fn epoch(client: &landfall_api::Client) -> u64 {
    let routes = client.routes().await.expect("the routes");
    routes[0].view.route.as_ref().expect("a route").epoch
}

#[tokio::test]
async fn one_that_slept_through_the_release_tells_nobody_an_older_epoch() {
    let mut stage = stage_with_gates().await;
    let balancer: Balancer = through_a_balancer(&stage).await;
    let epochs = Epochs::of(stage.admin);
    start(&mut stage).await;
    let first = into_the_pause(&mut stage).await.lease.expect("it leads");
    let held = epoch(&stage.product.client().unwrap()).await;

    // It sleeps from the hold on, and what it has in memory is a held route that leads to the source.
    freeze(&stage.product, rustix::process::Signal::STOP);
    let mut second = stage.product.beside().unwrap();
    second.serve(None).await.expect("serve beside");
    balancer.leads_to(second.xds);
    let client = second.client().unwrap();
    let taken = |view: &MoveView| view.lease.as_ref().is_some_and(|now| now.epoch > first.epoch);
    follow(&client, taken).await;
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    let gate = |view: &MoveView| view.gate.as_ref().is_some_and(|gate| gate.name == "accept");
    let stops = |view: &MoveView| gate(view) || matches!(view.status.run, Run::NeedsHuman { .. });
    let view = follow(&client, stops).await;
    assert!(gate(&view), "{:#?}\n{}", view.status, second.log());
    goes_on(&stage).await;
    let released = epoch(&client).await;
    assert!(released >= held + 2, "it was pointed and released: {held}, {released}");

    // The other one is gone for good, and everybody is led to the one that slept.
    second.stop(Signal::Kill).await;
    balancer.leads_to(stage.product.xds);
    freeze(&stage.product, rustix::process::Signal::CONT);
    answers_again(&stage.product.client().unwrap()).await;
    assert_eq!(epoch(&stage.product.client().unwrap()).await, released);
    // An Envoy that knows nothing asks it, and is led to the target.
    let (listen, admin) = (free_address().unwrap(), free_address().unwrap());
    let line = [
        "envoy".to_owned(),
        "bootstrap".to_owned(),
        "--node=gateway-2".to_owned(),
        format!("--xds={}", balancer.address),
        format!("--admin={admin}"),
        format!("--listen=shop={listen}"),
    ];
    let bootstrap = stage.product.succeed(line).expect("a bootstrap");
    let (envoy, dir) = (tools::envoy().unwrap(), stage.dir().join("gateway-2"));
    let newcomer = Gateway::start(GatewayConfig { envoy, dir, bootstrap, admin }).await;
    let newcomer = newcomer.expect("start Envoy");
    assert!(writable(&stage, listen).await, "led to the fenced source, or to nobody");
    let told = Epochs::of(admin);
    told.reach(released, Duration::from_secs(30)).await;
    assert_eq!(told.seen(), [released]);
    newcomer.stop().await;

    goes_on(&stage).await;
    let seen = epochs.seen();
    assert!(seen.is_sorted() && seen.last() == Some(&released), "{seen:?}");
    // It leads again once the other one's lease is over.
    stage.order("approve", Some("accept")).await.expect("approve");
    moves(stage).await;
}

/// Whether a client that connects there reaches a server that takes writes, and the target.
async fn writable(stage: &landfall_e2e::Stage, listen: std::net::SocketAddr) -> bool {
    let access = stage.lab.access("shop-aurora-1").expect("the target");
    let mut config = tokio_postgres::Config::new();
    config.host(listen.ip().to_string()).port(listen.port()).dbname("shop");
    config.user(&access.user).password(&access.password).connect_timeout(Duration::from_secs(30));
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("connect");
    let connection = tokio::spawn(connection);
    let started = "select pg_postmaster_start_time()::text";
    let row = client.query_one(started, &[]).await.expect("a row");
    let here: String = row.get(0);
    client.batch_execute("create temporary table proof (id int)").await.expect("it takes writes");
    drop(client);
    connection.await.expect("no panic").expect("it ends in order");
    let target = stage.lab.sql("shop-aurora-1", "shop", started).await.expect("the target");
    target.into_iter().flatten().flatten().next() == Some(here)
}
