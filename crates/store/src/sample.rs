//! Samples: one row per bucket, rewritten as buckets grow wider.
//!
//! What becomes of a series is decided by [`sample::add`], pure; here only the rows that differ
//! are written, in one transaction under the write lock. Losing a sample to a power cut would be
//! no harm; the file's promise holds for them all the same.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::MigrationName;
use landfall_core::journal::StoreError;
use landfall_core::sample::{self, Sample, Series};
use rusqlite::{Connection, Row, Transaction, params};

use crate::fault::Fault;
use crate::schema;

const SELECT: &str = "select at, until, minimum, average, maximum, count from samples \
     where migration = ?1 and series = ?2 order by at";
const DELETE: &str = "delete from samples where migration = ?1 and series = ?2 and at = ?3";
const UPSERT: &str = "insert into samples \
     (migration, series, at, until, minimum, average, maximum, count) \
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict (migration, series, at) do update \
     set until = excluded.until, minimum = excluded.minimum, average = excluded.average, \
         maximum = excluded.maximum, count = excluded.count";

/// A series of a move.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) migration: &'a MigrationName,
    pub(crate) series: Series,
}

pub(crate) fn all(
    connection: &Connection,
    fault: &Fault,
    place: Place<'_>,
) -> Result<Vec<Sample>, StoreError> {
    let rows = || -> rusqlite::Result<Vec<Stored>> {
        let mut statement = connection.prepare_cached(SELECT)?;
        let key = params![place.migration.as_str(), place.series.word()];
        statement.query_map(key, Stored::from_row)?.collect()
    };
    let rows = rows().map_err(|error| fault.medium("read", &error))?;
    rows.into_iter().map(|row| row.sample(fault)).collect()
}

pub(crate) fn put(
    connection: &mut Connection,
    fault: &Fault,
    place: Place<'_>,
    samples: &[Sample],
) -> Result<(), StoreError> {
    if samples.is_empty() {
        return Ok(());
    }
    let transaction = schema::begin(connection, fault)?;
    let before = all(&transaction, fault, place)?;
    let mut after = before.clone();
    sample::add(&mut after, samples);
    let writing = |error: rusqlite::Error| fault.medium("write", &error);
    rewrite(&transaction, place, &before, &after).map_err(writing)?;
    transaction.commit().map_err(writing)
}

/// Writes what differs.
fn rewrite(
    transaction: &Transaction<'_>,
    place: Place<'_>,
    before: &[Sample],
    after: &[Sample],
) -> rusqlite::Result<()> {
    let (migration, series) = (place.migration.as_str(), place.series.word());
    let mut gone: BTreeMap<i64, &Sample> = before.iter().map(|s| (stored(s.at), s)).collect();
    let mut upsert = transaction.prepare_cached(UPSERT)?;
    for sample in after {
        let at = stored(sample.at);
        if gone.remove(&at) == Some(sample) {
            continue;
        }
        let Sample { minimum, average, maximum, count, .. } = *sample;
        let until = stored(sample.until);
        upsert.execute(params![migration, series, at, until, minimum, average, maximum, count])?;
    }
    let mut delete = transaction.prepare_cached(DELETE)?;
    for at in gone.into_keys() {
        delete.execute(params![migration, series, at])?;
    }
    Ok(())
}

/// Nanoseconds since 1970, which reach from 1678 to 2262: earlier and later is cut there.
fn stored(at: Timestamp) -> i64 {
    let nanosecond = at.as_nanosecond();
    i64::try_from(nanosecond).unwrap_or(if nanosecond < 0 { i64::MIN } else { i64::MAX })
}

struct Stored {
    at: i64,
    until: i64,
    sample: Sample,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let sample = Sample {
            at: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            minimum: row.get(2)?,
            average: row.get(3)?,
            maximum: row.get(4)?,
            count: row.get(5)?,
        };
        Ok(Self { at: row.get(0)?, until: row.get(1)?, sample })
    }

    fn sample(self, fault: &Fault) -> Result<Sample, StoreError> {
        let instant = |stored: i64| {
            Timestamp::from_nanosecond(i128::from(stored))
                .map_err(|error| fault.damaged(&format!("a sample has no time ({error})")))
        };
        Ok(Sample { at: instant(self.at)?, until: instant(self.until)?, ..self.sample })
    }
}
