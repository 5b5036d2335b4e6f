//! Purpose: the replica becomes a primary of its own, once sync is proven.
//! Reads: the cluster, and the fence once more in the look that decides the order; on undo also who
//!   may have written to the cluster.
//! Changes: PromoteReadReplicaDBCluster. It cannot be taken back; the source stays the truth.
//! Undo: nothing is taken back: the promoted target is spent and stays closed. First it is shown
//!   that nobody wrote to it, or a person decides.
//! If it dies here: AWS promotes or does not; both sides stay closed; the next start sees which.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::join;
use jiff::Timestamp;
use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Cluster, ResourceState};
use landfall_core::quantity::duration_text;
use landfall_core::{Code, Course, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::fence_source::{FenceSource, could_write};
use super::prove_fence::{Again, again, broken, total};
use crate::step::{BRISK, Look, Plan, Step, elapsed};

/// How long an ordered promotion may take to show before it is ordered again.
const SHOWS_WITHIN: Duration = Duration::from_secs(60);

/// The promotion.
pub struct PromoteReplica;

/// Signs of use on a promoted target, with access.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Use {
    sessions: usize,
    writes: u64,
}

/// The cluster, and on a promoted one whether anybody used it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: Option<Cluster>,
    used: Option<Use>,
    /// The fence, while promotion may still be ordered.
    fence: Option<Again>,
    now: Timestamp,
}

impl Step for PromoteReplica {
    const ID: &'static str = "cutover.promote_replica";
    const TITLE: &'static str = "Promote the replica";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let (cluster, fence) = cluster_and_fence(look).await?;
        let ordered = look.facts.promotion_ordered.is_some();
        let promoted = cluster.as_ref().filter(|c| ordered && c.replicates_from.is_none());
        let at = promoted.and_then(|cluster| cluster.endpoint.as_ref());
        let used = match (look.ports.database, at) {
            (Some(database), Some(at)) => {
                let sessions = database.sessions(at).await?;
                let writes = total(&database.write_counters(at).await?);
                Some(Use { sessions: sessions.iter().filter(|s| could_write(s)).count(), writes })
            }
            _ => None,
        };
        Ok(Seen { cluster, used, fence, now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let Some(cluster) = &seen.cluster else {
            return Plan::blocked(gone(spec));
        };
        if cluster.replicates_from.is_none() {
            return match facts.promotion_ordered {
                Some(_) => Plan::Done,
                None => Plan::blocked(promoted_by_another(spec)),
            };
        }
        if facts.proven.is_none() {
            return Plan::Return(FenceSource::ID);
        }
        let broken = seen.fence.as_ref().and_then(|fence| broken(spec, facts, fence));
        let no_time = || match facts.promotion_ordered {
            Some(_) => None,
            None => no_time(spec, facts, seen.now),
        };
        if let Some(problem) = broken.or_else(no_time) {
            return Plan::blocked(problem);
        }
        let busy = cluster.state != ResourceState::Available;
        if busy || ordered_lately(facts, seen.now) {
            let why = format!("{} to be promoted", cluster.id);
            return Plan::wait(spec, why, cluster.state.to_string()).every(BRISK);
        }
        // Never on a proof alone: it may be an hour old, and the groups somebody else's by now.
        if seen.fence.is_none() {
            return Plan::wait(spec, "a look at the fence before promotion", "").every(BRISK);
        }
        Plan::act(CloudAction::PromoteCluster { cluster: cluster.id.clone() })
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let (Some(cluster), Some(_)) = (&seen.cluster, facts.promotion_ordered) else {
            return Plan::Done;
        };
        if cluster.replicates_from.is_some() {
            // The order may still be on its way.
            let busy = cluster.state != ResourceState::Available;
            if busy || ordered_lately(facts, seen.now) {
                let why = format!("the order to promote {} to show, or not", cluster.id);
                return Plan::wait(spec, why, cluster.state.to_string()).every(BRISK);
            }
            return Plan::Done;
        }
        if let Some(used) = seen.used.as_ref().filter(|used| used.sessions > 0 || used.writes > 0) {
            return Plan::blocked(written(spec, used));
        }
        if facts.promoted.is_none() {
            return Plan::Conclude(Fact::Promoted { at: seen.now });
        }
        Plan::Done
    }
}

/// The cluster and the fence in one look, so that the pause is not longer for it. The fence counts
/// only where promotion may follow: behind an order nothing waits for the source any more.
async fn cluster_and_fence(look: &Look<'_>) -> Result<(Option<Cluster>, Option<Again>), Failure> {
    let first = look.course == Course::Doing && look.facts.promotion_ordered.is_none();
    let fence = pin!(async { if first { again(look).await.map(Some) } else { Ok(None) } });
    let (cluster, fence) = join(look.ports.cloud.cluster(&look.spec.target.cluster), fence).await;
    let cluster = cluster?;
    let ready = |c: &Cluster| c.replicates_from.is_some() && c.state == ResourceState::Available;
    let may_order = cluster.as_ref().is_some_and(ready);
    let once_more = look.course == Course::Doing && !ordered_lately(look.facts, look.now());
    let fence = match (may_order, first) {
        (true, true) => fence?,
        (true, false) if once_more => Some(again(look).await?),
        (_, _) => None,
    };
    Ok((cluster, fence))
}

fn ordered_lately(facts: &Facts, now: Timestamp) -> bool {
    facts.promotion_ordered.is_some_and(|at| now.duration_since(at).unsigned_abs() < SHOWS_WITHIN)
}

/// A promotion may need a third of the budget; with less left it does not start.
fn no_time(spec: &Spec, facts: &Facts, now: Timestamp) -> Option<Problem> {
    let budget = spec.pause_budget();
    let spent = elapsed(facts.held_since?, now);
    let left = budget.saturating_sub(spent);
    (left < budget / 3).then(|| {
        Problem::new(
            Code::PauseBudgetTooSmall,
            format!(
                "{} of the pause budget of {} is left, and a promotion may need a third of it",
                duration_text::to_text(left),
                duration_text::to_text(budget)
            ),
            "The pause budget opens the source by itself; raise route.pause_budget for the next \
             attempt.",
        )
    })
}

fn gone(spec: &Spec) -> Problem {
    Problem::new(
        Code::ObjectMissing,
        format!("cluster {} is gone", spec.target.cluster),
        "Run `landfall abort`: the source opens, and nothing is lost.",
    )
}

fn promoted_by_another(spec: &Spec) -> Problem {
    Problem::new(
        Code::ParityBroken,
        format!("cluster {} was promoted, and not by this move", spec.target.cluster),
        "Run `landfall abort`: the source opens, and nothing is lost. Somebody may have written to \
         the cluster: keep it until you know.",
    )
}

fn written(spec: &Spec, used: &Use) -> Problem {
    Problem::new(
        Code::TargetWritten,
        format!(
            "promoted cluster {} shows {} sessions and {} rows written",
            spec.target.cluster, used.sessions, used.writes
        ),
        "Decide which side is the truth. To go back to the source, end those sessions and save \
         those rows, then run `landfall resume`.",
    )
}
