//! Replica identity: tables whose updates cannot be replicated, and those that pay for it by row.
//!
//! A primary key that is deferrable, or an identity index that is invalid, does not count: logical
//! replication cannot use either.

use serde::{Deserialize, Serialize};

use super::Listed;

/// A table with what is known of its changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Bytes without indexes, estimated.
    pub bytes: u64,
    /// Rows, estimated; absent when it was never analyzed.
    pub rows: Option<u64>,
    /// Updates and deletes since the counters began (see `Tables::stats_reset`).
    pub changes: u64,
}

/// Tables of one database whose updates and deletes cannot be replicated; most changed first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TablesWithoutIdentity(pub Listed<IdentityTable>);

answered!(TablesWithoutIdentity, EachDatabase "tables_without_identity" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name,
         c.relpages::int8 * current_setting('block_size')::int8 as bytes,
         case when c.reltuples >= 0 then c.reltuples::int8 end as rows,
         pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) as changes
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence = 'p' and c.oid >= 16384
    and n.nspname not in ('information_schema', 'landfall') and n.nspname !~ '^pg_'
    and c.relreplident <> 'f'
    and (c.relreplident = 'n' or not exists (
      select 1 from pg_index as i
      where i.indrelid = c.oid and i.indisvalid and i.indimmediate
        and case c.relreplident when 'd' then i.indisprimary else i.indisreplident end))",
    order "changes desc, bytes desc, schema, name", limit 50), grant "");

/// Tables of one database that log the whole row for each change; most changed first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TablesWithFullIdentity(pub Listed<IdentityTable>);

answered!(TablesWithFullIdentity, EachDatabase "tables_with_full_identity" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name,
         c.relpages::int8 * current_setting('block_size')::int8 as bytes,
         case when c.reltuples >= 0 then c.reltuples::int8 end as rows,
         pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid) as changes
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence = 'p' and c.relreplident = 'f' and c.oid >= 16384
    and n.nspname not in ('information_schema', 'landfall') and n.nspname !~ '^pg_'",
    order "changes desc, bytes desc, schema, name", limit 50), grant "");
