//! What the way back looks like from inside: publications and slots on the side that takes
//! writes, subscriptions on the fenced one.
//!
//! Everything is per database, under one name; a role of the same name logs in from the subscriber
//! to the publisher. Reads only; the orders are in [`crate::action::WayBackAction`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::Apply;
use crate::ids::{DatabaseName, MigrationName};
use crate::lsn::Lsn;
use crate::quantity::ByteCount;

/// PostgreSQL's limit on a name, in bytes.
const NAME_AT_MOST: usize = 63;
/// The room that a slot's suffix takes: `_` and eight digits.
const SUFFIX: usize = 9;

/// How many names a list of objects carries; the count is always whole.
pub const NAMED_AT_MOST: usize = 100;

/// The name of publication, subscription and role, from the move's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WayBackName(String);

impl WayBackName {
    /// Of a move. Slots allow lower-case letters, digits and underscores only, and so does this.
    #[must_use]
    pub fn of(migration: &MigrationName) -> Self {
        let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '_' };
        let mut name: String =
            "landfall_back_".chars().chain(migration.as_str().chars().map(plain)).collect();
        if name.len() > NAME_AT_MOST - SUFFIX {
            let hash = hash(migration.as_str());
            name.truncate(NAME_AT_MOST - 2 * SUFFIX);
            name = format!("{name}_{hash:08x}");
        }
        Self(name)
    }

    /// As PostgreSQL knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The slot of one database: slots are the server's, and so need a name each.
    #[must_use]
    pub fn slot(&self, database: &DatabaseName) -> String {
        format!("{}_{:08x}", self.0, hash(database.as_str()))
    }
}

impl std::fmt::Display for WayBackName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// FNV-1a, 32 bits: stable for ever, and not a secret.
fn hash(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    text.bytes().fold(2_166_136_261, step)
}

/// Objects of one kind: how many, and the first of them by name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Named {
    /// How many there are.
    pub count: u64,
    /// The first [`NAMED_AT_MOST`], as `schema.name`, quoted where needed, in order.
    pub names: Vec<String>,
}

impl Named {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// One database, as far as a way back can carry it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survey {
    /// Permanent tables that can be published as they are: ordinary ones and leaves of partitions.
    pub carried: u64,
    /// Permanent tables without a usable replica identity: published as they are, they would make
    /// the application's own updates and deletes fail.
    pub without_identity: Named,
    /// Unlogged tables: their rows are in no WAL.
    pub unlogged: Named,
    /// Large objects: logical decoding does not see them.
    pub large_objects: u64,
    /// Materialized views; they are refreshed by hand.
    pub materialized_views: u64,
    /// What keeps a subscription owned by our role from applying rows here: missing privileges,
    /// row-level security, triggers that fire in replica mode. One sentence each, with the remedy.
    pub obstacles: Vec<String>,
    /// A fingerprint of every table's columns, types and keys, by schema; equal means that rows of
    /// one side fit the other.
    pub fingerprint: BTreeMap<String, String>,
}

/// The server's limits that a way back needs room in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Room {
    /// `wal_level` as running.
    pub wal_level: String,
    /// `max_replication_slots` less those there are.
    pub slots: i64,
    /// `max_wal_senders` less those that run.
    pub senders: i64,
    /// `max_logical_replication_workers` less those that run.
    pub apply_workers: i64,
}

/// The side that is published: one database of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PublisherView {
    /// Tables in our publication; absent when there is none.
    pub published: Option<u64>,
    /// Permanent tables that are not in it.
    pub left_out: Named,
    /// Our slot; absent when there is none.
    pub slot: Option<WayBackSlot>,
    /// `pg_current_wal_flush_lsn()` when this was read.
    pub flush_lsn: Option<Lsn>,
    /// The fingerprint, as in [`Survey`].
    pub fingerprint: BTreeMap<String, String>,
}

/// Our slot on the publisher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct WayBackSlot {
    /// Whether the subscriber is connected and streams.
    pub state: SlotState,
    /// `confirmed_flush_lsn`: everything before it is durable on the subscriber.
    pub confirmed: Option<Lsn>,
    /// WAL kept because of it.
    pub retained: ByteCount,
    /// WAL that may still be written before the slot is lost; absent without a limit.
    pub safe_wal: Option<ByteCount>,
}

/// `pg_replication_slots.active` and `wal_status`, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Somebody streams from it.
    Active,
    /// Nobody does.
    Inactive,
    /// The server dropped its WAL (`wal_status` lost): what is not applied yet is gone.
    Lost,
}

/// The fenced side: one database of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SubscriberView {
    /// Our subscription; absent when there is none.
    pub subscription: Option<SubscriptionView>,
}

/// Our subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionView {
    /// Enabled or not.
    pub apply: Apply,
    /// The apply worker's pid while it runs.
    pub worker: Option<i32>,
    /// `latest_end_lsn` of the worker.
    pub applied: Option<Lsn>,
    /// Errors of the apply worker since it was made; absent before PostgreSQL 15.
    pub errors: Option<u64>,
}

/// A sequence, read from the relation itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SequenceValue {
    /// `last_value`.
    pub last_value: i64,
    /// `is_called`.
    pub is_called: IsCalled,
    /// Negative for one that counts down.
    pub increment: i64,
}

/// Whether `last_value` was given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IsCalled {
    /// It was: the next one is one step further.
    Called,
    /// Not yet.
    Fresh,
}

impl SequenceValue {
    /// Whether this is further along than `other`, in the direction of its own steps.
    #[must_use]
    pub const fn is_ahead_of(self, other: Self) -> bool {
        if self.last_value == other.last_value {
            return matches!(
                (self.is_called, other.is_called),
                (IsCalled::Called, IsCalled::Fresh)
            );
        }
        (self.last_value > other.last_value) == (self.increment > 0)
    }
}

/// Every sequence of a server: by database, then as `schema.name`, quoted where needed.
pub type Sequences = BTreeMap<DatabaseName, BTreeMap<String, SequenceValue>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_a_slot_may_be_called() {
        let name = WayBackName::of(&MigrationName::new("orders-2"));
        assert_eq!(name.as_str(), "landfall_back_orders_2");
        let slots =
            [DatabaseName::new("shop"), DatabaseName::new("Shop \"ü\"")].map(|db| name.slot(&db));
        assert_ne!(slots[0], slots[1]);
        let long = WayBackName::of(&MigrationName::new("a".repeat(80)));
        let other = WayBackName::of(&MigrationName::new("a".repeat(81)));
        assert_ne!(long, other, "cut off, they must still differ");
        for slot in [long.slot(&DatabaseName::new("shop")), slots[1].clone()] {
            assert!(slot.len() <= NAME_AT_MOST, "{slot}");
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(slot.chars().all(allowed), "{slot}");
        }
    }

    #[test]
    fn ahead_follows_the_direction_of_the_steps() {
        let at =
            |last_value, is_called, increment| SequenceValue { last_value, is_called, increment };
        use IsCalled::{Called, Fresh};
        assert!(at(5, Called, 1).is_ahead_of(at(4, Called, 1)));
        assert!(!at(4, Called, 1).is_ahead_of(at(5, Called, 1)));
        assert!(at(-5, Called, -1).is_ahead_of(at(-4, Called, -1)));
        assert!(at(1, Called, 1).is_ahead_of(at(1, Fresh, 1)), "1 was given out on one side only");
        assert!(!at(1, Called, 1).is_ahead_of(at(1, Called, 1)));
    }
}
