//! Purpose: Aurora groups, at both levels, that say what the source's group says.
//! Reads: the source's user-set parameters, Aurora's offer, our groups and their values; where a
//!   way back is wanted, how many databases and slots the source has.
//! Changes: creates two parameter groups and sets values, twenty a call.
//! Undo: deletes both, unless a promoted target still wears them.
//! If it dies here: groups half filled; the next start compares and sets what is missing.

use std::pin::pin;

use futures_util::future::try_join;
use landfall_core::action::{CloudAction, ParameterChange};
use landfall_core::facts::ParameterVerdict;
use landfall_core::failure::Failure;
use landfall_core::ids::ParameterGroupName;
use landfall_core::port::cloud::{GroupLevel, Parameter, ParameterGroup};
use landfall_core::{Action, Course, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{is_ours, name_taken, source, source_endpoint, way_back};
use crate::step::{Look, Plan, Step};
use landfall_assess::parameters::{self, Classes, Offer};

const BATCH: usize = 20;
const LEVELS: [GroupLevel; 2] = [GroupLevel::Cluster, GroupLevel::Instance];

/// Both groups.
pub struct TranslateParameters;

/// One level as it is and as it should be.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LevelSeen {
    level: GroupLevel,
    group: Option<ParameterGroup>,
    missing: Vec<ParameterChange>,
}

/// What was read.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    verdicts: Vec<ParameterVerdict>,
    levels: Vec<LevelSeen>,
    /// A promoted cluster wears the groups: they stay with it.
    promoted: bool,
}

impl Step for TranslateParameters {
    const ID: &'static str = "prepare.translate_parameters";
    const TITLE: &'static str = "Translate the parameter group for Aurora";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cloud = look.ports.cloud;
        let family = family(look.facts);
        let offer = Offer::new(
            cloud.default_parameters(GroupLevel::Cluster, &family).await?,
            cloud.default_parameters(GroupLevel::Instance, &family).await?,
        );
        let instance = source(look).await?;
        let mut verdicts = match instance.parameter_group {
            Some(group) => {
                let set = cloud.parameters(GroupLevel::Instance, &group.name).await?;
                let target = look.facts.target.as_ref().map(|target| target.class.clone());
                let classes =
                    Classes { source: instance.class, target: target.unwrap_or_default() };
                parameters::translate(&set, &offer, &classes)
            }
            None => vec![],
        };
        if let Some(places) = places(look).await? {
            verdicts = parameters::with_way_back(verdicts, &offer, places);
        }
        let mut levels = Vec::new();
        for level in LEVELS {
            let name = group_name(look.spec, level);
            let group = cloud.parameter_group(level, &name).await?;
            let have = match &group {
                Some(_) => cloud.parameters(level, &name).await?,
                None => vec![],
            };
            let missing = missing(parameters::changes(&verdicts, &offer, level), &have);
            levels.push(LevelSeen { level, group, missing });
        }
        let cluster = cloud.cluster(&look.spec.target.cluster).await?;
        let promoted =
            cluster.is_some_and(|c| is_ours(look.spec, &c.tags) && c.replicates_from.is_none());
        Ok(Seen { verdicts, levels, promoted })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.parameters.as_ref() != Some(&seen.verdicts) {
            return Plan::Learn(Fact::Parameters { verdicts: seen.verdicts.clone() });
        }
        if let Some(taken) = seen.levels.iter().find_map(|level| foreign(spec, level)) {
            return Plan::blocked(name_taken(format!("parameter group {taken}")));
        }
        let actions: Vec<Action> =
            seen.levels.iter().flat_map(|level| actions(spec, facts, level)).collect();
        if actions.is_empty() { Plan::Done } else { Plan::Do(actions) }
    }

    fn undo(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        if seen.promoted {
            return Plan::Done;
        }
        let ours = |level: &&LevelSeen| {
            level.group.as_ref().is_some_and(|group| is_ours(spec, &group.tags))
        };
        match seen.levels.iter().find(ours) {
            Some(level) => Plan::act(CloudAction::DeleteParameterGroup {
                level: level.level,
                name: group_name(spec, level.level),
            }),
            None => Plan::Done,
        }
    }
}

/// The databases that a way back takes a slot for, and the logical slots that the source has: none
/// where there is no way back.
async fn places(look: &Look<'_>) -> Result<Option<(u64, u64)>, Failure> {
    let wanted = look.course == Course::Doing && way_back::ruled_out(look.spec).is_none();
    let (Some(database), Some(at)) = (look.ports.database, source_endpoint(look.facts)) else {
        return Ok(None);
    };
    if !wanted {
        return Ok(None);
    }
    let (databases, slots) =
        try_join(pin!(database.databases(at)), pin!(database.slots(at))).await?;
    let logical = slots.iter().filter(|slot| slot.plugin.is_some()).count();
    Ok(Some((databases.len() as u64, logical as u64)))
}

fn family(facts: &Facts) -> String {
    facts.target.as_ref().map(|target| target.family.clone()).unwrap_or_default()
}

fn group_name(spec: &Spec, level: GroupLevel) -> ParameterGroupName {
    match level {
        GroupLevel::Cluster => spec.cluster_group(),
        GroupLevel::Instance => spec.instance_group(),
    }
}

fn missing(wanted: Vec<ParameterChange>, have: &[Parameter]) -> Vec<ParameterChange> {
    let stands = |change: &ParameterChange| {
        have.iter().any(|p| p.name == change.name && p.value.as_deref() == Some(&change.value))
    };
    wanted.into_iter().filter(|change| !stands(change)).collect()
}

fn foreign(spec: &Spec, level: &LevelSeen) -> Option<ParameterGroupName> {
    let group = level.group.as_ref()?;
    (!is_ours(spec, &group.tags)).then(|| group.name.clone())
}

fn actions(spec: &Spec, facts: &Facts, seen: &LevelSeen) -> Vec<Action> {
    let name = group_name(spec, seen.level);
    let mut actions: Vec<Action> = Vec::new();
    if seen.group.is_none() {
        let (level, family) = (seen.level, family(facts));
        let create = CloudAction::CreateParameterGroup { level, name: name.clone(), family };
        actions.push(create.into());
    }
    for batch in seen.missing.chunks(BATCH) {
        let (level, changes) = (seen.level, batch.to_vec());
        actions.push(CloudAction::SetParameters { level, name: name.clone(), changes }.into());
    }
    actions
}
