//! The server's own account of itself: version, identity, role, clock and positions.
//!
//! A provider may refuse what a plain server tells: the control file's functions, and positions on
//! storage that is not PostgreSQL's own. What is refused is absent, and the call succeeds; what
//! cannot do without it decides so. The timeline is that of the last checkpoint: right after a
//! promotion it is still the former one.

use jiff::Timestamp;
use landfall_core::port::database::ServerView;
use landfall_core::{Failure, Lsn};
use tokio_postgres::types::PgLsn;
use tokio_postgres::{Error, Row};

use crate::call::Call;
use crate::fault;
use crate::trouble::Trouble;

const ACCOUNT: &str = "
select current_setting('server_version_num')::int4 as version_num,
       role.in_recovery,
       (extract(epoch from pg_postmaster_start_time()) * 1000000)::int8 as started_at,
       (extract(epoch from clock_timestamp()) * 1000000)::int8 as now,
       not role.in_recovery and current_setting('transaction_read_only') = 'off' as writable
from (select pg_is_in_recovery() as in_recovery) as role";

const POSITIONS: &str = "
select case when not role.in_recovery then pg_current_wal_flush_lsn() end as flush_lsn,
       case when role.in_recovery then pg_last_wal_replay_lsn() end as replay_lsn
from (select pg_is_in_recovery() as in_recovery) as role";

const IDENTITY: &str = "
select (select system_identifier from pg_control_system()) as system_identifier,
       (select timeline_id from pg_control_checkpoint()) as timeline";

pub(crate) async fn view(call: Call<'_>) -> Result<ServerView, Failure> {
    let identity = optional(call, IDENTITY, Identity::read).await?;
    let positions = optional(call, POSITIONS, Positions::read).await?;
    let accounts = call.ask(ACCOUNT, &[], |row| read(row, identity, positions)).await?;
    let unexpected = || fault::unexpected(call.what, "the answer is not a server's account");
    accounts.into_iter().next().flatten().ok_or_else(unexpected)
}

/// Absent when the server refuses the answer, whatever its reason.
async fn optional<T: Default>(
    call: Call<'_>,
    sql: &'static str,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<T, Failure> {
    let rows = match call.try_ask(sql, &[]).await {
        Ok(rows) => rows,
        Err(Trouble::Server(error)) if fault::verdict(&error).is_some() => {
            return Ok(T::default());
        }
        Err(trouble) => return Err(call.failed(trouble)),
    };
    let found = rows.first().map(read).transpose();
    Ok(found.map_err(|error| call.failed(error))?.unwrap_or_default())
}

#[derive(Debug, Clone, Copy, Default)]
struct Identity {
    system: Option<u64>,
    timeline: Option<u32>,
}

impl Identity {
    fn read(row: &Row) -> Result<Self, Error> {
        // PostgreSQL keeps an unsigned number and shows it through a signed type.
        let system: Option<i64> = row.try_get("system_identifier")?;
        let timeline: Option<i32> = row.try_get("timeline")?;
        let timeline = timeline.and_then(|timeline| u32::try_from(timeline).ok());
        Ok(Self { system: system.map(i64::cast_unsigned), timeline })
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Positions {
    flush: Option<Lsn>,
    replay: Option<Lsn>,
}

impl Positions {
    fn read(row: &Row) -> Result<Self, Error> {
        let position = |column: &str| -> Result<Option<Lsn>, Error> {
            let position: Option<PgLsn> = row.try_get(column)?;
            Ok(position.map(|position| Lsn(position.into())))
        };
        Ok(Self { flush: position("flush_lsn")?, replay: position("replay_lsn")? })
    }
}

fn read(row: &Row, identity: Identity, positions: Positions) -> Result<Option<ServerView>, Error> {
    let instant = |column: &str| -> Result<Option<Timestamp>, Error> {
        Ok(Timestamp::from_microsecond(row.try_get(column)?).ok())
    };
    let version: i32 = row.try_get("version_num")?;
    let known = (u32::try_from(version), instant("started_at")?, instant("now")?);
    let (Ok(version_num), Some(started_at), Some(now)) = known else { return Ok(None) };
    Ok(Some(ServerView {
        version_num,
        system_identifier: identity.system,
        timeline: identity.timeline,
        in_recovery: row.try_get("in_recovery")?,
        started_at,
        now,
        flush_lsn: positions.flush,
        replay_lsn: positions.replay,
        writable: row.try_get("writable")?,
    }))
}
