//! Stock clients through the gateway: they arrive while it holds, with their own defaults, and go
//! on to another server. What each of them is told is read from the client, where it went from the
//! servers.

mod rig;
mod stock;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use landfall_e2e::database::{Database, PASSWORD, USER};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use rig::{BOUND, Rig};
use stock::{jdbc_driver, pgbench, psql, python};

const POLL: Duration = Duration::from_millis(10);

/// So many arrive in one hold; the server takes 200.
const CROWD: usize = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_clients_wait_and_are_answered_by_the_other_server() {
    let mut rig = Rig::set().await;
    for database in [&rig.a, &rig.b] {
        make(database, "create table visits (id bigserial)").await;
    }
    rig.hold().await;
    let before = rig.taken().await;

    // Each gives up by itself, at its own bound, in a hold that goes on: psql because it was told
    // to, the JDBC driver because it waits five seconds for the answer to its offer of TLS.
    let steady = psql(&rig, "steady", "sslmode=prefer").await;
    let impatient = psql(&rig, "impatient", "connect_timeout=2").await;
    let driver = jdbc_driver();
    let unprepared = python(&rig, "jdbc_once.py", "jdbc-unprepared", [&driver]).await;
    rig.takes(before + 3).await;
    let ended = impatient.ended().await;
    assert!(!ended.exit.is_success() && ended.text.contains("timeout expired"), "{ended:?}");
    let ended = unprepared.ended().await;
    let waited = ended.last_said()["waited_s"].as_f64().expect("seconds");
    assert!(!ended.exit.is_success() && waited >= 4.5, "dropped, or let through: {ended:?}");
    assert!(steady.is_running(), "the hold was disturbed: {}", steady.text());

    let before = rig.taken().await;
    let patient = [driver.as_os_str(), "sslResponseTimeout=120000".as_ref()];
    let jdbc = python(&rig, "jdbc_once.py", "jdbc", patient).await;
    let psycopg = python(&rig, "psycopg_once.py", "psycopg", [""; 0]).await;
    let visits = pgbench(&rig, "visits", "insert into visits default values;", 5).await;
    let raw = tokio::spawn(ask(rig.listen));
    // pgbench opens a first connection before the others.
    rig.takes(before + 4).await;
    assert!(jdbc.is_running() && psycopg.is_running(), "{}{}", jdbc.text(), psycopg.text());
    assert!(visits.is_running() && !raw.is_finished(), "{}", visits.text());
    rig.release_to_b().await;

    let b = u64::from(rig.b.address().port());
    for (name, client) in [("psql", steady), ("jdbc", jdbc), ("psycopg", psycopg)] {
        let said = client.ended().await.said();
        assert_eq!((&said["port"], &said["tls"]), (&b.into(), &true.into()), "{name}: {said}");
    }
    assert_eq!(raw.await.expect("no panic"), Ok(rig.b.address().port()));
    let unhurried = python(&rig, "jdbc_once.py", "jdbc-defaults", [&driver]).await.ended().await;
    assert_eq!(unhurried.said()["port"], b);
    let visits = visits.ended().await;
    assert!(visits.exit.is_success(), "{visits:?}");
    assert_eq!((count(&rig.a, "visits").await, count(&rig.b, "visits").await), (0, 20));
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgbench_that_reconnects_sees_no_error_through_a_hold() {
    let mut rig = Rig::set().await;
    for database in [&rig.a, &rig.b] {
        make(database, "create table visits (id bigserial)").await;
    }
    let visits = pgbench(&rig, "visits", "insert into visits default values;", 150).await;
    seen("transactions on A", async || count(&rig.a, "visits").await >= 100).await;
    rig.hold().await;
    seen("every client waits", async || sessions(&rig.a).await == 0).await;
    assert!(visits.is_running(), "it ended before the hold: {}", visits.text());
    rig.release_to_b().await;
    let ended = visits.ended().await;
    assert!(ended.exit.is_success(), "{ended:?}");
    assert!(ended.text.contains("number of transactions actually processed: 600/600"), "{ended:?}");
    let (on_a, on_b) = (count(&rig.a, "visits").await, count(&rig.b, "visits").await);
    assert!(on_a >= 100 && on_b > 0 && on_a + on_b == 600, "{on_a} on A, {on_b} on B");
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_goes_on_through_the_cut_and_loses_no_write() {
    let mut rig = Rig::set().await;
    for database in [&rig.a, &rig.b] {
        make(database, "create table ledger (id bigint primary key)").await;
    }
    let (ledger, end) = (rig.path("ledger.jsonl"), rig.path("end"));
    let pool = python(&rig, "pool.py", "pool", [&ledger, &end]).await;
    let (a, b) = (rig.a.address().port(), rig.b.address().port());
    seen("writes on A", async || Ledger::read(&ledger).by(a) >= 100).await;
    rig.hold().await;
    let cut = cut(&rig.a).await;
    assert_eq!(cut, 4, "the pool's sessions");
    let fenced = count(&rig.a, "ledger").await;
    rig.release_to_b().await;
    seen("writes on B", async || Ledger::read(&ledger).by(b) >= 100).await;
    std::fs::write(&end, "").expect("the writers are told to end");
    let ended = pool.ended().await;
    assert!(ended.exit.is_success(), "{ended:?}");

    let told = Ledger::read(&ledger);
    assert_eq!(count(&rig.a, "ledger").await, fenced, "a write passed the fence");
    let (on_a, on_b) = (ids(&rig.a).await, ids(&rig.b).await);
    assert!(on_a.is_disjoint(&on_b), "written twice");
    for (id, port) in &told.acknowledged {
        let there = if *port == a { &on_a } else { &on_b };
        assert!(there.contains(id), "{id} was acknowledged by {port} and is lost");
    }
    let known = |id: &i64| told.acknowledged.contains_key(id) || told.failed.contains_key(id);
    assert!(on_a.union(&on_b).all(known), "a row that nobody wrote");
    // Each of the four sessions fails at most once: told why, or found closed.
    let failures: Vec<&Value> = told.failed.values().collect();
    assert!((1..=4).contains(&failures.len()), "{failures:?}");
    for failure in failures {
        let (error, state) = (&failure["error"], &failure["sqlstate"]);
        assert!(error == "AdminShutdown" || error == "OperationalError", "{failure}");
        assert!(state == "57P01" || state.is_null(), "{failure}");
    }
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_arrive_in_a_hold_and_each_gets_an_answer() {
    let mut rig = Rig::set().await;
    rig.hold().await;
    let before = rig.taken().await;
    let mut crowd = JoinSet::new();
    for _ in 0..CROWD {
        crowd.spawn(ask(rig.listen));
    }
    rig.takes(before + CROWD).await;
    assert!(crowd.try_join_next().is_none(), "somebody was not held");
    rig.release_to_b().await;
    let b = rig.b.address().port();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(outcome) = crowd.join_next().await {
        let outcome = match outcome.expect("no panic") {
            Ok(port) if port == b => "answered".to_owned(),
            Ok(port) => format!("answered by {port}"),
            Err(error) => error,
        };
        *outcomes.entry(outcome).or_default() += 1;
    }
    let answered = outcomes.get("answered").copied().unwrap_or_default();
    let full = SqlState::TOO_MANY_CONNECTIONS.code();
    let refused = outcomes.get(full).copied().unwrap_or_default();
    // Nobody is dropped: who gets no session hears from the server itself that it is full.
    assert_eq!(answered + refused, CROWD, "{outcomes:?}");
    assert!(answered >= 150, "{outcomes:?}");
    // And the next client is served.
    assert_eq!(ask(rig.listen).await, Ok(b));
    rig.end().await;
}

/// Connects by tokio-postgres and asks which server it is; else the server's code, or what went
/// wrong.
async fn ask(listen: std::net::SocketAddr) -> Result<u16, String> {
    let mut config = tokio_postgres::Config::new();
    config.host(listen.ip().to_string()).port(listen.port()).dbname("postgres");
    config.user(USER).password(PASSWORD);
    let asked = async {
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        let port: i32 = client.query_one("select inet_server_port()", &[]).await?.get(0);
        drop(client);
        // It says goodbye, so that the server has room for the next.
        connection.await.expect("no panic")?;
        Ok(u16::try_from(port).expect("a port"))
    };
    let failed = |error: tokio_postgres::Error| match error.code() {
        Some(code) => code.code().to_owned(),
        None => error.to_string(),
    };
    match timeout(BOUND, asked).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => Err(format!("no answer within {BOUND:?}")),
    }
}

async fn session(database: &Database) -> Client {
    database.session().await.expect("a session")
}

async fn make(database: &Database, sql: &str) {
    session(database).await.batch_execute(sql).await.expect("made");
}

async fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("select count(*) from {table}");
    session(database).await.query_one(&sql, &[]).await.expect("a count").get(0)
}

async fn ids(database: &Database) -> BTreeSet<i64> {
    let rows = session(database).await.query("select id from ledger", &[]).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

const OTHERS: &str = "backend_type = 'client backend' and application_name <> 'the test itself'";

/// Sessions of others on a server.
async fn sessions(database: &Database) -> i64 {
    let sql = format!("select count(*) from pg_stat_activity where {OTHERS}");
    session(database).await.query_one(&sql, &[]).await.expect("a count").get(0)
}

/// Ends every session of others, until there is none; how many there were.
async fn cut(database: &Database) -> i64 {
    let there = sessions(database).await;
    let sql = format!("select pg_terminate_backend(pid) from pg_stat_activity where {OTHERS}");
    seen("no session is left", async || {
        session(database).await.batch_execute(&sql).await.expect("sessions are ended");
        sessions(database).await == 0
    })
    .await;
    there
}

/// Waits for it, within the bound.
async fn seen(what: &str, look: impl AsyncFn() -> bool) {
    let end = Instant::now() + BOUND;
    while !look().await {
        assert!(Instant::now() < end, "not seen: {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// What the pool's writers were told.
#[derive(Debug, Default)]
struct Ledger {
    /// Which server acknowledged an id.
    acknowledged: BTreeMap<i64, u16>,
    failed: BTreeMap<i64, Value>,
}

impl Ledger {
    fn read(path: &Path) -> Self {
        let mut ledger = Self::default();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // The last line may still be on its way.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let entry: Value = serde_json::from_str(line).expect("an entry");
            let id = entry["id"].as_i64().expect("an id");
            if let Some(port) = entry["port"].as_u64() {
                ledger.acknowledged.insert(id, u16::try_from(port).expect("a port"));
            } else {
                ledger.failed.insert(id, entry);
            }
        }
        ledger
    }

    fn by(&self, port: u16) -> usize {
        self.acknowledged.values().filter(|by| **by == port).count()
    }
}
