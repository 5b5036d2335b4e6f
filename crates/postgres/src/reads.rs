//! Plain reads: databases, prepared transactions, write counters, slots, settings, extensions.
//!
//! What is per database is asked in every database that accepts us; one that is dropped between
//! the list and the visit is left out, as it would be a moment later.
//!
//! Write counters lag behind writes. A session of PostgreSQL 15 or newer reports at most once per
//! second, and one that falls idle within that second reports its last writes up to ten seconds
//! later; before 15 the collector adds half a second. A session that ends reports everything, so
//! after the fence the counters are final. They return to zero when a server recovers from a
//! crash, and a replica has its own: compare them on one server between two looks. Rows count,
//! those of large objects too; a sequence that advances and a catalogue that changes do not.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream;
use landfall_core::port::database::{ExtensionView, SettingView, SlotView, WriteCounters};
use landfall_core::{ByteCount, DatabaseName, Failure, FailureKind};
use tokio_postgres::{Error, Row};

use crate::call::Call;

/// Databases that are visited at the same time: each costs the server a session.
const AT_ONCE: usize = 4;

/// `rdsadmin` is the provider's; a limit of -2 marks a database whose drop was interrupted.
const DATABASES: &str = "
select datname::text from pg_database
where datallowconn and not datistemplate and datname <> 'rdsadmin' and datconnlimit <> -2
  and has_database_privilege(oid, 'connect')
order by 1";

const PREPARED: &str = "select gid::text from pg_prepared_xacts order by prepared, gid";

/// Large objects are the application's rows, although a catalogue holds them. Temporary tables
/// belong to one session and die with it; a row that is too wide is counted where it belongs.
const WRITE_COUNTERS: &str = "
select schemaname::text || '.' || relname::text as name,
       n_tup_ins + n_tup_upd + n_tup_del as writes
from pg_stat_all_tables
where relid = 'pg_largeobject'::regclass
   or (schemaname not in ('pg_catalog', 'information_schema', 'landfall')
       and schemaname !~ '^pg_(temp|toast)')";

const SLOTS: &str = "
select slot_name::text as name, plugin::text, active,
       greatest(0, pg_wal_lsn_diff(
         case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
              else pg_current_wal_flush_lsn() end,
         restart_lsn))::int8 as retained
from pg_replication_slots
order by 1";

const SETTINGS: &str = "
select name, coalesce(setting, '') as value, pending_restart from pg_settings";

const EXTENSIONS: &str = "select extname::text as name, extversion as version from pg_extension";

pub(crate) async fn databases(call: Call<'_>) -> Result<Vec<DatabaseName>, Failure> {
    call.ask(DATABASES, &[], |row| Ok(DatabaseName::new(row.try_get::<_, String>(0)?))).await
}

pub(crate) async fn prepared(call: Call<'_>) -> Result<Vec<String>, Failure> {
    call.ask(PREPARED, &[], |row| row.try_get(0)).await
}

pub(crate) async fn write_counters(call: Call<'_>) -> Result<WriteCounters, Failure> {
    let read = |row: &Row| Ok((row.try_get("name")?, unsigned(row.try_get("writes")?)));
    let found = everywhere(call, WRITE_COUNTERS, read).await?;
    Ok(found.into_iter().map(|(name, tables)| (name, tables.into_iter().collect())).collect())
}

pub(crate) async fn slots(call: Call<'_>) -> Result<Vec<SlotView>, Failure> {
    let read = |row: &Row| {
        let retained: Option<i64> = row.try_get("retained")?;
        Ok(SlotView {
            name: row.try_get("name")?,
            plugin: row.try_get("plugin")?,
            active: row.try_get("active")?,
            retained: ByteCount(unsigned(retained.unwrap_or(0))),
        })
    };
    call.ask(SLOTS, &[], read).await
}

pub(crate) async fn settings(call: Call<'_>) -> Result<BTreeMap<String, SettingView>, Failure> {
    let read = |row: &Row| {
        let pending_restart = row.try_get("pending_restart")?;
        Ok((row.try_get("name")?, SettingView { value: row.try_get("value")?, pending_restart }))
    };
    Ok(call.ask(SETTINGS, &[], read).await?.into_iter().collect())
}

pub(crate) async fn extensions(call: Call<'_>) -> Result<Vec<ExtensionView>, Failure> {
    let read = |row: &Row| Ok((row.try_get("name")?, row.try_get("version")?));
    let mut extensions = Vec::new();
    for (database, found) in everywhere(call, EXTENSIONS, read).await? {
        extensions.extend(found.into_iter().map(|(name, version)| ExtensionView {
            database: database.clone(),
            name,
            version,
        }));
    }
    extensions.sort();
    Ok(extensions)
}

/// Asks in every database; the answers by database.
async fn everywhere<T>(
    call: Call<'_>,
    sql: &'static str,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<(DatabaseName, Vec<T>)>, Failure> {
    let databases = databases(call).await?;
    let visits = databases.into_iter().map(|database| {
        let read = &read;
        async move { (call.ask_in(&call.place(&database), sql, read).await, database) }
    });
    let mut visits = stream::iter(visits).buffered(AT_ONCE);
    let mut answers = Vec::new();
    while let Some((answer, database)) = visits.next().await {
        match answer {
            Ok(rows) => answers.push((database, rows)),
            // The catalogues we ask always exist, so it is the database that has gone.
            Err(failure) if failure.kind == FailureKind::NotFound => {}
            Err(mut failure) => {
                failure.detail = format!("database {database}: {}", failure.detail);
                return Err(failure);
            }
        }
    }
    Ok(answers)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
