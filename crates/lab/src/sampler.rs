//! Raw readings of a real server, from which the lab's CloudWatch points are made.
//!
//! Each reading is taken from the server's own views or from the kernel; none is derived from
//! what a migration is doing. A counter is handed out as it stands, and the caller makes rates.
//! A server that is down yields no sample at all: a gap, never a zero. Nothing is kept between
//! samples.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio_postgres::Row;

use crate::firewall::children;
use crate::server::{Error, Lsn, Server};

/// The kernel reports processor time in hundredths of a second on every machine we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Longer than this a reading is of no use, and the server counts as down.
const BOUND: Duration = Duration::from_secs(5);

/// The readings of one moment. `None` means that this server has no such reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub at: SystemTime,
    pub in_recovery: bool,
    /// The worst of *all* slots, physical and logical: how far it holds the log back.
    pub oldest_replication_slot_lag_bytes: Option<u64>,
    /// The worst of the logical slots.
    pub oldest_logical_replication_slot_lag_bytes: Option<u64>,
    /// The slots' own files, which grow when a decoded transaction is spilled.
    pub replication_slot_disk_usage_bytes: Option<u64>,
    pub transaction_logs_disk_usage_bytes: u64,
    /// Where the log's end is: bytes since the log began.
    pub wal_position: Lsn,
    /// Client sessions but the lab's own.
    pub database_connections: u64,
    /// On a standby: how old the last replayed commit is; 0 when all that arrived is replayed.
    pub replica_lag_seconds: Option<f64>,
    /// On a standby: what has arrived and is not replayed.
    pub replay_lag_bytes: Option<u64>,
    pub counters: Counters,
    pub free_storage_bytes: u64,
    pub data_bytes: u64,
    pub maximum_used_transaction_ids: u64,
    pub seconds_since_checkpoint: f64,
    /// Processes that wait for a disk at this moment.
    pub waiting_for_disk: u64,
    /// What the machine could still give to a process.
    pub freeable_memory_bytes: Option<u64>,
}

/// Values that only grow while the server runs; a restart may set them back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counters {
    /// Of the postmaster and its present children.
    pub cpu_seconds: f64,
    /// Without the padding of switched segments, which `Sample::wal_position` does count.
    pub wal_generated_bytes: u64,
    pub commits: u64,
    pub rollbacks: u64,
    /// Blocks read from and written to files, and the time that took.
    pub read_operations: u64,
    pub write_operations: u64,
    pub read_millis: f64,
    pub write_millis: f64,
}

const READINGS: &str = "with role as (select pg_is_in_recovery() as standby), \
    ends as (select case when standby then coalesce(pg_last_wal_replay_lsn(), '0/0') \
                         else pg_current_wal_lsn() end as lsn from role), \
    slots as (select \
        max(greatest(pg_wal_lsn_diff(lsn, restart_lsn), 0)) as any_kind, \
        max(greatest(pg_wal_lsn_diff(lsn, restart_lsn), 0)) filter (where slot_type = 'logical') as logical \
        from pg_replication_slots, ends where restart_lsn is not null) \
    select standby, lsn::text, any_kind::bigint, logical::bigint, \
        (select coalesce(sum(size), 0)::bigint from pg_ls_waldir()), \
        (select count(*) from pg_stat_activity \
            where backend_type = 'client backend' and usename <> 'rdsadmin'), \
        case when not standby then null \
             when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0 \
             else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) \
        end::float8, \
        case when standby then \
            pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint end, \
        (select wal_bytes::bigint from pg_stat_wal), \
        (select sum(xact_commit)::bigint from pg_stat_database), \
        (select sum(xact_rollback)::bigint from pg_stat_database), \
        (select sum(pg_database_size(oid))::bigint from pg_database), \
        (select max(age(datfrozenxid))::bigint from pg_database), \
        extract(epoch from clock_timestamp() - (select checkpoint_time from pg_control_checkpoint()))::float8, \
        current_setting('data_directory'), \
        (select sum(size)::bigint from pg_replication_slots, pg_ls_replslotdir(slot_name)) \
    from role, ends, slots";

/// From 16 on the server counts its own file operations, by kind of process.
const OPERATIONS: &str = "select sum(reads)::bigint, (sum(writes) + sum(extends))::bigint, \
    sum(read_time)::float8, (sum(write_time) + sum(extend_time))::float8 from pg_stat_io";

/// Before 16 the same is spread over two views.
const OPERATIONS_BEFORE_16: &str = "select sum(blks_read)::bigint, \
    (select buffers_checkpoint + buffers_clean + buffers_backend from pg_stat_bgwriter)::bigint, \
    sum(blk_read_time)::float8, sum(blk_write_time)::float8 from pg_stat_database";

/// Reads a server once; `None` when it is down or does not answer in time.
pub async fn sample(server: &Server) -> Option<Sample> {
    let pid = server.pid()?;
    let read = tokio::time::timeout(BOUND, read(server, pid)).await;
    match read {
        Ok(Ok(sample)) => Some(sample),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no sample: the server does not answer");
            None
        }
        Err(_) => None,
    }
}

async fn read(server: &Server, pid: u32) -> Result<Sample, Error> {
    let rows = server.query(READINGS, &[]).await?;
    let operations = match server.config().tools.major() {
        ..16 => OPERATIONS_BEFORE_16,
        _ => OPERATIONS,
    };
    let operations = server.query(operations, &[]).await?;
    let (row, operations) = (Reading::first(&rows)?, Reading::first(&operations)?);
    let position: String = row.get(1)?.ok_or(INCOMPLETE)?;
    let data: String = row.get(14)?.ok_or(INCOMPLETE)?;
    let counters = Counters {
        cpu_seconds: cpu_seconds(pid),
        wal_generated_bytes: row.count(8)?.unwrap_or(0),
        commits: row.count(9)?.unwrap_or(0),
        rollbacks: row.count(10)?.unwrap_or(0),
        read_operations: operations.count(0)?.unwrap_or(0),
        write_operations: operations.count(1)?.unwrap_or(0),
        read_millis: operations.get(2)?.unwrap_or(0.0),
        write_millis: operations.get(3)?.unwrap_or(0.0),
    };
    Ok(Sample {
        at: SystemTime::now(),
        in_recovery: row.get(0)?.ok_or(INCOMPLETE)?,
        oldest_replication_slot_lag_bytes: row.count(2)?,
        oldest_logical_replication_slot_lag_bytes: row.count(3)?,
        replication_slot_disk_usage_bytes: row.count(15)?,
        transaction_logs_disk_usage_bytes: row.count(4)?.unwrap_or(0),
        wal_position: position.parse().map_err(|_| INCOMPLETE)?,
        database_connections: row.count(5)?.unwrap_or(0),
        replica_lag_seconds: row.get(6)?,
        replay_lag_bytes: row.count(7)?,
        counters,
        free_storage_bytes: free_storage(Path::new(&data)),
        data_bytes: row.count(11)?.unwrap_or(0),
        maximum_used_transaction_ids: row.count(12)?.unwrap_or(0),
        seconds_since_checkpoint: row.get::<f64>(13)?.unwrap_or(0.0).max(0.0),
        waiting_for_disk: waiting_for_disk(pid),
        freeable_memory_bytes: freeable_memory(),
    })
}

const INCOMPLETE: Error = Error::Answer { what: "a reading" };

/// A row whose every column may be null.
struct Reading<'a>(&'a Row);

impl<'a> Reading<'a> {
    fn first(rows: &'a [Row]) -> Result<Self, Error> {
        rows.first().map(Self).ok_or(INCOMPLETE)
    }

    fn get<T: tokio_postgres::types::FromSql<'a>>(
        &self,
        column: usize,
    ) -> Result<Option<T>, Error> {
        self.0.try_get(column).map_err(|_| INCOMPLETE)
    }

    /// A number that is never negative.
    fn count(&self, column: usize) -> Result<Option<u64>, Error> {
        let value: Option<i64> = self.get(column)?;
        Ok(value.map(|value| u64::try_from(value).unwrap_or(0)))
    }
}

fn free_storage(data: &Path) -> u64 {
    rustix::fs::statvfs(data).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Time of the postmaster with its ended children, and of its living children.
fn cpu_seconds(postmaster: u32) -> f64 {
    let own = ticks(postmaster).map_or(0, |ticks| ticks.own + ticks.ended_children);
    let living: u64 = children(postmaster).filter_map(ticks).map(|ticks| ticks.own).sum();
    let total = u32::try_from(own + living).unwrap_or(u32::MAX);
    f64::from(total) / TICKS_PER_SECOND
}

/// The kernel marks a process that waits for a disk with a D.
fn waiting_for_disk(postmaster: u32) -> u64 {
    let waits = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.rsplit_once(')')?;
        Some(rest.trim_start().starts_with('D'))
    };
    let all = std::iter::once(postmaster).chain(children(postmaster));
    u64::try_from(all.filter(|pid| waits(*pid) == Some(true)).count()).unwrap_or(u64::MAX)
}

fn freeable_memory() -> Option<u64> {
    parse_available(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

fn parse_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[derive(Debug, PartialEq, Eq)]
struct Ticks {
    own: u64,
    ended_children: u64,
}

fn ticks(pid: u32) -> Option<Ticks> {
    parse_ticks(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Fields 14 to 17, counted after the program's name, which may hold blanks and brackets.
fn parse_ticks(stat: &str) -> Option<Ticks> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut next = || fields.next()?.ok();
    let (user, system, user_children, system_children) = (next()?, next()?, next()?, next()?);
    Some(Ticks { own: user + system, ended_children: user_children + system_children })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_a_name_with_brackets() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 50 6 700 8 20 0 1 0 100 0 0";
        assert_eq!(parse_ticks(stat), Some(Ticks { own: 56, ended_children: 708 }));
        assert_eq!(parse_ticks("7 (a) S 1"), None);
    }

    #[test]
    fn the_memory_that_is_left_is_read_in_bytes() {
        let meminfo = "MemTotal:  16 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\nBuffers: 1 kB\n";
        assert_eq!(parse_available(meminfo), Some(2 << 20));
        assert_eq!(parse_available("MemTotal: 16 kB\n"), None);
    }
}
