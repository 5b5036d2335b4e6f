//! `ModifyDBInstance` and `ModifyDBCluster`.
//!
//! A change is checked as a whole, accepted, and then comes into force piece by piece: security
//! groups as soon as possible whatever `ApplyImmediately` says, a parameter group at the next
//! reboot, the rest now or in a maintenance window that the lab never opens by itself.

use std::collections::BTreeSet;

use super::Cloud;
use super::cluster::ClusterStatus;
use super::creation::{check_certificate, check_class, check_storage, cluster_group};
use super::event::Origin;
use super::group::GroupKind;
use super::instance::{
    ApplyStatus, Instance, InstanceStatus, Pending, Switch, SwitchChange, apply_switches,
};
use super::names::Identifier;
use super::refusal::{Code, Refusal};
use super::security::{begin, settle};
use super::world::World;
use crate::catalogue::versions::{Engine, Version};

/// When the parts that may interrupt come into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Timing {
    #[default]
    InTheWindow,
    Immediately,
}

/// `ModifyDBInstance`, parsed.
#[derive(Debug, Clone, Default)]
pub struct InstanceChange {
    pub timing: Timing,
    pub security_groups: Option<Vec<String>>,
    pub parameter_group: Option<String>,
    pub retention_days: Option<u32>,
    pub class: Option<String>,
    pub storage_gib: Option<u32>,
    pub storage_kind: Option<String>,
    pub iops: Option<u32>,
    pub max_storage_gib: Option<u32>,
    pub domain: Option<String>,
    pub options: Option<String>,
    pub version: Option<String>,
    pub password: Option<String>,
    pub certificate: Option<String>,
    pub promotion_tier: Option<u32>,
    pub backup_window: Option<String>,
    pub maintenance_window: Option<String>,
    pub switches: SwitchChange,
    pub logs_on: BTreeSet<String>,
    pub logs_off: BTreeSet<String>,
}

/// `ModifyDBCluster`, parsed.
#[derive(Debug, Clone, Default)]
pub struct ClusterChange {
    pub security_groups: Option<Vec<String>>,
    pub parameter_group: Option<String>,
    pub retention_days: Option<u32>,
    pub version: Option<String>,
    pub password: Option<String>,
    pub backup_window: Option<String>,
    pub maintenance_window: Option<String>,
    pub switches: SwitchChange,
    pub logs_on: BTreeSet<String>,
    pub logs_off: BTreeSet<String>,
    pub serverless: Option<(String, String)>,
}

impl Cloud {
    /// Accepts a change of an instance.
    pub fn modify_instance(&self, id: &Identifier, change: InstanceChange) -> Result<(), Refusal> {
        let mut world = self.world();
        world.available_instance(id)?;
        check_instance_change(&world, id, &change)?;
        let group = change.parameter_group.as_deref().map(Identifier::lookup);
        let instance = world.instance_mut(id)?;
        change_at_once(instance, &change);
        if let Some(name) = group {
            instance.parameter_group.name = name;
            instance.parameter_group.status = ApplyStatus::Applying;
            let (cloud, id) = (self.clone(), id.clone());
            self.spawn(async move { cloud.attach_group(&id).await });
        }
        if let Some(ids) = &change.security_groups {
            begin(&mut instance.memberships, ids);
            let (cloud, id) = (self.clone(), id.clone());
            self.spawn(async move { cloud.settle_instance_groups(&id).await });
        }
        let waits = instance.pending != Pending::default();
        if waits && change.timing == Timing::Immediately {
            let (cloud, id) = (self.clone(), id.clone());
            self.spawn(async move { cloud.apply_pending(&id).await });
        }
        if let Some(password) = change.password {
            let (cloud, id) = (self.clone(), id.clone());
            self.spawn(async move { cloud.reset_password(&id, &password).await });
        }
        Ok(())
    }

    /// Accepts a change of a cluster.
    pub fn modify_cluster(&self, id: &Identifier, change: ClusterChange) -> Result<(), Refusal> {
        let mut world = self.world();
        let version = world.available_cluster(id)?.version;
        check_cluster_change(&world, version, &change)?;
        let family = Engine::Aurora.family(version.major);
        let group = match change.parameter_group.as_deref() {
            Some(name) => Some(cluster_group(&world, Some(name), &family)?),
            None => None,
        };
        let cluster = world.cluster_mut(id)?;
        apply_switches(&mut cluster.switches, &change.switches);
        cluster.log_exports.extend(change.logs_on);
        cluster.log_exports.retain(|log| !change.logs_off.contains(log));
        replace(&mut cluster.retention_days, change.retention_days);
        replace(&mut cluster.windows.backup, change.backup_window);
        replace(&mut cluster.windows.maintenance, change.maintenance_window);
        if change.serverless.is_some() {
            cluster.serverless = change.serverless;
        }
        if let Some(ids) = &change.security_groups {
            begin(&mut cluster.memberships, ids);
            let (cloud, id) = (self.clone(), id.clone());
            self.spawn(async move { cloud.settle_cluster_groups(&id).await });
        }
        if let Some(group) = group {
            cluster.parameter_group = group;
            for member in cluster.members.clone() {
                world.instance_mut(&member)?.cluster_group_status = ApplyStatus::PendingReboot;
            }
        }
        if let Some(password) = change.password {
            let (cloud, id) = (self.clone(), id.clone());
            self.spawn(async move { cloud.reset_cluster_password(&id, &password).await });
        }
        Ok(())
    }

    async fn attach_group(&self, id: &Identifier) {
        tokio::time::sleep(self.delays().parameters).await;
        let mut world = self.world();
        let Ok(instance) = world.instance_mut(id) else { return };
        instance.parameter_group.status = ApplyStatus::PendingReboot;
        let message = format!("Updated to use DBParameterGroup {}", instance.parameter_group.name);
        world.note(Origin::Instance, id, "configuration change", message);
    }

    async fn settle_instance_groups(&self, id: &Identifier) {
        tokio::time::sleep(self.delays().security_groups).await;
        let mut world = self.world();
        let Ok(instance) = world.instance_mut(id) else { return };
        settle(&mut instance.memberships);
        let memberships = instance.memberships.clone();
        let machine = instance.machine.clone();
        if let Some(machine) = machine {
            machine.admit(world.security.admitted(&memberships));
        }
    }

    async fn settle_cluster_groups(&self, id: &Identifier) {
        tokio::time::sleep(self.delays().security_groups).await;
        let mut world = self.world();
        let Ok(cluster) = world.cluster_mut(id) else { return };
        settle(&mut cluster.memberships);
        let cluster = cluster.clone();
        let admitted = world.security.admitted(&cluster.memberships);
        for member in &cluster.members {
            if let Ok(Some(machine)) = world.instance(member).map(|member| member.machine.clone()) {
                machine.admit(admitted.clone());
            }
        }
    }

    /// Puts an instance into a state as soon as it is `available`; false when it has gone.
    async fn claim(&self, id: &Identifier, status: InstanceStatus) -> bool {
        loop {
            match self.world().instance_mut(id) {
                Ok(instance) if instance.status == InstanceStatus::Available => {
                    instance.status = status;
                    return true;
                }
                Ok(instance) if instance.status == InstanceStatus::Deleting => return false,
                Ok(_) => {}
                Err(_) => return false,
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Brings everything that waits into force, with the restarts that RDS makes for it.
    async fn apply_pending(&self, id: &Identifier) {
        // The status lags behind the answer, so that a client which waits for `available` only
        // finds it at once.
        tokio::time::sleep(self.delays().modify / 2).await;
        if !self.claim(id, InstanceStatus::Modifying).await {
            return;
        }
        tokio::time::sleep(self.delays().modify).await;
        let Some(work) = self.take_pending(id) else { return };
        if work != Work::Nothing {
            self.restart_in_place(id).await;
        }
        if work == Work::RestartAndBackUp {
            self.set_status(id, InstanceStatus::BackingUp);
            tokio::time::sleep(self.delays().back_up).await;
        }
        self.set_status(id, InstanceStatus::Available);
        let message = "Finished applying modification to DB instance";
        self.world().note(Origin::Instance, id, "configuration change", message);
    }

    fn take_pending(&self, id: &Identifier) -> Option<Work> {
        let mut world = self.world();
        let instance = world.instance_mut(id).ok()?;
        let pending = std::mem::take(&mut instance.pending);
        let before = instance.retention_days;
        let after = pending.retention_days.unwrap_or(before);
        let work = match (before, after) {
            (0, 1..) => Work::RestartAndBackUp,
            (1.., 0) => Work::Restart,
            _ if pending.class.is_some() => Work::Restart,
            _ => Work::Nothing,
        };
        instance.retention_days = after;
        replace(&mut instance.class, pending.class);
        replace(&mut instance.storage_gib, pending.storage_gib);
        replace(&mut instance.storage.kind, pending.storage_kind);
        instance.storage.iops = pending.iops.or(instance.storage.iops);
        let multi_az = pending.multi_az.map(|on| (Switch::MultiAz, on));
        apply_switches(&mut instance.switches, &multi_az.into_iter().collect());
        Some(work)
    }

    async fn restart_in_place(&self, id: &Identifier) {
        let (machine, running) = {
            let world = self.world();
            let Ok(instance) = world.instance(id) else { return };
            let Some(machine) = instance.machine.clone() else { return };
            (machine, instance.running.clone())
        };
        if let Err(error) = machine.restart(&running).await {
            tracing::error!(instance = %id, %error, "could not restart a server");
        }
    }

    pub(super) fn set_status(&self, id: &Identifier, status: InstanceStatus) {
        if let Ok(instance) = self.world().instance_mut(id) {
            instance.status = status;
        }
    }

    async fn reset_password(&self, id: &Identifier, password: &str) {
        if !self.claim(id, InstanceStatus::ResettingCredentials).await {
            return;
        }
        tokio::time::sleep(self.delays().modify).await;
        let instance = self.world().instance(id).ok().cloned();
        if let Some((machine, user)) =
            instance.and_then(|instance| Some((instance.machine?, instance.master.user)))
        {
            match machine.set_password(&user, password).await {
                Ok(()) => self.note_password(id, password),
                Err(error) => {
                    tracing::error!(instance = %id, %error, "could not set a password");
                }
            }
        }
        self.set_status(id, InstanceStatus::Available);
    }

    fn note_password(&self, id: &Identifier, password: &str) {
        let mut world = self.world();
        if let Ok(instance) = world.instance_mut(id) {
            password.clone_into(&mut instance.master.password);
        }
        world.note(Origin::Instance, id, "configuration change", "Reset master credentials");
    }

    async fn reset_cluster_password(&self, id: &Identifier, password: &str) {
        let writer = {
            let mut world = self.world();
            let Ok(cluster) = world.cluster_mut(id) else { return };
            cluster.status = ClusterStatus::ResettingCredentials;
            password.clone_into(&mut cluster.master.password);
            cluster.members.first().cloned()
        };
        match writer {
            Some(writer) => self.reset_password(&writer, password).await,
            None => tokio::time::sleep(self.delays().modify).await,
        }
        if let Ok(cluster) = self.world().cluster_mut(id) {
            cluster.status = ClusterStatus::Available;
        }
    }
}

/// What it takes to bring pending values into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Nothing,
    Restart,
    /// Backups are turned on: the interruption, and then the first backup.
    RestartAndBackUp,
}

/// The parts that come into force with the answer, and what is noted for later.
fn change_at_once(instance: &mut Instance, change: &InstanceChange) {
    let mut switches = change.switches.clone();
    // A standby is made in the window, or at once where that is asked for.
    let multi_az = switches.remove(&Switch::MultiAz);
    instance.pending.multi_az = multi_az
        .filter(|on| *on != instance.switches.contains(&Switch::MultiAz))
        .or(instance.pending.multi_az);
    apply_switches(&mut instance.switches, &switches);
    instance.storage.max_gib = change.max_storage_gib.or(instance.storage.max_gib);
    if let Some(domain) = &change.domain {
        // The word with which a domain is left.
        instance.domain = Some(domain.clone()).filter(|domain| domain != "none");
    }
    instance.options = change.options.clone().or_else(|| instance.options.take());
    instance.log_exports.extend(change.logs_on.iter().cloned());
    instance.log_exports.retain(|log| !change.logs_off.contains(log));
    replace(&mut instance.certificate, change.certificate.clone());
    replace(&mut instance.promotion_tier, change.promotion_tier);
    replace(&mut instance.windows.backup, change.backup_window.clone());
    replace(&mut instance.windows.maintenance, change.maintenance_window.clone());
    match change.retention_days {
        // Only the step from or to zero interrupts, and so waits.
        Some(days) if (days == 0) == (instance.retention_days == 0) => {
            instance.retention_days = days;
        }
        Some(days) => instance.pending.retention_days = Some(days),
        None => {}
    }
    if change.class.as_ref().is_some_and(|class| *class != instance.class) {
        instance.pending.class.clone_from(&change.class);
    }
    if change.storage_gib.is_some_and(|storage| storage != instance.storage_gib) {
        instance.pending.storage_gib = change.storage_gib;
    }
    if change.storage_kind.as_ref().is_some_and(|kind| *kind != instance.storage.kind) {
        instance.pending.storage_kind.clone_from(&change.storage_kind);
    }
    if change.iops.is_some() && change.iops != instance.storage.iops {
        instance.pending.iops = change.iops;
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn check_instance_change(
    world: &World,
    id: &Identifier,
    change: &InstanceChange,
) -> Result<(), Refusal> {
    let instance = world.instance(id)?;
    if instance.cluster.is_some() {
        check_member_change(change)?;
    }
    if let Some(ids) = &change.security_groups {
        world.security.check(ids)?;
    }
    let family = instance.engine.family(instance.version.major);
    world.group_for(GroupKind::Instance, change.parameter_group.as_deref(), &family)?;
    if let Some(class) = &change.class {
        check_class(class, instance.engine)?;
    }
    check_certificate(change.certificate.as_deref())?;
    check_version(instance.version, change.version.as_deref())?;
    check_encryption(&change.switches)?;
    if change.storage_gib.is_some_and(|storage| storage < instance.storage_gib) {
        return Err(Refusal::combination("Storage can't be made smaller."));
    }
    if change.storage_kind.is_some() || change.iops.is_some() {
        let kind = change.storage_kind.as_deref().unwrap_or(&instance.storage.kind);
        check_storage(kind, change.iops.or(instance.storage.iops))?;
    }
    match change.retention_days {
        Some(days) if days > 35 => {
            Err(Refusal::value("Invalid backup retention period: must be between 0 and 35."))
        }
        Some(0) if instance.replica_cluster.is_some() => Err(Refusal::new(
            Code::InvalidInstanceState,
            format!("Backups of {id} can't be turned off while it has read replicas."),
        )),
        Some(_) | None => Ok(()),
    }
}

fn check_member_change(change: &InstanceChange) -> Result<(), Refusal> {
    let of_cluster = change.security_groups.is_some()
        || change.retention_days.is_some()
        || change.password.is_some()
        || change.storage_gib.is_some()
        || change.storage_kind.is_some()
        || change.iops.is_some()
        || change.switches.contains_key(&Switch::IamAuthentication);
    if of_cluster {
        Err(Refusal::combination(
            "Security groups, backups, the master password, storage and IAM authentication of a \
             cluster's instance are changed with ModifyDBCluster.",
        ))
    } else {
        Ok(())
    }
}

fn check_cluster_change(
    world: &World,
    version: Version,
    change: &ClusterChange,
) -> Result<(), Refusal> {
    if let Some(ids) = &change.security_groups {
        world.security.check(ids)?;
    }
    check_version(version, change.version.as_deref())?;
    check_encryption(&change.switches)?;
    if change.retention_days.is_some_and(|days| !(1..=35).contains(&days)) {
        return Err(Refusal::value("Invalid backup retention period: must be between 1 and 35."));
    }
    Ok(())
}

/// The real server has one version and keeps it.
fn check_version(present: Version, wanted: Option<&str>) -> Result<(), Refusal> {
    match wanted {
        Some(wanted) if Version::parse(wanted) != Some(present) => {
            Err(Refusal::combination(format!("The lab cannot change version {present}.")))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_encryption(switches: &SwitchChange) -> Result<(), Refusal> {
    if switches.contains_key(&Switch::StorageEncrypted) {
        Err(Refusal::combination("Encryption can't be changed after creation."))
    } else {
        Ok(())
    }
}
