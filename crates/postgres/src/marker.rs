//! The marker: a committed row of ours whose position in the log proves what a replica has.
//!
//! It lives in every database, in a schema and a table that carry our comment; without the comment
//! they are somebody else's and are neither written nor dropped. Each database is one transaction,
//! and the first one, where most look, comes last: where its table stands all others stand, and
//! where it is gone all others are. Dying half-way leaves what a repeat completes.

use landfall_core::port::database::MarkerView;
use landfall_core::{DatabaseName, Failure, FailureKind, Lsn};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Error, Transaction};

use crate::call::Call;
use crate::quote::Identifier;
use crate::reads;
use crate::trouble::Trouble;
use crate::way_back::{OURS, Visit, in_each};

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
    view_in(&first(call), token).await
}

/// Where the server-wide marker is.
fn first(call: Call<'_>) -> Visit<'_> {
    Visit::new(call, call.connections.first_database())
}

/// The same in one database.
pub(crate) async fn view_in(visit: &Visit<'_>, token: &str) -> Result<MarkerView, Failure> {
    let rows = match visit.call.connections.ask(&visit.place, MARKER, &[&token]).await {
        Ok(rows) => rows,
        Err(error) if is_missing(&error) => return Ok(MarkerView::NoTable),
        Err(error) => return Err(visit.failed(error)),
    };
    let Some(row) = rows.first() else { return Ok(MarkerView::Absent) };
    let position: Option<PgLsn> = row.try_get(0).map_err(|error| visit.failed(error))?;
    Ok(MarkerView::Visible { flush_lsn: position.map(|position| Lsn(position.into())) })
}

fn is_missing(trouble: &Trouble) -> bool {
    trouble.code().is_some_and(|code| {
        [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME].contains(code)
    })
}

/// Every database but the first one.
async fn others(call: Call<'_>) -> Result<Vec<DatabaseName>, Failure> {
    let mut databases = reads::databases(call).await?;
    databases.retain(|database| database != call.connections.first_database());
    Ok(databases)
}

/// Makes schema and table in every database, or finds them made.
pub(crate) async fn create(call: Call<'_>) -> Result<(), Failure> {
    let others = others(call).await?;
    in_each(call, others, |visit| async move { create_in(&visit).await }).await?;
    create_in(&first(call)).await
}

async fn create_in(visit: &Visit<'_>) -> Result<(), Failure> {
    let failed = |error: Error| {
        let mut failure = visit.failed(error);
        if failure.kind == FailureKind::Denied {
            let database = Identifier(visit.database().as_str());
            let remedy = "; our role needs: grant create on database";
            failure.detail = format!("{}{remedy} {database} to it", failure.detail);
        }
        failure
    };
    let mut lease = visit.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    match found(&transaction).await.map_err(failed)? {
        Found::Nothing => {
            run(&transaction, &CREATE_SCHEMA).await.map_err(failed)?;
            run(&transaction, &CREATE_TABLE).await.map_err(failed)?;
        }
        Found::EmptySchema => run(&transaction, &CREATE_TABLE).await.map_err(failed)?,
        Found::Table => {}
        Found::Foreign(what) => return Err(foreign(visit, what)),
    }
    transaction.commit().await.map_err(failed)?;
    visit.keep(lease);
    Ok(())
}

/// Drops what is ours and only that: PostgreSQL itself refuses when something else is in the
/// schema or depends on the table.
pub(crate) async fn drop(call: Call<'_>) -> Result<(), Failure> {
    let others = others(call).await?;
    in_each(call, others, |visit| async move { drop_in(&visit).await }).await?;
    drop_in(&first(call)).await
}

async fn drop_in(visit: &Visit<'_>) -> Result<(), Failure> {
    let failed = |error: Error| {
        if error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
            let detail = "schema landfall holds something that is not ours, or something depends \
                          on the marker table; nothing was dropped";
            return visit.failure(FailureKind::TakenByAnother, detail);
        }
        visit.failed(error)
    };
    let mut lease = visit.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    match found(&transaction).await.map_err(failed)? {
        Found::Nothing => {}
        Found::EmptySchema => run(&transaction, &[DROP_SCHEMA]).await.map_err(failed)?,
        Found::Table => run(&transaction, &[DROP_TABLE, DROP_SCHEMA]).await.map_err(failed)?,
        Found::Foreign(what) => return Err(foreign(visit, what)),
    }
    transaction.commit().await.map_err(failed)?;
    visit.keep(lease);
    Ok(())
}

/// Commits the marker and flushes the log behind it, also when it was there before.
pub(crate) async fn write(call: Call<'_>, token: &str) -> Result<(), Failure> {
    write_in(&first(call), token).await
}

/// The same in one database.
pub(crate) async fn write_in(visit: &Visit<'_>, token: &str) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    let mut lease = visit.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    run(&transaction, &[DURABLE]).await.map_err(failed)?;
    transaction.execute(WRITE, &[&token]).await.map_err(failed)?;
    transaction.execute(FLUSH, &[&token]).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    visit.keep(lease);
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

fn foreign(visit: &Visit<'_>, what: &str) -> Failure {
    let detail = format!("a {what} exists that our role did not make");
    visit.failure(FailureKind::TakenByAnother, &detail)
}
