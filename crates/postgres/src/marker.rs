//! The marker: a committed row of ours whose position in the log proves what a replica has.
//!
//! It lives in the first database, in a schema and a table that carry our comment; without the
//! comment they are somebody else's and are neither written nor dropped. Each action is one
//! transaction, so that dying half-way leaves all of it or nothing.

use landfall_core::port::database::MarkerView;
use landfall_core::{Failure, FailureKind, Lsn};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Error, Transaction};

use crate::call::Call;
use crate::trouble::Trouble;

/// What makes an object ours. Stored in servers: never reworded.
const OURS: &str = "made by Landfall";

/// The position is taken by the row's own projection, so after the row was seen; a row is seen
/// only when its commit is flushed, so the position is at or behind the marker's commit.
const MARKER: &str = "
select case when not pg_is_in_recovery() then pg_current_wal_flush_lsn() end
from landfall.marker where token = $1";

/// Two orchestrators at a time: the second waits and then finds the work done.
const LOCK: &str = "select pg_advisory_xact_lock(7163385, 1)";

const FOUND: &str = "
select coalesce(obj_description(n.oid, 'pg_namespace') = $1, false)
         and pg_has_role(n.nspowner, 'usage') as schema_ours,
       c.oid is not null as has_table,
       coalesce(obj_description(c.oid, 'pg_class') = $1, false) as table_ours
from pg_namespace n
left join pg_class c on c.relnamespace = n.oid and c.relname = 'marker'
where n.nspname = 'landfall'";

const CREATE_SCHEMA: [&str; 2] =
    ["create schema landfall", "comment on schema landfall is 'made by Landfall'"];

const CREATE_TABLE: [&str; 2] = [
    "create table landfall.marker (
       token text primary key, written_at timestamptz not null default clock_timestamp())",
    "comment on table landfall.marker is 'made by Landfall'",
];

const DROP_TABLE: &str = "drop table landfall.marker";
const DROP_SCHEMA: &str = "drop schema landfall";

/// The role's or the database's default may be weaker.
const DURABLE: &str = "set local synchronous_commit = on";

const WRITE: &str = "
insert into landfall.marker (token) values ($1) on conflict (token) do nothing";

/// A transaction that wrote nothing flushes nothing at its commit. Locking the row writes a record,
/// so that the commit is flushed although the marker was there before; its readers see no change.
const FLUSH: &str = "select from landfall.marker where token = $1 for update";

/// What stands where our marker table would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    EmptySchema,
    Table,
    /// Somebody else's, by name.
    Foreign(&'static str),
}

pub(crate) async fn view(call: Call<'_>, token: &str) -> Result<MarkerView, Failure> {
    let rows = match call.try_ask(MARKER, &[&token]).await {
        Ok(rows) => rows,
        Err(error) if is_missing(&error) => return Ok(MarkerView::NoTable),
        Err(error) => return Err(call.failed(error)),
    };
    let Some(row) = rows.first() else { return Ok(MarkerView::Absent) };
    let position: Option<PgLsn> = row.try_get(0).map_err(|error| call.failed(error))?;
    Ok(MarkerView::Visible { flush_lsn: position.map(|position| Lsn(position.into())) })
}

fn is_missing(trouble: &Trouble) -> bool {
    trouble.code().is_some_and(|code| {
        [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code)
    })
}

/// Makes schema and table, or finds them made.
pub(crate) async fn create(call: Call<'_>) -> Result<(), Failure> {
    let failed = |error: Error| call.failed(error);
    let mut lease = call.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    match found(&transaction).await.map_err(failed)? {
        Found::Nothing => {
            run(&transaction, &CREATE_SCHEMA).await.map_err(failed)?;
            run(&transaction, &CREATE_TABLE).await.map_err(failed)?;
        }
        Found::EmptySchema => run(&transaction, &CREATE_TABLE).await.map_err(failed)?,
        Found::Table => {}
        Found::Foreign(what) => return Err(foreign(call, what)),
    }
    transaction.commit().await.map_err(failed)?;
    call.keep(lease);
    Ok(())
}

/// Drops what is ours and only that: PostgreSQL itself refuses when something else is in the
/// schema or depends on the table.
pub(crate) async fn drop(call: Call<'_>) -> Result<(), Failure> {
    let failed = |error: Error| {
        if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
            let detail = "schema landfall holds something that is not ours, or something depends \
                          on the marker table; nothing was dropped";
            return Failure::new(FailureKind::TakenByAnother, call.what, detail);
        }
        call.failed(error)
    };
    let mut lease = call.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    match found(&transaction).await.map_err(failed)? {
        Found::Nothing => {}
        Found::EmptySchema => run(&transaction, &[DROP_SCHEMA]).await.map_err(failed)?,
        Found::Table => run(&transaction, &[DROP_TABLE, DROP_SCHEMA]).await.map_err(failed)?,
        Found::Foreign(what) => return Err(foreign(call, what)),
    }
    transaction.commit().await.map_err(failed)?;
    call.keep(lease);
    Ok(())
}

/// Commits the marker and flushes the log behind it, also when it was there before.
pub(crate) async fn write(call: Call<'_>, token: &str) -> Result<(), Failure> {
    let failed = |error: Error| call.failed(error);
    let mut lease = call.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    run(&transaction, &[DURABLE]).await.map_err(failed)?;
    transaction.execute(WRITE, &[&token]).await.map_err(failed)?;
    transaction.execute(FLUSH, &[&token]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    call.keep(lease);
    Ok(())
}

async fn run(transaction: &Transaction<'_>, statements: &[&str]) -> Result<(), Error> {
    for statement in statements {
        transaction.execute(*statement, &[]).await?;
    }
    Ok(())
}

async fn found(transaction: &Transaction<'_>) -> Result<Found, Error> {
    transaction.execute(LOCK, &[]).await?;
    let rows = transaction.query(FOUND, &[&OURS]).await?;
    let Some(row) = rows.first() else { return Ok(Found::Nothing) };
    let schema_ours: bool = row.try_get("schema_ours")?;
    let has_table: bool = row.try_get("has_table")?;
    let table_ours: bool = row.try_get("table_ours")?;
    Ok(match (schema_ours, has_table, table_ours) {
        (false, _, _) => Found::Foreign("schema landfall"),
        (true, false, _) => Found::EmptySchema,
        (true, true, true) => Found::Table,
        (true, true, false) => Found::Foreign("table landfall.marker"),
    })
}

fn foreign(call: Call<'_>, what: &str) -> Failure {
    let detail = format!("a {what} exists that our role did not make");
    Failure::new(FailureKind::TakenByAnother, call.what, detail)
}
