//! Sessions as PostgreSQL shows them to a role that is no superuser, and their end.

use std::collections::BTreeMap;
use std::net::TcpListener;

use landfall_core::FailureKind;
use landfall_core::action::{DatabaseAction, SessionClass};
use landfall_core::port::Database;
use landfall_core::port::database::{Session, SessionKind, SessionState};
use landfall_postgres::PostgresDatabase;

use crate::bench::{Bench, OTHER, eventually, pid};

async fn look(bench: &Bench, port: &PostgresDatabase) -> Vec<Session> {
    port.sessions(&bench.at()).await.unwrap()
}

async fn one(bench: &Bench, port: &PostgresDatabase, pid: i32) -> Option<Session> {
    look(bench, port).await.into_iter().find(|session| session.pid == pid)
}

async fn terminate(bench: &Bench, port: &PostgresDatabase, class: SessionClass) {
    port.act(&DatabaseAction::TerminateSessions { at: bench.at(), class }).await.unwrap();
}

#[tokio::test]
async fn the_master_user_tells_every_kind_apart() {
    let bench = Bench::new().await;
    let _standby = bench.standby().await;
    let port = bench.port();
    let other = bench.login("app", OTHER).await.unwrap();
    // The master user's own session is no session of ours: the name makes the difference.
    let colleague = bench.login("owner", "shop").await.unwrap();
    let busy = bench.login("app", "shop").await.unwrap();
    busy.batch_execute("begin; insert into orders default values").await.unwrap();

    let (other, colleague, busy_pid) = (pid(&other).await, pid(&colleague).await, pid(&busy).await);
    let sessions = eventually("the replica's session", async || {
        let sessions = look(&bench, &port).await;
        let follows = sessions.iter().any(|s| s.kind == SessionKind::Replication);
        if follows { Ok(sessions) } else { Err(sessions) }
    })
    .await;
    let by_pid: BTreeMap<i32, &Session> = sessions.iter().map(|s| (s.pid, s)).collect();
    assert_eq!(by_pid[&other].kind, SessionKind::Client);
    assert_eq!(by_pid[&other].database, Some(OTHER.into()));
    assert_eq!(by_pid[&other].application, "shop-front");
    assert_eq!(by_pid[&colleague].kind, SessionKind::Client);
    assert_eq!(by_pid[&busy_pid].state, SessionState::InTransaction, "idle in transaction");
    assert_eq!(by_pid[&other].state, SessionState::Idle);

    let ours: Vec<&&Session> =
        by_pid.values().filter(|session| session.kind == SessionKind::Ours).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    assert_eq!(ours[0].application, "landfall");
    assert!(by_pid.values().all(|session| session.kind != SessionKind::Unknown), "{by_pid:?}");
    // The lab's own sessions stand for the provider's.
    let provider = by_pid.values().filter(|s| s.user.as_deref() == Some("rdsadmin"));
    assert!(provider.clone().count() > 0);
    assert!(provider.clone().all(|s| s.kind == SessionKind::Server), "{by_pid:?}");
    let background = by_pid.values().filter(|s| s.user.is_none());
    assert!(background.clone().count() >= 3, "checkpointer, writer, wal writer: {by_pid:?}");
    assert!(background.clone().all(|s| s.kind == SessionKind::Server), "{by_pid:?}");
}

#[tokio::test]
async fn what_may_not_be_seen_is_unknown_and_not_idle() {
    let bench = Bench::new().await;
    bench.admin("create role blind login password 'blindpass'").await;
    let port = bench.port_as("blind");
    let client = bench.login("app", "shop").await.unwrap();
    let session = one(&bench, &port, pid(&client).await).await.unwrap();
    assert_eq!(session.kind, SessionKind::Unknown);
    assert_eq!(session.state, SessionState::InTransaction);
    let sessions = look(&bench, &port).await;
    assert_eq!(sessions.iter().filter(|s| s.kind == SessionKind::Ours).count(), 1);
}

#[tokio::test]
async fn a_name_alone_makes_nobody_ours() {
    let bench = Bench::new().await;
    let port = bench.port();
    let impostor = bench.login("app", "shop").await.unwrap();
    impostor.batch_execute("set application_name = 'landfall'").await.unwrap();
    let pid = pid(&impostor).await;
    assert_eq!(one(&bench, &port, pid).await.unwrap().kind, SessionKind::Client);
    terminate(&bench, &port, SessionClass::All).await;
    eventually("the impostor to go", async || one(&bench, &port, pid).await.map_or(Ok(()), Err))
        .await;
}

#[tokio::test]
async fn sessions_of_every_database_end_by_class() {
    let bench = Bench::new().await;
    let port = bench.port();
    let idle = bench.login("app", OTHER).await.unwrap();
    let busy = bench.login("app", "shop").await.unwrap();
    busy.batch_execute("begin; insert into orders default values").await.unwrap();
    let (idle_pid, busy_pid) = (pid(&idle).await, pid(&busy).await);

    terminate(&bench, &port, SessionClass::Idle).await;
    eventually("the idle one to go", async || {
        one(&bench, &port, idle_pid).await.map_or(Ok(()), Err)
    })
    .await;
    busy.batch_execute("commit").await.expect("a transaction under way was let finish");

    busy.batch_execute("begin; insert into orders default values").await.unwrap();
    terminate(&bench, &port, SessionClass::All).await;
    eventually("the busy one to go", async || {
        one(&bench, &port, busy_pid).await.map_or(Ok(()), Err)
    })
    .await;
    assert!(busy.batch_execute("commit").await.is_err());
    let rows = bench.server.query_in("shop", "select count(*) from orders", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 1, "what was acknowledged is there, the rest is not");
    assert!(bench.login("app", "shop").await.is_ok(), "a termination is no lock");
}

#[tokio::test]
async fn a_missing_membership_is_named_and_the_others_end() {
    let bench = Bench::new().await;
    bench
        .admin("create role watcher login password 'watcherpass'; grant pg_monitor to watcher")
        .await;
    bench.admin("create role own login password 'ownpass'; grant own to watcher").await;
    let port = bench.port_as("watcher");
    let foreign = bench.login("app", "shop").await.unwrap();
    let own = bench.login("own", "shop").await.unwrap();
    let (foreign_pid, own_pid) = (pid(&foreign).await, pid(&own).await);

    let all = DatabaseAction::TerminateSessions { at: bench.at(), class: SessionClass::All };
    let failure = port.act(&all).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.detail.contains("pg_signal_backend"), "{failure}");
    eventually("the session of a role we belong to to go", async || {
        one(&bench, &port, own_pid).await.map_or(Ok(()), Err)
    })
    .await;
    assert!(one(&bench, &port, foreign_pid).await.is_some());

    bench.admin("grant pg_signal_backend to watcher").await;
    port.act(&all).await.unwrap();
    eventually("everybody to go", async || {
        one(&bench, &port, foreign_pid).await.map_or(Ok(()), Err)
    })
    .await;
}

#[tokio::test]
async fn a_superuser_outranks_us() {
    let bench = Bench::new().await;
    bench.admin("create role root superuser login password 'rootpass'").await;
    let root = bench.login("root", "shop").await.unwrap();
    let app = bench.login("app", "shop").await.unwrap();
    let (root_pid, app_pid) = (pid(&root).await, pid(&app).await);
    let port = bench.port();
    let all = DatabaseAction::TerminateSessions { at: bench.at(), class: SessionClass::All };
    let failure = port.act(&all).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
    assert!(failure.detail.contains("superuser"), "{failure}");
    eventually("the application to go", async || {
        one(&bench, &port, app_pid).await.map_or(Ok(()), Err)
    })
    .await;
    assert_eq!(one(&bench, &port, root_pid).await.unwrap().kind, SessionKind::Client);
}

#[tokio::test]
async fn an_apply_worker_is_no_process_of_the_servers() {
    let bench = Bench::new().await;
    bench.admin("create role applier superuser login password 'applierpass'").await;
    let applier = bench.login("applier", "shop").await.unwrap();
    let applier_pid = pid(&applier).await;
    // A publisher that takes the connection and never says a word keeps the worker waiting.
    let publisher = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port_number = publisher.local_addr().unwrap().port();
    let sql = format!(
        "create subscription s connection 'host=127.0.0.1 port={port_number} dbname=shop' \
         publication p with (connect = false); alter subscription s enable"
    );
    applier.batch_execute(&sql).await.unwrap();
    let port = bench.port();
    let worker = eventually("the apply worker", async || {
        let sessions = look(&bench, &port).await;
        let theirs = |s: &&Session| s.user.as_deref() == Some("applier") && s.pid != applier_pid;
        sessions.iter().find(theirs).cloned().ok_or(sessions)
    })
    .await;
    assert_eq!(worker.kind, SessionKind::Client, "{worker:?}");
}
