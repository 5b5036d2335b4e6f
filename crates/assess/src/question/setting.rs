//! Settings: what runs and where each value comes from, and what roles and databases set.
//!
//! Values that may hold a secret are left out: their names are enough to look them up.

use serde::{Deserialize, Serialize};

use super::Listed;

/// A setting that is not at its built-in default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value, in its unit; absent where it may be a secret.
    pub value: Option<String>,
    /// Unit of the value, such as `8kB` or `ms`.
    pub unit: Option<String>,
    /// Where it was set: `configuration file`, `command line`, `database`, `user` …
    pub source: String,
    /// Whether a changed value waits for a restart.
    pub pending_restart: bool,
}

/// The settings that matter by name, and all that somebody has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `server_version_num`.
    pub version_num: u32,
    /// `shared_preload_libraries`, one each; absent where the role may not see it.
    pub preloaded: Option<Vec<String>>,
    /// `password_encryption`.
    pub password_encryption: String,
    /// `wal_level`.
    pub wal_level: String,
    /// `max_slot_wal_keep_size` as people write it; `-1` = without limit.
    pub max_slot_wal_keep_size: String,
    /// `max_connections`.
    pub max_connections: u64,
    /// `track_counts` and `track_activities`: without them the counters below stay at zero.
    pub tracking: String,
    /// What is set.
    pub set: Listed<Setting>,
}

answered!(Settings, Server "settings" since 13, "
with found as (
  select name,
         case when name !~* '(password|passphrase|secret|token|conninfo|credential|_command$|key)'
              then setting end as value,
         unit, source, pending_restart
  from pg_settings
  where source not in ('default', 'override', 'client', 'session') or pending_restart
)
select jsonb_build_object(
  'version_num', current_setting('server_version_num')::int4,
  'preloaded', (select to_jsonb(array_remove(
      regexp_split_to_array(replace(setting, '\"', ''), '[[:space:]]*,[[:space:]]*'), ''))
    from pg_settings where name = 'shared_preload_libraries'),
  'password_encryption', current_setting('password_encryption'),
  'wal_level', current_setting('wal_level'),
  'max_slot_wal_keep_size', current_setting('max_slot_wal_keep_size'),
  'max_connections', current_setting('max_connections')::int4,
  'tracking', current_setting('track_counts') || ',' || current_setting('track_activities'),
  'set', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found order by name limit 500) as item), '[]'::jsonb)))::text",
    grant "grant pg_read_all_settings to the observer's role");

/// What a role sets for itself, a database for its sessions, or a role in a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSetting {
    /// Role; absent when it holds for every role.
    pub role: Option<String>,
    /// Database; absent when it holds in every database.
    pub database: Option<String>,
    /// Setting.
    pub name: String,
    /// Value; absent where it may be a secret.
    pub value: Option<String>,
}

/// Settings per role and database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleSettings(pub Listed<RoleSetting>);

answered!(RoleSettings, Server "role_settings" since 13, listed!("
  select r.rolname::text as role, d.datname::text as database,
         split_part(entry, '=', 1) as name,
         case when split_part(entry, '=', 1)
                   !~* '(password|passphrase|secret|token|conninfo|credential|_command$|key)'
              then substr(entry, strpos(entry, '=') + 1, 500) end as value
  from pg_db_role_setting as s
  left join pg_roles as r on r.oid = s.setrole
  left join pg_database as d on d.oid = s.setdatabase
  cross join lateral unnest(s.setconfig) as entry
  where d.datname is distinct from 'rdsadmin' and r.rolname is distinct from 'rdsadmin'",
    order "database nulls first, role nulls first, name", limit 500), grant "");
