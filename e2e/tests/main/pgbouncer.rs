//! Risk: PgBouncer as the gateway. With transaction pooling nobody sees an error; a node that dies
//! in the pause comes back without its pause; sessions that are bound to clients never end.

use std::net::SocketAddr;
use std::time::Duration;

use landfall_api::core::status::Outcome;
use landfall_e2e::pooled::Pooled;
use landfall_e2e::{Pooling, Report, Router, Stage, StageConfig};
use landfall_lab::faults::Fault;
use landfall_lab::process::Signal;
use tokio::time::Instant;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::watch::{
    LONG, into_the_pause, moves, start, undone, until_budget_undoes, until_gate, until_over,
};
use crate::world::World;

async fn pooled(pooling: Pooling) -> Stage {
    let config = StageConfig { router: Router::Pgbouncer(pooling), ..StageConfig::default() };
    Stage::set(config, None).await.expect("set the stage")
}

async fn in_the_pause() -> Stage {
    let mut stage = pooled(Pooling::Transaction).await;
    stage.spec.approve = "person";
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    stage
}

async fn to_the_end(mut stage: Stage) -> Report {
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    moves(stage).await
}

/// Rows of the load on the source.
async fn written(stage: &Stage) -> String {
    let sql = "select count(*) from workload_ledger";
    let rows = stage.lab.sql("shop-prod", "shop", sql).await.expect("count");
    rows.into_iter().flatten().flatten().next().expect("a count")
}

/// Until every node says that it is paused.
async fn all_paused(stage: &Stage) {
    let nodes = &stage.pooled.as_ref().expect("PgBouncers").nodes;
    let end = Instant::now() + LONG;
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        let mut said = Vec::new();
        for node in nodes {
            said.push(paused(node.address()).await);
        }
        if said.iter().all(|word| word.as_deref() == Some("1")) {
            return;
        }
        assert!(Instant::now() < end, "not paused within {LONG:?}: {said:?}");
        tick.tick().await;
    }
}

/// Whether the database is paused, as a node's own console says.
async fn paused(at: SocketAddr) -> Option<String> {
    let (_, password) = Pooled::environment();
    let mut config = Config::new();
    config.host(at.ip().to_string()).port(at.port()).dbname("pgbouncer");
    config.user("landfall").password(password);
    let (client, connection) = config.connect(NoTls).await.ok()?;
    tokio::spawn(connection);
    for message in client.simple_query("SHOW DATABASES").await.ok()? {
        if let SimpleQueryMessage::Row(row) = message
            && row.get("name") == Some("shop")
        {
            return row.get("paused").map(str::to_owned);
        }
    }
    None
}

#[tokio::test]
async fn a_move_through_two_pgbouncers_fails_no_statement() {
    let mut stage = pooled(Pooling::Transaction).await;
    start(&mut stage).await;
    let report = moves(stage).await;
    let seen = (report.failed_statements, report.sessions_cut, report.unknown);
    assert_eq!(seen, (0, 0, 0), "{report:#?}");
}

#[tokio::test]
async fn a_pgbouncer_that_dies_while_paused_is_told_again_and_lets_nobody_through() {
    let stage = in_the_pause().await;
    let before = written(&stage).await;
    let node = &stage.pooled.as_ref().expect("PgBouncers").nodes[0];
    node.kill().await.expect("it ran");
    assert!(!node.is_running());
    // Its clients come again, and find it or the other one.
    node.start_again().await.expect("start it again");
    all_paused(&stage).await;
    assert_eq!(written(&stage).await, before, "somebody wrote to the source in the pause");
    let report = Box::pin(to_the_end(stage)).await;
    assert!(report.sessions_cut > 0, "nobody noticed the death: {report:#?}");
}

#[tokio::test]
async fn idle_sessions_of_session_pooling_are_cut_and_the_move_goes_on() {
    let mut stage = pooled(Pooling::Session).await;
    start(&mut stage).await;
    let report = moves(stage).await;
    assert!(report.sessions_cut > 0, "{report:#?}");
}

#[tokio::test]
async fn a_landfall_killed_in_the_pause_fails_no_statement_either() {
    let mut stage = in_the_pause().await;
    stage.product.stop(Signal::Kill).await;
    stage.product.serve(None).await.expect("start Landfall again");
    let report = Box::pin(to_the_end(stage)).await;
    assert_eq!((report.failed_statements, report.sessions_cut), (0, 0), "{report:#?}");
}

#[tokio::test]
async fn an_abort_in_the_pause_fails_no_statement() {
    let mut stage = pooled(Pooling::Transaction).await;
    stage.spec.approve = "person";
    let before = World::of(&stage).await;
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    stage.order("abort", None).await.expect("abort");
    let followed = until_over(&mut stage, Outcome::Undone).await;
    stage.lab.cloud().faults().clear(None);
    before.is_back(&stage).await;
    let report = undone(stage, &followed).await;
    assert_eq!((report.failed_statements, report.sessions_cut), (0, 0), "{report:#?}");
}

#[tokio::test]
async fn nodes_that_stay_away_leave_the_way_back_to_the_budget() {
    let mut stage = pooled(Pooling::Transaction).await;
    stage.spec.approve = "person";
    stage.spec.pause_budget = Duration::from_secs(8);
    let before = World::of(&stage).await;
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    stage.pooled.as_ref().expect("PgBouncers").nodes[0].kill().await.expect("it ran");
    let followed = until_budget_undoes(&mut stage).await;
    stage.lab.cloud().faults().clear(None);
    let node = &stage.pooled.as_ref().expect("PgBouncers").nodes[0];
    node.start_again().await.expect("start it again");
    before.is_back(&stage).await;
    undone(stage, &followed).await;
}
