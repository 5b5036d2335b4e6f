//! Appending and reading entries.
//!
//! One transaction looks at the last position and at the lease and writes, under the write lock:
//! nobody can come between. What is read is checked as what is written was: a gap, or a record
//! of a newer form, is refused and never guessed.

use jiff::Timestamp;
use landfall_core::journal::{Author, Entry, NewEntry, RECORD_VERSION, StoreError};
use landfall_core::{Epoch, MigrationName, Seq};
use rusqlite::{Connection, Row, params};

use crate::fault::Fault;
use crate::{lease, schema};

const LAST: &str = "select coalesce(max(seq), 0) from entries where migration = ?1";
const INSERT: &str = "insert into entries (migration, seq, epoch, at, step, record, version) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const READ: &str = "select seq, epoch, at, step, record, version from entries \
     where migration = ?1 and seq > ?2 order by seq";
const MIGRATIONS: &str = "select distinct migration from entries order by migration";

pub(crate) fn migrations(
    connection: &Connection,
    fault: &Fault,
) -> Result<Vec<MigrationName>, StoreError> {
    let names = || -> rusqlite::Result<Vec<MigrationName>> {
        let mut statement = connection.prepare_cached(MIGRATIONS)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        rows.map(|name| name.map(MigrationName::new)).collect()
    };
    names().map_err(|error| fault.medium("read", &error))
}

pub(crate) fn append(
    connection: &mut Connection,
    fault: &Fault,
    entry: &NewEntry,
) -> Result<Seq, StoreError> {
    let record = serde_json::to_string(&entry.record)
        .map_err(|error| fault.damaged(&format!("a record has no JSON form ({error})")))?;
    let writing = |error: rusqlite::Error| fault.medium("write", &error);
    let transaction = schema::begin(connection, fault)?;
    let epoch = match entry.author {
        Author::Leader(epoch) => {
            lease::must_lead(&transaction, fault, &entry.migration, epoch)?;
            epoch
        }
        Author::Person => lease::stored(&transaction, fault, &entry.migration)?
            .map_or(Epoch::default(), |lease| lease.epoch),
    };
    let last: u64 = transaction
        .query_row(LAST, params![entry.migration.as_str()], |row| row.get(0))
        .map_err(writing)?;
    if last != entry.after.0 {
        return Err(StoreError::Outrun(Seq(last)));
    }
    let seq = entry.after.next();
    transaction
        .prepare_cached(INSERT)
        .and_then(|mut insert| {
            insert.execute(params![
                entry.migration.as_str(),
                seq.0,
                epoch.0,
                entry.at.to_string(),
                entry.step,
                record,
                RECORD_VERSION
            ])
        })
        .map_err(writing)?;
    transaction.commit().map_err(writing)?;
    Ok(seq)
}

pub(crate) fn read(
    connection: &Connection,
    fault: &Fault,
    migration: &MigrationName,
    after: Seq,
) -> Result<Vec<Entry>, StoreError> {
    let reading = |error: rusqlite::Error| fault.medium("read", &error);
    let mut statement = connection.prepare_cached(READ).map_err(reading)?;
    let rows = statement
        .query_map(params![migration.as_str(), after.0], Stored::from_row)
        .map_err(reading)?;
    let rows = rows.map(|row| row.map_err(reading));
    in_order(rows, migration, after, &|told| fault.damaged(told))
}

/// Checks what was read, of whichever medium: no gap, and nothing of a newer form.
pub(crate) fn in_order(
    rows: impl Iterator<Item = Result<Stored, StoreError>>,
    migration: &MigrationName,
    after: Seq,
    damaged: &dyn Fn(&str) -> StoreError,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    let mut expected = after;
    for stored in rows {
        let entry = stored?.entry(migration, damaged)?;
        expected = expected.next();
        if entry.seq != expected {
            return Err(damaged(&format!("entry {expected} of {migration} is missing")));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// An entry as it is stored.
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    pub(crate) at: String,
    pub(crate) step: Option<String>,
    pub(crate) record: String,
    pub(crate) version: u16,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            epoch: row.get(1)?,
            at: row.get(2)?,
            step: row.get(3)?,
            record: row.get(4)?,
            version: row.get(5)?,
        })
    }

    fn entry(
        self,
        migration: &MigrationName,
        damaged: &dyn Fn(&str) -> StoreError,
    ) -> Result<Entry, StoreError> {
        if self.version > RECORD_VERSION {
            return Err(StoreError::Newer(self.version));
        }
        let damaged = |what: &str, why: String| {
            damaged(&format!("entry {} of {migration} has no {what} ({why})", self.seq))
        };
        let at: Timestamp =
            self.at.parse().map_err(|error: jiff::Error| damaged("time", error.to_string()))?;
        let record = serde_json::from_str(&self.record)
            .map_err(|error| damaged("record", error.to_string()))?;
        Ok(Entry {
            migration: migration.clone(),
            seq: Seq(self.seq),
            epoch: Epoch(self.epoch),
            at,
            step: self.step,
            record,
            version: self.version,
        })
    }
}
