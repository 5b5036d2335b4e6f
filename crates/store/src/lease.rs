//! Leases: one row per move, changed under the write lock.
//!
//! The row outlives every holder, because the epoch must never start again. A lease given back has
//! the oldest instant as its end: free to everybody, and no longer anybody's to renew or write by.

use jiff::Timestamp;
use landfall_core::journal::{Lease, StoreError};
use landfall_core::{Epoch, MigrationName};
use rusqlite::{Connection, OptionalExtension, params};

use crate::fault::Fault;
use crate::schema;

const SELECT: &str = "select epoch, holder, until from leases where migration = ?1";
const UPSERT: &str = "insert into leases (migration, epoch, holder, until) values (?1, ?2, ?3, ?4) \
     on conflict (migration) do update \
     set epoch = excluded.epoch, holder = excluded.holder, until = excluded.until";

/// What `take` is asked for.
pub(crate) struct Wanted<'a> {
    pub(crate) migration: &'a MigrationName,
    pub(crate) holder: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) until: Timestamp,
}

pub(crate) fn stored(
    connection: &Connection,
    fault: &Fault,
    migration: &MigrationName,
) -> Result<Option<Lease>, StoreError> {
    let row: Option<(u64, String, String)> = connection
        .prepare_cached(SELECT)
        .and_then(|mut select| {
            select
                .query_row(params![migration.as_str()], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
                })
                .optional()
        })
        .map_err(|error| fault.medium("read", &error))?;
    let Some((epoch, holder, until)) = row else { return Ok(None) };
    let until = until.parse().map_err(|error: jiff::Error| {
        fault.damaged(&format!("the lease of {migration} has no end ({error})"))
    })?;
    Ok(Some(Lease { migration: migration.clone(), epoch: Epoch(epoch), holder, until }))
}

/// Refuses an epoch that does not lead.
pub(crate) fn must_lead(
    connection: &Connection,
    fault: &Fault,
    migration: &MigrationName,
    epoch: Epoch,
) -> Result<(), StoreError> {
    let lease = stored(connection, fault, migration)?;
    match lease {
        Some(lease) if lease.epoch == epoch && lease.until > Timestamp::UNIX_EPOCH => Ok(()),
        Some(_) | None => Err(StoreError::EpochLost(epoch)),
    }
}

pub(crate) fn take(
    connection: &mut Connection,
    fault: &Fault,
    wanted: &Wanted<'_>,
) -> Result<Lease, StoreError> {
    let transaction = schema::begin(connection, fault)?;
    let epoch = match stored(&transaction, fault, wanted.migration)? {
        Some(held) if held.until > wanted.now => {
            return Err(StoreError::LeaseHeld { holder: held.holder, until: held.until });
        }
        Some(free) => Epoch(free.epoch.0 + 1),
        None => Epoch(1),
    };
    let lease = Lease {
        migration: wanted.migration.clone(),
        epoch,
        holder: wanted.holder.to_owned(),
        until: wanted.until,
    };
    put(&transaction, fault, &lease)?;
    transaction.commit().map_err(|error| fault.medium("write", &error))?;
    Ok(lease)
}

pub(crate) fn renew(
    connection: &mut Connection,
    fault: &Fault,
    lease: &Lease,
    until: Timestamp,
) -> Result<Lease, StoreError> {
    let transaction = schema::begin(connection, fault)?;
    must_lead(&transaction, fault, &lease.migration, lease.epoch)?;
    let renewed = Lease { until, ..lease.clone() };
    put(&transaction, fault, &renewed)?;
    transaction.commit().map_err(|error| fault.medium("write", &error))?;
    Ok(renewed)
}

pub(crate) fn give_back(
    connection: &mut Connection,
    fault: &Fault,
    lease: &Lease,
) -> Result<(), StoreError> {
    let transaction = schema::begin(connection, fault)?;
    match must_lead(&transaction, fault, &lease.migration, lease.epoch) {
        Err(StoreError::EpochLost(_)) => return Ok(()),
        Err(error) => return Err(error),
        Ok(()) => {}
    }
    put(&transaction, fault, &Lease { until: Timestamp::UNIX_EPOCH, ..lease.clone() })?;
    transaction.commit().map_err(|error| fault.medium("write", &error))
}

fn put(connection: &Connection, fault: &Fault, lease: &Lease) -> Result<(), StoreError> {
    connection
        .prepare_cached(UPSERT)
        .and_then(|mut upsert| {
            upsert.execute(params![
                lease.migration.as_str(),
                lease.epoch.0,
                lease.holder,
                lease.until.to_string()
            ])
        })
        .map(|_| ())
        .map_err(|error| fault.medium("write", &error))
}
