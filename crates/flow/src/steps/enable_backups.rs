//! Purpose: an Aurora read replica is built from the source's backups, so they must be on.
//! Reads: the source's backup retention.
//! Changes: retention from 0 to 7 days; RDS interrupts service for a moment, hence the gate before.
//! Undo: backups stay on.
//! If it dies here: retention is as ordered or as before; the next start reads it.

use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Instance, ResourceState};
use landfall_core::{Fact, Facts, Spec};

use super::source;
use crate::step::{Look, Plan, Step};

const DAYS: u16 = 7;

/// Automated backups on.
pub struct EnableBackups;

impl Step for EnableBackups {
    const ID: &'static str = "prepare.enable_backups";
    const TITLE: &'static str = "Make sure automated backups are on";
    type Seen = Instance;

    async fn observe(&self, look: &Look<'_>) -> Result<Instance, Failure> {
        source(look).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, source: &Instance) -> Plan {
        match (&source.state, source.backup_retention_days) {
            (ResourceState::Available, 1..) => Plan::Done,
            (ResourceState::Available, 0) if facts.backups_were.is_none() => {
                Plan::Learn(Fact::BackupsWere { days: 0 })
            }
            (ResourceState::Available, 0) => Plan::act(CloudAction::SetBackupRetention {
                instance: source.id.clone(),
                days: DAYS,
            }),
            (state, _) => {
                let reading = format!("status {state}");
                Plan::wait(spec, format!("{} to be available with backups on", source.id), reading)
            }
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Instance) -> Plan {
        Plan::Done
    }
}
