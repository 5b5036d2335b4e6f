//! Purpose: the instances beside the target's writer, before services that only read need them.
//! Reads: the instances of the readers' names and their tags, the cluster's state.
//! Changes: CreateDBInstance in the cluster, all of them before the first is waited for.
//! Undo: refused; the target is the database.
//! If it dies here: some readers are there, with our tag; the next start makes the rest.

use jiff::Timestamp;
use landfall_core::action::{CloudAction, NewWriter};
use landfall_core::failure::Failure;
use landfall_core::ids::InstanceId;
use landfall_core::port::cloud::{Instance, ResourceState};
use landfall_core::quantity::duration_text;
use landfall_core::{Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{is_ours, target};
use crate::step::{Look, Plan, Step, elapsed};

/// The target's readers.
pub struct AddReaders;

/// The cluster's state, and the instance of each reader's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: ResourceState,
    readers: Vec<(InstanceId, Option<Instance>)>,
    #[serde(default)]
    since: Timestamp,
    #[serde(default)]
    now: Timestamp,
}

fn about(id: &InstanceId) -> String {
    format!("reader {id}")
}

/// Nobody's data depends on a reader, and the fence is watched behind this step.
fn told_once(id: &InstanceId, what: String) -> Plan {
    let text = format!("reader {id} is yours to see to: {what}");
    Plan::Learn(Fact::Warned { about: about(id), text })
}

impl Step for AddReaders {
    const ID: &'static str = "verify.add_readers";
    const TITLE: &'static str = "Create the target's readers";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cluster = target(look).await?.state;
        let mut readers = Vec::new();
        for id in look.spec.members().skip(1) {
            let instance = look.ports.cloud.instance(&id).await?;
            readers.push((id, instance));
        }
        Ok(Seen { cluster, readers, since: look.entered_at, now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let other = |reader: &&Instance| {
            !is_ours(spec, &reader.tags) || reader.cluster.as_ref() != Some(&spec.target.cluster)
        };
        let found = || seen.readers.iter().filter_map(|(_, reader)| reader.as_ref());
        let told = |id: &InstanceId| facts.warnings.contains_key(&about(id));
        if let Some(taken) = found().find(|one| other(one) && !told(&one.id)) {
            return told_once(&taken.id, "that instance exists and is not this move's".to_owned());
        }
        let ours = || found().filter(|one| !other(one));
        // What was refused is told, and left to a person: the database is there without readers.
        let left = |id: &InstanceId| {
            told(id) || facts.warnings.contains_key(&reader(spec, facts, id).to_string())
        };
        let missing = || seen.readers.iter().filter(|(id, reader)| reader.is_none() && !left(id));
        if missing().next().is_some() && seen.cluster != ResourceState::Available {
            let why = format!("cluster {} to take a reader", spec.target.cluster);
            return Plan::wait(spec, why, seen.cluster.to_string());
        }
        let orders: Vec<_> = missing().map(|(id, _)| reader(spec, facts, id).into()).collect();
        if !orders.is_empty() {
            return Plan::Do(orders);
        }
        let unready = |one: &&Instance| one.state != ResourceState::Available && !told(&one.id);
        let waiting = || ours().filter(unready);
        let Some(first) = waiting().next() else { return Plan::Done };
        if let Some(failed) = waiting().find(|one| matches!(one.state, ResourceState::Failed(_))) {
            return told_once(&failed.id, format!("it is {}", failed.state));
        }
        if elapsed(seen.since, seen.now) >= spec.limits.step_within {
            let patience = duration_text::to_text(spec.limits.step_within);
            return told_once(&first.id, format!("it is {} after {patience}", first.state));
        }
        let states: Vec<_> = waiting().map(|one| format!("{} {}", one.id, one.state)).collect();
        Plan::wait(spec, format!("reader {} to be available", first.id), states.join(", "))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

fn reader(spec: &Spec, facts: &Facts, id: &InstanceId) -> CloudAction {
    CloudAction::CreateReader(NewWriter {
        instance: id.clone(),
        cluster: spec.target.cluster.clone(),
        class: facts.target.as_ref().map(|t| t.class.clone()).unwrap_or_default(),
        parameter_group: spec.instance_group(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{World, example_spec};

    fn spec() -> Spec {
        let mut spec = example_spec();
        spec.target.readers = 2;
        spec
    }

    fn seen(states: [Option<ResourceState>; 2]) -> Seen {
        let spec = spec();
        let readers = spec.members().skip(1).zip(states).map(|(id, state)| {
            let reader = state.map(|state| {
                let mut reader = World::example_pair().0;
                reader.id = id.clone();
                reader.cluster = Some(spec.target.cluster.clone());
                reader.tags = [("landfall:migration".to_owned(), "orders".to_owned())].into();
                reader.state = state;
                reader
            });
            (id, reader)
        });
        let (since, now) = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        Seen { cluster: ResourceState::Available, readers: readers.collect(), since, now }
    }

    fn planned(seen: &Seen) -> String {
        let plan = AddReaders.plan(&spec(), &Facts::default(), seen);
        if let Plan::Do(actions) = &plan {
            return actions.iter().map(|one| format!("{one};")).collect();
        }
        if let Plan::Wait(wait) = &plan {
            return format!("wait for {} ({})", wait.why, wait.reading);
        }
        if let Plan::Learn(Fact::Warned { about, text }) = &plan {
            return format!("{about}: {text}");
        }
        format!("{plan:?}")
    }

    #[test]
    fn all_are_ordered_before_one_is_waited_for() {
        assert_eq!(
            planned(&seen([None, None])),
            "CreateDBInstance orders-aurora-2  in orders-aurora;\
             CreateDBInstance orders-aurora-3  in orders-aurora;"
        );
        let creating = || Some(ResourceState::Busy("creating".to_owned()));
        let up = || Some(ResourceState::Available);
        let told = planned(&seen([creating(), None]));
        assert_eq!(told, "CreateDBInstance orders-aurora-3  in orders-aurora;");
        assert_eq!(
            planned(&seen([up(), creating()])),
            "wait for reader orders-aurora-3 to be available (orders-aurora-3 creating)"
        );
        assert_eq!(planned(&seen([up(), up()])), "Done");
    }

    #[test]
    fn a_busy_cluster_a_failed_reader_and_anothers_name_are_told() {
        let mut busy = seen([None, None]);
        busy.cluster = ResourceState::Busy("modifying".to_owned());
        let told = planned(&busy);
        assert_eq!(told, "wait for cluster orders-aurora to take a reader (modifying)");
        let failed = Some(ResourceState::Failed("incompatible-parameters".to_owned()));
        let told = planned(&seen([Some(ResourceState::Available), failed]));
        let expected = "reader orders-aurora-3 is yours to see to: it is incompatible-parameters";
        assert!(told.ends_with(expected), "{told}");
        let mut anothers = seen([Some(ResourceState::Available), None]);
        anothers.readers[0].1.as_mut().unwrap().tags.clear();
        let told = planned(&anothers);
        assert!(told.ends_with("that instance exists and is not this move's"), "{told}");
        let mut slow = seen([Some(ResourceState::Available), Some(ResourceState::Deleting)]);
        slow.now = Timestamp::from_second(1_800).unwrap();
        let told = planned(&slow);
        assert!(told.ends_with("it is deleting after 5m"), "{told}");
    }
}
