//! What a server did and how fast: statements and databases by their counters, conflicts of a
//! replica, tables that nobody has analyzed.
//!
//! Asked for a baseline and for its comparison, not by an assessment, so not among
//! [`super::ALL`]. Of statements only those are told whose constants PostgreSQL replaces by `$1`,
//! and of their texts the beginning: a command such as `alter role` keeps its words to itself.

use jiff::Timestamp;
use landfall_core::comparison::StatementCounters;
use landfall_core::port::database::Question;
use serde::{Deserialize, Serialize};

use super::{Answered, Listed, MONITOR};

/// What a baseline and its comparison ask.
pub const COUNTERS: &[Question] =
    &[DatabaseTotals::QUESTION, StatementsSince::QUESTION, Statements::QUESTION];

/// What is asked of a replica while it is watched.
pub const REPLICA: &[Question] = &[Conflicts::QUESTION];

/// What is asked of a target before it is left to its autovacuum.
pub const ANALYZED: &[Question] = &[NeverAnalyzed::QUESTION];

/// The statements of one database that took the most time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statements {
    /// Statements of which the role may not see the text.
    pub hidden: u64,
    /// Those it may see.
    pub statements: Listed<StatementCounters>,
}

// Read through its JSON form, because the extension's columns have had other names.
answered!(Statements, EachDatabase "statements" since 13, "
with told as (
  select s.queryid as id, s.query, s.calls::float8 as calls,
         coalesce((to_jsonb(s) - 'query')->>'total_exec_time',
                  (to_jsonb(s) - 'query')->>'total_time')::float8 as total_ms
  from public.pg_stat_statements as s
  where s.dbid = (select oid from pg_database where datname = current_database())
), found as (
  select id, md5(query) as hash,
         left(regexp_replace(query, '[[:space:]]+', ' ', 'g'), 160) as text,
         sum(calls) as calls, sum(total_ms) as total_ms
  from told
  where id is not null and query ~* '^\\s*(select|insert|update|delete|with|merge)\\M'
    and query !~* '\\m(landfall|pg_stat_[a-z_]+|pg_catalog)\\M'
  group by id, query
)
select jsonb_build_object(
  'hidden', (select count(*) from told where query = '<insufficient privilege>'),
  'statements', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found order by total_ms desc, id, hash limit 100) as item),
      '[]'::jsonb)))::text", grant MONITOR);

/// Since when statements are counted, and how many were forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementsSince {
    /// `stats_reset`.
    pub since: Option<Timestamp>,
    /// `dealloc`.
    pub forgotten: f64,
}

answered!(StatementsSince, EachDatabase "statements_since" since 14, "
select jsonb_build_object('since', stats_reset, 'forgotten', dealloc::float8)::text
from public.pg_stat_statements_info", grant MONITOR);

/// One database's counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseTotal {
    /// Name.
    pub name: String,
    /// `stats_reset`.
    pub since: Option<Timestamp>,
    /// `xact_commit`.
    pub commits: f64,
    /// `xact_rollback`.
    pub rollbacks: f64,
    /// `blks_read`.
    pub blocks_read: f64,
    /// `blks_hit`.
    pub blocks_hit: f64,
    /// `temp_bytes`.
    pub temporary_bytes: f64,
    /// `deadlocks`.
    pub deadlocks: f64,
}

/// Every database's counters, by the server's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseTotals {
    /// The server's clock.
    pub at: Timestamp,
    /// The databases.
    pub databases: Listed<DatabaseTotal>,
}

answered!(DatabaseTotals, Server "database_totals" since 13, "
with found as (
  select d.datname::text as name, s.stats_reset as since, s.xact_commit::float8 as commits,
         s.xact_rollback::float8 as rollbacks, s.blks_read::float8 as blocks_read,
         s.blks_hit::float8 as blocks_hit, s.temp_bytes::float8 as temporary_bytes,
         s.deadlocks::float8 as deadlocks
  from pg_stat_database as s join pg_database as d on d.oid = s.datid
  where d.datallowconn and not d.datistemplate
    and d.datname not in ('rdsadmin')
)
select jsonb_build_object(
  'at', clock_timestamp(),
  'databases', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found order by commits desc, name limit 100) as item),
      '[]'::jsonb)))::text", grant "");

/// Queries that a replica cancelled for the sake of replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Conflicts {
    /// Since its counters began.
    pub cancelled: f64,
}

answered!(Conflicts, Server "replica_conflicts" since 13, "
select jsonb_build_object('cancelled', coalesce(sum(conflicts), 0)::float8)::text
from pg_stat_database", grant "");

/// A table with data that was never analyzed, by the catalogue, which replicates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// Tables of one database that were never analyzed, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NeverAnalyzed(pub Listed<UnknownTable>);

// Counters of activity do not replicate: on a promoted target they say nothing.
answered!(NeverAnalyzed, EachDatabase "never_analyzed" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name,
         pg_relation_size(c.oid) as bytes
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and c.relpersistence = 'p' and c.oid >= 16384
    and n.nspname not in ('information_schema', 'landfall') and n.nspname !~ '^pg_'
    and c.reltuples <= 0 and pg_relation_size(c.oid) > 0
    and not exists (select from pg_stats as s
                    where s.schemaname = n.nspname and s.tablename = c.relname)",
    order "bytes desc, schema, name", limit 50), grant "");
