//! Parameter groups: making, changing and deleting them, and bringing values to the servers.
//!
//! A dynamic value set with `immediate` reaches the real servers at once; everything else waits
//! for a reboot, and the instances say so. What is in force on an instance is its own record
//! (`running`), never derived from the group, which may have changed since.

use std::collections::{BTreeMap, BTreeSet};

use super::Cloud;
use super::group::{ApplyMethod, Group, GroupKind, UserValue};
use super::instance::{ApplyStatus, Instance};
use super::names::Identifier;
use super::refusal::{Code, Refusal};
use super::world::World;
use crate::catalogue::parameters::{ApplyType, Editing};
use crate::catalogue::versions::Engine;

/// How many parameters one call may change.
const CHANGE_MAX: usize = 20;

/// One parameter of `ModifyDBParameterGroup`.
#[derive(Debug, Clone)]
pub struct ParameterChange {
    pub name: String,
    pub value: String,
    pub method: ApplyMethod,
}

impl Cloud {
    /// Makes a group without values of its own.
    pub fn create_group(
        &self,
        kind: GroupKind,
        name: &str,
        family: &str,
        description: &str,
    ) -> Result<Identifier, Refusal> {
        let name = Identifier::create(name)?;
        let engine = self.engine_of(kind, family)?;
        let mut world = self.world();
        let key = (kind, name.clone());
        if world.groups.contains_key(&key) {
            return Err(Refusal::new(
                Code::ParameterGroupAlreadyExists,
                format!("Parameter group {name} already exists"),
            ));
        }
        let group = Group {
            kind,
            name: name.clone(),
            engine,
            family: family.to_owned(),
            description: description.to_owned(),
            values: BTreeMap::new(),
        };
        world.groups.insert(key, group);
        Ok(name)
    }

    /// Deletes a group that nothing uses.
    pub fn delete_group(&self, kind: GroupKind, name: &Identifier) -> Result<(), Refusal> {
        let mut world = self.world();
        let group = world.group(kind, name)?;
        let state = |message: String| Err(Refusal::new(Code::InvalidParameterGroupState, message));
        if group.is_default() {
            return state(format!("Default parameter group {name} can't be deleted."));
        }
        let arn = group.arn();
        let by_cluster = kind == GroupKind::Cluster
            && world.clusters.values().any(|cluster| cluster.parameter_group == *name);
        if by_cluster || !world.users_of(kind, name).is_empty() {
            return state(format!("One or more database instances use parameter group {name}."));
        }
        world.groups.remove(&(kind, name.clone()));
        world.tags.remove(&arn);
        Ok(())
    }

    /// Sets values, all or none, and begins to bring them to the instances.
    pub fn modify_group(
        &self,
        kind: GroupKind,
        name: &Identifier,
        changes: &[ParameterChange],
    ) -> Result<(), Refusal> {
        let mut world = self.world();
        let checked = self.check_changes(world.group(kind, name)?, changes)?;
        let group = world.group_mut(kind, name)?;
        for change in changes {
            let value = UserValue { value: change.value.clone(), method: change.method };
            group.values.insert(change.name.to_ascii_lowercase(), value);
        }
        for id in world.users_of(kind, name) {
            if let Ok(instance) = world.instance_mut(&id) {
                begin(instance, kind, &checked);
            }
            if !checked.at_once.is_empty() {
                let (cloud, names) = (self.clone(), checked.at_once.clone());
                self.spawn(async move { cloud.bring(kind, id, names).await });
            }
        }
        Ok(())
    }

    /// The values that an instance starts with.
    pub(super) fn boot_values(&self, id: &Identifier) -> BTreeMap<String, String> {
        let instance = self.world().instance(id).ok().cloned();
        instance.map(|instance| self.values_of(&instance)).unwrap_or_default()
    }

    /// The same for an instance that the cloud does not have yet.
    pub fn values_of(&self, instance: &Instance) -> BTreeMap<String, String> {
        let values = self.world().user_values(instance);
        self.real_values(values.into_iter())
    }

    fn real_values(
        &self,
        values: impl Iterator<Item = (String, UserValue)>,
    ) -> BTreeMap<String, String> {
        values.filter_map(|(name, user)| self.parameters().real(&name, &user.value)).collect()
    }

    /// The engine of a family that groups of this kind can have.
    pub fn engine_of(&self, kind: GroupKind, family: &str) -> Result<Engine, Refusal> {
        let engines: &[Engine] = match kind {
            GroupKind::Instance => &[Engine::Aurora, Engine::Postgres],
            GroupKind::Cluster => &[Engine::Aurora],
        };
        engines
            .iter()
            .copied()
            .find(|engine| engine.family(self.version().major) == family)
            .ok_or_else(|| {
                Refusal::value(format!(
                    "ParameterGroupFamily {family} is not a valid parameter group family"
                ))
            })
    }

    fn check_changes(
        &self,
        group: &Group,
        changes: &[ParameterChange],
    ) -> Result<Checked, Refusal> {
        if group.is_default() {
            return Err(Refusal::new(
                Code::InvalidParameterGroupState,
                format!("The default parameter group {} cannot be modified.", group.name),
            ));
        }
        if changes.is_empty() || changes.len() > CHANGE_MAX {
            return Err(Refusal::value(format!(
                "A request may modify 1 to {CHANGE_MAX} parameters; it has {}.",
                changes.len()
            )));
        }
        let mut checked = Checked::default();
        for change in changes {
            let name = &change.name;
            let parameter = self.parameters().find(group.scope(), name).ok_or_else(|| {
                Refusal::value(format!("Could not find parameter with name: {name}"))
            })?;
            if parameter.editing == Editing::Locked {
                return Err(Refusal::value(format!("The parameter {name} cannot be modified.")));
            }
            parameter.check(&change.value)?;
            match (parameter.apply_type, change.method) {
                (ApplyType::Static, ApplyMethod::Immediate) => {
                    return Err(Refusal::combination(format!(
                        "cannot use immediate apply method for static parameter: {name}"
                    )));
                }
                (ApplyType::Dynamic, ApplyMethod::Immediate) => {
                    checked.at_once.insert(name.to_ascii_lowercase());
                }
                (_, ApplyMethod::PendingReboot) => checked.later = true,
            }
        }
        Ok(checked)
    }

    /// Brings dynamic values to one real server.
    async fn bring(&self, kind: GroupKind, id: Identifier, names: BTreeSet<String>) {
        tokio::time::sleep(self.delays().parameters).await;
        let (machine, running) = {
            let mut world = self.world();
            let Ok(instance) = world.instance(&id) else { return };
            let values = world.user_values(instance);
            let changed = values.into_iter().filter(|(name, _)| names.contains(name));
            let changed = self.real_values(changed);
            let Ok(instance) = world.instance_mut(&id) else { return };
            // A server that is down reads everything when it boots.
            let Some(machine) = instance.machine.clone().filter(|_| instance.status.is_up()) else {
                return;
            };
            instance.running.extend(changed);
            (machine, instance.running.clone())
        };
        if let Err(error) = machine.apply(&running).await {
            tracing::warn!(instance = %id, %error, "could not apply parameters");
        }
        settle(&mut self.world(), kind, &id);
    }
}

/// What a valid change asks for.
#[derive(Debug, Default)]
struct Checked {
    at_once: BTreeSet<String>,
    later: bool,
}

fn status_mut(instance: &mut Instance, kind: GroupKind) -> &mut ApplyStatus {
    match kind {
        GroupKind::Instance => &mut instance.parameter_group.status,
        GroupKind::Cluster => &mut instance.cluster_group_status,
    }
}

fn begin(instance: &mut Instance, kind: GroupKind, checked: &Checked) {
    let status = status_mut(instance, kind);
    if checked.later {
        *status = ApplyStatus::PendingReboot;
    } else if *status == ApplyStatus::InSync {
        *status = ApplyStatus::Applying;
    }
}

fn settle(world: &mut World, kind: GroupKind, id: &Identifier) {
    if let Ok(instance) = world.instance_mut(id) {
        let status = status_mut(instance, kind);
        if *status == ApplyStatus::Applying {
            *status = ApplyStatus::InSync;
        }
    }
}
