//! A fingerprint of every schema: columns, types and keys, so that a change on one side is noticed.
//!
//! Equal means that rows of one side fit the other. It holds what decides that, and nothing that
//! two majors spell differently: names and types of columns, keys, the names of checks, and the
//! columns that identify a row. A table whose whole row identifies it counts as one without
//! identity, because that is what the way back itself makes of it. The order of columns does not
//! matter, since rows travel by name. What belongs to extensions comes with them, and is left out.

use std::collections::BTreeMap;

use landfall_core::Failure;
use tokio_postgres::{Error, Row};

use super::Visit;

/// Tables first, so that no text grows with a whole schema: at 50,000 tables it would.
const FINGERPRINT: &str = "
with relation as (
  select c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relreplident
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'c') and c.relpersistence in ('p', 'u')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'landfall')
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
        and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e')
), columns as (
  select a.attrelid as oid,
         md5(string_agg(concat_ws(' ', quote_ident(a.attname),
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated),
             E'\\n' order by a.attname collate \"C\")) as hash
  from pg_attribute a
  join relation r on r.oid = a.attrelid
  where a.attnum > 0 and not a.attisdropped
  group by 1
), key as (
  select i.indrelid as oid,
         concat_ws(' ', i.indisprimary, i.indimmediate, i.indpred is not null,
           i.indisreplident and r.relreplident = 'i'
             or i.indisprimary and i.indimmediate and r.relreplident = 'd',
           (select string_agg(coalesce(quote_ident(a.attname), '()'), ',' order by k.place)
            from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality as k (attnum, place)
            left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
              and k.attnum <> 0)) as line
  from pg_index i
  join relation r on r.oid = i.indrelid
  where i.indisunique and i.indisvalid
  union all
  select con.conrelid, 'check ' || quote_ident(con.conname)
  from pg_constraint con
  join relation r on r.oid = con.conrelid
  where con.contype = 'c'
), keys as (
  select oid, md5(string_agg(line, E'\\n' order by line collate \"C\")) as hash from key group by 1
), line as (
  select r.nspname,
         concat_ws(' ', r.relkind, r.relpersistence, quote_ident(r.relname), columns.hash,
                   keys.hash) as line
  from relation r
  left join columns on columns.oid = r.oid
  left join keys on keys.oid = r.oid
  union all
  select n.nspname, concat_ws(' ', t.typtype, quote_ident(t.typname),
           format_type(nullif(t.typbasetype, 0), t.typtypmod), t.typnotnull,
           (select md5(string_agg(quote_literal(e.enumlabel), ',' order by e.enumsortorder))
            from pg_enum e where e.enumtypid = t.oid))
  from pg_type t
  join pg_namespace n on n.oid = t.typnamespace
  where t.typtype in ('e', 'd') and n.nspname !~ '^pg_'
    and n.nspname not in ('information_schema', 'landfall')
    and not exists (
      select from pg_depend d
      where d.classid = 'pg_type'::regclass and d.objid = t.oid
        and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e')
)
select nspname::text, md5(string_agg(line, E'\\n' order by line collate \"C\"))
from line group by 1";

pub(super) async fn read(visit: &Visit<'_>) -> Result<BTreeMap<String, String>, Failure> {
    let rows = visit.ask(FINGERPRINT, &[]).await?;
    let read =
        |row: &Row| -> Result<(String, String), Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| visit.failed(error))
}
