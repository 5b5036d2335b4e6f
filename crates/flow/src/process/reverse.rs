//! Rolling back after the release: the same steps the other way, from the target to the source.
//!
//! Nobody is held before it is known that everything can flow back. The target is fenced as the
//! source was; what it took is proven to be on the source; the committed intent of
//! `reverse.release_traffic` is this table's own point of no return. Undone before it, the move
//! goes on behind its release.

use landfall_core::journal::Commitment::{Committed, Revocable};
use landfall_core::problem::Writes::{Nobody, Source, Target};
use landfall_core::status::Phase::{Cutover, Quiesce, Retire, Verify};

use super::Undo::{Keeps, Nothing, Refused, Reverts};
use super::Window::{Outside, Pause};
use super::{Row, Undo};
use crate::step::AnyStep;
use crate::steps;

const AS_BEFORE: &str =
    "The target takes writes and the source is fenced, as before the roll-back.";
const HELD: &str = "New connections wait at the gateway and nothing is lost; the pause budget \
                    brings them back to the target by itself.";
const SHUT: &str = "Nobody can write to either side; every acknowledged write is on the target. \
                    The pause budget opens it again by itself.";
const EQUAL: &str = "Both sides are closed and equal; undo opens the target, going on opens the \
                     source.";
const BACK: &str = "The source takes writes, with everything that flowed back; the target is \
                    fenced and kept.";

/// The rows, in order.
pub const REVERSE: &[Row] = &[
    Row {
        phase: Quiesce,
        step: &steps::CheckWayBack,
        window: Outside,
        commitment: Revocable,
        undo: Nothing,
        writes: Target,
        safe: AS_BEFORE,
    },
    Row {
        phase: Quiesce,
        step: &steps::HOLD_AGAIN,
        window: Pause,
        commitment: Revocable,
        undo: Reverts("releases traffic to the target"),
        writes: Target,
        safe: HELD,
    },
    shut(&steps::FENCE_TARGET, Reverts("restores the target's security groups as they were")),
    shut(&steps::PROVE_TARGET, Nothing),
    shut(&steps::FinalMarkers, Nothing),
    shut(&steps::DrainWayBack, Nothing),
    equal(&steps::CarrySequences, Keeps("sequences of the source stay where they are ahead")),
    equal(&steps::StopApply, Reverts("enables the subscriptions")),
    equal(&steps::AdmitGateway, Reverts("puts the quarantine group back on the source")),
    equal(&steps::PointAtSource, Reverts("points the route back at the target")),
    equal(&steps::SMOKE_SOURCE, Nothing),
    Row {
        phase: Cutover,
        step: &steps::RELEASE_BACK,
        window: Pause,
        commitment: Committed,
        undo: Refused,
        writes: Source,
        safe: BACK,
    },
    after(Verify, &steps::FinishSource),
    after(Retire, &steps::CLOSE_BACK),
    after(Retire, &steps::CLEAN_BOTH),
    after(Retire, &steps::KeepTarget),
];

const fn shut(step: &'static dyn AnyStep, undo: Undo) -> Row {
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

const fn equal(step: &'static dyn AnyStep, undo: Undo) -> Row {
    Row {
        phase: Cutover,
        step,
        window: Pause,
        commitment: Revocable,
        undo,
        writes: Nobody,
        safe: EQUAL,
    }
}

const fn after(phase: landfall_core::Phase, step: &'static dyn AnyStep) -> Row {
    Row {
        phase,
        step,
        window: Outside,
        commitment: Committed,
        undo: Refused,
        writes: Source,
        safe: BACK,
    }
}
