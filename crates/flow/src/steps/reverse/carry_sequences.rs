//! Purpose: the source gives out no value that the target gave out already.
//! Reads: every sequence of both sides, from the relations themselves.
//! Changes: sets those forward that are behind on the source; none is ever lowered.
//! Undo: nothing; a sequence that is ahead loses nothing.
//! If it dies here: some are set; the next start compares and sets the rest.

use std::collections::BTreeMap;

use futures_util::future::try_join;
use landfall_core::action::WayBackAction;
use landfall_core::failure::Failure;
use landfall_core::ids::DatabaseName;
use landfall_core::port::way_back::{SequenceValue, Sequences};
use landfall_core::{Code, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::super::source_endpoint;
use crate::step::{Look, Plan, Step};

/// The sequences.
pub struct CarrySequences;

/// Those that are behind on the source, and those that are not there.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    behind: BTreeMap<DatabaseName, BTreeMap<String, SequenceValue>>,
    missing: Vec<String>,
}

impl Step for CarrySequences {
    const ID: &'static str = "reverse.carry_sequences";
    const TITLE: &'static str = "Set the source's sequences forward";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        match (look.ports.database, source_endpoint(look.facts), &look.facts.way_back.target) {
            (Some(database), Some(source), Some(target)) => {
                let both = try_join(database.sequences(target), database.sequences(source)).await?;
                Ok(compare(&both.0, &both.1))
            }
            _ => Ok(Seen { behind: BTreeMap::new(), missing: vec![] }),
        }
    }

    fn plan(&self, _: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if let (Some(first), None) = (seen.missing.first(), &facts.way_back.consent) {
            return Plan::blocked(not_there(seen.missing.len(), first));
        }
        match source_endpoint(facts) {
            Some(at) if !seen.behind.is_empty() => {
                let (at, values) = (at.clone(), seen.behind.clone());
                Plan::act(WayBackAction::SetSequences { at, values })
            }
            _ => Plan::Done,
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The sequences of the target that the source does not have.
pub(super) fn missing(target: &Sequences, source: &Sequences) -> Vec<String> {
    compare(target, source).missing
}

fn compare(target: &Sequences, source: &Sequences) -> Seen {
    let mut seen = Seen { behind: BTreeMap::new(), missing: vec![] };
    for (database, sequences) in target {
        for (name, value) in sequences {
            match source.get(database).and_then(|there| there.get(name)) {
                Some(there) if value.is_ahead_of(*there) => {
                    seen.behind.entry(database.clone()).or_default().insert(name.clone(), *value);
                }
                Some(_) => {}
                None => seen.missing.push(format!("{database}: {name}")),
            }
        }
    }
    seen
}

fn not_there(count: usize, first: &str) -> Problem {
    Problem::new(
        Code::WayBackBroken,
        format!("{count} sequences of the target are not on the source, such as {first}"),
        "They were made since the release: make them on the source too, then run `landfall \
         resume`. `landfall abort` leaves the target in charge.",
    )
}

#[cfg(test)]
mod tests {
    use landfall_core::port::way_back::IsCalled;

    use super::*;

    fn one(values: &[(&str, i64)]) -> Sequences {
        let value =
            |last_value| SequenceValue { last_value, is_called: IsCalled::Called, increment: 1 };
        let all = values.iter().map(|(name, last)| ((*name).to_owned(), value(*last))).collect();
        BTreeMap::from([(DatabaseName::new("shop"), all)])
    }

    #[test]
    fn only_what_is_behind_is_set_and_none_is_lowered() {
        let target = one(&[("public.a", 7), ("public.b", 3), ("public.new", 1)]);
        let seen = compare(&target, &one(&[("public.a", 5), ("public.b", 9)]));
        let names: Vec<_> = seen.behind.values().flat_map(BTreeMap::keys).collect();
        assert_eq!(names, ["public.a"]);
        assert_eq!(seen.missing, ["shop: public.new"]);
    }
}
