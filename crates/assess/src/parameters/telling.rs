//! Engine defaults that differ between RDS and Aurora, and that applications feel.
//!
//! Both sides are what the API says for the families, evaluated on both classes; the list below
//! only says which names are worth a person's time, and why.

use landfall_core::port::cloud::Parameter;

use super::formula::{Size, evaluate, is_formula};
use super::{Classes, Offer};

/// Names, each with what its difference means.
pub const TELLING: &[(&str, &str)] = &[
    ("autovacuum_max_workers", "vacuum keeps up differently"),
    ("hot_standby_feedback", "long queries on readers hold back vacuum on the writer"),
    ("idle_in_transaction_session_timeout", "sessions idle in a transaction end earlier or later"),
    ("jit", "plans compile or do not"),
    ("max_connections", "more or fewer sessions are taken"),
    ("max_logical_replication_workers", "subscriptions and the way back need workers"),
    ("max_replication_slots", "consumers need slots"),
    ("max_wal_senders", "consumers need senders"),
    ("max_worker_processes", "parallel queries and background workers share them"),
    ("password_encryption", "new passwords are stored differently"),
    ("random_page_cost", "plans differ"),
    ("rds.force_ssl", "clients without TLS are refused, or taken"),
    ("rds.logical_replication", "logical slots can be made, or not"),
    ("shared_buffers", "Aurora has no operating system cache under it"),
    ("statement_timeout", "long statements end earlier or later"),
    ("synchronous_commit", "what a commit waits for differs"),
    ("work_mem", "sorts and hashes spill earlier or later"),
];

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Parameter.
    pub name: String,
    /// On the source, as far as it is known.
    pub source: String,
    /// On the target.
    pub target: String,
    /// What it means.
    pub means: &'static str,
}

/// Whether a parameter is among the telling ones.
pub fn is_telling(name: &str) -> bool {
    TELLING.iter().any(|(telling, _)| *telling == name)
}

/// The differences between the defaults of both sides, leaving out what is set by hand.
pub fn differences(
    source: &[Parameter],
    offer: &Offer,
    classes: &Classes,
    set_by_hand: &[Parameter],
) -> Vec<Difference> {
    let (small, large) = classes.sizes();
    let telling = TELLING.iter();
    telling
        .filter(|(name, _)| !set_by_hand.iter().any(|set| set.name == *name))
        .filter_map(|(name, means)| {
            let here = source.iter().find(|p| p.name == *name)?.value.as_deref()?;
            let there = offer.find(name)?.1.value.as_deref()?;
            let (source, target) = (shown(here, small), shown(there, large));
            let differ = !same(&source, &target);
            differ.then(|| Difference { name: (*name).to_owned(), source, target, means })
        })
        .collect()
}

/// A default as a number when it is a formula of a known class, else as it stands.
fn shown(value: &str, size: Option<Size>) -> String {
    let number = size.filter(|_| is_formula(value)).and_then(|size| evaluate(value, size));
    number.map_or_else(|| value.to_owned(), super::whole)
}

fn same(one: &str, other: &str) -> bool {
    let truth = |text: &str| match text {
        "on" | "true" => "1".to_owned(),
        "off" | "false" => "0".to_owned(),
        other => other.to_ascii_lowercase(),
    };
    truth(one) == truth(other)
}

#[cfg(test)]
mod tests {
    use landfall_core::port::cloud::{ApplyType, ParameterSource};

    use super::*;

    fn default(name: &str, value: &str) -> Parameter {
        Parameter {
            name: name.to_owned(),
            value: (!value.is_empty()).then(|| value.to_owned()),
            apply_type: ApplyType::Static,
            modifiable: true,
            allowed: None,
            source: ParameterSource::EngineDefault,
        }
    }

    #[test]
    fn only_telling_defaults_that_differ_and_are_not_set_are_told() {
        let source = [
            default("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)"),
            default("rds.force_ssl", "0"),
            default("hot_standby_feedback", "off"),
            default("jit", "on"),
            default("work_mem", ""),
            default("log_statement", "none"),
            default("statement_timeout", "0"),
        ];
        let aurora = vec![
            default("max_connections", "LEAST({DBInstanceClassMemory/9531392},5000)"),
            default("rds.force_ssl", "1"),
            default("hot_standby_feedback", "1"),
            default("jit", "1"),
            default("work_mem", "4096"),
            default("log_statement", "ddl"),
            default("statement_timeout", "1000"),
        ];
        let offer = Offer::new(vec![], aurora);
        let classes =
            Classes { source: "db.m6g.large".to_owned(), target: "db.r6g.large".to_owned() };
        let set = [default("statement_timeout", "5000")];
        let found = differences(&source, &offer, &classes, &set);
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.name.as_str(), one.source.as_str(), one.target.as_str()))
            .collect();
        let expected = [
            ("hot_standby_feedback", "off", "1"),
            ("max_connections", "901", "1802"),
            ("rds.force_ssl", "0", "1"),
        ];
        assert_eq!(told, expected);
    }
}
