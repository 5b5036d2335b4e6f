//! Where a move stands, as the API shows it: a journal's fold beside its process table.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use landfall_api::{
    Driven, LeaseView, Measured, MoveSummary, MoveView, PauseClock, PausedBy, Place, RowView,
    Waited, WaitingAt,
};
use landfall_core::journal::{Entry, Lease, Record, Request};
use landfall_core::problem::Writes;
use landfall_core::status::{Course, Line, Outcome, Run};
use landfall_core::{Sample, Series};
use landfall_flow::View;
use landfall_flow::process::{self, Row};

use crate::gate;

/// What the fold of the journal does not know.
pub(crate) struct Around {
    /// Steps that this attempt reached, taken back or not.
    pub(crate) reached: BTreeSet<String>,
    pub(crate) last_pause: Option<PausedBy>,
    pub(crate) now: Timestamp,
    pub(crate) lease: Option<Lease>,
    pub(crate) driven: Driven,
    pub(crate) reading: Option<String>,
    pub(crate) waiting: Vec<WaitingAt>,
    pub(crate) measured: BTreeMap<Series, Measured>,
}

/// The steps that the latest attempt reached on its way forward.
pub(crate) fn reached(entries: &[Entry]) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    for entry in entries {
        match &entry.record {
            Record::Started { .. } => reached.clear(),
            Record::Entered { course: Course::Doing, .. } => reached.extend(entry.step.clone()),
            Record::Entered { course: Course::Undoing, .. }
            | Record::Led { .. }
            | Record::Learned { .. }
            | Record::Intended { .. }
            | Record::Acted { .. }
            | Record::Waiting { .. }
            | Record::Completed { .. }
            | Record::GateOpened { .. }
            | Record::Requested { .. }
            | Record::Returned { .. }
            | Record::Stopped { .. }
            | Record::Finished { .. } => {}
        }
    }
    reached
}

/// Who paused the move last, when and why.
pub(crate) fn last_pause(entries: &[Entry]) -> Option<PausedBy> {
    entries.iter().rev().find_map(|entry| {
        let Record::Requested { request: Request::Pause { by, why } } = &entry.record else {
            return None;
        };
        Some(PausedBy { by: by.clone(), at: entry.at, why: why.clone() })
    })
}

/// One line.
pub(crate) fn summary(view: &View) -> MoveSummary {
    MoveSummary {
        name: view.name.clone(),
        source: view.spec.source.instance.clone(),
        target: view.spec.target.cluster.clone(),
        status: view.status.clone(),
        writes: writes(view),
        updated_at: view.updated_at,
    }
}

/// Everything.
pub(crate) fn whole(view: View, around: Around) -> MoveView {
    let row = here(&view);
    let title = row.map_or_else(String::new, |row| row.step.title().to_owned());
    let safe = row.map_or("Nothing has been changed yet.", |row| row.safe);
    MoveView {
        writes: writes(&view),
        safe: finished(&view).unwrap_or(safe).to_owned(),
        waited: waited(&view, around.reading),
        gate: gate::gate(&view, &title),
        paused: around.last_pause.filter(|_| matches!(view.status.run, Run::Paused { .. })),
        pause: view.facts.held_since.map(|since| PauseClock {
            since,
            until: view.facts.released_at,
            budget_ms: u64::try_from(view.spec.pause_budget().as_millis()).unwrap_or(u64::MAX),
        }),
        waiting: around.waiting,
        measured: around.measured,
        lease: around.lease.filter(|lease| lease.until > around.now).map(|lease| LeaseView {
            holder: lease.holder,
            epoch: lease.epoch,
            until: lease.until,
        }),
        driven: around.driven,
        rows: rows(&view, &around.reached),
        title,
        now: around.now,
        name: view.name,
        status: view.status,
        facts: view.facts,
        spec: view.spec,
        started_at: view.started_at,
        entered_at: view.entered_at,
        updated_at: view.updated_at,
        last: view.last,
    }
}

/// A series from an instant on, in short.
pub(crate) fn measured(samples: &[Sample], from: Timestamp) -> Option<Measured> {
    let of = || samples.iter().filter(|sample| sample.at >= from);
    let newest = of().next_back()?;
    let total = of().map(|sample| sample.average * f64::from(sample.count)).sum();
    let maximum = of().map(|sample| sample.maximum).fold(f64::MIN, f64::max);
    Some(Measured { newest: newest.average, at: newest.until, maximum, total })
}

fn here(view: &View) -> Option<&'static Row> {
    process::walked(&view.status).iter().find(|row| row.step.id() == view.status.step)
}

fn finished(view: &View) -> Option<&'static str> {
    match &view.status.run {
        Run::Finished { outcome: Outcome::Moved } => {
            Some("The move is over; the target is the database.")
        }
        Run::Finished { outcome: Outcome::Undone } => {
            Some("The move was undone; the source is the database, as before.")
        }
        Run::Finished { outcome: Outcome::RolledBack } => Some(
            "The move was rolled back; the source is the database, and the target is kept, fenced.",
        ),
        Run::Running
        | Run::Waiting { .. }
        | Run::AwaitingApproval { .. }
        | Run::NeedsHuman { .. }
        | Run::Paused { .. } => None,
    }
}

/// Who takes writes: the row says, but before its intent the release has not happened.
pub(crate) fn writes(view: &View) -> Writes {
    match &view.status.run {
        Run::Finished { outcome: Outcome::Moved } => return Writes::Target,
        Run::Finished { outcome: Outcome::Undone | Outcome::RolledBack } => return Writes::Source,
        Run::NeedsHuman { problem } => {
            if let Some(writes) = problem.writes {
                return writes;
            }
        }
        Run::Running | Run::Waiting { .. } | Run::AwaitingApproval { .. } | Run::Paused { .. } => {}
    }
    let at_first = match view.status.line {
        Line::Migrate => Writes::Source,
        Line::Reverse => Writes::Target,
    };
    here(view).map_or(at_first, |row| process::writes(row, &view.status))
}

fn waited(view: &View, reading: Option<String>) -> Option<Waited> {
    let Run::Waiting { why, since, deadline } = &view.status.run else { return None };
    let reading = reading.unwrap_or_default();
    Some(Waited { why: why.clone(), reading, since: *since, deadline: *deadline })
}

fn rows(view: &View, reached: &BTreeSet<String>) -> Vec<RowView> {
    process::walked(&view.status).iter().map(|row| one_row(view, row, reached)).collect()
}

/// The API's word for a row's window.
pub(crate) fn window(window: process::Window) -> landfall_api::Window {
    match window {
        process::Window::Outside => landfall_api::Window::Outside,
        process::Window::Pause => landfall_api::Window::Pause,
    }
}

fn one_row(view: &View, row: &Row, reached: &BTreeSet<String>) -> RowView {
    let id = row.step.id();
    let completed_at = view.completed.get(id).copied();
    let undoing = view.status.course == Course::Undoing;
    let over = view.status.is_finished();
    let place = match (completed_at, id == view.status.step) {
        (_, true) if !over => Place::Here,
        (Some(_), _) if !(over && undoing) => Place::Done,
        _ if undoing && reached.contains(id) => Place::Undone,
        _ => Place::Ahead,
    };
    RowView {
        phase: row.phase,
        id: id.to_owned(),
        title: row.step.title().to_owned(),
        place,
        completed_at,
        window: window(row.window),
        commitment: row.commitment,
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::journal::RECORD_VERSION;
    use landfall_core::port::router::{RouterAbility, Sessions};
    use landfall_core::status::{Phase, Road};
    use landfall_core::{Epoch, Fact, MigrationName, Seq};

    use super::*;

    const SPEC: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
[route]
service = "orders"
[cutover]
quarantine_group = "sg-source"
"#;

    fn entries(records: Vec<(Option<&str>, Record)>) -> Vec<Entry> {
        let spec = Box::new(landfall_core::spec::parse(SPEC).unwrap());
        let started = Record::Started {
            road: Road::Physical,
            spec,
            by: "ann".to_owned(),
            experience: vec![],
        };
        [(None, started)]
            .into_iter()
            .chain(records)
            .zip(1..)
            .map(|((step, record), seq)| Entry {
                migration: MigrationName::new("orders"),
                seq: Seq(seq),
                epoch: Epoch(1),
                at: Timestamp::UNIX_EPOCH,
                step: step.map(ToOwned::to_owned),
                record,
                version: RECORD_VERSION,
            })
            .collect()
    }

    fn fold(records: Vec<(Option<&str>, Record)>) -> View {
        View::fold(&entries(records)).unwrap().unwrap()
    }

    fn entered(phase: Phase, course: Course) -> Record {
        Record::Entered { phase, course }
    }

    fn done() -> Record {
        Record::Completed { seen: serde_json::Value::Null }
    }

    fn shown(records: Vec<(Option<&str>, Record)>) -> MoveView {
        let (now, driven) = (Timestamp::UNIX_EPOCH, Driven::No);
        let entries = entries(records);
        let view = View::fold(&entries).unwrap().unwrap();
        let (reached, last_pause) = (reached(&entries), last_pause(&entries));
        let (lease, reading, waiting) = (None, None, Vec::new());
        let measured = BTreeMap::new();
        whole(view, Around { reached, last_pause, now, lease, driven, reading, waiting, measured })
    }

    #[test]
    fn a_move_that_has_just_started_has_everything_ahead() {
        let shown = shown(vec![]);
        assert_eq!(shown.writes, Writes::Source);
        assert!(shown.rows.iter().all(|row| row.place == Place::Ahead));
    }

    #[test]
    fn rows_are_done_here_and_ahead() {
        let first = "prepare.assess_source";
        let (second, third) = ("prepare.record_baseline", "prepare.approve_backups");
        let shown = shown(vec![
            (Some(first), entered(Phase::Prepare, Course::Doing)),
            (Some(first), done()),
            (Some(second), entered(Phase::Prepare, Course::Doing)),
            (Some(second), done()),
            (Some(third), entered(Phase::Prepare, Course::Doing)),
            (Some(third), Record::GateOpened { gate: "approve_backups".to_owned() }),
        ]);
        let places: Vec<Place> = shown.rows.iter().take(4).map(|row| row.place).collect();
        assert_eq!(places, [Place::Done, Place::Done, Place::Here, Place::Ahead]);
        let gate = shown.gate.unwrap();
        assert_eq!(gate.name, "approve_backups");
        assert!(gate.check.iter().any(|line| line.contains("orders-prod")), "{gate:?}");
    }

    #[test]
    fn before_its_intent_the_release_has_not_happened() {
        let step = "cutover.release_traffic";
        let records = vec![(Some(step), entered(Phase::Cutover, Course::Doing))];
        assert_eq!(shown(records).writes, Writes::Nobody);
    }

    #[test]
    fn an_aborted_move_shows_what_is_taken_back() {
        let (first, second) = ("prepare.assess_source", "prepare.record_baseline");
        let abort = Request::Abort { by: "ann".to_owned(), why: "enough".to_owned() };
        let shown = shown(vec![
            (Some(first), entered(Phase::Prepare, Course::Doing)),
            (Some(first), done()),
            (Some(second), entered(Phase::Prepare, Course::Doing)),
            (Some(second), Record::Requested { request: abort }),
            (Some(second), entered(Phase::Prepare, Course::Undoing)),
            (Some(second), done()),
            (Some(first), entered(Phase::Prepare, Course::Undoing)),
        ]);
        let places: Vec<Place> = shown.rows.iter().take(3).map(|row| row.place).collect();
        assert_eq!(
            places,
            [Place::Here, Place::Undone, Place::Ahead],
            "the third was never reached"
        );
    }

    #[test]
    fn the_end_says_who_is_the_database() {
        let finished = Record::Finished { outcome: Outcome::Undone };
        let undone = shown(vec![(None, finished)]);
        assert_eq!(undone.writes, Writes::Source);
        assert!(undone.safe.contains("undone"), "{}", undone.safe);
    }

    #[test]
    fn the_gate_says_what_a_gateway_cannot_do() {
        let at_the_gate = |ability: Option<RouterAbility>| {
            let step = "replicate.approve_cutover";
            let learned = ability.map(|ability| {
                (Some(step), Record::Learned { fact: Box::new(Fact::Gateway(ability)) })
            });
            let mut records = vec![(Some(step), entered(Phase::Replicate, Course::Doing))];
            records.extend(learned);
            records.push((Some(step), Record::GateOpened { gate: "approve_cutover".to_owned() }));
            gate::gate(&fold(records), "x").unwrap().check.join(" ")
        };
        assert!(at_the_gate(None).contains("connections will wait at the gateway"));
        let (holds_at_most, sessions) = (None, Sessions::Kept);
        let told = at_the_gate(Some(RouterAbility { holds: false, holds_at_most, sessions }));
        assert!(told.contains("or fail where it cannot hold"), "{told}");
        assert!(told.contains("gives its sessions on the source back"), "{told}");
    }

    #[test]
    fn every_gate_of_the_table_says_what_to_look_at() {
        for gate in ["approve_backups", "approve_cutover", "accept", "approve_retirement"] {
            let step = "soak.keep_fence";
            let view = fold(vec![
                (Some(step), entered(Phase::Soak, Course::Doing)),
                (Some(step), Record::GateOpened { gate: gate.to_owned() }),
            ]);
            assert!(!gate::gate(&view, "x").unwrap().check.is_empty(), "{gate}");
        }
    }
}
