//! Collation versions: where a new library would order text otherwise than the indexes do.
//!
//! Only collations that an index or a partition key uses are asked for: a server knows hundreds,
//! and asking a library for each version takes its time.

use serde::{Deserialize, Serialize};

use super::Listed;

/// The default collation of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseCollation {
    /// Database.
    pub name: String,
    /// Collation.
    pub collate: String,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// The version that was recorded; absent where the provider has none.
    pub recorded: Option<String>,
    /// The version of the library as running.
    pub actual: Option<String>,
}

/// Default collations of the databases; those that differ first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DatabaseCollations(pub Listed<DatabaseCollation>);

answered!(DatabaseCollations, Server "database_collations" since 15, listed!("
  select datname::text as name,
         coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale',
                  datcollate::text) as collate,
         case datlocprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin'
              else datlocprovider::text end as provider,
         datcollversion as recorded,
         pg_database_collation_actual_version(oid) as actual
  from pg_database as d where not datistemplate and datname <> 'rdsadmin'",
    order "(recorded is not distinct from actual), name", limit 1000), grant "");

/// A collation that an index or a partition key uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// The version that was recorded.
    pub recorded: Option<String>,
    /// The version of the library as running.
    pub actual: Option<String>,
    /// How many indexes and partition keys use it.
    pub uses: u64,
}

/// The collations of one database that order something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collations {
    /// Indexes and partition keys ordered by the database's default collation.
    pub default_uses: u64,
    /// The others, those that differ first.
    pub collations: Listed<Collation>,
}

answered!(Collations, EachDatabase "collations" since 13, "
with used as (
  select c as coll, count(*) as uses
  from (
    select unnest(i.indcollation::oid[]) as c from pg_index as i where i.indrelid >= 16384
    union all
    select unnest(p.partcollation::oid[]) from pg_partitioned_table as p
  ) as each
  where c not in (0, 950, 951) group by c
), found as (
  select n.nspname::text as schema, k.collname::text as name,
         case k.collprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin'
              else k.collprovider::text end as provider,
         k.collversion as recorded, pg_collation_actual_version(k.oid) as actual, u.uses
  from used as u join pg_collation as k on k.oid = u.coll
  join pg_namespace as n on n.oid = k.collnamespace
  where k.oid <> 100
)
select jsonb_build_object(
  'default_uses', coalesce((select uses from used where coll = 100), 0),
  'collations', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found
            order by (recorded is not distinct from actual), uses desc, schema, name
            limit 50) as item), '[]'::jsonb)))::text", grant "");
