//! Every check finds its fault, a clean source has none, and lists stay short.

use std::collections::BTreeSet;

use landfall_core::finding::Learnt;

use super::*;
use crate::made_up::faults::{all, faulty};
use crate::made_up::{Case, clean};

fn told(case: &Case) -> String {
    let lines = case
        .findings()
        .into_iter()
        .map(|one| format!("{} {:?} {}: {}", one.check, one.severity, one.object, one.what));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn each_fault_is_found_by_its_check_and_as_what_it_is() {
    for fault in all() {
        let mut case = clean();
        (fault.put)(&mut case);
        let found = case.findings().into_iter().any(|one| {
            one.check == fault.check
                && one.severity == fault.severity
                && one.what.contains(fault.told)
        });
        assert!(found, "{} does not tell {:?}:\n{}", fault.check, fault.told, told(&case));
    }
}

#[test]
fn each_check_has_a_fault_and_each_fault_a_check() {
    let checks: BTreeSet<&str> = TABLE.iter().map(|check| check.id).collect();
    let faults: BTreeSet<&str> = all().map(|fault| fault.check).collect();
    assert_eq!(checks.len(), TABLE.len(), "an id stands twice");
    assert_eq!(checks, faults);
}

#[test]
fn a_clean_source_has_only_notes() {
    let case = clean();
    let found = case.findings();
    assert!(found.iter().all(|one| one.severity == Severity::Note), "{}", told(&case));
    assert!(found.iter().all(|one| one.learnt != Learnt::NotLooked), "{}", told(&case));
}

#[test]
fn a_source_with_every_fault_tells_each_at_once_blockers_first() {
    let case = faulty();
    let found = case.findings();
    let mut severities: Vec<_> = found.iter().map(|one| one.severity).collect();
    severities.dedup();
    assert_eq!(severities, [Severity::Blocker, Severity::Warning, Severity::Note]);
    let checks: BTreeSet<&str> = found.iter().map(|one| one.check.as_str()).collect();
    for fault in all().filter(|fault| !fault.alone) {
        assert!(checks.contains(fault.check), "{} is silent:\n{}", fault.check, told(&case));
    }
    for one in &found {
        assert_eq!(one.severity == Severity::Blocker, one.code.is_some(), "{one:?}");
        assert!(!one.remedy.is_empty() || !one.why.is_empty(), "{one:?}");
        let line = |text: &str| !text.chars().any(char::is_control);
        assert!(line(&one.object) && line(&one.what), "{one:?}");
        assert!(one.what.len() < 400, "{one:?}");
    }
}

#[test]
fn what_could_not_be_looked_at_is_told_for_every_question() {
    for question in crate::question::ALL {
        let judged =
            !["connections", "tables", "schemas", "database_sizes"].contains(&question.name);
        let mut case = clean();
        case.refuses(question.name);
        let found = case.findings();
        let silent = found.iter().filter(|one| one.learnt == Learnt::NotLooked).count();
        assert_eq!(silent > 0, judged, "{}:\n{}", question.name, told(&case));
    }
}

#[test]
fn without_access_every_check_of_the_inside_is_named_as_not_looked() {
    let mut case = clean();
    case.inventory.answers.clear();
    case.spec.access = None;
    let found = case.findings();
    let silent: Vec<_> = found.iter().filter(|one| one.learnt == Learnt::NotLooked).collect();
    assert_eq!(silent.len(), 1, "{}", told(&case));
    for check in TABLE.iter().filter(|check| check.is_inside()) {
        assert!(
            silent[0].why.contains(&check.title.to_lowercase()),
            "{} in {:?}",
            check.id,
            silent[0]
        );
    }
}

#[test]
fn a_source_that_is_not_there_or_not_postgresql_stops_every_other_check() {
    let mut case = clean();
    "mysql".clone_into(&mut case.instance().engine);
    assert_eq!(case.findings().len(), 1);
    assert_eq!(case.findings()[0].code, Some(Code::SourceNotPostgres));
    case.inventory.instance = None;
    assert_eq!(case.findings()[0].code, Some(Code::SourceMissing));
}

#[test]
fn once_the_replica_is_there_quotas_and_the_race_are_over() {
    let mut case = faulty();
    let named = |case: &Case, check: &str| case.findings().iter().any(|one| one.check == check);
    assert!(named(&case, "storage.race") && named(&case, "account.quotas"));
    let fault = all().find(|fault| fault.check == "target.name").unwrap();
    (fault.put)(&mut case);
    assert!(!named(&case, "storage.race") && !named(&case, "account.quotas"));
}
