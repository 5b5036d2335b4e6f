//! The lab's machines on real PostgreSQL and real Envoy: servers, firewall, standby, sampler.
//!
//! Every wait is a poll with a bound that says what it waited for. Nothing is mocked.

#[cfg(test)]
mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_lab::firewall::{
    Actor, Count, DENIED_HELD_MAX, Egress, Firewall, Instances, connect_as,
};
use landfall_lab::gateway::{Gateway, GatewayConfig};
use landfall_lab::sampler::{Sample, sample};
use landfall_lab::server::{Origin, RunFolder, Server, StopMode};
use landfall_lab::tools;
use machine::{Bench, eventually, login, open};
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
    master.batch_execute("create role way_back login password 'way_backpass'").await.unwrap();
    master.batch_execute("grant create on database shop to way_back").await.unwrap();
    let way_back = login(Actor::Landfall, &firewall, "way_back").await.unwrap();
    let subscribe = "create subscription s connection 'host=x password=y' publication p \
                     with (connect = false)";
    let error = way_back.batch_execute(subscribe).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
    server.allow_subscriptions("way_back").await.unwrap();
    way_back.batch_execute(subscribe).await.unwrap();
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
        "max_prepared_transactions wal_level",
        "statements are counted from the start"
    );
    let setting = async |name: &str| server.setting(name).await.unwrap().unwrap();
    assert_eq!(setting("work_mem").await, "8MB");
    assert_eq!(setting("wal_level").await, "replica");
    server.restart().await.unwrap();
    assert_eq!(setting("wal_level").await, "logical");
    assert_eq!(setting("max_prepared_transactions").await, "7");
    assert_eq!(setting("shared_preload_libraries").await, "pg_stat_statements");
    assert_eq!(setting("rds.logical_replication").await, "1");
    assert_eq!(setting("listen_addresses").await, server.address().ip().to_string());

    let refused = server.apply_settings(&group(&[("work_mem", "much")])).await.unwrap_err();
    assert!(refused.to_string().contains("work_mem"), "{refused}");
    assert_eq!(setting("work_mem").await, "8MB", "a refused group changes nothing");
    assert_eq!(server.apply_settings(&group(&[])).await.unwrap().ignored.len(), 0);
    assert_eq!(setting("work_mem").await, "4MB", "what a group no longer says is reset");
}

#[tokio::test]
async fn a_server_sees_the_address_that_each_client_comes_from() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = open(&server, Actor::ALL).await;
    for actor in Actor::ALL {
        let session = login(actor, &firewall, "owner").await.unwrap();
        let row = session.query_one("select host(inet_client_addr())", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), actor.address().to_string());
    }
    // Somebody of a network of their own, who counts as an application.
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(firewall.port()).user("owner").password("ownerpass");
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(([127, 9, 9, 9], 0).into()).unwrap();
    let stream = socket.connect(([127, 0, 0, 1], firewall.port()).into()).await.unwrap();
    let (session, connection) =
        config.dbname("shop").connect_raw(stream, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(async move { drop(connection.await) });
    let row = session.query_one("select host(inet_client_addr())", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "127.9.9.9");
}

#[tokio::test]
async fn each_actor_is_let_in_exactly_when_its_group_says_so() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = Firewall::open(server.address()).await.unwrap();
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
async fn a_subscription_of_the_source_is_known_as_the_source() {
    let bench = Bench::new();
    let mut config = bench.config("target");
    config.settings.insert("wal_level".to_owned(), "logical".to_owned());
    let target = Server::initialise(config).await.unwrap();
    let source = Arc::new(Server::initialise(bench.config("source")).await.unwrap());
    let firewall = open(&target, [Actor::Landfall]).await;
    let (instances, dialler) = (Instances::default(), Arc::clone(&source));
    instances.add(Actor::Source, move || dialler.pid());
    firewall.know(&instances);
    let master = login(Actor::Landfall, &firewall, "owner").await.unwrap();
    let table = "create table t (id int primary key)";
    master.batch_execute(table).await.unwrap();
    master.batch_execute("create publication back for table t").await.unwrap();
    source.run_script("shop", table).await.unwrap();
    let subscribe = format!(
        "create subscription back connection \
         'host=127.0.0.1 port={} user=owner password=ownerpass dbname=shop' publication back",
        firewall.port()
    );
    // A server that dials out heeds no connect_timeout; only the statement's own bound ends it.
    let session = source.connect("shop").await.unwrap();
    session.batch_execute("set statement_timeout = '500ms'").await.unwrap();
    let error = session.batch_execute(&subscribe).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "57014", "the source was not let in");
    assert!(firewall.counts()[&Actor::Source].denied >= 1);
    firewall.set_allowed(BTreeSet::from([Actor::Source]));
    source.run_script("shop", &subscribe).await.unwrap();
    target.run_script("shop", "insert into t values (7)").await.unwrap();
    eventually("the row to come back", async || {
        let rows = source.query_in("shop", "select id from t", &[]).await.unwrap();
        rows.iter().any(|row| row.get::<_, i32>(0) == 7)
    })
    .await;
    let before = firewall.counts()[&Actor::Source].accepted;
    source.restart().await.unwrap();
    eventually("the restarted source to be known again", async || {
        firewall.counts()[&Actor::Source].accepted > before
    })
    .await;
}

#[tokio::test]
async fn a_crowd_goes_through_and_denied_ones_are_bounded() {
    let bench = Bench::new();
    let mut config = bench.config("a");
    config.settings.insert("max_connections".to_owned(), "120".to_owned());
    let server = Server::initialise(config).await.unwrap();
    let firewall = open(&server, [Actor::Application]).await;
    let mut sessions = Vec::new();
    for _ in 0..100 {
        sessions.push(login(Actor::Application, &firewall, "owner").await.unwrap());
    }
    assert_eq!(firewall.tracked().len(), 100);
    let began = Instant::now();
    for _ in 0..200 {
        sessions[0].simple_query("select 1").await.unwrap();
    }
    println!("through the firewall: {:?} a query", began.elapsed() / 200);
    firewall.set_allowed(BTreeSet::new());
    let mut denied = Vec::new();
    for _ in 0..=DENIED_HELD_MAX {
        denied.push(connect_as(Actor::Consumer, firewall.port()).await.unwrap());
    }
    eventually("all to be denied", async || {
        let counts = firewall.counts();
        counts[&Actor::Consumer].denied == u64::try_from(denied.len()).unwrap()
    })
    .await;
    let mut byte = [0; 1];
    assert_eq!(denied.last_mut().unwrap().read(&mut byte).await.unwrap_or(0), 0, "over the bound");
    sessions[99].simple_query("select 1").await.unwrap();
    denied.clear();
    let mut again = connect_as(Actor::Consumer, firewall.port()).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_millis(50), again.read(&mut byte)).await;
    assert!(heard.is_err(), "those that gave up make room: {heard:?}");
    firewall.sever_all();
    eventually("all sessions to be severed", async || {
        sessions.iter().all(tokio_postgres::Client::is_closed)
    })
    .await;
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

#[tokio::test]
async fn a_followed_idle_server_shows_the_saw_tooth() {
    const MIB: u64 = 1024 * 1024;
    let bench = Bench::new();
    let mut config = bench.config("source");
    config.settings.insert("archive_timeout".to_owned(), "1s".to_owned());
    config.heartbeat = Duration::from_millis(100);
    let source = Server::initialise(config).await.unwrap();
    let none = sample(&source).await.unwrap().oldest_replication_slot_lag_bytes;
    assert_eq!(none, None, "no slot, no lag");
    let firewall = open(&source, []).await;
    let user = bench.user();
    let egress =
        Egress::open(bench.short("way"), Actor::Managed, firewall.port(), user.as_ref()).unwrap();
    let origin = Origin { source: &source, egress: &egress, slot: "rds_us_east_1_db_saw" };
    let target = Server::clone_as_standby(bench.config("target"), origin).await.unwrap();
    let (mut low, mut high) = (u64::MAX, 0);
    eventually("both ends of the saw-tooth", async || {
        let seen = sample(&source).await.unwrap().oldest_replication_slot_lag_bytes;
        let seen = seen.expect("the slot is there");
        (low, high) = (low.min(seen), high.max(seen));
        low == 0 && high > 16 * MIB
    })
    .await;
    println!("saw-tooth: {low}..{high}");
    let follower = sample(&target).await.unwrap();
    assert!(follower.in_recovery && follower.replica_lag_seconds.is_some(), "{follower:?}");

    egress.stall();
    eventually("a stalled replica to hold more than a segment", async || {
        let seen = sample(&source).await.unwrap().oldest_replication_slot_lag_bytes;
        seen.is_some_and(|lag| lag > 64 * MIB)
    })
    .await;
    egress.flow();
    source
        .run_script("rdsadmin", "select pg_create_physical_replication_slot('stale', true)")
        .await
        .unwrap();
    eventually("the worst of all slots to count", async || {
        let seen = sample(&source).await.unwrap();
        assert_eq!(seen.oldest_logical_replication_slot_lag_bytes, None);
        seen.oldest_replication_slot_lag_bytes > Some(128 * MIB)
    })
    .await;
}

#[tokio::test]
async fn readings_follow_the_server_and_a_server_that_is_down_has_none() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = open(&server, [Actor::Application]).await;
    let before = sample(&server).await.unwrap();
    assert_eq!((before.database_connections, before.in_recovery), (0, false));
    let session = login(Actor::Application, &firewall, "owner").await.unwrap();
    let work = "create table t as select g, repeat('x', 500) as c from generate_series(1, 40000) g; \
                select count(*) from t a join t b using (g)";
    session.batch_execute(work).await.unwrap();
    session.batch_execute("checkpoint; begin; select 1; rollback").await.unwrap();
    let grown = |then: &Sample, now: &Sample| {
        let (a, b) = (then.counters, now.counters);
        b.commits > a.commits
            && b.rollbacks > a.rollbacks
            && b.wal_generated_bytes > a.wal_generated_bytes + 10_000_000
            && b.write_operations > a.write_operations
            && b.cpu_seconds > a.cpu_seconds
    };
    let mut after = before.clone();
    eventually("the counters to follow the work", async || {
        after = sample(&server).await.unwrap();
        grown(&before, &after)
    })
    .await;
    assert!(after.wal_position > before.wal_position && after.data_bytes > before.data_bytes);
    assert_eq!((after.database_connections, after.replica_lag_seconds), (1, None));
    assert!(after.free_storage_bytes > 0 && after.transaction_logs_disk_usage_bytes > 0);
    assert!(after.seconds_since_checkpoint < 60.0, "{after:?}");
    let began = Instant::now();
    for _ in 0..20 {
        sample(&server).await.unwrap();
    }
    println!("a sample takes {:?}", began.elapsed() / 20);
    server.stop(StopMode::Fast).await.unwrap();
    assert_eq!(sample(&server).await, None);
    server.start().await.unwrap();
    assert!(sample(&server).await.is_some());
}

#[tokio::test]
async fn the_gateway_is_a_real_envoy_that_the_firewall_knows() {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = open(&server, [Actor::Gateway]).await;
    let (listener, admin) = (machine::free_port(), machine::free_port());
    let config = GatewayConfig {
        envoy: tools::envoy().unwrap(),
        dir: bench.short("envoy"),
        bootstrap: machine::envoy_bootstrap(admin, listener, firewall.port()),
        admin: ([127, 0, 0, 1], admin).into(),
    };
    let gateway = Gateway::start(config.clone()).await.unwrap();
    let session = machine::login_at(Actor::Application, listener, "owner").await.unwrap();
    session.batch_execute("create table through_the_gateway (id int)").await.unwrap();
    let actors: Vec<Actor> = firewall.counts().into_keys().collect();
    assert_eq!(actors, [Actor::Gateway], "upstream connections carry the gateway's address");
    gateway.kill().await;
    eventually("sessions to die with the gateway", async || session.is_closed()).await;
    eventually("their tracking to end", async || firewall.tracked().is_empty()).await;

    let gateway = Gateway::start(config.clone()).await.unwrap();
    assert!(machine::login_at(Actor::Application, listener, "owner").await.is_ok());
    gateway.stop().await;
    let broken = GatewayConfig { bootstrap: "admin: {oops: 1}".to_owned(), ..config };
    let error = Gateway::start(broken).await.unwrap_err().to_string();
    assert!(error.contains("oops"), "{error}");
}

/// Runs itself again as a parent that starts everything, and kills that parent.
#[tokio::test]
async fn kill_9_of_the_parent_leaves_no_process() {
    const ROLE: &str = "LANDFALL_TEST_DOOMED_PARENT";
    if let Some(report) = std::env::var_os(ROLE) {
        return machine::be_the_doomed_parent(report.as_ref()).await;
    }
    let bench = Bench::new();
    let report = bench.short("pids");
    let mut parent = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill_9_of_the_parent_leaves_no_process", "--nocapture"])
        .env(ROLE, &report)
        .spawn()
        .unwrap();
    let mut pids = Vec::new();
    eventually("the parent to have started everything", async || {
        assert!(parent.try_wait().unwrap().is_none(), "the parent ended by itself");
        pids = machine::read_pids(&report);
        !pids.is_empty()
    })
    .await;
    // The postmaster, its checkpointer and writers at least, Envoy, the deaf shell.
    assert!(pids.len() >= 7 && pids.iter().all(|pid| machine::is_alive(*pid)), "{pids:?}");
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("every process to be gone", async || {
        !pids.iter().any(|pid| machine::is_alive(*pid))
    })
    .await;
    drop(RunFolder::create().unwrap());
    assert_eq!(bench.run_folders_of(parent.id()), [] as [PathBuf; 0], "left by a killed owner");
}
