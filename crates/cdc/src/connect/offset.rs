//! A connector's stored offset, as Debezium writes it for PostgreSQL: decimal positions and the
//! kind of the last message. Pure.
//!
//! An offset made here says "everything before the slot's beginning was delivered, at the end of
//! a transaction". The first change behind it is delivered, and a slot that begins later makes
//! the connector fail aloud instead of going on with a gap.

use landfall_core::Lsn;
use landfall_core::port::consumers::{Boundary, Position};
use serde_json::{Value, json};

/// One partition's offset.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offset {
    pub(super) partition: Value,
    offset: Value,
}

impl Offset {
    /// Every offset of an answer; those that were deleted are null and left out.
    pub(super) fn all(told: &Value) -> Vec<Self> {
        let listed = told.get("offsets").and_then(Value::as_array);
        let read = |entry: &Value| {
            let (partition, offset) = (entry.get("partition")?, entry.get("offset")?);
            let there = !offset.is_null();
            there.then(|| Self { partition: partition.clone(), offset: offset.clone() })
        };
        listed.into_iter().flatten().filter_map(read).collect()
    }

    /// The one whose topics begin so.
    pub(super) fn of(all: &[Self], prefix: &str) -> Option<Self> {
        all.iter().find(|offset| offset.partition == partition(prefix)).cloned()
    }

    /// How far it says that the connector got.
    pub(super) fn position(&self) -> Option<Position> {
        let lsn = self.offset.get("lsn").and_then(Value::as_u64)?;
        Some(Position { lsn: Lsn(lsn), boundary: self.boundary() })
    }

    /// Whether tables are being copied: by a first snapshot, or by one that was asked for.
    pub(super) fn is_copying(&self) -> bool {
        let key = |name: &str| self.offset.get(name);
        let first = key("snapshot").is_some_and(|mode| !mode.is_null() && mode != "false")
            && key("snapshot_completed") != Some(&json!(true));
        first || key("incremental_snapshot_collections").is_some_and(|it| !it.is_null())
    }

    fn boundary(&self) -> Boundary {
        if self.is_copying() {
            return Boundary::Snapshot;
        }
        match self.offset.get("messageType").and_then(Value::as_str) {
            Some("COMMIT") => Boundary::Commit,
            Some("MESSAGE") => Boundary::Message,
            // A row, a truncation, a begin, or a word that a later version has: never assumed
            // to be a whole transaction.
            Some(_) | None => Boundary::Inside,
        }
    }
}

/// The partition that Debezium keeps the offset of a topic prefix under.
pub(super) fn partition(prefix: &str) -> Value {
    json!({ "server": prefix })
}

/// The offset of a connector that delivered everything before `lsn`.
pub(super) fn at(lsn: Lsn) -> Value {
    json!({
        "lsn": lsn.0,
        "lsn_proc": lsn.0,
        "lsn_commit": lsn.0,
        "messageType": "COMMIT",
        "txId": 0,
        "ts_usec": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(offset: &Value) -> Offset {
        let told = json!({ "offsets": [
            { "partition": { "server": "former" }, "offset": { "lsn": 1 } },
            { "partition": { "server": "gone" }, "offset": null },
            { "partition": { "server": "shop" }, "offset": offset },
        ] });
        let all = Offset::all(&told);
        assert_eq!(all.len(), 2);
        Offset::of(&all, "shop").unwrap()
    }

    #[test]
    fn the_kind_of_the_last_message_says_what_is_whole() {
        let of = |kind: &str| read(&json!({ "lsn": 26_384_120, "messageType": kind })).position();
        let at = |boundary| Some(Position { lsn: Lsn(0x192_96F8), boundary });
        assert_eq!(of("COMMIT"), at(Boundary::Commit));
        assert_eq!(of("MESSAGE"), at(Boundary::Message));
        for kind in ["INSERT", "UPDATE", "TRUNCATE", "BEGIN", "SOMETHING"] {
            assert_eq!(of(kind), at(Boundary::Inside), "{kind}");
        }
        assert_eq!(read(&json!({ "messageType": "COMMIT" })).position(), None);
    }

    #[test]
    fn a_copy_of_tables_is_no_position_in_the_changes() {
        for copying in [
            json!({ "lsn": 5, "messageType": "COMMIT", "snapshot": "INITIAL" }),
            json!({ "lsn": 5, "messageType": "COMMIT", "incremental_snapshot_collections": "[]" }),
        ] {
            let position = read(&copying).position().unwrap();
            assert_eq!(position.boundary, Boundary::Snapshot, "{copying}");
        }
        let over = json!({
            "lsn": 5, "messageType": "COMMIT", "snapshot": "INITIAL", "snapshot_completed": true
        });
        assert_eq!(read(&over).position().unwrap().boundary, Boundary::Commit);
    }

    #[test]
    fn what_is_written_reads_as_the_end_of_a_transaction() {
        let lsn = Lsn(0x30_0000_1234);
        let position = read(&at(lsn)).position().unwrap();
        assert_eq!(position, Position { lsn, boundary: Boundary::Commit });
    }
}
