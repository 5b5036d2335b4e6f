//! Who is connected from where, and transactions that are open for long or prepared.
//!
//! A role without `pg_read_all_stats` sees of other roles' sessions little but their number: those
//! are counted as hidden, and a check built on the list says "not looked". No statement's text is
//! asked for. Landfall's own sessions, and the one that asks, are left out.

use serde::{Deserialize, Serialize};

use super::{Listed, MONITOR};

/// Client sessions that look the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// `application_name`; empty when the client gives none.
    pub application: String,
    /// Role.
    pub user: Option<String>,
    /// Database.
    pub database: Option<String>,
    /// Address; absent on a Unix socket.
    pub client: Option<String>,
    /// `active`, `idle`, `idle in transaction` …
    pub state: Option<String>,
    /// How many.
    pub sessions: u64,
    /// Seconds since the oldest of them connected.
    pub oldest_s: u64,
}

/// Client sessions by application, role, network and state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// All client sessions.
    pub sessions: u64,
    /// Those of which the role may see nothing.
    pub hidden: u64,
    /// Groups, the most sessions first.
    pub groups: Listed<Connected>,
}

answered!(Connections, Server "connections" since 13, "
with clients as (
  select application_name as application, usename::text as \"user\", datname::text as database,
         host(client_addr) as client, state, backend_start,
         query = '<insufficient privilege>' as hidden
  from pg_stat_activity
  where pid <> pg_backend_pid() and application_name is distinct from 'landfall'
    and (backend_type = 'client backend'
         or (backend_type is null and query = '<insufficient privilege>'))
    and usename is distinct from 'rdsadmin'
), found as (
  select coalesce(application, '') as application, \"user\", database, client, state,
         count(*) as sessions,
         greatest(0, extract(epoch from clock_timestamp() - min(backend_start)))::int8 as oldest_s
  from clients where not coalesce(hidden, false) group by 1, 2, 3, 4, 5
)
select jsonb_build_object(
  'sessions', (select count(*) from clients),
  'hidden', (select count(*) from clients where coalesce(hidden, false)),
  'groups', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found
            order by sessions desc, application, \"user\", database, client, state
            limit 300) as item), '[]'::jsonb)))::text", grant MONITOR);

/// A transaction that is open for more than five minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongTransaction {
    /// Backend.
    pub pid: i32,
    /// Database.
    pub database: Option<String>,
    /// Role.
    pub user: Option<String>,
    /// `application_name`.
    pub application: Option<String>,
    /// Address.
    pub client: Option<String>,
    /// State.
    pub state: Option<String>,
    /// Seconds since it began.
    pub age_s: u64,
    /// Transactions that happened since its snapshot: what it keeps from being cleaned up.
    pub holds_xids: Option<u64>,
}

/// Long transactions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongTransactions {
    /// Sessions of which the role may see nothing.
    pub hidden: u64,
    /// The transactions.
    pub transactions: Listed<LongTransaction>,
}

answered!(LongTransactions, Server "long_transactions" since 13, "
with found as (
  select pid, datname::text as database, usename::text as \"user\",
         application_name as application, host(client_addr) as client, state,
         extract(epoch from clock_timestamp() - xact_start)::int8 as age_s,
         age(backend_xmin) as holds_xids
  from pg_stat_activity
  where backend_type = 'client backend' and pid <> pg_backend_pid()
    and application_name is distinct from 'landfall'
    and xact_start < clock_timestamp() - interval '5 minutes'
)
select jsonb_build_object(
  'hidden', (select count(*) from pg_stat_activity
             where query = '<insufficient privilege>' and usename is distinct from 'rdsadmin'),
  'transactions', jsonb_build_object(
    'total', (select count(*) from found),
    'items', coalesce((select jsonb_agg(to_jsonb(item))
      from (select * from found order by age_s desc, pid limit 50) as item),
      '[]'::jsonb)))::text", grant MONITOR);

/// A prepared transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedTransaction {
    /// Global identifier.
    pub gid: String,
    /// Database.
    pub database: String,
    /// Owner.
    pub owner: String,
    /// Seconds since it was prepared.
    pub age_s: u64,
}

/// Prepared transactions, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PreparedTransactions(pub Listed<PreparedTransaction>);

answered!(PreparedTransactions, Server "prepared_transactions" since 13, listed!("
  select gid::text as gid, database::text as database, owner::text as owner,
         greatest(0, extract(epoch from clock_timestamp() - prepared))::int8 as age_s
  from pg_prepared_xacts", order "age_s desc, gid", limit 100), grant "");
