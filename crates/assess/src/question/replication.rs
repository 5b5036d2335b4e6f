//! Slots with who uses them, publications and subscriptions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Listed, MONITOR};

/// A replication slot, with its consumer where that may be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Name.
    pub name: String,
    /// Plugin of a logical slot; absent on a physical one.
    pub plugin: Option<String>,
    /// Database of a logical slot.
    pub database: Option<String>,
    /// In use.
    pub active: bool,
    /// `persistent`, or `temporary`: it ends with its session.
    pub lives: String,
    /// `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: Option<String>,
    /// Why it can no longer be used, where the server says (PostgreSQL 16 and newer).
    pub invalid: Option<String>,
    /// Bytes that may still be written before it is lost; absent without a limit.
    pub safe_wal_size: Option<i64>,
    /// Bytes of WAL kept for it; absent on a slot that never reserved any.
    pub retained: Option<u64>,
    /// Since when nobody uses it (PostgreSQL 17 and newer).
    pub inactive_since: Option<Timestamp>,
    /// Application that uses it.
    pub application: Option<String>,
    /// Its role.
    pub user: Option<String>,
    /// Its address.
    pub client: Option<String>,
    /// `streaming`, `catchup` …
    pub state: Option<String>,
}

/// Every slot, the one that keeps most first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots(pub Listed<Slot>);

answered!(Slots, Server "slots" since 13, listed!("
  select s.slot_name::text as name, s.plugin::text as plugin, s.database::text as database,
         s.active, case when s.temporary then 'temporary' else 'persistent' end as lives,
         s.wal_status,
         coalesce(to_jsonb(s) ->> 'invalidation_reason',
                  case when (to_jsonb(s) ->> 'conflicting')::bool then 'conflict' end) as invalid,
         s.safe_wal_size,
         greatest(0, pg_wal_lsn_diff(
           case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                else pg_current_wal_flush_lsn() end, s.restart_lsn))::int8 as retained,
         to_jsonb(s) ->> 'inactive_since' as inactive_since,
         a.application_name as application, a.usename::text as \"user\",
         host(a.client_addr) as client, r.state
  from pg_replication_slots as s
  left join pg_stat_activity as a on a.pid = s.active_pid
  left join pg_stat_replication as r on r.pid = s.active_pid",
    order "retained desc nulls last, name", limit 200), grant MONITOR);

/// A subscription: the source is the subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// Whether it applies.
    pub enabled: bool,
    /// Its slot on the publisher.
    pub slot: Option<String>,
    /// Publications it follows.
    pub publications: Vec<String>,
}

/// Every subscription of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subscriptions(pub Listed<Subscription>);

answered!(Subscriptions, Server "subscriptions" since 13, listed!("
  select d.datname::text as database, s.subname::text as name,
         pg_get_userbyid(s.subowner)::text as owner, s.subenabled as enabled,
         s.subslotname::text as slot, s.subpublications as publications
  from pg_subscription as s join pg_database as d on d.oid = s.subdbid",
    order "database, name", limit 200),
    grant "grant select (subdbid, subname, subowner, subenabled, subslotname, subpublications) \
           on pg_subscription to the observer's role");

/// A publication of a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Name.
    pub name: String,
    /// Owner.
    pub owner: String,
    /// `all tables`, or `tables`: those it names, or those of schemas it names.
    pub covers: String,
    /// Updates or deletes are published: tables without identity then refuse them.
    pub changes: bool,
    /// How many tables it names.
    pub tables: u64,
}

/// The publications of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Publications(pub Listed<Publication>);

answered!(Publications, EachDatabase "publications" since 13, listed!("
  select p.pubname::text as name, pg_get_userbyid(p.pubowner)::text as owner,
         case when p.puballtables then 'all tables' else 'tables' end as covers,
         p.pubupdate or p.pubdelete as changes,
         (select count(*) from pg_publication_rel as r where r.prpubid = p.oid) as tables
  from pg_publication as p", order "name", limit 50), grant "");
