//! The referee on a real PostgreSQL: a clean run is clean, and every planted fault is named.
//!
//! A referee that cannot see a fault is worse than none, so each test that ends clean goes on to
//! spoil something and looks again. Waits are polls with a bound.

// Marked so that clippy knows it for a test, and lets it unwrap.
#[cfg(test)]
mod referee;

use std::time::Duration;

use landfall_lab::seed::{Error as SeedError, Size, seed};
use landfall_lab::workload::{
    Bypass, LongEnd, LongTransaction, SourceReading, Stage, Summary, UnknownCheck, Verdict,
    Workload, WorkloadConfig, judge, judge_over, long_transaction, run_watched, summarise_ledger,
};
use referee::{Gate, Shop, eventually, until};

const ONE_ROW: &str = "(select ctid from workload_ledger order by writer, seq limit 1)";

fn faults(verdict: &Verdict) -> [u64; 6] {
    [
        verdict.lost,
        verdict.doubled,
        verdict.stranded,
        verdict.unexpected,
        verdict.altered,
        verdict.orders_missing,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_loses_nothing_and_what_is_spoilt_afterwards_is_named() {
    let shop = Shop::open().await;
    let ledger = shop.file("ledger");
    let load =
        Workload::start(WorkloadConfig::new(shop.application("shop"), ledger.clone())).unwrap();
    until(
        "two seconds of load",
        || load.snapshot(),
        |now| now.running_ms >= 2_000 && now.acknowledged >= 50,
    )
    .await;
    shop.server.restart().await.unwrap();
    let before = load.snapshot().acknowledged;
    until("writes after the restart", || load.snapshot(), |now| now.acknowledged >= before + 50)
        .await;
    let summary = load.stop().await.unwrap();

    let tally = &summary.tally;
    println!("{}", serde_json::to_string_pretty(&summary).unwrap());
    assert!(tally.persistent.sessions_cut >= 4, "every persistent session was cut: {tally:?}");
    assert!(tally.persistent.acknowledged > 0 && tally.reconnecting.acknowledged > 0, "{tally:?}");
    assert!(summary.pause.is_some() && summary.before.latency_median_ms.is_some());
    let look = async || judge(&ledger, None, &shop.landfall("shop")).await.unwrap();
    let clean = look().await;
    assert_eq!(faults(&clean), [0; 6], "{clean}");
    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!(clean.acknowledged, tally.all.acknowledged);
    assert_eq!(clean.target_rows, clean.acknowledged + clean.unknown_present);

    // An unknown row may legally be absent, so the spoilt row must be an acknowledged one.
    let first =
        "create table spoilt as select * from workload_ledger where seq = 1 and writer = 0;";
    let cut = "delete from workload_ledger where (writer, seq) = (0, 1);";
    shop.plant("shop", &format!("{first} {cut}")).await;
    let lost = look().await;
    assert_eq!(faults(&lost), [1, 0, 0, 0, 0, 0], "{lost}");
    assert_eq!((lost.examples.lost[0].writer, lost.examples.lost[0].seq), (0, 1));
    assert!(!lost.is_clean());

    let twice = "insert into workload_ledger select * from spoilt;";
    shop.plant("shop", &format!("{twice} {twice}")).await;
    let doubled = look().await;
    assert_eq!(faults(&doubled), [0, 1, 0, 0, 0, 0], "{doubled}");

    let once = format!("delete from workload_ledger where ctid = {ONE_ROW};");
    let altered = format!("update workload_ledger set payload = 'x' where ctid = {ONE_ROW};");
    shop.plant("shop", &format!("{once} {altered}")).await;
    let altered = look().await;
    assert_eq!(faults(&altered), [0, 0, 0, 0, 1, 0], "{altered}");

    let unexpected = "update workload_ledger set seq = seq + 1000000000 where payload = 'x';";
    let orphan = "delete from orders where id = (select max(order_id) from workload_ledger);";
    shop.plant("shop", &format!("{unexpected} {orphan}")).await;
    let last = look().await;
    assert_eq!(faults(&last), [1, 0, 0, 1, 1, 1], "{last}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_one_pause_and_reconnecting_writers_see_no_error() {
    let shop = Shop::open().await;
    let gate = Gate::before(shop.firewall.port()).await;
    let ledger = shop.file("ledger");
    let mut config = WorkloadConfig::new(gate.endpoint("shop"), ledger.clone());
    config.writers = 3;
    config.reconnecting = 3;
    let load = Workload::start(config).unwrap();
    until(
        "a second of load",
        || load.snapshot(),
        |now| now.running_ms >= 1_000 && now.acknowledged >= 50,
    )
    .await;

    gate.hold();
    // Only persistent sessions are left once those under way have ended.
    eventually("reconnecting writers to be held", async || shop.firewall.tracked().len() == 3)
        .await;
    shop.server.terminate_sessions().await.unwrap();
    until(
        "700 ms of silence",
        || load.snapshot(),
        |now| now.last_ack_age_ms.is_some_and(|age| age >= 700),
    )
    .await;
    let held = load.snapshot();
    gate.release();
    until(
        "a second of load after the hold",
        || load.snapshot(),
        |now| now.acknowledged >= held.acknowledged + 50,
    )
    .await;
    let summary = load.stop().await.unwrap();

    let tally = &summary.tally;
    assert_eq!((tally.reconnecting.failed, tally.reconnecting.sessions_cut), (0, 0), "{tally:?}");
    assert_eq!(tally.persistent.sessions_cut, 3, "{tally:?}");
    assert_eq!(tally.cuts.get("57P01"), Some(&3), "{tally:?}");
    assert_eq!(tally.persistent.failed + tally.persistent.unknown, 3, "{tally:?}");
    assert_eq!(tally.stages.get(&Stage::Connect), None, "{tally:?}");
    let pause = summary.pause.unwrap();
    assert!((700.0..5_000.0).contains(&pause.pause_ms), "{pause:?}");
    assert!(pause.held_ms.is_some_and(|held| (700.0..6_000.0).contains(&held)), "{pause:?}");
    assert!(summary.after.rate_per_second > 0.0 && summary.before.rate_per_second > 0.0);
    let verdict = judge(&ledger, None, &shop.landfall("shop")).await.unwrap();
    assert!(verdict.is_clean(), "{verdict}");
}

#[tokio::test]
async fn writes_that_the_source_took_alone_are_stranded() {
    let shop = Shop::open().await;
    let ledger = shop.file("ledger");
    let load =
        Workload::start(WorkloadConfig::new(shop.application("shop"), ledger.clone())).unwrap();
    until("some writes", || load.snapshot(), |now| now.acknowledged >= 20).await;
    load.stop().await.unwrap();
    shop.quiet().await;
    shop.server
        .run_script("postgres", "create database moved template shop owner owner")
        .await
        .unwrap();
    let source = shop.landfall("shop");
    let look = async || judge(&ledger, Some(&source), &shop.landfall("moved")).await.unwrap();
    let clean = look().await;
    assert!(clean.is_clean(), "{clean}");
    assert_eq!(clean.source, SourceReading::Read { rows: clean.target_rows });

    let bypass = Bypass::start(shop.application("shop"), shop.file("bypass")).unwrap();
    until("writes past the gateway", || bypass.snapshot(), |now| now.acknowledged >= 5).await;
    let past = bypass.stop().await.unwrap();
    assert!(past.last_acknowledged.is_some());
    let stranded = look().await;
    assert_eq!(stranded.stranded, past.tally.all.acknowledged, "{stranded}");
    assert_eq!(stranded.examples.stranded[0].run, past.run);
    assert_eq!((stranded.lost, stranded.unexpected), (0, 0), "{stranded}");

    let long =
        long_transaction(&shop.application("shop"), Duration::from_millis(20)).await.unwrap();
    assert_eq!(long, LongEnd::Committed);
    let one_more = look().await;
    assert_eq!(one_more.stranded, stranded.stranded + 1, "{one_more}");

    // The same through sessions that the caller has, the other way round: nothing is stranded.
    let (source, target) = (shop.login("moved").await, shop.login("shop").await);
    let back = judge_over(&ledger, Some(&source), &target).await.unwrap();
    assert!(back.is_clean(), "{back}");

    shop.firewall.set_allowed([landfall_lab::firewall::Actor::Landfall].into());
    let closed = shop.application("shop").waiting_at_most(Duration::from_millis(200));
    let unseen = judge(&ledger, Some(&closed), &shop.landfall("shop")).await.unwrap();
    assert!(matches!(unseen.source, SourceReading::Unreachable { .. }), "{unseen:?}");
    assert!(!unseen.is_clean());
}

#[tokio::test]
async fn a_long_transaction_says_when_it_was_cut() {
    let shop = Shop::open().await;
    let open = LongTransaction::open(&shop.application("shop")).await.unwrap();
    let pid = open.pid();
    let state = "select count(*) from pg_stat_activity where state = 'idle in transaction'";
    assert_eq!(shop.count("shop", &format!("{state} and pid = {pid}")).await, 1);
    let end = tokio::spawn(open.commit_after(Duration::from_secs(60)));
    let cut = format!("select count(pg_terminate_backend({pid}))");
    assert_eq!(shop.count("shop", &cut).await, 1);
    let end = end.await.unwrap();
    assert!(matches!(&end, LongEnd::CutBeforeCommit(code) if code.as_str() == "57P01"), "{end:?}");
    assert_eq!(shop.count("shop", "select count(*) from workload_ledger").await, 0);
}

#[tokio::test]
async fn a_load_that_is_killed_leaves_a_ledger_to_judge_by() {
    let shop = Shop::open().await;
    let ledger = shop.file("ledger");
    let load =
        Workload::start(WorkloadConfig::new(shop.application("shop"), ledger.clone())).unwrap();
    until("some writes", || load.snapshot(), |now| now.acknowledged >= 100).await;
    drop(load);
    shop.quiet().await;
    let verdict = judge(&ledger, None, &shop.landfall("shop")).await.unwrap();
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.unknown <= 8, "no more than one open attempt for each writer: {verdict}");
    assert_eq!(verdict.unknown_check, UnknownCheck::Explained);
    let summary = summarise_ledger(&ledger, Duration::from_secs(5)).unwrap();
    assert_eq!(summary.tally.all.acknowledged, verdict.acknowledged);
}

#[tokio::test]
async fn the_command_leaves_its_summary_in_a_file() {
    let shop = Shop::open().await;
    let mut config = WorkloadConfig::new(shop.application("shop"), shop.file("ledger"));
    config.writers = 2;
    config.reconnecting = 0;
    config.rate_per_second = Some(50.0);
    let out = shop.file("summary.json");
    let enough = tokio::sync::Notify::new();
    let mut lines = Vec::new();
    let summary = run_watched(config, enough.notified(), &out, |line| {
        lines.push(line.to_string());
        if line.0.running_ms >= 1_000 {
            enough.notify_one();
        }
    })
    .await
    .unwrap();
    // Both were read back: reading changes the last digit of some numbers.
    let read = |text: &str| serde_json::from_str::<Summary>(text).unwrap();
    let written = read(&std::fs::read_to_string(&out).unwrap());
    let told = read(&serde_json::to_string(&summary).unwrap());
    assert_eq!(written, told);
    assert!(lines.iter().any(|line| line.contains(" acknowledged ")), "{lines:?}");
    // Two writers at 50/s for a second and a bit: the limit binds, and does not starve.
    let most = 2.0 * (summary.running_ms / 1_000.0 * 50.0 + 1.0);
    let acknowledged = summary.tally.all.acknowledged;
    assert!(acknowledged >= 20 && (acknowledged as f64) <= most, "{acknowledged} of {most}");
}

#[tokio::test]
async fn idle_sessions_that_are_cut_are_noticed_without_a_failed_statement() {
    let shop = Shop::open().await;
    let mut config = WorkloadConfig::new(shop.application("shop"), shop.file("ledger"));
    config.writers = 2;
    config.reconnecting = 0;
    config.rate_per_second = Some(0.02);
    let load = Workload::start(config).unwrap();
    until("both writers to be idle", || load.snapshot(), |now| now.acknowledged == 2).await;
    shop.server.terminate_sessions().await.unwrap();
    until("both cuts", || load.snapshot(), |now| now.sessions_cut == 2).await;
    let summary = load.stop().await.unwrap();
    assert_eq!((summary.tally.all.failed, summary.tally.all.unknown), (0, 0));
    assert_eq!(summary.tally.cuts.get("57P01"), Some(&2), "{:?}", summary.tally);
}

#[tokio::test]
async fn the_tiny_shop_is_quick_whole_and_made_once() {
    let shop = Shop::empty().await;
    let mut client = shop.login("shop").await;
    let report = seed(&mut client, Size::Tiny).await.unwrap();
    println!("{report:?}");
    assert!((4_000_000..7_000_000).contains(&report.table_bytes), "{report:?}");
    assert!(report.database_bytes > report.table_bytes);
    assert!(report.took < Duration::from_secs(10), "{report:?}");
    assert_eq!(shop.count("shop", "select count(*) from orders").await, report.orders);
    let without_key = "\
        select count(*) from pg_class as c \
        where relkind = 'r' and relnamespace = 'public'::regnamespace \
          and not exists (select from pg_index where indrelid = c.oid and indisprimary)";
    assert_eq!(shop.count("shop", without_key).await, 2, "page_views and workload_ledger");
    let keys = "select count(*) from pg_constraint where contype = 'f'";
    assert_eq!(shop.count("shop", keys).await, 4);
    let behind = "select count(*) from orders where id > (select last_value from orders_id_seq)";
    assert_eq!(shop.count("shop", behind).await, 0);
    assert!(matches!(seed(&mut client, Size::Tiny).await, Err(SeedError::AlreadySeeded)));
}
