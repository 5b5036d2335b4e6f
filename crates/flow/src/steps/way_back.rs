//! What the steps of the way back share: whether it is wanted, what stands against it, and how a
//! move goes on without it.
//!
//! Nothing here orders anything. With `arm = "auto"` whatever stands against the way back is told
//! and closes it; with `"required"` it stops the move before the hold, and undoes it inside the
//! pause.

use std::collections::BTreeMap;

use landfall_core::facts::{Lost, WayBackPlan};
use landfall_core::failure::Failure;
use landfall_core::port::way_back::{Named, Room, Survey, WayBackName};
use landfall_core::spec::{ArmWayBack, WithoutIdentity};
use landfall_core::{Code, DatabaseName, Fact, Facts, Problem, Spec};

use crate::step::{Instead, Plan, Tried};

/// What the warning is about that there is, or will be, no way back.
pub(crate) const ABOUT: &str = "the way back";
/// What the warning is about that tells what a roll-back loses.
const LOSES: &str = "what does not flow back";

/// What every server was found to be, database by database.
pub(super) type Surveys = BTreeMap<DatabaseName, Survey>;

/// Under which name it stands.
pub(crate) fn name(spec: &Spec) -> WayBackName {
    WayBackName::of(&spec.migration.name)
}

/// Why this spec has none.
pub(super) fn ruled_out(spec: &Spec) -> Option<&'static str> {
    if spec.way_back.arm == ArmWayBack::Off {
        return Some("the spec says so (way_back.arm is off)");
    }
    spec.access.is_none().then_some("the spec gives no access ([access])")
}

/// Whether it is still to be armed, or armed.
pub(super) fn is_open(spec: &Spec, facts: &Facts) -> bool {
    ruled_out(spec).is_none() && facts.way_back.closed.is_none()
}

/// What it would carry and lose, and which tables stand against it.
pub(super) fn plan_of(spec: &Spec, surveys: &Surveys) -> WayBackPlan {
    let mut plan = WayBackPlan::default();
    for (database, survey) in surveys {
        let mut lost = Lost {
            unlogged: survey.unlogged.clone(),
            large_objects: survey.large_objects,
            ..Lost::default()
        };
        plan.carried = plan.carried.saturating_add(survey.carried);
        let bare = &survey.without_identity;
        match spec.way_back.tables_without_identity {
            _ if bare.is_empty() => {}
            WithoutIdentity::Refuse => plan.obstacles.push(without_identity(database, bare)),
            WithoutIdentity::Full => plan.carried = plan.carried.saturating_add(bare.count),
            WithoutIdentity::Lose => lost.tables = bare.clone(),
        }
        let told = survey.obstacles.iter().map(|one| format!("database {database}: {one}"));
        plan.obstacles.extend(told);
        if !lost.is_nothing() {
            plan.lost.insert(database.clone(), lost);
        }
    }
    plan
}

fn without_identity(database: &DatabaseName, bare: &Named) -> String {
    format!(
        "database {database}: {} without a replica identity: add a primary key, or choose \
         way_back.tables_without_identity = \"full\" or \"lose\"",
        listed(bare, ("table", "tables"))
    )
}

fn listed(named: &Named, (one, many): (&str, &str)) -> String {
    let word = if named.count == 1 { one } else { many };
    let names: Vec<&str> = named.names.iter().take(3).map(String::as_str).collect();
    let such = if named.count > 3 { "such as " } else { "" };
    format!("{} {word} ({such}{})", named.count, names.join(", "))
}

/// Room on the source, whose workers apply.
pub(super) fn lacks_of_source(room: &Room, databases: usize) -> Option<String> {
    let wanted = i64::try_from(databases).unwrap_or(i64::MAX);
    (room.apply_workers < wanted).then(|| {
        format!(
            "the source has room for {} apply workers, and the way back takes {wanted}, one for \
             each database: raise max_logical_replication_workers (and max_worker_processes) in \
             its parameter group, and reboot it",
            room.apply_workers
        )
    })
}

/// Room on the target as it runs, whose slots are streamed from.
pub(super) fn lacks_of_target(spec: &Spec, room: &Room, databases: usize) -> Vec<String> {
    let wanted = i64::try_from(databases).unwrap_or(i64::MAX);
    let group = spec.cluster_group();
    let mut lacks = Vec::new();
    if room.wal_level != "logical" {
        lacks.push(format!(
            "the target runs with wal_level {}: set rds.logical_replication to 1 in {group} and \
             reboot its writer",
            room.wal_level
        ));
    }
    for (free, what, parameter) in [
        (room.slots, "slots", "max_replication_slots"),
        (room.senders, "walsenders", "max_wal_senders"),
    ] {
        if free < wanted {
            lacks.push(format!(
                "the target has room for {free} {what}, and the way back takes {wanted}: raise \
                 {parameter} in {group} and reboot its writer"
            ));
        }
    }
    lacks
}

/// What is to be told of a plan before the hold, one after the other; `None` = all of it is.
pub(super) fn telling(facts: &Facts, found: &WayBackPlan) -> Option<Plan> {
    if facts.way_back.plan.as_ref() != Some(found) {
        return Some(Plan::Learn(Fact::WayBackPlanned(Box::new(found.clone()))));
    }
    let said = |about: &str| facts.warnings.get(about);
    if found.obstacles.is_empty() && said(ABOUT).is_some() {
        return Some(Plan::Learn(Fact::Relieved { about: ABOUT.to_owned() }));
    }
    let losing = losing(found);
    if losing.as_ref() == said(LOSES) {
        return None;
    }
    let about = LOSES.to_owned();
    Some(Plan::Learn(match losing {
        Some(text) => Fact::Warned { about, text },
        None => Fact::Relieved { about },
    }))
}

/// A sentence on what a roll-back would lose.
fn losing(found: &WayBackPlan) -> Option<String> {
    let of = |(database, lost): (&DatabaseName, &Lost)| {
        let mut parts = Vec::new();
        if !lost.tables.is_empty() {
            parts.push(listed(&lost.tables, ("table", "tables")) + " without a replica identity");
        }
        if !lost.unlogged.is_empty() {
            parts.push(listed(&lost.unlogged, ("unlogged table", "unlogged tables")));
        }
        if lost.large_objects > 0 {
            parts.push(format!("{} large objects", lost.large_objects));
        }
        format!("of database {database}: {}", parts.join(", "))
    };
    let all: Vec<String> = found.lost.iter().map(of).collect();
    (!all.is_empty())
        .then(|| format!("a roll-back would lose what is written to {}", all.join("; ")))
}

/// The warning of a move that goes on without.
pub(crate) fn warning(why: &str) -> String {
    format!("there is no way back after the release: {why}")
}

/// Says that something stands against it, and leaves it open: it may be mended before the hold.
pub(super) fn doubtful(spec: &Spec, facts: &Facts, why: &[String]) -> Option<Plan> {
    if why.is_empty() {
        return None;
    }
    if spec.way_back.arm == ArmWayBack::Required {
        return Some(Plan::blocked(problem(why)));
    }
    let text = warning(&why.join("; "));
    (facts.warnings.get(ABOUT) != Some(&text))
        .then(|| Plan::Learn(Fact::Warned { about: ABOUT.to_owned(), text }))
}

/// Goes on without it before the hold, or stops where it is required.
pub(super) fn close(spec: &Spec, facts: &Facts, why: &[String]) -> Plan {
    doubtful(spec, facts, why)
        .unwrap_or_else(|| Plan::Learn(Fact::WayBackClosed { why: why.join("; ") }))
}

/// The same inside the pause, where nobody waits for a person.
pub(super) fn close_in_the_pause(spec: &Spec, facts: &Facts, why: String) -> Plan {
    match spec.way_back.arm {
        ArmWayBack::Required => Plan::GiveUp(format!("the way back cannot be armed: {why}")),
        ArmWayBack::Auto | ArmWayBack::Off => close(spec, facts, &[why]),
    }
}

/// What becomes of a call that fails before the hold: only a required way back is worth a stop.
pub(super) fn instead(
    spec: &Spec,
    facts: &Facts,
    failure: &Failure,
    tried: Tried,
) -> Option<Instead> {
    let needed = spec.way_back.arm == ArmWayBack::Required;
    if needed || tried != Tried::InVain {
        return None;
    }
    Instead::of(close(spec, facts, &[told(failure)]))
}

/// A failure in words of an obstacle.
pub(super) fn told(failure: &Failure) -> String {
    format!("could not {}: {}", failure.what, failure.detail)
}

fn problem(why: &[String]) -> Problem {
    let first = why.first().map(String::as_str).unwrap_or_default();
    Problem::new(
        Code::WayBackBroken,
        format!("the way back is not whole: {first}"),
        "Mend what is named, then run `landfall resume`; or `landfall abort`, and start again \
         with way_back.arm = \"auto\" to go on without it.",
    )
    .detail(why.join("; "))
}
