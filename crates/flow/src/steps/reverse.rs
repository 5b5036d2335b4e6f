//! Rolling back: the steps of the way from the target to the source.
//!
//! The hold, the fence, its proof and the release are those of the way forward, under names of
//! their own: what they are about is decided by the line that the move is on.

mod admit_gateway;
mod carry_sequences;
mod check_way_back;
mod drain_way_back;
mod final_marker;
mod finish_source;
mod keep_target;
mod point_at_source;
mod stop_apply;

pub use admit_gateway::AdmitGateway;
pub use carry_sequences::CarrySequences;
pub use check_way_back::CheckWayBack;
pub(crate) use check_way_back::missing;
pub use drain_way_back::DrainWayBack;
pub use final_marker::FinalMarkers;
pub use finish_source::FinishSource;
pub use keep_target::KeepTarget;
pub use point_at_source::PointAtSource;
pub use stop_apply::StopApply;

use async_trait::async_trait;
use landfall_core::failure::Failure;

use super::{CleanUp, CloseWayBack, FenceSource, HoldTraffic, ProveFence, ReleaseTraffic};
use crate::step::{AnyStep, Decision, Look};

/// A step of the way forward, the sides exchanged.
pub struct Mirrored {
    /// Its id in the reverse table.
    pub(super) id: &'static str,
    title: &'static str,
    step: &'static dyn AnyStep,
}

#[async_trait]
impl AnyStep for Mirrored {
    fn id(&self) -> &'static str {
        self.id
    }

    fn title(&self) -> &'static str {
        self.title
    }

    async fn decide(&self, look: &Look<'_>) -> Result<Decision, Failure> {
        self.step.decide(look).await
    }
}

/// The hold.
pub const HOLD_AGAIN: Mirrored = Mirrored {
    id: "reverse.hold_traffic",
    title: "Hold new connections at the gateway",
    step: &HoldTraffic,
};

/// The fence.
pub const FENCE_TARGET: Mirrored =
    Mirrored { id: "reverse.fence_target", title: "Fence the target", step: &FenceSource };

/// Its test.
pub const PROVE_TARGET: Mirrored = Mirrored {
    id: "reverse.prove_fence",
    title: "Prove that nobody writes to the target",
    step: &ProveFence,
};

/// The roll-back's own point of no return.
pub const RELEASE_BACK: Mirrored = Mirrored {
    id: "reverse.release_traffic",
    title: "Release traffic to the source",
    step: &ReleaseTraffic,
};

/// No replication is left.
pub const CLOSE_BACK: Mirrored =
    Mirrored { id: "reverse.close_way_back", title: "Close the way back", step: &CloseWayBack };

/// No marker is left.
pub const CLEAN_BOTH: Mirrored = Mirrored {
    id: "reverse.clean_up",
    title: "Leave nothing of ours in the databases",
    step: &CleanUp,
};
