//! Risk: clients that wait two seconds for a connection, and a pause that takes longer. They give up
//! by their own clock; nobody else may notice, and nothing of theirs may stay behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use landfall_e2e::Stage;
use landfall_lab::faults::Fault;
use landfall_lab::process::{Exit, Program, Running};
use landfall_lab::tools;

use crate::told::landfall;
use crate::watch::{LONG, into_the_pause, moves, stage_with_gates, start, until_gate};

const CROWD: usize = 10;

/// psql writes one row through the gateway; `patience` is libpq's `connect_timeout`.
async fn psql(stage: &Stage, name: &str, patience: &str) -> Running {
    let access = stage.lab.source();
    let (host, port) = (stage.gateway.ip(), stage.gateway.port());
    let to = format!("host={host} port={port} dbname=shop user={} {patience}", access.user);
    let tools = tools::postgres().expect("PostgreSQL");
    Program::new(tools.program("psql"), log(stage, name))
        .env("PGPASSWORD", &access.password)
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
        .args([&format!("--command=insert into impatient values ('{name}')"), &to])
        .start()
        .await
        .expect("start psql")
}

fn log(stage: &Stage, name: &str) -> PathBuf {
    stage.dir().join(format!("{name}.log"))
}

async fn ended(running: &Running) -> Exit {
    tokio::time::timeout(LONG, running.wait()).await.expect("psql ends")
}

/// Who has written, on a server.
async fn written(stage: &Stage, instance: &str) -> Vec<String> {
    let rows = stage.lab.sql(instance, "shop", "select who from impatient order by 1").await;
    rows.expect("the rows").into_iter().flatten().flatten().collect()
}

#[tokio::test]
async fn clients_that_wait_two_seconds_give_up_cleanly_and_disturb_nobody() {
    let mut stage = stage_with_gates().await;
    stage.spec.extra.push(("route", "clients_wait = \"2s\"".to_owned()));
    stage.lab.sql("shop-prod", "shop", "create table impatient (who text)").await.expect("a table");
    let owner = format!("alter table impatient owner to {}", stage.lab.source().user);
    stage.lab.sql("shop-prod", "shop", &owner).await.expect("an owner");
    let early = psql(&stage, "early", "connect_timeout=2").await;
    assert_eq!(ended(&early).await, Exit::Code(0), "{}", early.log_tail());

    let file = stage.spec_file().expect("a spec");
    let told = landfall(&stage.product, ["assess", file.to_str().unwrap()]).await;
    told.says(0, &["its clients wait 2s for a connection", "may take 1m", "connect_timeout"]);

    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    let patient = psql(&stage, "patient", "").await;
    let begun = Instant::now();
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        crowd.push(psql(&stage, &format!("hasty-{number}"), "connect_timeout=2").await);
    }
    for hasty in &crowd {
        assert_eq!(ended(hasty).await, Exit::Code(2), "{}", hasty.log_tail());
        let told = hasty.log_tail();
        assert!(told.contains("timeout expired"), "not its own clock: {told}");
    }
    assert!(begun.elapsed() >= Duration::from_secs(2), "they were refused: {:?}", begun.elapsed());
    assert!(patient.is_running(), "the hold was disturbed: {}", patient.log_tail());

    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    until_gate(&mut stage, "accept").await;
    assert_eq!(ended(&patient).await, Exit::Code(0), "{}", patient.log_tail());
    // Whoever gave up has written nowhere, also not late.
    assert_eq!(written(&stage, "shop-aurora-1").await, ["early", "patient"]);
    assert_eq!(written(&stage, "shop-prod").await, ["early"]);
    // And comes through when it tries again.
    let again = psql(&stage, "again", "connect_timeout=2").await;
    assert_eq!(ended(&again).await, Exit::Code(0), "{}", again.log_tail());
    stage.order("approve", Some("accept")).await.expect("approve");
    moves(stage).await;
}
