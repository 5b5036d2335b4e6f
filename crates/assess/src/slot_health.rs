//! The slots of a source as a doctor sees them: who uses each, what it keeps, and when the disk is
//! full because of it. Pure over an [`Inventory`].
//!
//! It decides nothing about dropping: the person who types it does, and the server checks again.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::quantity::{ByteCount, optional_duration_text};
use landfall_core::{Endpoint, InstanceId};
use serde::{Deserialize, Serialize};

use crate::Inventory;
use crate::forecast::days_to_full_disk;
use crate::question::replication::{Slot, Slots};
use crate::question::{Reading, server};

/// RDS names the slots of its own replicas so, and drops them with the replica.
const OF_RDS: &str = "rds_";

/// What may become of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Somebody reads it.
    Used,
    /// RDS made it for a replica of its own: it goes with the replica.
    OfReplica,
    /// Nobody reads it, and it keeps WAL for somebody who may come back.
    Idle,
    /// Nobody can read it any more: its WAL is gone, or the server gave it up.
    Lost,
}

impl Standing {
    /// Where a slot stands.
    pub fn of(slot: &Slot) -> Self {
        let lost = slot.wal_status.as_deref() == Some("lost") || slot.invalid.is_some();
        if slot.plugin.is_none() && slot.name.starts_with(OF_RDS) {
            Self::OfReplica
        } else if slot.active {
            Self::Used
        } else if lost {
            Self::Lost
        } else {
            Self::Idle
        }
    }
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotHealth {
    /// Name.
    pub name: String,
    /// What may become of it.
    pub standing: Standing,
    /// Plugin and database of a logical slot; absent on a physical one.
    pub logical: Option<String>,
    /// Application, role and address that use it.
    pub consumer: Option<String>,
    /// How long nobody has used it; known from PostgreSQL 17 on.
    #[serde(default, with = "optional_duration_text")]
    pub idle_for: Option<Duration>,
    /// WAL kept for it.
    pub retained: Option<ByteCount>,
    /// WAL that may still be written before the server gives it up; absent without a limit.
    pub lost_after: Option<ByteCount>,
}

/// All slots of a source, and its disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotReport {
    /// The source, when it is there.
    pub source: Option<InstanceId>,
    /// Where it answers.
    pub endpoint: Option<Endpoint>,
    /// When it was looked at.
    pub at: Option<Timestamp>,
    /// Days until the disk is full when an unused slot keeps all WAL from now on; absent where the
    /// rate of WAL or the free storage is not known.
    pub days_to_full_disk: Option<f64>,
    /// The slots, those that keep most first.
    pub slots: Vec<SlotHealth>,
    /// Slots that are not in the list.
    pub left_out: u64,
    /// Why the slots could not be looked at, and what to do.
    pub not_looked: Option<String>,
}

impl SlotReport {
    /// Whether a slot threatens the disk.
    pub fn needs_somebody(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.standing, Standing::Idle | Standing::Lost))
    }
}

/// The report over what was collected.
pub fn report(inventory: &Inventory) -> SlotReport {
    let mut report = SlotReport {
        source: inventory.instance.as_ref().map(|instance| instance.id.clone()),
        endpoint: inventory.instance.as_ref().and_then(|instance| instance.endpoint.clone()),
        at: inventory.taken_at,
        days_to_full_disk: inventory
            .instance
            .as_ref()
            .and_then(|instance| days_to_full_disk(inventory, instance)),
        slots: vec![],
        left_out: 0,
        not_looked: None,
    };
    match server::<Slots>(&inventory.answers) {
        Reading::Looked(Slots(listed)) => {
            report.left_out = listed.left_out();
            report.slots = listed.items.iter().map(|slot| health(slot, report.at)).collect();
        }
        Reading::NotLooked { why, grant: "" } => report.not_looked = Some(why),
        Reading::NotLooked { why, grant } => report.not_looked = Some(format!("{why}; {grant}")),
        Reading::NotAsked => report.not_looked = Some(unasked(inventory)),
    }
    report
}

fn unasked(inventory: &Inventory) -> String {
    match (&inventory.instance, &inventory.not_looked) {
        (None, _) => "AWS knows no such instance in this account and Region".to_owned(),
        (Some(_), Some(failure)) => failure.to_string(),
        (Some(_), None) => "no access to the database: name a spec with [access], or read \
             OldestReplicationSlotLag in CloudWatch"
            .to_owned(),
    }
}

fn health(slot: &Slot, now: Option<Timestamp>) -> SlotHealth {
    let place = |plugin: &String| match &slot.database {
        Some(database) => format!("{plugin} in {database}"),
        None => plugin.clone(),
    };
    let since = slot.inactive_since.filter(|_| !slot.active).zip(now);
    SlotHealth {
        name: slot.name.clone(),
        standing: Standing::of(slot),
        logical: slot.plugin.as_ref().map(place),
        consumer: consumer(slot),
        idle_for: since.and_then(|(since, now)| now.duration_since(since).try_into().ok()),
        retained: slot.retained.map(ByteCount),
        lost_after: slot.safe_wal_size.map(|left| ByteCount(u64::try_from(left).unwrap_or(0))),
    }
}

fn consumer(slot: &Slot) -> Option<String> {
    let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let parts = [
        named(&slot.application),
        named(&slot.user).map(|user| format!("role {user}")),
        named(&slot.client).map(|client| format!("from {client}")),
        named(&slot.state),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::made_up;

    fn slot(name: &str, more: &Value) -> Value {
        let mut slot = json!({ "name": name, "plugin": "pgoutput", "database": "shop",
            "active": false, "lives": "persistent", "wal_status": "reserved", "invalid": null,
            "safe_wal_size": null, "retained": 5_u64 << 30, "inactive_since": null,
            "application": null, "user": null, "client": null, "state": null });
        let fields = slot.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        slot
    }

    #[test]
    fn every_slot_has_its_standing() {
        let now = made_up::now();
        let table = [
            (slot("left", &json!({})), Standing::Idle),
            (slot("read", &json!({ "active": true })), Standing::Used),
            (slot("gone", &json!({ "wal_status": "lost" })), Standing::Lost),
            (slot("given_up", &json!({ "invalid": "wal_removed" })), Standing::Lost),
            (slot("rds_aurora_1", &json!({ "plugin": null })), Standing::OfReplica),
            (slot("rds_aurora_2", &json!({ "plugin": null, "active": true })), Standing::OfReplica),
            // A consumer may call its logical slot whatever it likes.
            (slot("rds_copy", &json!({})), Standing::Idle),
        ];
        for (slot, expected) in table {
            let slot: Slot = serde_json::from_value(slot).unwrap();
            assert_eq!(health(&slot, Some(now)).standing, expected, "{slot:?}");
        }
    }

    #[test]
    fn who_uses_it_and_since_when_nobody_does() {
        let now = made_up::now();
        let used = slot(
            "read",
            &json!({ "active": true, "application": "debezium",
            "user": "cdc", "client": "10.0.8.9", "state": "streaming" }),
        );
        let used = health(&serde_json::from_value(used).unwrap(), Some(now));
        let expected = "debezium, role cdc, from 10.0.8.9, streaming";
        assert_eq!(used.consumer.as_deref(), Some(expected));
        let left = slot(
            "left",
            &json!({ "inactive_since": now - Duration::from_hours(50),
            "safe_wal_size": -5 }),
        );
        let left = health(&serde_json::from_value(left).unwrap(), Some(now));
        assert_eq!(left.idle_for, Some(Duration::from_hours(50)));
        assert_eq!(left.lost_after, Some(ByteCount(0)), "what is overdrawn is nothing");
        assert_eq!((left.consumer, left.retained), (None, Some(ByteCount(5 << 30))));
    }

    #[test]
    fn a_report_tells_the_days_and_what_needs_somebody() {
        let mut case = made_up::clean();
        case.says("slots", json!({ "total": 3, "items": [slot("left", &json!({}))] }));
        let told = report(&case.inventory);
        assert!(told.needs_somebody() && told.left_out == 2, "{told:?}");
        // 120 GiB free (and no autoscaling) at 500 kB a second.
        let days = told.days_to_full_disk.unwrap();
        assert!((2.9..3.1).contains(&days), "{days}");
    }

    #[test]
    fn what_was_not_looked_at_is_said() {
        let mut case = made_up::clean();
        case.refuses("slots");
        let refused = report(&case.inventory);
        assert!(refused.not_looked.is_some() && !refused.needs_somebody(), "{refused:?}");
        case.inventory.answers.clear();
        let unasked = report(&case.inventory).not_looked.unwrap();
        assert!(unasked.contains("[access]"), "{unasked}");
        case.inventory.instance = None;
        let unknown = report(&case.inventory);
        assert!(unknown.not_looked.unwrap().contains("no such instance") && unknown.at.is_some());
    }
}
