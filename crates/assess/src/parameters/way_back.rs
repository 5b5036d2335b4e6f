//! What a way back needs of the target's cluster group: ours, whoever set what on the source.
//!
//! The static one must stand before the cluster is created. A value that a person set on the source
//! is kept where it is large enough. Pure.

use landfall_core::facts::{ParameterFate, ParameterVerdict};
use landfall_core::port::cloud::{GroupLevel, Parameter};

use super::Offer;

/// The option that makes Aurora write what logical decoding needs.
const LOGICAL: &str = "rds.logical_replication";

/// Each of these takes one place for every slot that is streamed from, and Aurora's default for
/// both.
const PLACES: [(&str, u64); 2] = [("max_replication_slots", 20), ("max_wal_senders", 20)];

/// What is on the server beside the way back: one slot of each stays free for a person.
const SPARE: u64 = 2;

/// The parameter report with what a way back needs, for so many databases, beside so many slots
/// that go over with the consumers.
#[must_use]
pub fn with_way_back(
    mut verdicts: Vec<ParameterVerdict>,
    offer: &Offer,
    (databases, slots): (u64, u64),
) -> Vec<ParameterVerdict> {
    let on = Wish { name: LOGICAL, at_least: 1, usual: 0, why: "the way back is replication" };
    demand(&mut verdicts, offer, &on);
    let needed = databases.saturating_add(slots).saturating_add(SPARE);
    for (name, usual) in PLACES {
        let why = "the way back takes one for each database";
        demand(&mut verdicts, offer, &Wish { name, at_least: needed, usual, why });
    }
    verdicts
}

struct Wish {
    name: &'static str,
    at_least: u64,
    /// Aurora's default, where the offer does not say it as a number.
    usual: u64,
    why: &'static str,
}

fn demand(verdicts: &mut Vec<ParameterVerdict>, offer: &Offer, wish: &Wish) {
    let Some((level, offered)) = offer.find(wish.name).filter(|(_, one)| one.modifiable) else {
        return;
    };
    let usual = offered.value.as_deref().and_then(number).unwrap_or(wish.usual);
    let there = verdicts.iter().position(|verdict| verdict.name == wish.name);
    let carried = there.and_then(|at| verdicts.get(at)?.target_value.as_deref().and_then(number));
    if carried.unwrap_or(usual) >= wish.at_least {
        return;
    }
    let ours = verdict(level, offered, wish);
    match there.and_then(|at| verdicts.get_mut(at)) {
        Some(known) => {
            let source_value = std::mem::take(&mut known.source_value);
            *known = ParameterVerdict { source_value, fate: ParameterFate::Adjusted, ..ours };
        }
        None => verdicts.push(ours),
    }
}

/// As a number, `on` and `off` too.
fn number(value: &str) -> Option<u64> {
    match value.trim() {
        "on" => Some(1),
        "off" => Some(0),
        digits => digits.parse().ok(),
    }
}

fn verdict(level: GroupLevel, offered: &Parameter, wish: &Wish) -> ParameterVerdict {
    ParameterVerdict {
        name: wish.name.to_owned(),
        source_value: String::new(),
        fate: ParameterFate::Added,
        level: Some(level),
        target_name: None,
        target_value: Some(wish.at_least.to_string()),
        apply: Some(offered.apply_type),
        reason: format!("{}; set by Landfall (way_back.arm)", wish.why),
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::port::cloud::{ApplyType, ParameterSource};

    use super::*;

    fn offered(name: &str, value: Option<&str>) -> Parameter {
        Parameter {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            apply_type: ApplyType::Static,
            modifiable: true,
            allowed: None,
            source: ParameterSource::EngineDefault,
        }
    }

    fn offer() -> Offer {
        let cluster = vec![
            offered(LOGICAL, Some("0")),
            offered("max_replication_slots", Some("20")),
            offered("max_wal_senders", Some("GREATEST({DBInstanceClassMemory/1},20)")),
        ];
        Offer::new(cluster, vec![])
    }

    fn carried(name: &str, value: &str) -> ParameterVerdict {
        ParameterVerdict {
            name: name.to_owned(),
            source_value: value.to_owned(),
            fate: ParameterFate::Carried,
            level: Some(GroupLevel::Cluster),
            target_name: None,
            target_value: Some(value.to_owned()),
            apply: Some(ApplyType::Static),
            reason: "same value".to_owned(),
        }
    }

    fn told(verdicts: &[ParameterVerdict]) -> Vec<(&str, ParameterFate, &str)> {
        verdicts
            .iter()
            .map(|one| {
                (one.name.as_str(), one.fate, one.target_value.as_deref().unwrap_or_default())
            })
            .collect()
    }

    #[test]
    fn only_what_is_too_small_is_raised() {
        let few = with_way_back(vec![], &offer(), (3, 0));
        assert_eq!(told(&few), [(LOGICAL, ParameterFate::Added, "1")]);
        let many = with_way_back(vec![carried("max_wal_senders", "15")], &offer(), (30, 1));
        assert_eq!(
            told(&many),
            [
                ("max_wal_senders", ParameterFate::Adjusted, "33"),
                (LOGICAL, ParameterFate::Added, "1"),
                ("max_replication_slots", ParameterFate::Added, "33"),
            ]
        );
        assert_eq!(many[0].source_value, "15", "what was set is still told");
    }

    #[test]
    fn what_is_large_enough_stays_as_somebody_set_it() {
        let set = vec![carried(LOGICAL, "1"), carried("max_replication_slots", "60")];
        assert_eq!(with_way_back(set.clone(), &offer(), (30, 0))[..2], set);
        assert!(with_way_back(vec![], &Offer::default(), (3, 0)).is_empty(), "nothing is offered");
    }
}
