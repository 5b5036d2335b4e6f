//! The physical road: an Aurora read replica of the source, promoted.
//!
//! Order matters. The target is reachable by the gateway alone until release; the fence writes no
//! catalogue that replicates; sync is proven after the fence is; and the committed intent of
//! `cutover.release_traffic` is the point of no return.

use landfall_core::journal::Commitment::{Committed, Revocable};
use landfall_core::problem::Writes::{Nobody, Source, Target};
use landfall_core::status::Phase::{Cutover, Prepare, Quiesce, Replicate, Retire, Soak, Verify};

use super::Undo::{Keeps, Nothing, Refused, Reverts};
use super::Window::{Outside, Pause};
use super::{Row, Undo};
use crate::steps;

const UNTOUCHED: &str = "The source runs as before; nothing about it has changed.";
const BESIDE: &str = "The source runs as before; what was made stands beside it.";
const HELD: &str = "New connections wait at the gateway and nothing is lost; the pause budget \
                    brings them back to the source by itself.";
const SHUT: &str = "Nobody can write to either side; every acknowledged write is on the source. \
                    The pause budget opens it again by itself.";
const PROMOTED: &str = "Both sides are closed and equal; undo opens the source, going on opens \
                        the target.";
const AFTER: &str = "The target takes writes; the source is fenced and holds everything up to \
                     the cutover.";

/// The rows, in order.
pub const PHYSICAL: &[Row] = &[
    prepare(&steps::AssessSource, Nothing, UNTOUCHED),
    prepare(&steps::RecordBaseline, Nothing, UNTOUCHED),
    prepare(&steps::APPROVE_BACKUPS, Nothing, UNTOUCHED),
    prepare(&steps::EnableBackups, Keeps("backups stay on"), BESIDE),
    prepare(&steps::TranslateParameters, Reverts("deletes both parameter groups"), BESIDE),
    prepare(&steps::PrepareWayBack, Nothing, BESIDE),
    prepare(&steps::PrepareMarker, Reverts("drops the marker table"), BESIDE),
    prepare(&steps::AdoptRoute, Keeps("the service stays with the gateway"), BESIDE),
    replicate(&steps::CreateReplicaCluster, Reverts("deletes the cluster")),
    replicate(&steps::CreateWriter, Reverts("deletes the instance")),
    replicate(&steps::WaitAvailable, Nothing),
    replicate(&steps::ValidateReplica, Nothing),
    replicate(&steps::SustainLag, Nothing),
    replicate(&steps::RehearseRoute, Nothing),
    replicate(&steps::RehearseWayBack, Nothing),
    replicate(&steps::APPROVE_CUTOVER, Nothing),
    Row {
        phase: Quiesce,
        step: &steps::HoldTraffic,
        window: Pause,
        commitment: Revocable,
        undo: Reverts("releases traffic to the source"),
        writes: Source,
        safe: HELD,
    },
    quiesce(&steps::FenceSource, Reverts("restores the security groups as they were")),
    quiesce(&steps::ProveFence, Nothing),
    quiesce(&steps::FinalMarker, Nothing),
    quiesce(&steps::DrainReplica, Nothing),
    cutover(
        &steps::PromoteReplica,
        Keeps("a promoted target is spent: it stays closed until somebody deletes it"),
    ),
    cutover(&steps::WaitWritable, Nothing),
    cutover(&steps::ArmWayBack, Reverts("drops the subscriptions on the source")),
    cutover(&steps::PointAtTarget, Reverts("points the route back at the source")),
    cutover(&steps::SMOKE_TARGET, Nothing),
    Row {
        phase: Cutover,
        step: &steps::ReleaseTraffic,
        window: Pause,
        commitment: Committed,
        undo: Refused,
        writes: Target,
        safe: AFTER,
    },
    after(Verify, &steps::ClearWayBack),
    after(Verify, &steps::FinishTarget),
    after(Verify, &steps::SMOKE_AGAIN),
    after(Verify, &steps::AddReaders),
    after(Verify, &steps::MoveReaders),
    after(Verify, &steps::CarryOver),
    after(Verify, &steps::CompareWithBaseline),
    after(Soak, &steps::KeepFence),
    after(Retire, &steps::CloseWayBack),
    after(Retire, &steps::APPROVE_RETIREMENT),
    after(Retire, &steps::CleanUp),
    after(Retire, &steps::RetireSource),
];

const fn prepare(step: &'static dyn crate::step::AnyStep, undo: Undo, safe: &'static str) -> Row {
    Row { phase: Prepare, step, window: Outside, commitment: Revocable, undo, writes: Source, safe }
}

const fn replicate(step: &'static dyn crate::step::AnyStep, undo: Undo) -> Row {
    Row {
        phase: Replicate,
        step,
        window: Outside,
        commitment: Revocable,
        undo,
        writes: Source,
        safe: BESIDE,
    }
}

const fn quiesce(step: &'static dyn crate::step::AnyStep, undo: Undo) -> Row {
    Row {
        phase: Quiesce,
        step,
        window: Pause,
        commitment: Revocable,
        undo,
        writes: Nobody,
        safe: SHUT,
    }
}

const fn cutover(step: &'static dyn crate::step::AnyStep, undo: Undo) -> Row {
    Row {
        phase: Cutover,
        step,
        window: Pause,
        commitment: Revocable,
        undo,
        writes: Nobody,
        safe: PROMOTED,
    }
}

const fn after(phase: landfall_core::Phase, step: &'static dyn crate::step::AnyStep) -> Row {
    Row {
        phase,
        step,
        window: Outside,
        commitment: Committed,
        undo: Refused,
        writes: Target,
        safe: AFTER,
    }
}
