//! Markers: what makes the schema ours, and what makes the row durable.

use landfall_core::action::DatabaseAction;
use landfall_core::port::Database;
use landfall_core::port::database::MarkerView;
use landfall_core::{FailureKind, Lsn};

use crate::bench::Bench;

fn create(bench: &Bench) -> DatabaseAction {
    DatabaseAction::CreateMarkerTable { at: bench.at() }
}

fn drop_table(bench: &Bench) -> DatabaseAction {
    DatabaseAction::DropMarkerTable { at: bench.at() }
}

fn write(bench: &Bench, token: &str) -> DatabaseAction {
    DatabaseAction::WriteMarker { at: bench.at(), token: token.to_owned() }
}

#[tokio::test]
async fn a_foreign_schema_is_neither_used_nor_dropped() {
    let bench = Bench::new().await;
    let port = bench.port();
    let owner = bench.login("owner", "shop").await.unwrap();
    for sql in [
        // Even one of our own role: an application may use the same.
        "create schema landfall",
        "create table landfall.marker (token text primary key)",
        "comment on schema landfall is 'made by Landfall'",
    ] {
        owner.batch_execute(sql).await.unwrap();
        let refused = [port.act(&create(&bench)).await, port.act(&drop_table(&bench)).await];
        for failure in refused {
            assert_eq!(failure.unwrap_err().kind, FailureKind::TakenByAnother, "after {sql}");
        }
    }
    let kept = owner.query("select from landfall.marker", &[]).await;
    assert!(kept.is_ok(), "{kept:?}");
}

#[tokio::test]
async fn a_copy_of_our_comment_by_another_role_is_not_ours() {
    let bench = Bench::new().await;
    bench.admin("create schema landfall; comment on schema landfall is 'made by Landfall'").await;
    let failure = bench.port().act(&create(&bench)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TakenByAnother);
}

#[tokio::test]
async fn what_others_put_into_our_schema_stays() {
    let bench = Bench::new().await;
    let port = bench.port();
    let owner = bench.login("owner", "shop").await.unwrap();
    for (make, clear) in [
        ("create table landfall.notes (n int)", "drop table landfall.notes"),
        ("create view public.v as select token from landfall.marker", "drop view public.v"),
        ("create function landfall.f() returns int return 1", "drop function landfall.f()"),
    ] {
        port.act(&create(&bench)).await.unwrap();
        port.act(&write(&bench, "kept")).await.unwrap();
        owner.batch_execute(make).await.unwrap();
        let failure = port.act(&drop_table(&bench)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TakenByAnother, "{make}");
        let view = port.marker(&bench.at(), "kept").await.unwrap();
        assert!(matches!(view, MarkerView::Visible { .. }), "nothing was dropped after {make}");
        owner.batch_execute(clear).await.unwrap();
        port.act(&drop_table(&bench)).await.unwrap();
    }
}

#[tokio::test]
async fn two_orchestrators_make_one_table() {
    let bench = Bench::new().await;
    let (one, two) = (bench.port(), bench.port());
    for _ in 0..10 {
        let action = create(&bench);
        let (first, second) = tokio::join!(one.act(&action), two.act(&action));
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
        let action = drop_table(&bench);
        let (first, second) = tokio::join!(one.act(&action), two.act(&action));
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn nobody_else_reads_or_writes_the_marker() {
    let bench = Bench::new().await;
    bench.port().act(&create(&bench)).await.unwrap();
    let app = bench.login("app", "shop").await.unwrap();
    let error = app.query("select from landfall.marker", &[]).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501");
    let failure = bench.port_as("app").act(&write(&bench, "stolen")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied);
}

#[tokio::test]
async fn a_marker_flushes_what_was_committed_before_it() {
    // Nothing but the marker's own commit flushes within the test.
    let bench = Bench::with(|config| {
        config.settings.insert("wal_writer_delay".to_owned(), "10s".to_owned());
        config.heartbeat = std::time::Duration::from_secs(3600);
    })
    .await;
    bench.admin("alter role owner set synchronous_commit = off").await;
    let port = bench.port();
    port.act(&create(&bench)).await.unwrap();
    let app = bench.login("app", "shop").await.unwrap();
    app.batch_execute("set synchronous_commit = off").await.unwrap();
    for time in ["new", "written before"] {
        app.execute("insert into orders default values", &[]).await.unwrap();
        let row = app.query_one("select pg_current_wal_insert_lsn()::text", &[]).await.unwrap();
        let inserted: Lsn = row.get::<_, String>(0).parse().unwrap();
        port.act(&write(&bench, "m")).await.unwrap();
        let view = port.marker(&bench.at(), "m").await.unwrap();
        let MarkerView::Visible { flush_lsn: Some(flushed) } = view else {
            panic!("{time}: {view:?}")
        };
        assert!(flushed >= inserted, "{time}: flushed to {flushed}, inserted to {inserted}");
    }
}
