//! Purpose: the instances beside the target's writer, before services that only read need them.
//! Reads: the instances of the readers' names and their tags, the cluster's state.
//! Changes: CreateDBInstance in the cluster, all of them before the first is waited for.
//! Undo: refused; the target is the database.
//! If it dies here: some readers are there, with our tag; the next start makes the rest.

use landfall_core::action::{CloudAction, NewWriter};
use landfall_core::failure::Failure;
use landfall_core::ids::InstanceId;
use landfall_core::port::cloud::{Instance, ResourceState};
use landfall_core::{Code, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::{is_ours, name_taken, target};
use crate::step::{Look, Plan, Step};

/// The target's readers.
pub struct AddReaders;

/// The cluster's state, and the instance of each reader's name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: ResourceState,
    readers: Vec<(InstanceId, Option<Instance>)>,
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
        Ok(Seen { cluster, readers })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let other = |reader: &&Instance| {
            !is_ours(spec, &reader.tags) || reader.cluster.as_ref() != Some(&spec.target.cluster)
        };
        let found = || seen.readers.iter().filter_map(|(_, reader)| reader.as_ref());
        if let Some(taken) = found().find(other) {
            return Plan::blocked(name_taken(format!("instance {}", taken.id)));
        }
        let missing = || seen.readers.iter().filter(|(_, reader)| reader.is_none());
        if missing().next().is_some() && seen.cluster != ResourceState::Available {
            let why = format!("cluster {} to take a reader", spec.target.cluster);
            return Plan::wait(spec, why, seen.cluster.to_string());
        }
        let orders: Vec<_> = missing().map(|(id, _)| reader(spec, facts, id).into()).collect();
        if !orders.is_empty() {
            return Plan::Do(orders);
        }
        let waiting = || found().filter(|reader| reader.state != ResourceState::Available);
        let Some(first) = waiting().next() else { return Plan::Done };
        if let Some(failed) = waiting().find(|one| matches!(one.state, ResourceState::Failed(_))) {
            return Plan::blocked(Problem::new(
                Code::ResourceFailed,
                format!("reader {} is {}", failed.id, failed.state),
                "The target works without it. Delete that instance and run `landfall resume` to \
                 make it again.",
            ));
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
        Seen { cluster: ResourceState::Available, readers: readers.collect() }
    }

    fn planned(seen: &Seen) -> String {
        let plan = AddReaders.plan(&spec(), &Facts::default(), seen);
        if let Plan::Do(actions) = &plan {
            return actions.iter().map(|one| format!("{one};")).collect();
        }
        if let Plan::Wait(wait) = &plan {
            return format!("wait for {} ({})", wait.why, wait.reading);
        }
        if let Plan::Blocked(problem) = &plan {
            return format!("{:?} {}", problem.code, problem.primary);
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
        assert!(told.starts_with("ResourceFailed reader orders-aurora-3"), "{told}");
        let mut anothers = seen([Some(ResourceState::Available), None]);
        anothers.readers[0].1.as_mut().unwrap().tags.clear();
        assert!(planned(&anothers).starts_with("NameTaken instance orders-aurora-2"));
    }
}
