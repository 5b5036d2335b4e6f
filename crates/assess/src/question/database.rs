//! Databases and tablespaces: who accepts connections, how old, how large, since when counted.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Listed, MONITOR};

/// One database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseView {
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// Why nobody, or not this role, may connect: `closed`, `no_right`, `limit_0`, `broken`;
    /// `open` when it may.
    pub door: String,
    /// `server_encoding` of it.
    pub encoding: String,
    /// Collation.
    pub collate: String,
    /// Transactions until the oldest row must be frozen are counted from this age.
    pub xid_age: u64,
    /// The same for multixacts.
    pub multixact_age: u64,
    /// Default tablespace, when it is not `pg_default`.
    pub tablespace: Option<String>,
    /// When its counters began; absent when they were never reset.
    pub stats_reset: Option<Timestamp>,
    /// Commits since then.
    pub commits: u64,
}

/// Every database but the templates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Databases {
    /// `autovacuum_freeze_max_age`.
    pub freeze_max_age: u64,
    /// When the server started.
    pub started_at: Timestamp,
    /// The databases, oldest transactions first.
    pub databases: Listed<DatabaseView>,
}

answered!(Databases, Server "databases" since 13, "
with found as (
  select d.datname::text as name, pg_get_userbyid(d.datdba)::text as owner,
         case when d.datconnlimit = -2 then 'broken'
              when not d.datallowconn then 'closed'
              when d.datconnlimit = 0 then 'limit_0'
              when not has_database_privilege(d.oid, 'connect') then 'no_right'
              else 'open' end as door,
         pg_encoding_to_char(d.encoding)::text as encoding,
         coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale',
                  d.datcollate::text) as collate,
         age(d.datfrozenxid) as xid_age,
         mxid_age(d.datminmxid) as multixact_age,
         nullif(t.spcname::text, 'pg_default') as tablespace,
         s.stats_reset, coalesce(s.xact_commit, 0) as commits
  from pg_database as d
  left join pg_tablespace as t on t.oid = d.dattablespace
  left join pg_stat_database as s on s.datid = d.oid
  where not d.datistemplate and d.datname <> 'rdsadmin'
)
select jsonb_build_object(
  'freeze_max_age', current_setting('autovacuum_freeze_max_age')::int8,
  'started_at', pg_postmaster_start_time(),
  'databases', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found order by xid_age desc, name limit 1000) as item),
      '[]'::jsonb)))::text", grant "");

/// The size of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSize {
    /// Name.
    pub name: String,
    /// Bytes on disk; absent where the role may not ask.
    pub bytes: Option<u64>,
}

/// Sizes of databases, largest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseSizes(pub Listed<DatabaseSize>);

answered!(DatabaseSizes, Server "database_sizes" since 13, listed!("
  select datname::text as name,
         case when has_database_privilege(oid, 'connect')
                or pg_has_role('pg_read_all_stats', 'usage')
              then pg_database_size(oid) end as bytes
  from pg_database where not datistemplate and datname <> 'rdsadmin'",
    order "bytes desc nulls last, name", limit 1000), grant MONITOR);

/// A tablespace of the owner's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tablespace {
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// Directory.
    pub location: String,
    /// Another tablespace whose directory this one lies in.
    pub inside: Option<String>,
}

/// Tablespaces other than PostgreSQL's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tablespaces(pub Listed<Tablespace>);

answered!(Tablespaces, Server "tablespaces" since 13, listed!("
  select t.spcname::text as name, pg_get_userbyid(t.spcowner)::text as owner,
         pg_tablespace_location(t.oid) as location,
         (select o.spcname::text from pg_tablespace as o
          where o.oid <> t.oid and o.spcname !~ '^pg_'
            and starts_with(pg_tablespace_location(t.oid), pg_tablespace_location(o.oid) || '/')
          order by length(pg_tablespace_location(o.oid)) desc limit 1) as inside
  from pg_tablespace as t where t.spcname !~ '^pg_' and t.spcname <> 'rdsadmin'",
    order "name", limit 100), grant "");
