//! Purpose: a person, or a policy in the spec, opens the way.
//! Reads: the spec's `[approve]`; for backups also whether they are on already.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: the gate is still closed; an approval given meanwhile is in the journal.

use async_trait::async_trait;
use landfall_core::failure::Failure;
use landfall_core::spec::{Approval, RetireSource};
use landfall_core::{Course, Facts, Spec};
use serde_json::json;

use super::source;
use crate::step::{AnyStep, Decision, Look, Plan};

/// A gate of the table.
pub struct Gate {
    id: &'static str,
    title: &'static str,
    policy: fn(&Spec) -> Policy,
}

/// What the spec says about a gate.
enum Policy {
    Closed,
    Open,
    /// Closed only when backups are off.
    ForBackups,
}

/// Turning backups on from zero interrupts service, so it has a gate of its own.
pub const APPROVE_BACKUPS: Gate = Gate {
    id: "prepare.approve_backups",
    title: "Gate: turn automated backups on",
    policy: |spec| match spec.approve.backups {
        Approval::Person => Policy::ForBackups,
        Approval::Automatic => Policy::Open,
    },
};

/// The cutover.
pub const APPROVE_CUTOVER: Gate = Gate {
    id: "replicate.approve_cutover",
    title: "Gate: cut over",
    policy: |spec| match spec.approve.cutover {
        Approval::Person => Policy::Closed,
        Approval::Automatic => Policy::Open,
    },
};

/// Deleting the source always asks a person; keeping it asks nobody.
pub const APPROVE_RETIREMENT: Gate = Gate {
    id: "retire.approve_retirement",
    title: "Gate: retire the source",
    policy: |spec| match spec.retire.source {
        RetireSource::Keep => Policy::Open,
        RetireSource::SnapshotAndDelete => Policy::Closed,
    },
};

impl Gate {
    /// The name a person approves: the id without its phase.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(_, name)| name)
    }

    fn approved(&self, facts: &Facts) -> bool {
        facts.approvals.iter().any(|gate| gate == self.name())
    }
}

#[async_trait]
impl AnyStep for Gate {
    fn id(&self) -> &'static str {
        self.id
    }

    fn title(&self) -> &'static str {
        self.title
    }

    async fn decide(&self, look: &Look<'_>) -> Result<Decision, Failure> {
        let policy = (self.policy)(look.spec);
        let backups = match policy {
            Policy::ForBackups if look.course == Course::Doing => {
                Some(source(look).await?.backup_retention_days)
            }
            Policy::ForBackups | Policy::Closed | Policy::Open => None,
        };
        let open = match policy {
            Policy::Open => true,
            Policy::Closed => false,
            Policy::ForBackups => backups.is_some_and(|days| days > 0),
        };
        let approved = self.approved(look.facts);
        let plan = if look.course == Course::Undoing || open || approved {
            Plan::Done
        } else {
            Plan::Gate(self.name())
        };
        let seen = json!({ "approved": approved, "open_by_policy": open, "backup_days": backups });
        Ok(Decision { seen, plan })
    }
}
