//! Tables: how many and how large, unlogged, without statistics, behind policies; large objects;
//! indexes that cannot be used.
//!
//! Sizes and rows are the catalogue's estimates: asking for the exact ones would lock each table.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Listed;

/// A table with its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Bytes without indexes, estimated.
    pub bytes: u64,
    /// Rows, estimated; absent when it was never analyzed.
    pub rows: Option<u64>,
}

/// The tables of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tables {
    /// Indexes.
    pub indexes: u64,
    /// Bytes of tables, indexes and materialised views, estimated.
    pub bytes: u64,
    /// When the counters of this database began.
    pub stats_reset: Option<Timestamp>,
    /// Tables, the largest first.
    pub largest: Listed<Table>,
}

answered!(Tables, EachDatabase "tables" since 13, "
with own as (
  select c.oid, c.relkind, c.relname, c.relnamespace, c.reltuples, c.reltoastrelid,
         c.relpages::int8 * current_setting('block_size')::int8 as bytes
  from pg_class as c where c.oid >= 16384 and c.relkind in ('r', 'i', 't', 'm', 'p')
), found as (
  select n.nspname::text as schema, c.relname::text as name,
         c.bytes + coalesce(t.bytes, 0) as bytes,
         case when c.reltuples >= 0 then c.reltuples::int8 end as rows
  from own as c join pg_namespace as n on n.oid = c.relnamespace
  left join own as t on t.oid = c.reltoastrelid
  where c.relkind = 'r' and n.nspname not in ('information_schema', 'landfall')
    and n.nspname !~ '^pg_'
)
select jsonb_build_object(
  'indexes', (select count(*) from own where relkind = 'i'),
  'bytes', coalesce((select sum(bytes) from own)::int8, 0),
  'stats_reset', (select stats_reset from pg_stat_database where datname = current_database()),
  'largest', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found order by bytes desc, schema, name limit 20) as item),
      '[]'::jsonb)))::text", grant "");

/// An unlogged relation: it does not reach a replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloggedTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `table`, `sequence` or `materialized view`.
    pub kind: String,
    /// Bytes, estimated.
    pub bytes: u64,
}

/// The unlogged relations of one database, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnloggedTables(pub Listed<UnloggedTable>);

answered!(UnloggedTables, EachDatabase "unlogged_tables" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name,
         case c.relkind when 'S' then 'sequence' when 'm' then 'materialized view'
              else 'table' end as kind,
         c.relpages::int8 * current_setting('block_size')::int8 as bytes
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relpersistence = 'u' and c.relkind in ('r', 'p', 'S', 'm')",
    order "bytes desc, schema, name", limit 50), grant "");

/// A table with rows of which the planner knows nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnanalyzedTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Rows, by the counters.
    pub rows: u64,
}

/// Tables of one database without statistics, most rows first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnanalyzedTables(pub Listed<UnanalyzedTable>);

answered!(UnanalyzedTables, EachDatabase "unanalyzed_tables" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name,
         pg_stat_get_live_tuples(c.oid) as rows
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and c.relpersistence <> 't' and c.oid >= 16384
    and n.nspname not in ('information_schema', 'landfall') and n.nspname !~ '^pg_'
    and c.reltuples <= 0 and pg_stat_get_live_tuples(c.oid) >= 1000
    and pg_stat_get_last_analyze_time(c.oid) is null
    and pg_stat_get_last_autoanalyze_time(c.oid) is null",
    order "rows desc, schema, name", limit 50), grant "");

/// A table whose rows depend on who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecuredTable {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// The owner, too, sees only what policies let through.
    pub forced: bool,
    /// Policies.
    pub policies: u64,
}

/// Tables of one database with row-level security, the forced first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowSecurity(pub Listed<SecuredTable>);

answered!(RowSecurity, EachDatabase "row_security" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name,
         pg_get_userbyid(c.relowner)::text as owner, c.relforcerowsecurity as forced,
         (select count(*) from pg_policy as p where p.polrelid = c.oid) as policies
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relrowsecurity and not exists (
    select 1 from pg_depend as d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')",
    order "forced desc, schema, name", limit 50), grant "");

/// The large objects of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjects {
    /// How many; a million means "a million or more".
    pub count: u64,
    /// Bytes of the catalogue that holds them.
    pub bytes: u64,
}

answered!(LargeObjects, EachDatabase "large_objects" since 13, "
select jsonb_build_object(
  'count', (select count(*) from (select 1 from pg_largeobject_metadata limit 1000000) as l),
  'bytes', pg_relation_size('pg_largeobject'::regclass))::text", grant "");

/// An index that no query may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvalidIndex {
    /// Schema.
    pub schema: String,
    /// Index.
    pub name: String,
    /// Its table.
    pub table: String,
    /// It was to be unique: duplicates may be why it is not valid.
    pub unique: bool,
}

/// The invalid indexes of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InvalidIndexes(pub Listed<InvalidIndex>);

answered!(InvalidIndexes, EachDatabase "invalid_indexes" since 13, listed!("
  select n.nspname::text as schema, c.relname::text as name, t.relname::text as table,
         i.indisunique as unique
  from pg_index as i join pg_class as c on c.oid = i.indexrelid
  join pg_class as t on t.oid = i.indrelid
  join pg_namespace as n on n.oid = c.relnamespace
  where not (i.indisvalid and i.indisready and i.indislive)",
    order "schema, name", limit 50), grant "");
