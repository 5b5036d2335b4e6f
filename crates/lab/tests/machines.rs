//! The lab's machines on real PostgreSQL and real Envoy: servers, firewall, standby, sampler.
//!
//! Every wait is a poll with a bound that says what it waited for. Nothing is mocked.

mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use landfall_lab::firewall::{Actor, Count, Egress, Firewall, connect_as};
use landfall_lab::server::{Origin, Server, StopMode};
use machine::{Bench, eventually, login};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn a_primary_boots_quickly_and_survives_stop_crash_and_reopening() {
    let bench = Bench::new();
    let began = Instant::now();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let boot = began.elapsed();
    println!("boot: {boot:?}");
    assert!(boot < Duration::from_secs(10), "{boot:?}");
    server.run_script("shop", "create table t (id int); insert into t values (1)").await.unwrap();
    let segment = server.query("select current_setting('wal_segment_size')", &[]).await.unwrap();
    assert_eq!(segment[0].get::<_, String>(0), "64MB");

    let exits = server.exits().unwrap();
    let first = server.pid().unwrap();
    server.restart().await.unwrap();
    assert!(exits.borrow().unwrap().is_success(), "a fast stop is a clean end");
    assert_ne!(server.pid(), Some(first));
    server.stop(StopMode::Immediate).await.unwrap();
    assert!(!server.is_running() && server.query("select 1", &[]).await.is_err());

    let config = server.config().clone();
    drop(server);
    let server = Server::open(config).unwrap();
    server.start().await.unwrap();
    let rows = server.query_in("shop", "select count(*) from t", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 1);
}

#[tokio::test]
async fn the_master_user_has_the_rights_of_rds_and_no_more() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = open(&server, [Actor::Landfall, Actor::Application]).await;
    let master = login(Actor::Landfall, &firewall, "owner").await.unwrap();
    master
        .batch_execute(
            "create schema s; create table s.t (id int primary key); \
             create role app login password 'apppass'; grant rds_replication to app; \
             create publication p for table s.t; checkpoint",
        )
        .await
        .unwrap();
    let app = login(Actor::Application, &firewall, "app").await.unwrap();
    app.batch_execute("begin; set application_name = 'seen'").await.unwrap();
    let sql = "select pid from pg_stat_activity \
               where usename = 'app' and application_name = 'seen' and query is not null";
    let pid: i32 = master.query_one(sql, &[]).await.unwrap().get(0);
    let ended = master.query_one("select pg_terminate_backend($1)", &[&pid]).await.unwrap();
    assert!(ended.get::<_, bool>(0));
    let error = app.batch_execute("select 1").await.unwrap_err();
    let cut = error.code().is_some_and(|code| code.code() == "57P01") || error.is_closed();
    assert!(cut, "{error}");

    let is_super: String = master.query_one("show is_superuser", &[]).await.unwrap().get(0);
    assert_eq!(is_super, "off");
    assert!(master.batch_execute("alter system set work_mem = '1MB'").await.is_err());
    assert!(login(Actor::Landfall, &firewall, "rdsadmin").await.is_err(), "the lab's own role");
    eventually("membership of rds_replication to count", async || {
        let sql = "select rolreplication from pg_roles where rolname = 'app'";
        server.query(sql, &[]).await.unwrap()[0].get::<_, bool>(0)
    })
    .await;
}

#[tokio::test]
async fn parameters_reach_the_server_as_their_kind_says() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let group = |entries: &[(&str, &str)]| -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let applied = server
        .apply_settings(&group(&[
            ("work_mem", "8192"),
            ("max_prepared_transactions", "7"),
            ("rds.logical_replication", "1"),
            ("apg_plan_mgmt.max_plans", "10"),
            ("listen_addresses", "*"),
            ("no_such_setting", "1"),
            ("shared_preload_libraries", "rdsutils,pg_stat_statements"),
        ]))
        .await
        .unwrap();
    let names = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(names(&applied.ignored), "listen_addresses no_such_setting");
    assert_eq!(
        names(&applied.pending_restart),
        "max_prepared_transactions shared_preload_libraries wal_level"
    );
    let setting = async |name: &str| server.setting(name).await.unwrap().unwrap();
    assert_eq!(setting("work_mem").await, "8MB");
    assert_eq!(setting("wal_level").await, "replica");
    server.restart().await.unwrap();
    assert_eq!(setting("wal_level").await, "logical");
    assert_eq!(setting("max_prepared_transactions").await, "7");
    assert_eq!(setting("shared_preload_libraries").await, "pg_stat_statements");
    assert_eq!(setting("rds.logical_replication").await, "1");
    assert_eq!(setting("listen_addresses").await, "");

    let refused = server.apply_settings(&group(&[("work_mem", "much")])).await.unwrap_err();
    assert!(refused.to_string().contains("work_mem"), "{refused}");
    assert_eq!(setting("work_mem").await, "8MB", "a refused group changes nothing");
    assert_eq!(server.apply_settings(&group(&[])).await.unwrap().ignored.len(), 0);
    assert_eq!(setting("work_mem").await, "4MB", "what a group no longer says is reset");
}

#[tokio::test]
async fn each_actor_is_let_in_exactly_when_its_group_says_so() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = Firewall::open(server.socket()).await.unwrap();
    for (allowed, actor) in Actor::ALL.iter().flat_map(|a| Actor::ALL.map(|b| (*a, b))) {
        firewall.set_allowed(BTreeSet::from([allowed]));
        let before = firewall.counts().get(&actor).copied().unwrap_or_default();
        let mut client = connect_as(actor, firewall.port()).await.unwrap();
        // An SSLRequest: a server that is reached answers it with one byte.
        client.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
        let mut answer = [0; 1];
        if actor == allowed || actor == Actor::Managed {
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"N");
            continue;
        }
        eventually("a denial to be counted", async || {
            let now = firewall.counts().get(&actor).copied().unwrap_or_default();
            now == Count { accepted: before.accepted, denied: before.denied + 1 }
        })
        .await;
        let silence = Duration::from_millis(20);
        let heard = tokio::time::timeout(silence, client.read(&mut answer)).await;
        assert!(heard.is_err(), "{actor} was answered: {heard:?}");
    }
}

#[tokio::test]
async fn established_sessions_go_on_after_their_actor_is_denied_and_a_reboot_ends_them() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = open(&server, [Actor::Application]).await;
    let session = login(Actor::Application, &firewall, "owner").await.unwrap();
    firewall.set_allowed(BTreeSet::from([Actor::Landfall]));
    session.batch_execute("create table written_after_deny (id int)").await.unwrap();
    let tracked = firewall.tracked();
    assert_eq!(tracked.iter().map(|t| t.actor).collect::<Vec<_>>(), [Actor::Application]);

    let mut denied = connect_as(Actor::Application, firewall.port()).await.unwrap();
    firewall.blackhole(BTreeSet::from([Actor::Application]));
    let stalled = session.simple_query("select 1");
    tokio::pin!(stalled);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut stalled).await;
    assert!(early.is_err(), "an answer went through a blackhole");
    firewall.blackhole(BTreeSet::new());
    stalled.await.unwrap();

    server.restart().await.unwrap();
    eventually("the session to be cut", async || session.is_closed()).await;
    eventually("no session to be tracked", async || firewall.tracked().is_empty()).await;
    assert!(login(Actor::Landfall, &firewall, "owner").await.is_ok());
    drop(firewall);
    let mut byte = [0; 1];
    let end = tokio::time::timeout(Duration::from_secs(5), denied.read(&mut byte)).await;
    assert!(matches!(end.unwrap(), Ok(0) | Err(_)), "held until the firewall closed");
}

#[tokio::test]
async fn a_standby_through_the_egress_promotes_with_every_acknowledged_row() {
    let bench = Bench::new();
    let source = Server::initialise(bench.config("source")).await.unwrap();
    source.run_script("shop", "create table t (id bigint primary key)").await.unwrap();
    source.run_script("shop", "alter table t owner to owner").await.unwrap();
    let firewall = open(&source, [Actor::Application]).await;
    let user = bench.user();
    let egress =
        Egress::open(bench.short("way"), Actor::Managed, firewall.port(), user.as_ref()).unwrap();
    let writer = tokio::spawn(machine::write_until_cut(
        login(Actor::Application, &firewall, "owner").await.unwrap(),
    ));
    let slot = "rds_us_east_1_db_test";
    let origin = Origin { source: &source, egress: &egress, slot };
    let began = Instant::now();
    let target = Server::clone_as_standby(bench.config("target"), origin).await.unwrap();
    println!("clone: {:?}", began.elapsed());
    assert!(target.is_in_recovery().await.unwrap());
    assert!(firewall.counts()[&Actor::Managed].accepted >= 1);

    egress.stall();
    let stalled_at = target.positions().await.unwrap().receive;
    eventually("the source to run ahead of a stalled standby", async || {
        source.positions().await.unwrap().flush > stalled_at
    })
    .await;
    egress.flow();

    firewall.set_allowed(BTreeSet::new());
    source.restart().await.unwrap();
    let acknowledged = writer.await.unwrap();
    assert!(acknowledged > 10, "the writer was hardly at work: {acknowledged}");
    let marker = source.positions().await.unwrap().flush.unwrap();
    eventually("the standby to replay what the source has flushed", async || {
        target.positions().await.unwrap().replay >= Some(marker)
    })
    .await;
    target.promote().await.unwrap();
    eventually("the promotion", async || !target.is_in_recovery().await.unwrap()).await;
    source.drop_slot(slot).await.unwrap();
    let slots = source.query("select 1 from pg_replication_slots", &[]).await.unwrap();
    assert!(slots.is_empty());
    let sql = "select count(*), max(id) from t";
    let row = &target.query_in("shop", sql, &[]).await.unwrap()[0];
    let (count, last): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(count, last, "a gap in the ids");
    assert!(last == acknowledged || last == acknowledged + 1, "{last} of {acknowledged}");
    target.run_script("shop", "insert into t values (-1)").await.unwrap();
}

async fn open(server: &Server, allowed: impl IntoIterator<Item = Actor>) -> Firewall {
    let firewall = Firewall::open(server.socket()).await.unwrap();
    firewall.set_allowed(allowed.into_iter().collect());
    firewall
}
