//! Risk: a service that only reads is forgotten at the cutover, refused in the pause, or goes on
//! to show the side that stayed behind.

use std::net::SocketAddr;
use std::time::Duration;

use landfall_api::core::port::router::Traffic;
use landfall_e2e::Stage;
use landfall_e2e::product::free_address;
use landfall_lab::faults::Fault;
use tokio_postgres::NoTls;

use crate::watch::{into_the_pause, moves, stage_with_gates, start, until_gate};

/// Starts Envoy again, with a listener for the readers.
async fn with_readers(stage: &Stage) -> SocketAddr {
    let readers = free_address().expect("a free address");
    let (xds, admin) = (stage.product.xds.to_string(), stage.admin.to_string());
    let (writer, reader) = (format!("shop={}", stage.gateway), format!("shop-ro={readers}"));
    let line = ["envoy", "bootstrap", "--node", "gateway-1", "--xds", &xds, "--admin", &admin];
    let listen = ["--listen", &writer, "--listen", &reader];
    let text = stage.product.succeed(line.into_iter().chain(listen)).expect("a bootstrap");
    stage.lab.stop_gateway().await;
    stage.lab.start_gateway(text, stage.admin).await.expect("start Envoy with both");
    readers
}

/// When the server behind the readers' service was started, which tells the two sides apart, and
/// whether it takes writes. Waits as long as any hold.
async fn server_behind(stage: &Stage, readers: SocketAddr) -> (String, bool) {
    let access = stage.lab.access("shop-prod").expect("the application's user");
    let mut config = tokio_postgres::Config::new();
    config.host(readers.ip().to_string()).port(readers.port());
    config.user(&access.user).password(&access.password).dbname("shop");
    config.connect_timeout(Duration::from_secs(100));
    let (client, connection) = config.connect(NoTls).await.expect("connect as a reader");
    let connection = tokio::spawn(connection);
    let sql = "select pg_postmaster_start_time()::text, pg_is_in_recovery()";
    let row = client.query_one(sql, &[]).await.expect("read");
    drop(client);
    connection.await.expect("the session ends").expect("and in order");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_reader_waits_through_the_pause_and_reads_from_the_target() {
    let mut stage = stage_with_gates().await;
    let readers = with_readers(&stage).await;
    stage.spec.extra.push(("[route.reader]", "service = \"shop-ro\"".to_owned()));
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    let (before, replica) = server_behind(&stage, readers).await;
    assert!(!replica, "it did not read from the source");
    into_the_pause(&mut stage).await;
    let after = {
        let mut waiting = std::pin::pin!(server_behind(&stage, readers));
        let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting).await;
        assert!(early.is_err(), "the pause let a reader through: {early:?}");
        stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
        waiting.await
    };
    assert_ne!(after.0, before, "the reader still reads from the source");
    assert!(!after.1, "the target is a primary by then");
    until_gate(&mut stage, "accept").await;
    let routes = stage.product.client().unwrap().routes().await.unwrap();
    let routes: Vec<_> = routes.iter().filter_map(|one| one.view.route.as_ref()).collect();
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert!(routes.iter().all(|route| route.traffic == Traffic::Open), "{routes:?}");
    assert_eq!(routes[0].endpoint, routes[1].endpoint, "there is no reader yet: {routes:?}");
    stage.order("approve", Some("accept")).await.unwrap();
    moves(stage).await;
}
