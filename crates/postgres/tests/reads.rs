//! Reads whose truth only the server knows.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::port::Database;
use landfall_core::{ByteCount, FailureKind};
use landfall_postgres::SlotDrop;

use crate::bench::{Bench, OTHER, eventually};

#[tokio::test]
async fn the_server_is_described_as_it_is() {
    let bench = Bench::new().await;
    let before = Timestamp::now();
    let view = bench.port().server(&bench.at()).await.unwrap();

    let sql = "select current_setting('server_version_num')::int, \
               (select system_identifier from pg_control_system()), \
               pg_current_wal_flush_lsn()::text";
    let row = &bench.server.query(sql, &[]).await.unwrap()[0];
    assert_eq!(view.version_num, u32::try_from(row.get::<_, i32>(0)).unwrap());
    assert_eq!(view.system_identifier, Some(row.get::<_, i64>(1).cast_unsigned()));
    assert_eq!(view.timeline, Some(1));
    assert!(view.flush_lsn.unwrap().to_string() <= row.get::<_, String>(2), "{view:?}");
    assert!(view.now.duration_since(before).abs() < Duration::from_secs(5).try_into().unwrap());
    assert!(view.started_at <= view.now);
    assert!(view.writable);
}

#[tokio::test]
async fn a_refused_identity_is_absent() {
    let bench = Bench::new().await;
    bench.admin("revoke execute on function pg_control_system() from public").await;
    let view = bench.port().server(&bench.at()).await.unwrap();
    assert_eq!((view.system_identifier, view.timeline), (None, None));
    assert!(view.flush_lsn.is_some() && view.writable, "the rest is there: {view:?}");
}

#[tokio::test]
async fn refused_positions_are_absent() {
    let bench = Bench::new().await;
    bench.admin("revoke execute on function pg_current_wal_flush_lsn() from public").await;
    let view = bench.port().server(&bench.at()).await.unwrap();
    assert_eq!((view.flush_lsn, view.replay_lsn), (None, None));
    assert!(view.system_identifier.is_some() && view.writable, "the rest is there: {view:?}");
}

#[tokio::test]
async fn a_read_only_default_is_not_writable() {
    let bench = Bench::new().await;
    bench.admin("alter role owner set default_transaction_read_only = on").await;
    let view = bench.port().server(&bench.at()).await.unwrap();
    assert!(!view.writable && !view.in_recovery, "{view:?}");
}

#[tokio::test]
async fn databases_are_those_that_accept_us() {
    let bench = Bench::new().await;
    bench.admin("create database closed allow_connections false").await;
    bench.admin("create database blueprint is_template true").await;
    bench.admin("create database private").await;
    bench.admin("revoke connect on database private from public").await;
    let databases = bench.port().databases(&bench.at()).await.unwrap();
    let names: Vec<&str> = databases.iter().map(|database| database.as_str()).collect();
    assert_eq!(names, [OTHER, "postgres", "shop"]);
}

#[tokio::test]
async fn writes_are_counted_by_table_in_every_database() {
    let bench = Bench::new().await;
    let port = bench.port();
    for _ in 0..3 {
        bench.write_order(OTHER).await;
    }
    let counters = eventually("three rows to be counted", async || {
        let counters = port.write_counters(&bench.at()).await.unwrap();
        let rows = counters[&OTHER.into()]["public.orders"];
        if rows == 3 { Ok(counters) } else { Err(counters) }
    })
    .await;
    assert_eq!(counters[&"shop".into()]["public.orders"], 0);

    // An update and a delete count as well; a temporary table does not.
    let owner = bench.login("owner", "shop").await.unwrap();
    let sql = "create temporary table scratch (n int); insert into scratch values (1); \
               insert into orders default values; delete from orders;";
    owner.batch_execute(sql).await.unwrap();
    let counters = eventually("an insert and a delete to be counted", async || {
        let counters = port.write_counters(&bench.at()).await.unwrap();
        let rows = counters[&"shop".into()]["public.orders"];
        if rows == 2 { Ok(counters) } else { Err(counters) }
    })
    .await;
    let tables: Vec<&String> = counters[&"shop".into()].keys().collect();
    assert_eq!(tables, ["pg_catalog.pg_largeobject", "public.orders"]);
    owner.query("select lo_from_bytea(0, 'row')", &[]).await.unwrap();
    drop(owner);
    eventually("a large object to be counted", async || {
        let counters = port.write_counters(&bench.at()).await.unwrap();
        let rows = counters[&"shop".into()]["pg_catalog.pg_largeobject"];
        if rows == 1 { Ok(()) } else { Err(counters) }
    })
    .await;
}

#[tokio::test]
async fn a_slot_keeps_what_it_has_not_sent() {
    let bench = Bench::new().await;
    let port = bench.port();
    assert_eq!(port.slots(&bench.at()).await.unwrap(), []);
    bench.admin("select pg_create_physical_replication_slot('left_over', true)").await;
    bench.admin("insert into orders select from generate_series(1, 1000)").await;
    let [slot] = port.slots(&bench.at()).await.unwrap().try_into().unwrap();
    assert_eq!(
        (slot.name.as_str(), slot.plugin.as_deref(), slot.active),
        ("left_over", None, false)
    );
    assert!(slot.retained > ByteCount(1000), "{slot:?}");

    let standby = bench.standby().await;
    let active = eventually("the replica's slot to be active", async || {
        let slots = port.slots(&bench.at()).await.unwrap();
        slots
            .iter()
            .any(|slot| slot.name == "rds_replica" && slot.active)
            .then_some(())
            .ok_or(slots)
    });
    active.await;
    // On a replica the question has an answer, too.
    assert_eq!(port.slots(&standby.at()).await.unwrap(), []);
}

#[tokio::test]
async fn only_a_slot_that_nobody_uses_is_dropped() {
    let bench = Bench::new().await;
    let port = bench.port();
    bench.admin("select pg_create_physical_replication_slot('left_over', true)").await;
    let standby = bench.standby().await;
    eventually("the replica's slot to be active", async || {
        let slots = port.slots(&bench.at()).await.unwrap();
        let used = slots.iter().any(|slot| slot.name == "rds_replica" && slot.active);
        used.then_some(()).ok_or(slots)
    })
    .await;
    let drop = async |name| port.drop_slot(&bench.at(), name).await.unwrap();
    assert_eq!(drop("rds_replica").await, SlotDrop::InUse);
    assert_eq!(drop("left_over").await, SlotDrop::Dropped);
    assert_eq!(drop("left_over").await, SlotDrop::Unknown);
    let left: Vec<String> =
        port.slots(&bench.at()).await.unwrap().into_iter().map(|slot| slot.name).collect();
    assert_eq!(left, ["rds_replica"]);
    assert!(standby.server.is_running());

    bench.admin("create role watch login password 'watchpass'").await;
    bench.admin("select pg_create_physical_replication_slot('again')").await;
    let failure = bench.port_as("watch").drop_slot(&bench.at(), "again").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
}

#[tokio::test]
async fn settings_and_extensions_are_those_that_run() {
    let bench = Bench::new().await;
    let port = bench.port();
    let settings = port.settings(&bench.at()).await.unwrap();
    assert_eq!(settings["max_connections"].value, "200");
    assert!(!settings["max_connections"].pending_restart);

    let changes = [("max_connections".to_owned(), "210".to_owned())].into();
    bench.server.apply_settings(&changes).await.unwrap();
    let pending = eventually("the change to wait for a restart", async || {
        let settings = port.settings(&bench.at()).await.unwrap();
        let setting = settings["max_connections"].clone();
        if setting.pending_restart { Ok(setting) } else { Err(setting) }
    });
    assert_eq!(pending.await.value, "200");

    let (name, version) = available_extension(&bench).await;
    bench.admin(&format!("create extension \"{name}\"")).await;
    let extensions = port.extensions(&bench.at()).await.unwrap();
    let found: Vec<(&str, &str)> =
        extensions.iter().map(|e| (e.database.as_str(), e.name.as_str())).collect();
    let expected =
        [(OTHER, "plpgsql"), ("postgres", "plpgsql"), ("shop", "plpgsql"), ("shop", &name)];
    assert_eq!(found, expected);
    assert_eq!(extensions.last().unwrap().version, version);
}

/// One that sorts behind plpgsql, with its version: not every build has the same.
async fn available_extension(bench: &Bench) -> (String, String) {
    let sql = "select name::text, default_version from pg_available_extensions \
               where name in ('uuid-ossp', 'unaccent', 'vector') order by 1 limit 1";
    let rows = bench.server.query(sql, &[]).await.unwrap();
    let row = rows.first().expect("one of the usual extensions is installed");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn a_database_that_closes_meanwhile_is_named() {
    let bench = Bench::new().await;
    bench.admin("alter database \"ledger \"\"two\"\"\" connection limit 0").await;
    let failure = bench.port().write_counters(&bench.at()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.detail.contains(OTHER) && failure.detail.contains("53300"), "{failure}");
}
