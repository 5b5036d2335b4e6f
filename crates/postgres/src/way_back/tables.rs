//! Which tables a way back is about, in one place for the survey, the publication and the view.
//!
//! They are the ordinary tables and the leaves of partitions, outside of the catalogues, of our
//! own schema and of what an extension keeps for itself. An extension's table that holds users'
//! rows (it is dumped) counts when our role may publish it. Temporary tables die with their
//! session, and the provider's own tables are not the owner's.

/// The relation `candidate`: unlogged tables are in it, with `relpersistence` 'u'.
///
/// `identified` is PostgreSQL's own rule: the chosen index, else a primary key that is checked at
/// once, or the whole row.
macro_rules! with_candidate {
    () => {
        "
with candidate as (
  select c.oid, c.relowner, c.relpersistence, c.relreplident, c.relrowsecurity,
         c.relforcerowsecurity, owner.rolname, owner.rolsuper, owner.rolbypassrls,
         format('%I.%I', n.nspname, c.relname) collate \"C\" as name,
         c.relreplident = 'f' or exists (
           select from pg_index i
           where i.indrelid = c.oid and i.indisvalid and i.indimmediate
             and (c.relreplident = 'd' and i.indisprimary
                  or c.relreplident = 'i' and i.indisreplident)) as identified
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_roles owner on owner.oid = c.relowner
  where c.relkind = 'r' and c.relpersistence in ('p', 'u')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'landfall')
    and (owner.rolname <> 'rdsadmin' or current_user = 'rdsadmin')
    and not exists (
      select from pg_depend d
      join pg_extension e on e.oid = d.refobjid
      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
        and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
        and not (c.oid = any (coalesce(e.extconfig, '{}')) and pg_has_role(c.relowner, 'usage')))
)"
    };
}

/// How many names a list carries: [`landfall_core::port::way_back::NAMED_AT_MOST`], checked by a
/// test.
macro_rules! named_at_most {
    () => {
        "100"
    };
}

pub(super) use named_at_most;
pub(super) use with_candidate;

#[cfg(test)]
mod tests {
    use landfall_core::port::way_back::NAMED_AT_MOST;

    #[test]
    fn lists_are_as_long_as_the_port_says() {
        assert_eq!(NAMED_AT_MOST.to_string(), named_at_most!());
    }
}
