//! Roles: how they log in, and whose password is stored as an MD5 hash. Never a hash itself.

use serde::{Deserialize, Serialize};

use super::Listed;

/// A role that stands out: it logs in through IAM or a directory, replicates, or is all-powerful.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Name.
    pub name: String,
    /// What it may: `superuser`, `replication`, `bypass_rls`, and provider's roles it is a direct
    /// member of, such as `rds_iam` or `rds_ad`.
    pub may: Vec<String>,
}

/// Roles that can log in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// All that can log in.
    pub logins: u64,
    /// Those that stand out.
    pub notable: Listed<Role>,
}

answered!(Roles, Server "roles" since 13, "
with found as (
  select r.rolname::text as name, array_remove(array[
           case when r.rolsuper then 'superuser' end,
           case when r.rolreplication then 'replication' end,
           case when r.rolbypassrls then 'bypass_rls' end], null)
         || coalesce((select array_agg(distinct g.rolname::text order by g.rolname::text)
                      from pg_auth_members as m join pg_roles as g on g.oid = m.roleid
                      where m.member = r.oid and g.rolname ~ '^rds'), '{}') as may
  from pg_roles as r where r.rolcanlogin and r.rolname <> 'rdsadmin'
), notable as (select * from found where cardinality(may) > 0)
select jsonb_build_object(
  'logins', (select count(*) from found),
  'notable', jsonb_build_object(
    'total', (select count(*) from notable),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from notable order by name limit 200) as item), '[]'::jsonb)))::text",
    grant "");

/// How passwords are stored, by role; needs a right that RDS gives to nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHashes {
    /// Roles with SCRAM verifiers.
    pub scram: u64,
    /// Roles that can log in and have no password.
    pub without: u64,
    /// Roles whose password is an MD5 hash.
    pub md5: Listed<String>,
}

answered!(PasswordHashes, Server "password_hashes" since 13, "
with found as (
  select rolname::text as name,
         case when rolpassword is null then 'none'
              when rolpassword ~ '^md5[0-9a-f]{32}$' then 'md5' else 'scram' end as kind
  from pg_authid where rolcanlogin and rolname <> 'rdsadmin'
)
select jsonb_build_object(
  'scram', (select count(*) from found where kind = 'scram'),
  'without', (select count(*) from found where kind = 'none'),
  'md5', jsonb_build_object(
    'total', (select count(*) from found where kind = 'md5'),
    'items', coalesce((select jsonb_agg(name)
      from (select name from found where kind = 'md5' order by name limit 200) as item),
      '[]'::jsonb)))::text",
    grant "select on pg_authid, which only a superuser can grant and RDS gives to nobody; there, \
           set password_encryption to scram-sha-256 and give each role its password again");
