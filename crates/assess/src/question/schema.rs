//! A fingerprint of each schema's tables, so that two looks can be compared without keeping them.
//!
//! It covers relations with their kind, persistence and identity, and columns with their built-in
//! type, nullability, identity and generation: what breaks replication when it changes meanwhile.
//! Defaults, constraints and own types are not in it, nor rows, sizes or oids. It does not depend
//! on the order of the catalogue, and its cost on the server is one pass over it.

use serde::{Deserialize, Serialize};

use super::Listed;

/// One schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Name.
    pub name: String,
    /// Relations of it.
    pub relations: u64,
    /// Columns of them.
    pub columns: u64,
    /// Equal on two servers of one major version when the definitions are.
    pub fingerprint: String,
}

/// The schemas of one database, the fullest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Schemas(pub Listed<Schema>);

answered!(Schemas, EachDatabase "schemas" since 13, listed!("
  select n.nspname::text as name, count(distinct c.oid) as relations,
         count(a.attnum) as columns,
         count(*)::text || ':' || sum(hashtextextended(line, 0))::text
           || ':' || sum(hashtextextended(line, 1))::text as fingerprint
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    and c.relkind not in ('i', 'I')
  cross join lateral (select concat_ws('|', quote_ident(c.relname), c.relkind,
    c.relpersistence, c.relreplident, quote_ident(a.attname),
    case when a.atttypid < 16384 then a.atttypid::int8 end, a.atttypmod,
    a.attnotnull, a.attidentity, a.attgenerated) as line) as described
  where c.relkind in ('r', 'p', 'v', 'm', 'i', 'I', 'f', 'S') and c.relpersistence <> 't'
    and n.nspname not in ('information_schema', 'landfall') and n.nspname !~ '^pg_'
  group by n.nspname", order "relations desc, name", limit 100), grant "");
