//! Purpose: the source stays fenced, and a person says when the move is good.
//! Reads: the source's groups, again and again; with read-only services, whether the target has
//!   readers by now; the proxy and the second Region that were asked for, until they are there;
//!   once the target was watched long enough, what it is compared by. Both ends of the way back
//!   are watched by the driver, here as in every row behind the release.
//! Changes: CreateDBProxy and its target, CreateGlobalCluster, a cluster and an instance in the
//!   second Region. The driver's watch shuts a source that somebody opened, here as in every row
//!   behind the release, and nothing is accepted by itself until it did.
//! Undo: refused; the target is the database.
//! If it dies here: the source is as it is; the next start looks, and the watch shuts it.

use jiff::Timestamp;
use landfall_core::comparison::Comparison;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Instance, ResourceState};
use landfall_core::quantity::duration_text;
use landfall_core::spec::Approval;
use landfall_core::{Code, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::beside::{self, Beside, Next};
use super::move_readers::{self, MoveReaders};
use super::{Membership, compare_with_baseline, groups_are};
use crate::step::{Look, Plan, Step, elapsed};

/// The gate that this step keeps.
pub const ACCEPT_GATE: &str = "accept";

/// The soak.
pub struct KeepFence;

/// The source, or its absence: somebody may have deleted it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    source: Option<Instance>,
    /// The target has readers, and a read-only service does not lead to them.
    readers_due: bool,
    /// The target beside what the source was, when that is due.
    #[serde(default)]
    comparison: Option<Box<Comparison>>,
    /// What is put before and beside the target, while it is not there.
    #[serde(default)]
    beside: Option<Box<Beside>>,
    #[serde(default)]
    now: Timestamp,
}

impl Step for KeepFence {
    const ID: &'static str = "soak.keep_fence";
    const TITLE: &'static str = "Keep the source fenced until the move is accepted";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let source = look.ports.cloud.instance(&look.spec.source.instance).await?;
        if open(look.spec, source.as_ref()).is_some() {
            // Closing it comes before everything else that could be looked at.
            let now = look.now();
            return Ok(Seen { source, readers_due: false, comparison: None, beside: None, now });
        }
        let readers_due = move_readers::is_due(look).await?;
        let beside = beside::look(look).await.map(Box::new);
        let comparison = compare_with_baseline::when_due(look).await;
        Ok(Seen { source, readers_due, comparison, beside, now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let mut under_way = None;
        if let Some(beside) = &seen.beside {
            match beside::next(spec, facts, beside, seen.now) {
                Next::Order(order) => return Plan::act(*order),
                Next::Learn(fact) => return Plan::Learn(*fact),
                Next::Wait { why, reading } => under_way = Some(Plan::wait(spec, why, reading)),
                Next::Settled => {}
            }
        }
        let accepted = facts.approvals.iter().any(|gate| gate == ACCEPT_GATE);
        if let Some(source) = open(spec, seen.source.as_ref()) {
            return match spec.approve.acceptance {
                // The gate that is open stays open.
                Approval::Person if !accepted => Plan::Gate(ACCEPT_GATE),
                Approval::Person | Approval::Automatic => shut_again(spec, source),
            };
        }
        if seen.readers_due {
            return Plan::Return(MoveReaders::ID);
        }
        if let (None, Some(comparison)) = (&facts.comparison, &seen.comparison) {
            return Plan::Learn(Fact::Compared(comparison.clone()));
        }
        match spec.approve.acceptance {
            // What was begun is brought to its end; its own patience ends this wait.
            Approval::Person if !accepted => Plan::Gate(ACCEPT_GATE),
            _ if under_way.is_some() => {
                under_way.map_or(Plan::Done, |wait| beside::patient(spec, wait))
            }
            _ if accepted => Plan::Done,
            // Nobody would read the verdict before the source is given up.
            Approval::Automatic if compare_with_baseline::is_awaited(facts) => compared(spec),
            Approval::Automatic if is_kept(spec, facts, seen.now) => kept(spec),
            Approval::Automatic | Approval::Person => Plan::Done,
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The source, when it does not wear the quarantine group alone.
fn open<'a>(spec: &Spec, source: Option<&'a Instance>) -> Option<&'a Instance> {
    let wanted = [spec.cutover.quarantine_group.clone()];
    source
        .filter(|source| source.state != ResourceState::Deleting)
        .filter(|source| groups_are(&source.security_groups, &wanted) == Membership::Different)
}

/// The wait for the watch, which shuts it.
fn shut_again(spec: &Spec, source: &Instance) -> Plan {
    let late = Problem::new(
        Code::NoEffect,
        format!("{} does not stay fenced: somebody puts other security groups on it", source.id),
        "Find out who does (CloudTrail, ModifyDBInstance) and stop it; then run `landfall resume`.",
    );
    Plan::wait(spec, format!("{} to be fenced again", source.id), "")
        .or(spec.limits.step_within, late)
}

/// Whether the way back is kept for some time yet; one that does not stand is not worth a wait.
fn is_kept(spec: &Spec, facts: &Facts, now: Timestamp) -> bool {
    let since = facts.released_at.map(|released| elapsed(released, now));
    facts.way_back.is_armed()
        && spec.way_back.keep_for.zip(since).is_some_and(|(keep, since)| since < keep)
}

/// The wait until nobody needs the way back any more.
fn kept(spec: &Spec) -> Plan {
    let keep = spec.way_back.keep_for.unwrap_or_default();
    let late = Problem::new(
        Code::WaitTooLong,
        "the way back was kept for longer than way_back.keep_for",
        "Run `landfall resume` to look again; the target takes the writes meanwhile.",
    );
    let why = format!("the way back to be kept for {}", duration_text::to_text(keep));
    Plan::wait(spec, why, "").or(keep.saturating_add(spec.limits.step_within), late)
}

/// The wait for the comparison, with the fence watched meanwhile.
fn compared(spec: &Spec) -> Plan {
    let watched = spec.baseline.compare_for;
    let late = Problem::new(
        Code::WaitTooLong,
        "the target was not compared with the source in time",
        "Run `landfall resume` to look again; the target takes the writes meanwhile.",
    );
    let why = format!("the target to be watched for {}", duration_text::to_text(watched));
    Plan::wait(spec, why, "").or(watched.saturating_add(spec.limits.step_within), late)
}
