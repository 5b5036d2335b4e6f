//! Smoke tests: what they may read, what they may not do, and what is said about them.

use std::time::Duration;

use landfall_core::FailureKind;
use landfall_core::port::Database;
use landfall_postgres::PostgresDatabase;

use crate::bench::{Bench, options};

async fn orders(bench: &Bench) -> i64 {
    let rows = bench.server.query_in("shop", "select count(*) from orders", &[]).await.unwrap();
    rows[0].get(0)
}

#[tokio::test]
async fn a_test_sees_what_the_application_sees() {
    let bench = Bench::new().await;
    let port = bench.port();
    bench
        .admin(
            "create schema app; create table app.basket (n int); \
             insert into app.basket select generate_series(1, 5000); \
             create type app.colour as enum ('red'); \
             grant usage on schema app to owner; grant select on app.basket to owner",
        )
        .await;
    bench.admin("alter role owner set search_path = app, public").await;
    // Found through the role's own search path; its types need no client that knows them.
    for (sql, value) in [
        ("select n from basket order by n desc", Some("5000")),
        ("select 'red'::colour, row(1, 'a'), '{1}'::int[], null", Some("red")),
        ("select 1.50, true", Some("1.50")),
        ("select 1 = 1 ;", Some("t")),
        ("select null, 7", None),
        ("select from orders where false", None),
        ("select '2026-11-21'::date", Some("2026-11-21")),
    ] {
        let value = value.map(str::to_owned);
        assert_eq!(port.smoke(&bench.at(), sql).await, Ok(Ok(value)), "{sql}");
    }
}

#[tokio::test]
async fn a_failing_test_is_told_by_state_and_message() {
    let bench = Bench::new().await;
    let port = bench.port();
    for (sql, expected) in [
        ("select 1 / 0", "22012: division by zero"),
        ("select * from invoices", "42P01: relation \"invoices\" does not exist"),
        ("selec 1", "42601: syntax error at or near \"selec\""),
    ] {
        assert_eq!(port.smoke(&bench.at(), sql).await, Ok(Err(expected.to_owned())));
    }
    // The detail of an error may quote a row; it stays on the server.
    let sql = "select public.raise()";
    bench
        .admin(
            "create function public.raise() returns int language plpgsql as \
             $$ begin raise 'primary' using detail = 'row (secret)', hint = 'hint'; end $$",
        )
        .await;
    let told = port.smoke(&bench.at(), sql).await.unwrap().unwrap_err();
    assert_eq!(told, "P0001: primary");
}

#[tokio::test]
async fn no_test_writes() {
    let bench = Bench::new().await;
    let port = bench.port();
    bench
        .admin(
            "create function public.sneak() returns void language sql security definer as \
             $$ insert into orders default values $$",
        )
        .await;
    for sql in [
        "insert into orders default values",
        "select sneak()",
        "commit; insert into orders default values",
        "rollback; insert into orders default values; commit",
        "set transaction read write; insert into orders default values; commit",
        "create table left_over (n int)",
    ] {
        let judged = port.smoke(&bench.at(), sql).await.expect("the test could be run");
        assert!(judged.is_err(), "{sql}");
    }
    // A single statement that ends the transaction takes nothing along.
    let _ = port.smoke(&bench.at(), "commit").await;
    assert_eq!(orders(&bench).await, 0);
}

#[tokio::test]
async fn a_slow_test_has_failed_and_a_silent_server_has_not_judged() {
    let bench = Bench::new().await;
    let mut options = options("owner");
    options.call_timeout = Duration::from_secs(2);
    let port = PostgresDatabase::new(options).unwrap();
    let told = port.smoke(&bench.at(), "select pg_sleep(60)").await.unwrap().unwrap_err();
    assert!(told.starts_with("57014: "), "{told}");

    // The session is ended under the test: nobody judged it.
    let sql = "select pg_terminate_backend(pg_backend_pid())";
    let failure = port.smoke(&bench.at(), sql).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
}
