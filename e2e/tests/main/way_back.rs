//! Risk: what the target took after the release is missing where people would go back to. With the
//! way back armed, every row of three databases is on the fenced source while the move soaks; and
//! once it is accepted nothing of the way back is left on either side.

use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::status::{Line, Outcome};
use landfall_e2e::Stage;

use crate::watch::{
    LONG, moved, rolled_back, stage_with_gates, start, until, until_gate, until_over,
};

const SOURCE: &str = "shop-prod";
const TARGET: &str = "shop-aurora-1";
const DATABASES: [&str; 3] = ["shop", "postgres", "Led\"ger ü"];

/// What the way back is made of, wherever it stands; and identities that are not the usual one.
const OURS: &str = "select name from (
    select 'subscription' as name from pg_subscription
    union all select 'publication' from pg_publication
    union all select 'origin' from pg_replication_origin
    union all select 'slot ' || slot_name from pg_replication_slots where plugin is not null
    union all select 'role ' || rolname from pg_roles where rolname like 'landfall%'
    union all select 'schema ' || nspname from pg_namespace where nspname like 'landfall%'
    union all select 'identity of ' || oid::regclass from pg_class
      where relkind = 'r' and oid > 16384 and relreplident <> 'd') as ours order by 1";

async fn ask(stage: &Stage, instance: &str, database: &str, sql: &str) -> Vec<String> {
    let rows = stage.lab.sql(instance, database, sql).await;
    let rows = rows.unwrap_or_else(|error| panic!("{sql} on {instance}: {error}"));
    rows.into_iter().flatten().flatten().collect()
}

/// Two more databases with a table each, and the right that `rds_superuser` has on RDS.
async fn furnish(stage: &Stage) {
    let user = &stage.lab.source().user;
    stage.lab.allow_subscriptions().await.expect("allow subscriptions");
    let database = format!("create database \"Led\"\"ger ü\" owner {user}");
    ask(stage, SOURCE, "shop", &database).await;
    for database in &DATABASES[1..] {
        let table = format!(
            "create table \"No.tes\" (id int primary key, what text); create sequence beyond; \
             alter table \"No.tes\" owner to {user}; alter sequence beyond owner to {user}"
        );
        ask(stage, SOURCE, database, &table).await;
    }
}

/// Waits until the source says what the target says.
async fn same(stage: &Stage, database: &str, sql: &str) -> Vec<String> {
    let end = tokio::time::Instant::now() + LONG;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    loop {
        tick.tick().await;
        // Anew: a transaction that began earlier may have committed since.
        let there = ask(stage, TARGET, database, sql).await;
        let here = ask(stage, SOURCE, database, sql).await;
        if here == there {
            return there;
        }
        let late = tokio::time::Instant::now() > end;
        assert!(!late, "{sql} in {database}: {here:?} on the source, {there:?} on the target");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_target_takes_is_on_the_source_until_the_move_is_accepted() {
    let (mut stage, before) = Box::pin(soaking()).await;
    // What the load has acknowledged so far, now on the target, must arrive.
    let newest = ask(&stage, TARGET, "shop", "select max(written_at) from workload_ledger").await;
    let rows = format!(
        "select count(*) || ' ' || sum(seq) from workload_ledger where written_at <= '{}'",
        newest[0]
    );
    assert!(!same(&stage, "shop", &rows).await.is_empty());
    for database in &DATABASES[1..] {
        let write = "insert into \"No.tes\" select g, 'after' from generate_series(1, 500) g; \
                     update \"No.tes\" set what = 'twice' where id % 2 = 0; \
                     delete from \"No.tes\" where id % 5 = 0";
        ask(&stage, TARGET, database, write).await;
        let sum = "select count(*) || md5(string_agg(id || what, ',' order by id)) from \"No.tes\"";
        assert!(same(&stage, database, sum).await[0].starts_with("400"), "in {database}");
        let standing = ask(&stage, SOURCE, database, OURS).await.join(" ");
        assert!(standing.contains("subscription"), "{standing}");
    }

    stage.order("approve", Some("accept")).await.expect("accept");
    let followed = until_over(&mut stage, Outcome::Moved).await;
    as_before(&stage, &before).await;
    moved(stage, &followed).await;
}

/// A move of three databases that stands at its acceptance, its way back armed, while the load
/// writes to the target; and what each database had of what a way back is made of.
async fn soaking() -> (Stage, Vec<Vec<String>>) {
    let mut stage = stage_with_gates().await;
    furnish(&stage).await;
    let mut before = Vec::new();
    for database in DATABASES {
        before.push(ask(&stage, SOURCE, database, OURS).await);
    }
    for line in ["arm = \"required\"", "tables_without_identity = \"full\""] {
        stage.spec.extra.push(("way_back", line.to_owned()));
    }
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    stage.order("approve", Some("approve_cutover")).await.expect("approve");
    let view = until_gate(&mut stage, "accept").await;
    assert!(view.facts.way_back.is_armed(), "{:#?}", view.facts.way_back);
    stage.load().unwrap().go_on_for(50, LONG).await.expect("see the load run");
    (stage, before)
}

/// Neither server has more of it than the source had before.
async fn as_before(stage: &Stage, before: &[Vec<String>]) {
    for instance in [SOURCE, TARGET] {
        for (database, before) in DATABASES.iter().zip(before) {
            let left = ask(stage, instance, database, OURS).await;
            assert_eq!(left, *before, "in {database} of {instance}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_back_brings_every_database_to_the_source() {
    let (mut stage, before) = Box::pin(soaking()).await;
    for database in &DATABASES[1..] {
        let write = "insert into \"No.tes\" select g, 'after' from generate_series(1, 300) g; \
                     select setval('beyond', 4711)";
        ask(&stage, TARGET, database, write).await;
    }
    stage.order("roll-back", None).await.expect("roll back");
    let followed = until_over(&mut stage, Outcome::RolledBack).await;
    for database in &DATABASES[1..] {
        let rows = ask(&stage, SOURCE, database, "select count(*)::text from \"No.tes\"").await;
        assert_eq!(rows, ["300"], "in {database}");
        let next = ask(&stage, SOURCE, database, "select nextval('beyond')::text").await;
        assert_eq!(next, ["4712"], "in {database}");
    }
    as_before(&stage, &before).await;
    rolled_back(stage, &followed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_roll_back_that_is_aborted_goes_on_with_the_target_and_can_be_asked_for_again() {
    let (mut stage, _) = Box::pin(soaking()).await;
    stage.order("roll-back", None).await.expect("roll back");
    let held = |view: &MoveView| view.pause.as_ref().is_some_and(|pause| pause.until.is_none());
    until(&mut stage, held).await;
    stage.order("abort", None).await.expect("abort the roll-back");
    let back = |view: &MoveView| view.status.line == Line::Migrate && view.gate.is_some();
    let view = until(&mut stage, back).await.view;
    assert!(view.facts.way_back.is_armed(), "{:#?}", view.facts.way_back);
    stage.load().unwrap().go_on_for(50, LONG).await.expect("see the load run");
    stage.order("roll-back", None).await.expect("roll back");
    let followed = until_over(&mut stage, Outcome::RolledBack).await;
    rolled_back(stage, &followed).await;
}
