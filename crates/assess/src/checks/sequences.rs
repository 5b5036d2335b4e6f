//! Sequences near their end, counted to the end of the column that takes their values.

use landfall_core::finding::Finding;

use super::asking::{count, names, of_each, within};
use super::{Seen, page};
use crate::question::sequence::{Sequence, Sequences};

/// What is used of a sequence before a person should look.
const WORN: f64 = 0.8;

pub(super) fn worn(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<Sequences>(seen, "sequences").judge(|said| {
        let mut found = vec![];
        let all = said.iter().flat_map(|(db, list)| list.items.iter().map(move |one| (db, one)));
        let near: Vec<String> = all
            .map(|(db, one)| (db, one, used(one)))
            .filter(|(_, one, used)| *used > WORN && !one.cycles)
            .map(|(db, one, used)| {
                format!("{} ({:.0} %)", within(db, &one.schema, &one.name), used * 100.0)
            })
            .collect();
        if !near.is_empty() {
            let what = format!("sequences near their end: {}", names(near.into_iter(), 0));
            found.push(
                Finding::warning(&seen.instance.id, what)
                    .why("At the end inserts fail, on the target as on the source.")
                    .remedy("Change the column to bigint, and the sequence with it, beforehand.")
                    .see(page::SEQUENCES),
            );
        }
        let unread: u64 = said.iter().map(|(_, one)| one.total.saturating_sub(one.looked)).sum();
        if unread > 0 {
            let what = format!(
                "not looked at {}: too many, or the role may not",
                count(unread, "sequence", "sequences")
            );
            let remedy = "Grant select on them to the observer's role; at most five hundred of a \
                          database are read, those likeliest to be worn.";
            found.push(Finding::not_looked(&seen.instance.id, what, remedy));
        }
        found
    })
}

/// An `integer` column ends before its `bigint` sequence does.
#[expect(clippy::cast_precision_loss, reason = "a share is told in whole percent")]
fn used(one: &Sequence) -> f64 {
    let column_end = match one.column_type.as_deref() {
        Some("smallint") => f64::from(i16::MAX),
        Some("integer") => f64::from(i32::MAX),
        Some(_) | None => return one.used,
    };
    if one.last > 0 { one.used.max(one.last as f64 / column_end) } else { one.used }
}
