//! A fingerprint of each schema's tables, so that two looks can be compared without keeping them.
//!
//! It covers relations, columns, defaults, constraints and indexes as they are defined; not rows,
//! sizes, oids or statistics. The hash does not depend on the order of the catalogue, and its cost
//! on the server is one pass over it.

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
         md5(count(*)::text || ':' || sum(h)::text || ':' || bit_xor(h)::text) as fingerprint
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    and c.relkind not in ('i', 'I')
  cross join lateral (select hashtextextended(concat_ws('|', c.relname, c.relkind,
    c.relpersistence, c.relreplident, a.attname, a.atttypid::int8, a.atttypmod,
    a.attnotnull, a.attidentity, a.attgenerated, a.attcollation::int8), 0) as h) as hashed
  where c.relkind in ('r', 'p', 'v', 'm', 'i', 'I', 'f', 'S') and c.relpersistence <> 't'
    and n.nspname not in ('information_schema', 'landfall') and n.nspname !~ '^pg_'
  group by n.nspname", order "relations desc, name", limit 100), grant "");
