//! Appending and reading entries.
//!
//! One statement locks the move's lease row, looks at epoch and position, and writes. Read
//! committed is enough: the row's lock keeps a new leader from coming between, and of two writers
//! at one position the primary key lets one through, whatever each of them saw.

use landfall_core::journal::{Author, Entry, NewEntry, RECORD_VERSION, StoreError};
use landfall_core::{Epoch, MigrationName, Seq};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::fault::Fault;
use super::link::{Call, Told, number, stored};
use super::schema::VERSION;
use crate::journal::Stored;

const APPEND: &str = "with lead as materialized ( \
         select epoch, until from landfall_store.leases where migration = $1 for no key update \
     ) \
     insert into landfall_store.entries \
         (migration, seq, epoch, at, step, record, version, mark) \
     select $1, $2 + 1, coalesce($3, (select epoch from lead), 0), $4, $5, $6::text::json, $7, $8 \
     where ($3 is null or exists (select from lead where epoch = $3 and until > 0)) \
         and (select coalesce(max(seq), 0) from landfall_store.entries where migration = $1) = $2 \
         and (select number from landfall_store.version) <= $9 \
     on conflict (migration, seq) do nothing";
/// Why nothing was written, in the order of the reasons.
const WHY_NOT: &str = "select \
         (select number from landfall_store.version), \
         exists (select from landfall_store.leases \
             where migration = $1 and epoch = $2 and until > 0), \
         (select coalesce(max(seq), 0) from landfall_store.entries where migration = $1), \
         exists (select from landfall_store.entries where migration = $1 and mark = $3)";
const READ: &str = "select seq, epoch, at, step, record::text, version \
     from landfall_store.entries where migration = $1 and seq > $2 order by seq";
const MIGRATIONS: &str = "select distinct migration from landfall_store.entries order by migration";

pub(super) struct Migrations;

impl Call for Migrations {
    type Answer = Vec<MigrationName>;

    async fn ask(&self, client: &mut Client) -> Result<Vec<MigrationName>, Told> {
        let rows = client.query_typed(MIGRATIONS, &[]).await?;
        Ok(rows.iter().map(|row| MigrationName::new(row.get::<_, String>(0))).collect())
    }
}

pub(super) struct Append<'a> {
    entry: &'a NewEntry,
    record: String,
    leader: Option<Epoch>,
    mark: String,
}

impl<'a> Append<'a> {
    pub(super) fn new(
        entry: &'a NewEntry,
        mark: String,
        fault: &Fault,
    ) -> Result<Self, StoreError> {
        let record = serde_json::to_string(&entry.record)
            .map_err(|error| fault.damaged(&format!("a record has no JSON form ({error})")))?;
        let leader = match entry.author {
            Author::Leader(epoch) => Some(epoch),
            Author::Person => None,
        };
        Ok(Self { entry, record, leader, mark })
    }

    /// Nothing was written: the first reason that holds. A mark that is there already is ours, of
    /// a try whose answer was lost.
    async fn why_not(&self, client: &Client) -> Result<Seq, Told> {
        let leader = self.leader.map(|epoch| stored(epoch.0));
        let why = client
            .query_typed_one(
                WHY_NOT,
                &[
                    (&self.entry.migration.as_str(), Type::TEXT),
                    (&leader, Type::INT8),
                    (&self.mark, Type::TEXT),
                ],
            )
            .await?;
        if why.get(3) {
            return Ok(self.entry.after.next());
        }
        let version: i32 = why.get(0);
        if version > VERSION {
            return Err(StoreError::Newer(u16::try_from(version).unwrap_or(u16::MAX)).into());
        }
        if let Some(epoch) = self.leader.filter(|_| !why.get::<_, bool>(1)) {
            return Err(StoreError::EpochLost(epoch).into());
        }
        Err(StoreError::Outrun(Seq(number(why.get(2)))).into())
    }
}

impl Call for Append<'_> {
    type Answer = Seq;

    async fn ask(&self, client: &mut Client) -> Result<Seq, Told> {
        let (entry, at) = (self.entry, self.entry.at.to_string());
        let leader = self.leader.map(|epoch| stored(epoch.0));
        let written = client
            .execute_typed(
                APPEND,
                &[
                    (&entry.migration.as_str(), Type::TEXT),
                    (&stored(entry.after.0), Type::INT8),
                    (&leader, Type::INT8),
                    (&at, Type::TEXT),
                    (&entry.step, Type::TEXT),
                    (&self.record, Type::TEXT),
                    (&i32::from(RECORD_VERSION), Type::INT4),
                    (&self.mark, Type::TEXT),
                    (&VERSION, Type::INT4),
                ],
            )
            .await?;
        if written == 1 { Ok(entry.after.next()) } else { self.why_not(client).await }
    }
}

pub(super) struct Read<'a> {
    pub(super) migration: &'a MigrationName,
    pub(super) after: Seq,
    pub(super) fault: &'a Fault,
}

impl Call for Read<'_> {
    type Answer = Vec<Entry>;

    async fn ask(&self, client: &mut Client) -> Result<Vec<Entry>, Told> {
        let rows = client
            .query_typed(
                READ,
                &[(&self.migration.as_str(), Type::TEXT), (&stored(self.after.0), Type::INT8)],
            )
            .await?;
        let damaged = |told: &str| self.fault.damaged(told);
        let rows = rows.iter().map(|row| from_row(row, self.fault));
        Ok(crate::journal::in_order(rows, self.migration, self.after, &damaged)?)
    }
}

fn from_row(row: &Row, fault: &Fault) -> Result<Stored, StoreError> {
    let version: i32 = row.get(5);
    Ok(Stored {
        seq: number(row.get(0)),
        epoch: number(row.get(1)),
        at: row.get(2),
        step: row.get(3),
        record: row.get(4),
        version: u16::try_from(version)
            .map_err(|_| fault.damaged(&format!("an entry has the version {version}")))?,
    })
}
