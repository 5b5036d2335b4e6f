//! What became of acknowledged writes downstream: compared, one by one, with what a topic holds.
//!
//! It believes nobody but the topic's own records and the list of writes that a database
//! acknowledged. A write has a key and a number that grows by one with each write of that key, so
//! a gap, a double and a wrong order each show. Pure: whoever reads the topic hands the records in.

use std::collections::{BTreeMap, BTreeSet};

use landfall_lab::consumers::Record;
use serde::Serialize;

/// A write: its key, and its number among the key's writes.
pub type Write = (i64, i64);

/// What was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Acknowledged writes.
    pub acknowledged: usize,
    /// Of them, those that never arrived.
    pub missing: BTreeSet<Write>,
    /// How many arrived more than once, each counted as often as it did again.
    pub doubled: usize,
    /// How many arrived, for the first time, after a later one of their key.
    pub out_of_order: usize,
    /// What arrived and was never acknowledged.
    pub unexpected: BTreeSet<Write>,
}

impl Verdict {
    /// Every acknowledged write arrived, in its key's order. Doubles are counted and allowed.
    pub fn has_no_gap(&self) -> bool {
        self.missing.is_empty() && self.out_of_order == 0 && self.unexpected.is_empty()
    }
}

/// Compares the writes of a table with the records of its topic; `key` and `number` are the
/// columns that say which write a record is.
pub fn judge(acknowledged: &[Write], records: &[Record], (key, number): (&str, &str)) -> Verdict {
    let expected: BTreeSet<Write> = acknowledged.iter().copied().collect();
    let (mut arrived, mut doubled, mut out_of_order) = (BTreeSet::new(), 0, 0);
    let mut newest = BTreeMap::<i64, i64>::new();
    for record in records {
        let value = record.json();
        let column = |name: &str| value.get("after")?.get(name)?.as_i64();
        let Some(write) = column(key).zip(column(number)) else { continue };
        if !arrived.insert(write) {
            doubled += 1;
            continue;
        }
        let newest = newest.entry(write.0).or_insert(write.1);
        if *newest > write.1 {
            out_of_order += 1;
        }
        *newest = write.1.max(*newest);
    }
    Verdict {
        acknowledged: expected.len(),
        missing: expected.difference(&arrived).copied().collect(),
        doubled,
        out_of_order,
        unexpected: arrived.difference(&expected).copied().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(writes: &[Write]) -> Vec<Record> {
        let record = |(offset, (key, number)): (usize, &Write)| Record {
            topic: "shop.public.counters".to_owned(),
            partition: 0,
            offset: i64::try_from(offset).unwrap(),
            key: None,
            value: Some(format!(r#"{{"op":"u","after":{{"id":{key},"n":{number}}}}}"#)),
        };
        writes.iter().enumerate().map(record).collect()
    }

    fn of(acknowledged: &[Write], arrived: &[Write]) -> Verdict {
        judge(acknowledged, &records(arrived), ("id", "n"))
    }

    #[test]
    fn each_write_once_in_its_order_is_no_gap() {
        let verdict = of(&[(1, 1), (1, 2), (2, 1)], &[(1, 1), (2, 1), (1, 2)]);
        assert!(verdict.has_no_gap() && verdict.doubled == 0, "{verdict:?}");
    }

    #[test]
    fn a_gap_is_told_by_its_writes() {
        let verdict = of(&[(1, 1), (1, 2), (1, 3)], &[(1, 1), (1, 3)]);
        assert!(!verdict.has_no_gap());
        assert_eq!(verdict.missing, BTreeSet::from([(1, 2)]));
    }

    #[test]
    fn a_replay_doubles_and_is_in_order() {
        let verdict = of(&[(1, 1), (1, 2), (1, 3)], &[(1, 1), (1, 2), (1, 1), (1, 2), (1, 3)]);
        assert!(verdict.has_no_gap(), "{verdict:?}");
        assert_eq!(verdict.doubled, 2);
    }

    #[test]
    fn what_overtakes_and_what_nobody_wrote_are_no_success() {
        assert_eq!(of(&[(1, 1), (1, 2)], &[(1, 2), (1, 1)]).out_of_order, 1);
        let verdict = of(&[(1, 1)], &[(1, 1), (1, 2)]);
        assert_eq!(verdict.unexpected, BTreeSet::from([(1, 2)]));
        assert!(!verdict.has_no_gap());
    }
}
