//! Samples: one row per bucket, rewritten as buckets grow wider.
//!
//! What becomes of a series is decided by [`sample::add`], pure. Here it is read and what differs
//! is written, in one transaction under a lock of the series: two servers that measure one move
//! come one after the other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::MigrationName;
use landfall_core::journal::StoreError;
use landfall_core::sample::{self, Sample, Series};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::fault::Fault;
use super::link::{Call, Told, nanoseconds};

const LOCK: &str = "select pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))";
const READ: &str = "select at, until, minimum, average, maximum, count \
     from landfall_store.samples where migration = $1 and series = $2 order by at";
const DELETE: &str = "delete from landfall_store.samples \
     where migration = $1 and series = $2 and at = any($3)";
const WRITE: &str = "insert into landfall_store.samples \
         (migration, series, at, until, minimum, average, maximum, count) \
     select $1, $2, * from unnest($3::bigint[], $4::bigint[], $5::float8[], $6::float8[], \
         $7::float8[], $8::bigint[]) \
     on conflict (migration, series, at) do update \
     set until = excluded.until, minimum = excluded.minimum, average = excluded.average, \
         maximum = excluded.maximum, count = excluded.count";

pub(super) struct Stored<'a> {
    pub(super) migration: &'a MigrationName,
    pub(super) series: Series,
    pub(super) fault: &'a Fault,
}

impl Call for Stored<'_> {
    type Answer = Vec<Sample>;

    async fn ask(&self, client: &mut Client) -> Result<Vec<Sample>, Told> {
        let (migration, series) = (self.migration.as_str(), self.series.word());
        let key: [Value<'_>; 2] = [(&migration, Type::TEXT), (&series, Type::TEXT)];
        Ok(from_rows(&client.query_typed(READ, &key).await?, self.fault)?)
    }
}

pub(super) struct Put<'a> {
    pub(super) migration: &'a MigrationName,
    pub(super) series: Series,
    pub(super) samples: &'a [Sample],
    pub(super) fault: &'a Fault,
}

impl Call for Put<'_> {
    type Answer = ();

    async fn ask(&self, client: &mut Client) -> Result<(), Told> {
        let (migration, series) = (self.migration.as_str(), self.series.word());
        let transaction = client.transaction().await?;
        let key: [Value<'_>; 2] = [(&migration, Type::TEXT), (&series, Type::TEXT)];
        transaction.query_typed(LOCK, &key).await?;
        let before = from_rows(&transaction.query_typed(READ, &key).await?, self.fault)?;
        let mut after = before.clone();
        sample::add(&mut after, self.samples);
        let change = Change::between(&before, &after);
        let [migration, series] = key;
        let gone: Value<'_> = (&change.gone, Type::INT8_ARRAY);
        transaction.query_typed(DELETE, &[migration.clone(), series.clone(), gone]).await?;
        let written = change.written();
        transaction
            .query_typed(
                WRITE,
                &[
                    migration,
                    series,
                    (&written.at, Type::INT8_ARRAY),
                    (&written.until, Type::INT8_ARRAY),
                    (&written.minimum, Type::FLOAT8_ARRAY),
                    (&written.average, Type::FLOAT8_ARRAY),
                    (&written.maximum, Type::FLOAT8_ARRAY),
                    (&written.count, Type::INT8_ARRAY),
                ],
            )
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

/// A parameter of a statement.
type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// What differs.
struct Change<'a> {
    gone: Vec<i64>,
    new: Vec<&'a Sample>,
}

#[derive(Default)]
struct Columns {
    at: Vec<i64>,
    until: Vec<i64>,
    minimum: Vec<f64>,
    average: Vec<f64>,
    maximum: Vec<f64>,
    count: Vec<i64>,
}

impl<'a> Change<'a> {
    fn between(before: &[Sample], after: &'a [Sample]) -> Self {
        let mut gone: BTreeMap<i64, &Sample> =
            before.iter().map(|sample| (nanoseconds(sample.at), sample)).collect();
        let differs = |sample: &&Sample| gone.remove(&nanoseconds(sample.at)) != Some(*sample);
        let new = after.iter().filter(differs).collect();
        Self { gone: gone.into_keys().collect(), new }
    }

    fn written(&self) -> Columns {
        let mut columns = Columns::default();
        for sample in &self.new {
            columns.at.push(nanoseconds(sample.at));
            columns.until.push(nanoseconds(sample.until));
            columns.minimum.push(sample.minimum);
            columns.average.push(sample.average);
            columns.maximum.push(sample.maximum);
            columns.count.push(i64::from(sample.count));
        }
        columns
    }
}

fn from_rows(rows: &[Row], fault: &Fault) -> Result<Vec<Sample>, StoreError> {
    rows.iter().map(|row| from_row(row, fault)).collect()
}

fn from_row(row: &Row, fault: &Fault) -> Result<Sample, StoreError> {
    let instant = |at: i64| {
        Timestamp::from_nanosecond(i128::from(at))
            .map_err(|error| fault.damaged(&format!("a sample has no time ({error})")))
    };
    let count: i64 = row.get(5);
    Ok(Sample {
        at: instant(row.get(0))?,
        until: instant(row.get(1))?,
        minimum: row.get(2),
        average: row.get(3),
        maximum: row.get(4),
        count: u32::try_from(count)
            .map_err(|error| fault.damaged(&format!("a sample has no count ({error})")))?,
    })
}
