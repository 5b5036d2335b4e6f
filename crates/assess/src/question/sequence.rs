//! Sequences near their end.
//!
//! To read a sequence is to lock it until the statement ends, so at most five hundred are read per
//! database: those most likely to be near their end by their type and their table's rows. `looked`
//! beside `total` says how many; the rest is not looked at.

use serde::{Deserialize, Serialize};

/// A sequence more than half used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequence {
    /// Schema.
    pub schema: String,
    /// Name.
    pub name: String,
    /// `smallint`, `integer` or `bigint`.
    pub r#type: String,
    /// The last value given out.
    pub last: i64,
    /// The last value it can give out: its maximum, or its minimum when it counts down.
    pub end: i64,
    /// What is used of its range, 0 to 1.
    pub used: f64,
    /// It starts again at its end.
    pub cycles: bool,
    /// Table `schema.table` that owns it.
    pub table: Option<String>,
    /// Column that owns it.
    pub column: Option<String>,
    /// Type of that column: an `integer` column ends before its `bigint` sequence does.
    pub column_type: Option<String>,
}

/// Sequences of one database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sequences {
    /// How many there are.
    pub total: u64,
    /// How many were read.
    pub looked: u64,
    /// How many may not be read by this role.
    pub hidden: u64,
    /// How many of those read are more than half used.
    pub worn: u64,
    /// The first of them, most used first.
    pub items: Vec<Sequence>,
}

answered!(Sequences, EachDatabase "sequences" since 13, "
with own as (
  select s.seqrelid as oid, n.nspname::text as schema, c.relname::text as name,
         format_type(s.seqtypid, null) as type, s.seqcycle as cycles, s.seqstart,
         s.seqmin, s.seqmax, s.seqincrement > 0 as up, c.relpersistence,
         has_sequence_privilege(s.seqrelid, 'usage, select') as readable,
         tn.nspname::text || '.' || t.relname::text as \"table\", a.attname::text as \"column\",
         format_type(a.atttypid, null) as column_type,
         case a.atttypid when 21 then 32767 when 23 then 2147483647 end as column_max,
         greatest(coalesce(t.reltuples, 0), 0)::float8 as rows
  from pg_sequence as s join pg_class as c on c.oid = s.seqrelid
  join pg_namespace as n on n.oid = c.relnamespace
  left join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = s.seqrelid
    and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
  left join pg_class as t on t.oid = d.refobjid
  left join pg_namespace as tn on tn.oid = t.relnamespace
  left join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where not pg_is_other_temp_schema(c.relnamespace)
), chosen as materialized (
  select * from own
  where readable and not (relpersistence = 'u' and pg_is_in_recovery())
  order by rows / greatest(1, least(seqmax::float8, coalesce(column_max, seqmax)::float8)) desc,
           case type when 'smallint' then 0 when 'integer' then 1 else 2 end, schema, name
  limit 500
), seen as materialized (
  select *, pg_sequence_last_value(oid) as last,
         case when up then least(seqmax, coalesce(column_max, seqmax))
              else greatest(seqmin, coalesce(-column_max - 1, seqmin)) end as \"end\"
  from chosen
), found as (
  select schema, name, type, last, \"end\", cycles, \"table\", \"column\", column_type,
         round(abs((last::numeric - (case when up then seqmin else seqmax end)::numeric)
           / nullif(\"end\"::numeric - (case when up then seqmin else seqmax end)::numeric, 0)),
           4)::float8 as used
  from seen where last is not null
)
select jsonb_build_object(
  'total', (select count(*) from own),
  'looked', (select count(*) from seen),
  'hidden', (select count(*) from own where not readable),
  'worn', (select count(*) from found where used > 0.5),
  'items', coalesce((select jsonb_agg(to_jsonb(item))
    from (select * from found where used > 0.5 order by used desc, schema, name limit 50) as item),
    '[]'::jsonb))::text",
    grant "grant pg_read_all_data to the observer's role (PostgreSQL 14 and newer), or select on \
           the sequences");
