//! Connections that break, that never come, and that are refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_core::action::{DatabaseAction, SessionClass};
use landfall_core::port::Database;
use landfall_core::{DatabaseName, FailureKind, Secret};
use landfall_lab::firewall::Actor;
use landfall_lab::server::StopMode;
use landfall_postgres::{Encryption, PostgresDatabase, StoredPassword};

use crate::bench::{Bench, eventually, options};

#[tokio::test]
async fn a_restart_costs_a_read_nothing() {
    let bench = Bench::new().await;
    let port = bench.port();
    let create = DatabaseAction::CreateMarkerTable { at: bench.at() };
    port.act(&create).await.unwrap();
    let before = port.server(&bench.at()).await.unwrap();
    bench.server.restart().await.unwrap();
    let after = port.server(&bench.at()).await.expect("a new connection was made");
    assert!(after.started_at > before.started_at);

    bench.server.restart().await.unwrap();
    let token = "m".to_owned();
    port.act(&DatabaseAction::WriteMarker { at: bench.at(), token }).await.expect("as for writes");
    // Cut by the network and by the server, without a restart.
    bench.firewall.sever_all();
    port.sessions(&bench.at()).await.expect("as for a cut");
    bench.firewall.sever_all();
    port.act(&create).await.expect("as for a cut before a write");
    let sql = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'landfall'";
    bench.server.query(sql, &[]).await.unwrap();
    port.sessions(&bench.at()).await.expect("as for a termination");
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_until_it_is_up() {
    let bench = Bench::new().await;
    let port = bench.port();
    port.server(&bench.at()).await.unwrap();
    bench.server.stop(StopMode::Immediate).await;
    let failure = port.server(&bench.at()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
    let all = DatabaseAction::TerminateSessions { at: bench.at(), class: SessionClass::All };
    assert_eq!(port.act(&all).await.unwrap_err().kind, FailureKind::Unavailable);
    bench.server.start().await.unwrap();
    port.server(&bench.at()).await.unwrap();
}

#[tokio::test]
async fn connections_are_kept_and_not_hoarded() {
    let bench = Bench::new().await;
    let port = bench.port();
    for number in 0..20 {
        bench.admin(&format!("create database extra_{number}")).await;
    }
    let accepted = || bench.firewall.counts()[&Actor::Landfall].accepted;
    for _ in 0..5 {
        port.server(&bench.at()).await.unwrap();
    }
    assert_eq!(accepted(), 1, "one connection serves one call after another");
    port.write_counters(&bench.at()).await.unwrap();
    let kept = eventually("connections that are not kept to end", async || {
        let tracked = bench.firewall.tracked().into_iter();
        let kept = tracked.filter(|tracked| tracked.actor == Actor::Landfall).count();
        if kept <= 16 { Ok(kept) } else { Err(kept) }
    });
    assert_eq!(kept.await, 16, "23 databases were asked");
}

#[tokio::test]
async fn a_denied_or_silent_network_times_out() {
    let bench = Bench::new().await;
    let mut options = options("owner");
    options.call_timeout = Duration::from_millis(700);
    let port = PostgresDatabase::new(options).unwrap();
    port.server(&bench.at()).await.unwrap();

    // Established, and nothing arrives any more.
    bench.firewall.blackhole([Actor::Landfall].into());
    let began = Instant::now();
    let failure = port.server(&bench.at()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut, "{failure}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    bench.firewall.blackhole(BTreeSet::new());
    port.server(&bench.at()).await.expect("the silent connection was given up");

    // As a security group denies: no answer at all.
    let port = PostgresDatabase::new({
        let mut options = crate::bench::options("owner");
        options.call_timeout = Duration::from_millis(700);
        options
    })
    .unwrap();
    bench.firewall.set_allowed(BTreeSet::new());
    let failure = port.server(&bench.at()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut, "{failure}");
}

#[tokio::test]
async fn refusals_say_why_and_never_the_password() {
    let bench = Bench::new().await;
    let mut wrong = options("owner");
    wrong.passwords = Arc::new(Secret::new("hunter2".to_owned()));
    let mut nobody = options("nobody");
    nobody.passwords = Arc::new(Secret::new("hunter2".to_owned()));
    let mut absent = options("owner");
    absent.first_database = DatabaseName::new("absent");
    let mut closed = options("app");
    closed.first_database = DatabaseName::new("rdsadmin");
    for (options, kind, code) in [
        (wrong, FailureKind::Denied, "28P01"),
        (nobody, FailureKind::Denied, "28P01"),
        (absent, FailureKind::NotFound, "3D000"),
        (closed, FailureKind::Denied, "42501"),
    ] {
        assert!(!format!("{options:?}").contains("hunter2"), "{options:?}");
        let port = PostgresDatabase::new(options).unwrap();
        assert!(!format!("{port:?}").contains("hunter2"), "{port:?}");
        let failure = port.server(&bench.at()).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.detail.starts_with(code), "{failure}");
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_password_comes_from_a_file() {
    let bench = Bench::new().await;
    let path = bench.path("password");
    std::fs::write(&path, "ownerpass\n").unwrap();
    let reference = format!("file:{}", path.display()).try_into().unwrap();
    let mut options = options("owner");
    options.passwords = Arc::new(StoredPassword::read(&reference).unwrap());
    let port = PostgresDatabase::new(options).unwrap();
    port.server(&bench.at()).await.unwrap();

    // It is rotated: connections go on, and a new one reads the file again.
    bench.admin("alter role owner password 'rotated'").await;
    std::fs::write(&path, "rotated").unwrap();
    bench.firewall.sever_all();
    port.server(&bench.at()).await.expect("the refused password is read again");

    // Rotated on the server alone: read again, found the same, and refused.
    bench.admin("alter role owner password 'unknown'").await;
    bench.firewall.sever_all();
    let failure = port.server(&bench.at()).await.unwrap_err();
    assert!(failure.detail.starts_with("28P01"), "{failure}");
    // Gone from here: that is the reason that is told.
    std::fs::remove_file(&path).unwrap();
    let failure = port.server(&bench.at()).await.unwrap_err();
    assert_eq!(failure.what, "read the database password", "{failure}");
}

#[tokio::test]
async fn required_encryption_sends_no_password_to_a_server_without() {
    let bench = Bench::new().await;
    let mut options = options("owner");
    options.encryption = Encryption::Required;
    let failure = PostgresDatabase::new(options).unwrap().server(&bench.at()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    assert!(failure.detail.contains("TLS"), "{failure}");
}

#[tokio::test]
async fn too_many_connections_pass() {
    let bench = Bench::new().await;
    bench.admin("alter role owner connection limit 0").await;
    let failure = bench.port().server(&bench.at()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.detail.starts_with("53300"), "{failure}");
}
