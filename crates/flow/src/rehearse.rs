//! The dry run: the whole table walked on a model made in the likeness of the real source.
//!
//! Nothing is touched. The calls are not written down a second time anywhere: they are what the
//! steps decide when they meet what has been read from the real world, so the dry run cannot
//! drift from the run. What it cannot know is what the world will do meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_core::experience::PastMove;
use landfall_core::facts::{ParameterVerdict, TargetFacts};
use landfall_core::failure::Failure;
use landfall_core::ids::MigrationName;
use landfall_core::journal::{Record, Request};
use landfall_core::port::cloud::GroupLevel;
use landfall_core::port::{Clock, Ports};
use landfall_core::problem::Writes;
use landfall_core::spec::{Approval, Approve, RetireSource};
use landfall_core::status::{Phase, Road, Run};
use landfall_core::{Problem, Spec};
use serde::{Deserialize, Serialize};

use crate::driver::{Driver, Gauge, Pace};
use crate::model::{Lane, Likeness, MemoryStore, TARGET_AT, World, run_to_end};
use crate::process::{self, Undo};
use crate::view::View;
use landfall_assess as assess;
use landfall_core::Finding;

/// One row of the table with the calls it would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowPlan {
    /// Phase.
    pub phase: Phase,
    /// Step id.
    pub step: String,
    /// What it does.
    pub title: String,
    /// The calls, in order.
    pub calls: Vec<String>,
    /// Who takes writes meanwhile.
    pub writes: Writes,
    /// What is safe if everything stops here.
    pub safe: String,
    /// What undo takes back, or keeps.
    pub undo: String,
    /// Whether a person is asked here.
    pub asks: bool,
}

/// A dry run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// All findings of the assessment.
    pub findings: Vec<Finding>,
    /// The target, when nothing blocks.
    pub target: Option<TargetFacts>,
    /// What becomes of each user-set parameter.
    pub parameters: Vec<ParameterVerdict>,
    /// Every row.
    pub rows: Vec<RowPlan>,
    /// What would stop the move, when something would.
    pub stops_at: Option<Problem>,
}

/// Reads the real world and walks the table on its likeness.
pub async fn rehearse(
    ports: &Ports<'_>,
    spec: &Spec,
    experience: Vec<PastMove>,
) -> Result<Rehearsal, Failure> {
    let mut survey = assess::collect(ports, spec).await?;
    survey.experience = experience;
    let findings = assess::findings(spec, &survey);
    let route = ports.router.view(&spec.route.service).await?.route;
    let family = survey
        .instance
        .as_ref()
        .and_then(|instance| assess::choose_version(spec, instance, &survey.versions))
        .map(|version| version.family.clone());
    let mut offer = BTreeMap::new();
    if let Some(family) = family {
        for level in [GroupLevel::Cluster, GroupLevel::Instance] {
            offer.insert(level, ports.cloud.default_parameters(level, &family).await?);
        }
    }
    let seen = Likeness { survey, route, offer };
    Ok(walk(spec, &seen, findings))
}

/// Walks the table on the likeness. Pure: the same reading gives the same plan.
pub fn walk(spec: &Spec, seen: &Likeness, findings: Vec<Finding>) -> Rehearsal {
    let world = World::in_the_likeness_of(spec, seen);
    let store = MemoryStore::default();
    let spec_of_model = without_people(spec);
    let name = &spec_of_model.migration.name;
    let ports = world.ports(&spec_of_model);
    let lane = async {
        let started = crate::start(&store, &world, spec_of_model.clone(), "the dry run").await;
        if started.is_ok() {
            let pace = Pace::new(Duration::from_secs(5));
            let gauge = UntilStopped { store: &store, name };
            let driver =
                Driver { ports, store: &store, holder: "the dry run", pace, gauge: &gauge };
            driver.run(name).await;
        }
    };
    let people = approve_everything(&store, &world, name);
    let lanes: Vec<Lane<'_>> = vec![Box::pin(lane), Box::pin(people)];
    run_to_end(&world, 0, Duration::from_hours(24 * 30), lanes);
    let view = View::fold(&store.entries(name)).ok().flatten();
    let stops_at = view.as_ref().and_then(|view| match &view.status.run {
        Run::NeedsHuman { problem } => Some(problem.clone()),
        Run::Running
        | Run::Waiting { .. }
        | Run::AwaitingApproval { .. }
        | Run::Paused { .. }
        | Run::Finished { .. } => None,
    });
    let facts = view.map(|view| view.facts);
    Rehearsal {
        findings,
        target: facts.as_ref().and_then(|facts| facts.target.clone()),
        parameters: facts.and_then(|facts| facts.parameters).unwrap_or_default(),
        rows: rows(spec, &store, name),
        stops_at,
    }
}

/// The dry run asks nobody; gates are marked in the rows instead.
fn without_people(spec: &Spec) -> Spec {
    let automatic = Approval::Automatic;
    let approve = Approve { backups: automatic, cutover: automatic, acceptance: automatic };
    let mut spec = Spec { approve, ..spec.clone() };
    // What the owner's tests find is not foreseen here.
    spec.smoke.clear();
    spec
}

/// Opens the gates that no policy opens: the model's people agree to everything.
async fn approve_everything(store: &MemoryStore, world: &World, name: &MigrationName) {
    loop {
        world.sleep(Duration::from_secs(1)).await;
        let view = View::fold(&store.entries(name)).ok().flatten();
        let Some(Run::AwaitingApproval { gate }) = view.map(|view| view.status.run) else {
            continue;
        };
        let (by, note) = ("the dry run".to_owned(), String::new());
        let approval = Request::Approve { gate, by, note };
        // Refused only when somebody was faster, and there is nobody else.
        let _ = crate::request(store, world, name, approval).await;
    }
}

/// Stops the driver at the first problem: nobody will come to mend a model.
struct UntilStopped<'a> {
    store: &'a MemoryStore,
    name: &'a MigrationName,
}

impl Gauge for UntilStopped<'_> {
    fn reading(&self, _: &MigrationName, _: &str) {}

    fn stop(&self) -> bool {
        let entries = self.store.entries(self.name);
        entries.last().is_some_and(|entry| matches!(entry.record, Record::Stopped { .. }))
    }
}

fn rows(spec: &Spec, store: &MemoryStore, name: &MigrationName) -> Vec<RowPlan> {
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in store.entries(name) {
        if let (Record::Intended { action, .. }, Some(step)) = (&entry.record, &entry.step) {
            let of_step = calls.entry(step.clone()).or_default();
            // The model's own address of a target that does not exist yet.
            let call = action.to_string().replace(&target_at(), "the target");
            if of_step.last() != Some(&call) {
                of_step.push(call);
            }
        }
    }
    process::table(Road::Physical)
        .iter()
        .map(|row| RowPlan {
            phase: row.phase,
            step: row.step.id().to_owned(),
            title: row.step.title().to_owned(),
            calls: calls.remove(row.step.id()).unwrap_or_default(),
            writes: row.writes,
            safe: row.safe.to_owned(),
            undo: undo_text(row.undo),
            asks: asks(spec, row.step.id()),
        })
        .collect()
}

fn target_at() -> String {
    format!("{}:{}", TARGET_AT.0, TARGET_AT.1)
}

/// What a row's undo does, in words.
pub fn undo_text(undo: Undo) -> String {
    match undo {
        Undo::Nothing => "nothing to undo".to_owned(),
        Undo::Reverts(what) | Undo::Keeps(what) => what.to_owned(),
        Undo::Refused => "refused".to_owned(),
    }
}

fn asks(spec: &Spec, step: &str) -> bool {
    match step {
        "prepare.approve_backups" => spec.approve.backups == Approval::Person,
        "replicate.approve_cutover" => spec.approve.cutover == Approval::Person,
        "soak.keep_fence" => spec.approve.acceptance == Approval::Person,
        "retire.approve_retirement" => spec.retire.source == RetireSource::SnapshotAndDelete,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Delays, Sabotage, example_spec};

    #[test]
    fn a_deletion_that_is_asked_for_is_shown() {
        let mut spec = example_spec();
        spec.retire.source = RetireSource::SnapshotAndDelete;
        let world = World::new(Delays::default(), Sabotage::None);
        let mut shown = None;
        let lane = async {
            shown = Some(rehearse(&world.ports(&spec), &spec, vec![]).await.unwrap());
        };
        run_to_end(&world, 1, Duration::from_hours(1), vec![Box::pin(lane)]);
        let shown = shown.unwrap();
        let last = shown.rows.last().unwrap();
        assert_eq!(last.calls.len(), 2, "{:?}", last.calls);
        assert!(last.calls[0].starts_with("CreateDBSnapshot"), "{:?}", last.calls);
        assert!(last.calls[1].starts_with("DeleteDBInstance orders-prod"), "{:?}", last.calls);
        let gate = shown.rows.iter().find(|row| row.step == "retire.approve_retirement").unwrap();
        assert!(gate.asks);
    }
}
