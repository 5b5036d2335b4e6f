//! Jobs that write by themselves: pg_cron's schedule and pg_partman's sets.
//!
//! Their tables exist only where the extension does, so the question builds its inner query when
//! it has seen the table and the right to read it; it asks for no command, which may hold a secret.
//! pg_cron shows a role its own jobs only: `view` says so.

use serde::{Deserialize, Serialize};

/// A job of pg_cron.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// `jobid`.
    pub id: i64,
    /// Name; absent on old versions or nameless jobs.
    pub name: Option<String>,
    /// Schedule.
    pub schedule: String,
    /// The database it works in.
    pub database: String,
    /// The role it works as.
    pub user: String,
    /// It runs.
    pub active: bool,
}

/// How much of a table the role may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The extension is not in this database.
    Absent,
    /// Nothing.
    Refused,
    /// The role's own rows.
    Own,
    /// Every row.
    Whole,
}

/// The jobs of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// What may be seen of pg_cron.
    pub cron: View,
    /// Its jobs, at most a hundred.
    pub jobs: Vec<Job>,
    /// What may be seen of pg_partman.
    pub partman: View,
    /// Sets that it maintains.
    pub partman_sets: Option<u64>,
}

answered!(Jobs, EachDatabase "jobs" since 13, "
with cron as (
  select c.oid, has_schema_privilege(c.relnamespace, 'usage')
                and has_table_privilege(c.oid, 'select') as readable
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = 'cron' and c.relname = 'job'
    and exists (select 1 from pg_extension where extname = 'pg_cron')
), partman as (
  select c.oid, n.nspname, has_schema_privilege(n.oid, 'usage')
                and has_table_privilege(c.oid, 'select') as readable
  from pg_extension as e join pg_namespace as n on n.oid = e.extnamespace
  join pg_class as c on c.relnamespace = n.oid and c.relname = 'part_config'
  where e.extname = 'pg_partman'
), told as (
  select substring(query_to_xml('select coalesce(jsonb_agg(jsonb_build_object(
      ''id'', j.jobid, ''name'', to_jsonb(j) ->> ''jobname'', ''schedule'', j.schedule,
      ''database'', j.database, ''user'', j.username, ''active'', j.active)), ''[]''::jsonb) as jobs
    from (select * from cron.job order by jobid limit 100) as j', true, false, '')::text
    from '<jobs>(.*)</jobs>') as jobs
  from cron where readable
), counted as (
  select substring(query_to_xml(format('select count(*) as sets from %I.part_config', nspname),
    true, false, '')::text from '<sets>(.*)</sets>') as sets
  from partman where readable
)
select jsonb_build_object(
  'cron', coalesce((select case when not readable then 'refused'
                                when row_security_active(oid) then 'own'
                                else 'whole' end from cron), 'absent'),
  'jobs', coalesce((select replace(replace(replace(replace(jobs, '&lt;', '<'), '&gt;', '>'),
                      '&#x0d;', E'\\r'), '&amp;', '&')::jsonb from told), '[]'::jsonb),
  'partman', coalesce((select case when not readable then 'refused' else 'whole' end
                       from partman), 'absent'),
  'partman_sets', (select sets::int8 from counted))::text",
    grant "grant usage on schema cron and select on cron.job to the observer's role; pg_cron shows \
           it its own jobs only, so let the owner of the jobs look as well");
