//! The questions of a baseline on a real server: counters that move as they must, statements found
//! again, tables that nobody analyzed, and what is said where they cannot be asked.

use jiff::Timestamp;
use landfall_assess::comparison::{aurora_notes, compare, read_counters};
use landfall_assess::question::aurora;
use landfall_assess::question::performance::{
    ANALYZED, COUNTERS, Conflicts, NeverAnalyzed, REPLICA,
};
use landfall_assess::question::{databases, server};
use landfall_core::action::DatabaseAction;
use landfall_core::comparison::{Counters, Hours};
use landfall_core::port::Database;

use crate::bench::Bench;

const ASKED: &str = "select count(*) from orders as a, generate_series(1, 20000) where a.id < 1";
const SECRET: &str = "create role leak login password 'hunter2'";

async fn counters(bench: &Bench) -> Counters {
    let answers = bench.port().ask(&bench.at(), COUNTERS).await.unwrap();
    read_counters(&answers, Timestamp::UNIX_EPOCH)
}

async fn preloaded() -> Bench {
    let bench = Bench::with(|config| {
        let (name, library) = ("shared_preload_libraries", "pg_stat_statements");
        config.settings.insert(name.to_owned(), library.to_owned());
    })
    .await;
    bench.admin("create extension pg_stat_statements schema public").await;
    bench.admin("grant pg_read_all_stats to owner").await;
    bench
}

#[tokio::test]
async fn statements_are_counted_and_their_secrets_are_not_told() {
    let bench = preloaded().await;
    bench.admin(SECRET).await;
    let first = counters(&bench).await;
    let client = bench.login("app", "shop").await.unwrap();
    for id in 1..=12 {
        client.batch_execute(&ASKED.replace("< 1", &format!("< {id}"))).await.unwrap();
    }
    let last = counters(&bench).await;
    let shop = last.statements.iter().find(|one| one.database.as_str() == "shop").unwrap();
    let asked = shop.statements.iter().find(|one| one.text.contains("generate_series")).unwrap();
    assert!((asked.calls - 12.0).abs() < 1e-9 && asked.total_ms > 0.0, "{asked:?}");
    assert!(asked.text.contains("< $") && !asked.text.contains("20000"), "{}", asked.text);
    let told = format!("{last:?}");
    assert!(!told.contains("hunter2"), "{told}");
    let not_looked = last.not_looked.join("; ");
    assert!(not_looked.contains("database postgres were not looked at"), "{not_looked}");
    assert!(last.databases.iter().any(|one| one.database.as_str() == "shop" && one.commits > 0.0));
    assert!(last.at > Timestamp::UNIX_EPOCH, "the server's own clock");
    // The same server twice as fast as itself is as fast as itself.
    let sides = landfall_assess::comparison::Sides {
        window: (first.at, last.at),
        hours: Hours::None,
        metrics: vec![],
        source: (Some(first.clone()), Some(last.clone())),
        target: (Some(first), Some(last.clone())),
        not_looked: vec![],
    };
    let compared = compare(&sides);
    assert_eq!((compared.statements_compared, compared.slower.len()), (1, 0), "{compared:?}");
    // A reset in the window is seen by the counters' own clock.
    bench.admin("select pg_stat_statements_reset()").await;
    let after = counters(&bench).await;
    let source = (Some(last.clone()), Some(after));
    let target = (None, None);
    let notes = compare(&landfall_assess::comparison::Sides { source, target, ..sides }).notes;
    assert!(notes.iter().any(|note| note.contains("source were reset")), "{notes:?}");
}

#[tokio::test]
async fn without_the_extension_it_is_said_what_is_missing() {
    let bench = Bench::new().await;
    let counters = counters(&bench).await;
    assert!(counters.statements.is_empty());
    let told = counters.not_looked.join("; ");
    assert!(told.contains("database shop were not looked at"), "{told}");
    assert!(told.contains("preload pg_stat_statements and create its extension"), "{told}");
    assert!(!counters.databases.is_empty(), "databases are counted without any extension");
}

#[tokio::test]
async fn tables_that_nobody_analyzed_are_found_and_analyzed() {
    let bench = Bench::new().await;
    let odd = "\"o'dd \"\"t\"\"\"";
    bench
        .admin(&format!(
            "create table {odd} (id int) with (autovacuum_enabled = false); \
             insert into {odd} select generate_series(1, 500); alter table {odd} owner to owner; \
             create table foreign_hands (id int) with (autovacuum_enabled = false); \
             insert into foreign_hands select generate_series(1, 500)"
        ))
        .await;
    let found = || async {
        let answers = bench.port().ask(&bench.at(), ANALYZED).await.unwrap();
        let mut found: Vec<_> = databases::<NeverAnalyzed>(&answers)
            .into_iter()
            .filter(|(name, _)| name.as_str() == "shop")
            .flat_map(|(_, reading)| reading.looked().unwrap().0.items.clone())
            .map(|table| (table.schema, table.name))
            .collect();
        found.sort();
        found
    };
    let public = |name: &str| ("public".to_owned(), name.to_owned());
    let both = vec![public("foreign_hands"), public("o'dd \"t\"")];
    assert_eq!(found().await, both);
    let (at, database) = (bench.at(), "shop".into());
    let gone = public("gone");
    let tables = [both.clone(), vec![gone]].concat();
    let analyze = DatabaseAction::Analyze { at, database, tables };
    // Tables that are gone, and those that belong to somebody else, are passed over.
    bench.port_as("app").act(&analyze).await.unwrap();
    assert_eq!(found().await, both);
    bench.port().act(&analyze).await.unwrap();
    bench.port().act(&analyze).await.unwrap();
    assert_eq!(found().await, []);
}

#[tokio::test]
async fn a_replica_tells_its_conflicts() {
    let bench = Bench::new().await;
    let standby = bench.standby().await;
    let answers = bench.port().ask(&standby.at(), REPLICA).await.unwrap();
    let conflicts = server::<Conflicts>(&answers);
    assert!(conflicts.looked().is_some_and(|seen| seen.cancelled.abs() < 1e-9), "{conflicts:?}");
}

/// Stand-ins with the columns of Aurora's own.
const LIKE_AURORA: [&str; 4] = [
    "create function pg_catalog.aurora_stat_wait_type() returns table (type_id int, type_name text)
     language sql as $$ values (10, 'IO'), (6, 'Client') $$",
    "create function pg_catalog.aurora_stat_wait_event()
     returns table (type_id int, event_id int, event_name text)
     language sql as $$ values (10, 1, 'XactSync'), (10, 2, 'DataFileRead'), (6, 3, 'ClientRead') $$",
    "create function pg_catalog.aurora_stat_system_waits()
     returns table (type_id int, event_id int, waits bigint, wait_time bigint)
     language sql as $$ values (10, 1, 7::int8, 2500000::int8), (10, 2, 3::int8, 100::int8),
                               (6, 3, 9::int8, 900000000::int8) $$",
    "create function pg_catalog.aurora_global_db_instance_status()
     returns table (server_id text, session_id text, aws_region text, visibility_lag_in_msec bigint)
     language sql as $$ values ('shop-1', 'MASTER_SESSION_ID', 'us-east-1', null::int8),
                               ('shop-2', 'c0ffee', 'eu-west-1', 17::int8) $$",
];

async fn of_aurora(bench: &Bench) -> Vec<String> {
    let present = bench.port().ask(&bench.at(), aurora::PRESENT).await.unwrap();
    let questions = aurora::of(&present);
    aurora_notes(&bench.port().ask(&bench.at(), &questions).await.unwrap())
}

#[tokio::test]
async fn what_only_aurora_tells_is_asked_where_it_is_there() {
    let bench = Bench::new().await;
    let told = of_aurora(&bench).await;
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|note| note.contains("no such functions of Aurora's")), "{told:?}");
    for function in LIKE_AURORA {
        bench.admin(function).await;
    }
    let expected = [
        "since it started, the target waited most for IO:XactSync (2.5 s, 7 times), \
         IO:DataFileRead (0.0 s, 3 times)",
        "behind the target's writer: shop-2 in eu-west-1 by 17 ms",
    ];
    assert_eq!(of_aurora(&bench).await, expected);
}
