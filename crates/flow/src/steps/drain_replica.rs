//! Purpose: the proof of sync: everything acknowledged is on the replica.
//! Reads: with access the replica's replay position and the marker there, the fence once more, and
//!   the metric, which may veto; without access the metric alone, which must touch zero.
//! Changes: nothing; the proof is remembered.
//! Undo: nothing to undo.
//! If it dies here: both sides are closed; the next start proves again.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select, try_join, try_join3};
use jiff::Timestamp;
use landfall_core::facts::{FenceProof, MetricVerdict, SyncProof};
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::port::cloud::{Metric, MetricPoint, MetricQuery, Subject};
use landfall_core::port::database::{MarkerView, ServerView};
use landfall_core::{Code, Endpoint, Fact, Facts, Lsn, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::fence_source::FenceSource;
use super::final_marker::token;
use super::metric_proof::{self, Reading};
use super::prove_fence::{self, Inside};
use super::{endpoint, source_endpoint, target};
use crate::step::{BRISK, Look, Plan, Step};

/// CloudWatch has a point a minute, and shows it a minute or two later.
const LATER_POINT_WITHIN: Duration = Duration::from_mins(3);
const LATER_POINT_EVERY: Duration = Duration::from_millis(500);

/// The proof of sync.
pub struct DrainReplica;

/// Both sides through SQL.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Both {
    fence: Inside,
    source: ServerView,
    target: ServerView,
    marker_on_target: MarkerView,
}

/// Everything the proof stands on.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    both: Option<Both>,
    points: Vec<MetricPoint>,
    now: Timestamp,
}

impl Step for DrainReplica {
    const ID: &'static str = "quiesce.drain_replica";
    const TITLE: &'static str = "Prove that the replica has everything";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let now = look.now();
        let (Some(database), Some(at)) = (look.ports.database, source_endpoint(look.facts)) else {
            return Ok(Seen { both: None, points: points(look, now).await?, now });
        };
        let inside = pin!(both(look, database, at));
        let metric = pin!(points(look, now));
        if look.facts.contradicted.is_some() {
            let (both, points) = try_join(inside, metric).await?;
            return Ok(Seen { both: Some(both), points, now });
        }
        // With access the metric can only veto: the pause never waits for CloudWatch, and neither
        // its silence nor its failure stops a proof.
        let (both, points) = match select(inside, metric).await {
            Either::Left((both, _)) => (both?, vec![]),
            Either::Right((points, inside)) => (inside.await?, points.unwrap_or_default()),
        };
        Ok(Seen { both: Some(both), points, now })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.proven.is_some() {
            return Plan::Done;
        }
        let Some(fenced) = &facts.fenced else { return Plan::Return(FenceSource::ID) };
        let reading = metric_proof::read(&seen.points, quiet_from(fenced));
        match &seen.both {
            Some(both) => with_access(spec, facts, both, reading, seen.now),
            None => by_metric(spec, reading, seen.now),
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// From when on nobody wrote, by AWS's clock where it says so: its points are compared with it, and
/// ours may be minutes behind.
fn quiet_from(proof: &FenceProof) -> Timestamp {
    proof.restarted_at.unwrap_or(proof.at)
}

/// The metric's points since the fence was proven.
async fn points(look: &Look<'_>, now: Timestamp) -> Result<Vec<MetricPoint>, Failure> {
    let from = look.facts.fenced.as_ref().map_or(look.entered_at, quiet_from);
    let query = MetricQuery {
        metric: Metric::OldestReplicationSlotLag,
        subject: Subject::Instance(look.spec.source.instance.clone()),
        from,
        to: now,
    };
    look.ports.cloud.metric(&query).await
}

async fn both(
    look: &Look<'_>,
    database: &dyn Database,
    source: &Endpoint,
) -> Result<Both, Failure> {
    let token = token(look.spec, look.facts);
    // The replica is asked last: its replay position is the newest reading of all.
    let (cluster, fence, view) = try_join3(
        pin!(target(look)),
        pin!(prove_fence::inside(database, source)),
        database.server(source),
    )
    .await?;
    let target = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
    let (target, marker_on_target) =
        try_join(database.server(&target), database.marker(&target, &token)).await?;
    Ok(Both { fence, source: view, target, marker_on_target })
}

fn with_access(spec: &Spec, facts: &Facts, both: &Both, reading: Reading, now: Timestamp) -> Plan {
    if let Some(problem) = prove_fence::leak_since(facts, &both.fence) {
        return Plan::blocked(problem);
    }
    let Some((_, lsn)) = &facts.marked else { return Plan::Return(FenceSource::ID) };
    if let Some(problem) = not_a_copy(both) {
        return Plan::blocked(problem);
    }
    let replayed = both.target.replay_lsn.filter(|replay| replay >= lsn);
    let visible = matches!(both.marker_on_target, MarkerView::Visible { .. });
    let Some(replayed) = replayed.filter(|_| visible) else {
        let at = both.target.replay_lsn.map_or("nothing".to_owned(), |replay| replay.to_string());
        return Plan::wait(spec, format!("the replica to replay up to {lsn}"), format!("at {at}"))
            .every(BRISK);
    };
    if let Some(plan) = contradicted(spec, facts, reading, replayed) {
        return plan;
    }
    Plan::Conclude(Fact::Proven(SyncProof {
        marker_lsn: Some(*lsn),
        replay_lsn: Some(replayed),
        metric: reading.verdict,
        zero_touches: reading.touches,
        at: now,
    }))
}

/// The metric speaks against the proof until a later point takes that back.
fn contradicted(spec: &Spec, facts: &Facts, reading: Reading, replayed: Lsn) -> Option<Plan> {
    let above = reading.verdict == MetricVerdict::Contradicts;
    let Some(at) = facts.contradicted else {
        let at = reading.newest.filter(|_| above)?;
        return Some(Plan::Learn(Fact::Contradicted { at }));
    };
    if !above && reading.newest > Some(at) {
        return None;
    }
    let what =
        format!("the replica replayed {replayed}, but OldestReplicationSlotLag is above a segment");
    let hint = "A slot lags on the source: find which (`pg_replication_slots`), then run \
                `landfall resume`; `landfall abort` opens the source.";
    let why = "a later point of OldestReplicationSlotLag, for it contradicts the replica";
    let late = Problem::new(Code::ProofsDisagree, what, hint);
    let wait = Plan::wait(spec, why, format!("the point of {at:.0}"));
    Some(wait.every(LATER_POINT_EVERY).or(LATER_POINT_WITHIN, late))
}

fn by_metric(spec: &Spec, reading: Reading, now: Timestamp) -> Plan {
    if reading.proves {
        return Plan::Conclude(Fact::Proven(SyncProof {
            marker_lsn: None,
            replay_lsn: None,
            metric: MetricVerdict::Agrees,
            zero_touches: reading.touches,
            at: now,
        }));
    }
    let late = Problem::new(
        Code::ProofMissing,
        "OldestReplicationSlotLag does not touch zero after the fence",
        "A stale slot or a stalled replica keeps it up, or CloudWatch reports nothing; `landfall \
         resume` fences and proves anew, `landfall abort` opens the source.",
    )
    .detail(format!("{} points after the fence, {} near zero", reading.points, reading.touches));
    let why = "OldestReplicationSlotLag to touch zero after the fence";
    Plan::wait(spec, why, format!("{} points, {} near zero", reading.points, reading.touches))
        .every(Duration::from_millis(200))
        .or(spec.limits.step_within, late)
}

fn not_a_copy(both: &Both) -> Option<Problem> {
    let (source, target) = (&both.source, &both.target);
    let differs = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
    let timeline = |view: &ServerView| view.timeline.map(u64::from);
    let wrong = !target.in_recovery
        || differs(source.system_identifier, target.system_identifier)
        || differs(timeline(source), timeline(target));
    wrong.then(|| {
        Problem::new(
            Code::ParityBroken,
            "the target is not a replica of this source any more",
            "Run `landfall abort`, then start again with a fresh replica.",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example_spec;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn points_are_compared_by_the_clock_that_made_them() {
        // Our clock is two minutes behind: by it, points from before the fence are behind it.
        let proof =
            FenceProof { at: at(1_000), writes_counted: None, restarted_at: Some(at(1_120)) };
        let facts = Facts { fenced: Some(proof), ..Facts::default() };
        let plan = |seconds: [i64; 2]| {
            let points = seconds.map(|second| MetricPoint { at: at(second), value: 0.0 }).to_vec();
            DrainReplica.plan(&example_spec(), &facts, &Seen { both: None, points, now: at(1_300) })
        };
        assert!(matches!(plan([1_020, 1_080]), Plan::Wait(_)));
        assert!(matches!(plan([1_140, 1_200]), Plan::Conclude(Fact::Proven(_))));
    }
}
