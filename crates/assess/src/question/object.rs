//! Objects that only a superuser could have made, or that fire on their own: event triggers,
//! functions in C, languages that are not trusted.

use serde::{Deserialize, Serialize};

use super::Listed;

/// An event trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTrigger {
    /// Name.
    pub name: String,
    /// `ddl_command_start`, `ddl_command_end`, `table_rewrite`, `sql_drop` or `login`.
    pub event: String,
    /// Owner.
    pub owner: String,
    /// Its function, `schema.name`.
    pub function: String,
    /// It fires; off, it is kept for later.
    pub enabled: bool,
}

/// The event triggers of one database that no extension made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTriggers(pub Listed<EventTrigger>);

answered!(EventTriggers, EachDatabase "event_triggers" since 13, listed!("
  select t.evtname::text as name, t.evtevent::text as event,
         pg_get_userbyid(t.evtowner)::text as owner,
         n.nspname::text || '.' || p.proname::text as function, t.evtenabled <> 'D' as enabled
  from pg_event_trigger as t join pg_proc as p on p.oid = t.evtfoid
  join pg_namespace as n on n.oid = p.pronamespace
  where not exists (select 1 from pg_depend as d
    where d.classid = 'pg_event_trigger'::regclass and d.objid = t.oid and d.deptype = 'e')",
    order "name", limit 50), grant "");

/// An object that needs a superuser to be made again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegedObject {
    /// `c function`, `untrusted language`, `function in an untrusted language` or `base type`.
    pub kind: String,
    /// Schema; absent for a language.
    pub schema: Option<String>,
    /// Name.
    pub name: String,
    /// Language of a function.
    pub language: Option<String>,
}

/// Such objects of one database that no extension made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivilegedObjects(pub Listed<PrivilegedObject>);

answered!(PrivilegedObjects, EachDatabase "privileged_objects" since 13, listed!("
  select case when l.lanname = 'c' then 'c function'
              else 'function in an untrusted language' end as kind,
         n.nspname::text as schema, p.proname::text as name, l.lanname::text as language
  from pg_proc as p join pg_language as l on l.oid = p.prolang and not l.lanpltrusted
  join pg_namespace as n on n.oid = p.pronamespace
  where p.oid >= 16384 and l.lanname <> 'internal' and n.nspname not in ('pg_catalog',
        'information_schema') and not exists (select 1 from pg_depend as d
    where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype in ('e', 'i'))
  union all
  select 'untrusted language', null, l.lanname::text, null
  from pg_language as l where l.lanispl and not l.lanpltrusted
  union all
  select 'base type', n.nspname::text, t.typname::text, null
  from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
  where t.typtype = 'b' and t.oid >= 16384 and t.typelem = 0 and not exists (
    select 1 from pg_depend as d
    where d.classid = 'pg_type'::regclass and d.objid = t.oid and d.deptype = 'e')",
    order "kind, schema nulls first, name", limit 50), grant "");
