//! Leases: one row per move, changed by one statement, judged by the server's clock.
//!
//! Several machines' clocks differ, so a caller's instants say only how long a lease lasts. Its
//! caller counts from before it asked and the server from when it wrote: a holder stops before the
//! server lets another in. The row outlives every holder, because the epoch must never start again.

use jiff::Timestamp;
use landfall_core::journal::{Lease, StoreError};
use landfall_core::{Epoch, MigrationName};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::link::{Call, Told, length, nanoseconds, number, stored};

const TAKE: &str = "insert into landfall_store.leases as held \
         (migration, epoch, holder, until, mark) \
     values ($1, 1, $2, landfall_store.lease_clock($3) + $4, $5) \
     on conflict (migration) do update \
     set epoch = held.epoch + 1, holder = excluded.holder, until = excluded.until, \
         mark = excluded.mark \
     where held.until <= landfall_store.lease_clock($3) \
     returning epoch";
const RENEW: &str = "update landfall_store.leases \
     set until = landfall_store.lease_clock($3) + $4 \
     where migration = $1 and epoch = $2 and until > 0";
const GIVE_BACK: &str = "update landfall_store.leases set until = 0 \
     where migration = $1 and epoch = $2 and until > 0";
const STORED: &str =
    "select epoch, holder, until, mark from landfall_store.leases where migration = $1";

pub(super) struct Take<'a> {
    pub(super) migration: &'a MigrationName,
    pub(super) holder: &'a str,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
    pub(super) mark: String,
}

impl Take<'_> {
    fn ours(&self, epoch: i64) -> Lease {
        Lease {
            migration: self.migration.clone(),
            epoch: Epoch(number(epoch)),
            holder: self.holder.to_owned(),
            until: self.until,
        }
    }
}

impl Call for Take<'_> {
    type Answer = Lease;

    async fn ask(&self, client: &mut Client) -> Result<Lease, Told> {
        let taken = client
            .query_typed_opt(
                TAKE,
                &[
                    (&self.migration.as_str(), Type::TEXT),
                    (&self.holder, Type::TEXT),
                    (&nanoseconds(self.now), Type::INT8),
                    (&length(self.now, self.until), Type::INT8),
                    (&self.mark, Type::TEXT),
                ],
            )
            .await?;
        if let Some(row) = taken {
            return Ok(self.ours(row.get(0)));
        }
        let (held, mark) = row_of(client, self.migration).await?.ok_or_else(|| {
            // Rows are never removed; whoever did that by hand is asked to look.
            StoreError::EpochLost(Epoch::default())
        })?;
        if mark == self.mark {
            // Of a try whose answer was lost.
            return Ok(Lease { until: self.until, ..held });
        }
        Err(StoreError::LeaseHeld { holder: held.holder, until: held.until }.into())
    }
}

pub(super) struct Renew<'a> {
    pub(super) lease: &'a Lease,
    pub(super) now: Timestamp,
    pub(super) until: Timestamp,
}

impl Call for Renew<'_> {
    type Answer = Lease;

    async fn ask(&self, client: &mut Client) -> Result<Lease, Told> {
        let Lease { migration, epoch, .. } = self.lease;
        let renewed = client
            .execute_typed(
                RENEW,
                &[
                    (&migration.as_str(), Type::TEXT),
                    (&stored(epoch.0), Type::INT8),
                    (&nanoseconds(self.now), Type::INT8),
                    (&length(self.now, self.until), Type::INT8),
                ],
            )
            .await?;
        if renewed == 0 {
            return Err(StoreError::EpochLost(*epoch).into());
        }
        Ok(Lease { until: self.until, ..self.lease.clone() })
    }
}

pub(super) struct GiveBack<'a> {
    pub(super) lease: &'a Lease,
}

impl Call for GiveBack<'_> {
    type Answer = ();

    async fn ask(&self, client: &mut Client) -> Result<(), Told> {
        let Lease { migration, epoch, .. } = self.lease;
        let (migration, epoch) = (migration.as_str(), stored(epoch.0));
        client.execute_typed(GIVE_BACK, &[(&migration, Type::TEXT), (&epoch, Type::INT8)]).await?;
        Ok(())
    }
}

pub(super) struct Stored<'a> {
    pub(super) migration: &'a MigrationName,
}

impl Call for Stored<'_> {
    type Answer = Option<Lease>;

    async fn ask(&self, client: &mut Client) -> Result<Option<Lease>, Told> {
        Ok(row_of(client, self.migration).await?.map(|(lease, _)| lease))
    }
}

/// The lease, and the mark of who took it.
async fn row_of(
    client: &Client,
    migration: &MigrationName,
) -> Result<Option<(Lease, String)>, Told> {
    let row = client.query_typed_opt(STORED, &[(&migration.as_str(), Type::TEXT)]).await?;
    Ok(row.map(|row| {
        let until = Timestamp::from_nanosecond(i128::from(row.get::<_, i64>(2)));
        let lease = Lease {
            migration: migration.clone(),
            epoch: Epoch(number(row.get(0))),
            holder: row.get(1),
            // Every instant in 64 bits of nanoseconds is one.
            until: until.unwrap_or(Timestamp::MAX),
        };
        (lease, row.get(3))
    }))
}
