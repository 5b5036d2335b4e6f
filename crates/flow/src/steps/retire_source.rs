//! Purpose: the source's end, as the spec says: it stays fenced, or is looked at, or is deleted.
//! Reads: the source, its final snapshot, up to when the target can be restored.
//! Changes: by default nothing; else the inspection group, or a final snapshot and then deletion.
//!   Deletion protection is never switched off by us.
//! Undo: refused; a deleted source comes back from its final snapshot.
//! If it dies here: the snapshot is complete before the deletion is ordered.

use jiff::Timestamp;
use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Instance, ResourceState, Snapshot};
use landfall_core::spec::RetireSource as Fate;
use landfall_core::{Code, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::{Membership, groups_are};
use crate::step::{Look, Plan, SKEW_AT_MOST, Step};

/// The last step.
pub struct RetireSource;

/// The source and its final snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    source: Option<Instance>,
    snapshot: Option<Snapshot>,
    /// The instant up to which the target's own backups reach.
    #[serde(default)]
    latest_restorable: Option<Timestamp>,
}

impl Step for RetireSource {
    const ID: &'static str = "retire.retire_source";
    const TITLE: &'static str = "Retire the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cloud = look.ports.cloud;
        let target = cloud.cluster(&look.spec.target.cluster).await?;
        Ok(Seen {
            latest_restorable: target.and_then(|target| target.detail.latest_restorable),
            source: cloud.instance(&look.spec.source.instance).await?,
            snapshot: cloud.snapshot(&look.spec.final_snapshot()).await?,
        })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let Some(source) = &seen.source else { return Plan::Done };
        match (spec.retire.source, &spec.retire.inspection_group) {
            (Fate::Keep, None) => Plan::Done,
            (Fate::Keep, Some(group)) => {
                let wanted = vec![group.clone()];
                if groups_are(&source.security_groups, &wanted) != Membership::Different {
                    return Plan::Done;
                }
                let instance = source.id.clone();
                Plan::act(CloudAction::SetInstanceSecurityGroups { instance, groups: wanted })
            }
            (Fate::SnapshotAndDelete, _) => delete(spec, facts, source, seen),
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// Whether a snapshot is of an earlier move of this name: it does not hold what the source has now.
fn is_old(facts: &Facts, taken: Timestamp) -> bool {
    facts.held_since.is_none_or(|held| taken.saturating_add(SKEW_AT_MOST).is_ok_and(|at| at < held))
}

/// Whether the target's own backups hold what was written to it. Until then the source is the only
/// thing that a lost target could be made from.
fn is_restorable(facts: &Facts, seen: &Seen) -> bool {
    let alone_since = facts.released_at.or(facts.promoted);
    seen.latest_restorable.is_some_and(|at| alone_since.is_some_and(|since| at > since))
}

fn not_restorable(spec: &Spec, seen: &Seen) -> Plan {
    let cluster = &spec.target.cluster;
    let reading = match seen.latest_restorable {
        Some(at) => format!("restorable up to {at:.0}"),
        None => "no restorable time yet".to_owned(),
    };
    let late = Problem::new(
        Code::WaitTooLong,
        format!("cluster {cluster} cannot be restored to an instant after the move: {reading}"),
        "The source is kept. See why its backups do not go on (LatestRestorableTime in the AWS \
         console), then run `landfall resume`.",
    );
    let why = format!("the backups of {cluster} to reach beyond the move");
    Plan::wait(spec, why, reading).or(spec.limits.step_within, late)
}

fn delete(spec: &Spec, facts: &Facts, source: &Instance, seen: &Seen) -> Plan {
    let snapshot = seen.snapshot.as_ref();
    if source.state == ResourceState::Deleting {
        return Plan::wait(spec, format!("instance {} to be deleted", source.id), "");
    }
    if !is_restorable(facts, seen) {
        return not_restorable(spec, seen);
    }
    if source.deletion_protected {
        return Plan::blocked(Problem::new(
            Code::CallRefused,
            format!("instance {} has deletion protection", source.id),
            "Switch it off yourself if the source may go, then run `landfall resume`; or leave it: \
             the move is done.",
        ));
    }
    if let Some(taken) = snapshot.and_then(|one| one.created_at).filter(|at| is_old(facts, *at)) {
        return Plan::blocked(Problem::new(
            Code::NameTaken,
            format!("snapshot {} is of {taken:.0}, before this move", spec.final_snapshot()),
            "Copy it under another name if it is wanted, delete it, then run `landfall resume`.",
        ));
    }
    match snapshot.map(|snapshot| &snapshot.state) {
        Some(ResourceState::Available) => {
            Plan::act(CloudAction::DeleteRetiredSource { instance: source.id.clone() })
        }
        Some(ResourceState::Failed(status)) => Plan::blocked(Problem::new(
            Code::ResourceFailed,
            format!("final snapshot {} is {status}", spec.final_snapshot()),
            "Delete that snapshot, then run `landfall resume` to take it again.",
        )),
        Some(ResourceState::Busy(_) | ResourceState::Deleting) => {
            Plan::wait(spec, format!("final snapshot {}", spec.final_snapshot()), "")
        }
        None if source.state == ResourceState::Available => {
            Plan::act(CloudAction::CreateSnapshot {
                instance: source.id.clone(),
                snapshot: spec.final_snapshot(),
            })
        }
        None => Plan::wait(spec, format!("{} to be available", source.id), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_goes_only_when_the_targets_backups_reach_beyond_the_move() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut spec = crate::model::example_spec();
        spec.retire.source = Fate::SnapshotAndDelete;
        let (source, _) = crate::model::World::example_pair();
        let seen = |latest_restorable| Seen {
            source: Some(source.clone()),
            snapshot: None,
            latest_restorable,
        };
        let facts = Facts { released_at: Some(at(10_000)), ..Facts::default() };
        for early in [None, Some(at(10_000))] {
            let plan = RetireSource.plan(&spec, &facts, &seen(early));
            assert!(matches!(plan, Plan::Wait(_)), "{early:?}: {plan:?}");
        }
        let plan = RetireSource.plan(&spec, &facts, &seen(Some(at(10_001))));
        assert!(matches!(plan, Plan::Do(_)), "{plan:?}");
        spec.retire.source = Fate::Keep;
        assert_eq!(RetireSource.plan(&spec, &facts, &seen(None)), Plan::Done);
    }

    #[test]
    fn a_snapshot_of_an_earlier_move_does_not_count() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let facts = Facts { held_since: Some(at(10_000)), ..Facts::default() };
        assert!(is_old(&facts, at(9_000)));
        assert!(!is_old(&facts, at(9_900)), "clocks may differ by minutes");
        assert!(!is_old(&facts, at(20_000)));
        assert!(is_old(&Facts::default(), at(20_000)), "nothing was held yet");
    }
}
