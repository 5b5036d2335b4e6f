//! How the way back stands: room for it, the published side, the subscribed side.
//!
//! Reads only. A subscription's row is shared by all databases of a server, and so is a slot's;
//! publications are each database's own.

use std::collections::BTreeMap;

use landfall_core::action::Apply;
use landfall_core::port::way_back::{
    Named, PublisherView, Room, SlotState, SubscriberView, SubscriptionView, WayBackName,
    WayBackSlot,
};
use landfall_core::{ByteCount, DatabaseName, Failure, FailureKind, Lsn};
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Error, Row};

use super::survey::{count, named};
use super::tables::{named_at_most, with_candidate};
use super::{Visit, everywhere, fingerprint};
use crate::call::Call;
use crate::reads;

/// Our own walsenders and workers count as running: asked again once it is armed, a server has the
/// less room.
const ROOM: &str = "
select current_setting('wal_level') as wal_level,
       current_setting('max_replication_slots')::int8
         - (select count(*) from pg_replication_slots) as slots,
       current_setting('max_wal_senders')::int8
         - (select count(*) from pg_stat_activity where backend_type = 'walsender') as senders,
       least(
         current_setting('max_logical_replication_workers')::int8
           - (select count(*) from pg_stat_subscription where pid is not null),
         current_setting('max_worker_processes')::int8 - 1
           - (select count(*) from pg_stat_activity
              where backend_type in ('parallel worker', 'pg_cron launcher')
                 or backend_type like 'logical replication %worker')) as apply_workers";

pub(crate) async fn room(call: Call<'_>) -> Result<Room, Failure> {
    let read = |row: &Row| {
        Ok(Room {
            wal_level: row.try_get("wal_level")?,
            slots: row.try_get("slots")?,
            senders: row.try_get("senders")?,
            apply_workers: row.try_get("apply_workers")?,
        })
    };
    let none = || Failure::new(FailureKind::Unknown, call.what, "the answer has no row");
    call.ask(ROOM, &[], read).await?.into_iter().next().ok_or_else(none)
}

/// The position is taken before the slot is looked at, so that a slot which has confirmed it has
/// confirmed everything that was written when we looked.
const PUBLISHER: &str = "
with position as materialized (
  select case when not pg_is_in_recovery() then pg_current_wal_flush_lsn() end as flush
)
select position.flush,
       p.oid is not null as published,
       (select count(*) from pg_publication_rel r where r.prpubid = p.oid) as tables,
       slot.slot_name is not null as has_slot,
       coalesce(slot.active, false) as active,
       coalesce(slot.wal_status = 'lost' or slot.restart_lsn is null, false) as lost,
       slot.confirmed_flush_lsn as confirmed,
       greatest(0, pg_wal_lsn_diff(position.flush, slot.restart_lsn))::int8 as retained,
       slot.safe_wal_size as safe
from position
left join pg_publication p on p.pubname = $1
left join pg_replication_slots slot on slot.slot_name = $2";

const LEFT_OUT: &str = concat!(
    with_candidate!(),
    "
select count(*) as left_out, (array_agg(name order by name))[1:",
    named_at_most!(),
    "] as left_out_names
from candidate
where relpersistence = 'p'
  and not exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
                  where p.pubname = $1 and r.prrelid = candidate.oid)"
);

pub(crate) async fn publisher(
    call: Call<'_>,
    name: &WayBackName,
) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure> {
    everywhere(call, |visit| async move { published(&visit, name).await }).await
}

async fn published(visit: &Visit<'_>, name: &WayBackName) -> Result<PublisherView, Failure> {
    let slot = name.slot(visit.database());
    let left_out = |row: &Row| named(row, "left_out", "left_out_names");
    let left_out: Named = visit.ask_one(LEFT_OUT, &[&name.as_str()], left_out).await?;
    let fingerprint = fingerprint::read(visit).await?;
    let view = visit.ask_one(PUBLISHER, &[&name.as_str(), &slot], read_publisher).await?;
    Ok(PublisherView { left_out, fingerprint, ..view })
}

fn read_publisher(row: &Row) -> Result<PublisherView, Error> {
    let tables = count(row, "tables")?;
    let slot = if row.try_get("has_slot")? { Some(read_slot(row)?) } else { None };
    Ok(PublisherView {
        published: row.try_get::<_, bool>("published")?.then_some(tables),
        slot,
        flush_lsn: position(row, "flush")?,
        ..PublisherView::default()
    })
}

fn read_slot(row: &Row) -> Result<WayBackSlot, Error> {
    let (lost, active) = (row.try_get("lost")?, row.try_get("active")?);
    let safe: Option<i64> = row.try_get("safe")?;
    let retained: Option<i64> = row.try_get("retained")?;
    let bytes = |number: i64| ByteCount(u64::try_from(number).unwrap_or(0));
    Ok(WayBackSlot {
        state: match (lost, active) {
            (true, _) => SlotState::Lost,
            (false, true) => SlotState::Active,
            (false, false) => SlotState::Inactive,
        },
        confirmed: position(row, "confirmed")?,
        retained: bytes(retained.unwrap_or(0)),
        safe_wal: safe.map(bytes),
    })
}

fn position(row: &Row, column: &str) -> Result<Option<Lsn>, Error> {
    let position: Option<PgLsn> = row.try_get(column)?;
    Ok(position.map(|position| Lsn(position.into())))
}

/// One row for each database that has the subscription; a worker for a table or a part of a
/// transaction is not the one we mean.
const SUBSCRIBER: &str = "
select d.datname::text as database, s.subenabled as enabled, stat.pid,
       stat.latest_end_lsn as applied
from pg_subscription s
join pg_database d on d.oid = s.subdbid
left join lateral (
  select pid, latest_end_lsn from pg_stat_subscription
  where subid = s.oid and relid is null
  order by latest_end_lsn desc nulls last limit 1) stat on true
where s.subname = $1";

const ERRORS: &str = "
select d.datname::text as database, stats.apply_error_count as errors
from pg_subscription s
join pg_database d on d.oid = s.subdbid
join pg_stat_subscription_stats stats on stats.subid = s.oid
where s.subname = $1";

const COUNTS_ERRORS: &str = "
select to_regclass('pg_catalog.pg_stat_subscription_stats') is not null";

pub(crate) async fn subscriber(
    call: Call<'_>,
    name: &WayBackName,
) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure> {
    let databases = reads::databases(call).await?;
    let mut views: BTreeMap<DatabaseName, SubscriberView> =
        databases.into_iter().map(|database| (database, SubscriberView::default())).collect();
    for (database, subscription) in call.ask(SUBSCRIBER, &[&name.as_str()], read_one).await? {
        // One that is dropped meanwhile, or that we may not enter, is left out.
        if let Some(view) = views.get_mut(&database) {
            view.subscription = Some(subscription);
        }
    }
    let counts = call.ask(COUNTS_ERRORS, &[], |row| row.try_get::<_, bool>(0)).await?;
    if counts.first() == Some(&true) {
        let read = |row: &Row| Ok((database(row)?, count(row, "errors")?));
        for (database, errors) in call.ask(ERRORS, &[&name.as_str()], read).await? {
            let found = views.get_mut(&database).and_then(|view| view.subscription.as_mut());
            if let Some(subscription) = found {
                subscription.errors = Some(errors);
            }
        }
    }
    Ok(views)
}

fn database(row: &Row) -> Result<DatabaseName, Error> {
    Ok(DatabaseName::new(row.try_get::<_, String>("database")?))
}

fn read_one(row: &Row) -> Result<(DatabaseName, SubscriptionView), Error> {
    let view = SubscriptionView {
        apply: if row.try_get("enabled")? { Apply::On } else { Apply::Off },
        worker: row.try_get("pid")?,
        applied: position(row, "applied")?,
        errors: None,
    };
    Ok((database(row)?, view))
}
