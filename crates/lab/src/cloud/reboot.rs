//! `RebootDBInstance`: a real restart, in which every session dies and waiting parameters come
//! into force.

use std::time::Duration;

use super::Cloud;
use super::event::Origin;
use super::instance::{ApplyStatus, InstanceStatus, Switch};
use super::names::Identifier;
use super::refusal::Refusal;
use crate::faults::Fault;

/// Whether the reboot goes through the other availability zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failover {
    None,
    Forced,
}

const SLOW_REBOOT: u64 = 5_000;

impl Cloud {
    /// Begins to restart an instance.
    pub fn reboot_instance(&self, id: &Identifier, failover: Failover) -> Result<(), Refusal> {
        let mut world = self.world();
        let instance = world.available_instance(id)?;
        if failover == Failover::Forced && !instance.switches.contains(&Switch::MultiAz) {
            return Err(Refusal::combination(format!(
                "Failover can't be forced: DB instance {id} is not Multi-AZ."
            )));
        }
        instance.status = InstanceStatus::Rebooting;
        let (cloud, id) = (self.clone(), id.clone());
        self.spawn(async move { cloud.reboot(&id).await });
        Ok(())
    }

    async fn reboot(&self, id: &Identifier) {
        tokio::time::sleep(self.delays().reboot / 2).await;
        let values = self.boot_values(id);
        let Some(machine) = self.world().instance(id).ok().and_then(|it| it.machine.clone()) else {
            return;
        };
        self.world().note(Origin::Instance, id, "availability", "DB instance shutdown");
        let slow = self.faults().take(Fault::SlowReboot, "RebootDBInstance");
        if let Some(order) = slow {
            machine.server().stop(crate::server::StopMode::Fast).await;
            let extra = order.argument.unwrap_or(SLOW_REBOOT);
            tokio::time::sleep(Duration::from_millis(extra)).await;
            if let Err(error) = machine.server().start().await {
                return self.fail_reboot(id, &error);
            }
        }
        if let Err(error) = machine.restart(&values).await {
            return self.fail_reboot(id, &error);
        }
        tokio::time::sleep(self.delays().reboot / 2).await;
        let mut world = self.world();
        if let Ok(instance) = world.instance_mut(id) {
            instance.running = values;
            instance.parameter_group.status = ApplyStatus::InSync;
            instance.cluster_group_status = ApplyStatus::InSync;
            instance.status = InstanceStatus::Available;
        }
        world.note(Origin::Instance, id, "availability", "DB instance restarted");
    }

    fn fail_reboot(&self, id: &Identifier, error: &dyn std::error::Error) {
        tracing::error!(instance = %id, %error, "could not restart a server");
        self.set_status(id, InstanceStatus::Failed);
        let message = format!("The lab could not {error}");
        self.world().note(Origin::Instance, id, "failure", message);
    }
}
