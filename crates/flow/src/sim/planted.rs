//! Mistakes planted on purpose: each one somebody could make in the product, each to be found.
//!
//! A mistake is planted where the product would have it: in a step of the table, in what the driver
//! keeps of the store's promises, in how it treats an answer. The driver itself stays as it is; it
//! is handed other rows ([`Gauge::table`](crate::driver::Gauge::table)), another store, other ports.
//! A judge that does not find one of these would not find yours either.

mod rows;
mod store;

use std::fmt;

use landfall_core::status::Status;

use super::coverage::Spot;
use crate::model::Sabotage;
use crate::process::{self, Row};

pub(super) use store::Book;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Break {
    /// Groups and terminations are believed, and cut nobody.
    FenceNotObserved,
    /// The proof of sync is concluded without looking for the marker.
    PromotionWithoutMarker,
    /// The proofs of the fence stand on what was seen before.
    ProofFromStaleRead,
    /// The undo of the fence restores the groups in another order.
    UndoForgetsGroupOrder,
    /// The route's new end is told to proxies as soon as it is stored.
    PointSentAtOnce,
    /// The release is ordered before its intent is durable.
    ReleaseBeforeIntent,
    /// Every intent is written after its order.
    IntentAfterEffect,
    /// The release's intent is not the point of no return.
    CommitmentForgotten,
    /// A record is appended wherever the journal ends: abort and release can both be taken.
    AbortAndReleaseAccepted,
    /// The store takes records of any epoch.
    EpochNotChecked,
    /// A leader does not look at its lease, and who takes over does not wait.
    LeaseNotWaitedOut,
    /// An order whose answer was lost is given again without a look.
    LostAnswerRepeated,
    /// Nothing ends the pause when its budget is spent.
    BudgetIgnored,
}

impl Break {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::FenceNotObserved,
        Self::PromotionWithoutMarker,
        Self::ProofFromStaleRead,
        Self::UndoForgetsGroupOrder,
        Self::PointSentAtOnce,
        Self::ReleaseBeforeIntent,
        Self::IntentAfterEffect,
        Self::CommitmentForgotten,
        Self::AbortAndReleaseAccepted,
        Self::EpochNotChecked,
        Self::LeaseNotWaitedOut,
        Self::LostAnswerRepeated,
        Self::BudgetIgnored,
    ];

    /// Its name for `--break`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FenceNotObserved => "fence",
            Self::PromotionWithoutMarker => "promotion-without-marker",
            Self::ProofFromStaleRead => "proof-from-stale-read",
            Self::UndoForgetsGroupOrder => "undo-forgets-group-order",
            Self::PointSentAtOnce => "point-sent-at-once",
            Self::ReleaseBeforeIntent => "release-before-intent",
            Self::IntentAfterEffect => "intent-after-effect",
            Self::CommitmentForgotten => "commitment-forgotten",
            Self::AbortAndReleaseAccepted => "abort-and-release",
            Self::EpochNotChecked => "epoch-not-checked",
            Self::LeaseNotWaitedOut => "lease-not-waited-out",
            Self::LostAnswerRepeated => "lost-answer-repeated",
            Self::BudgetIgnored => "budget-ignored",
        }
    }

    /// The mistake of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// What is wrong with the world itself.
    pub(super) const fn sabotage(planted: Option<Self>) -> Sabotage {
        match planted {
            Some(Self::FenceNotObserved) => Sabotage::Fence,
            Some(
                Self::PromotionWithoutMarker
                | Self::ProofFromStaleRead
                | Self::UndoForgetsGroupOrder
                | Self::PointSentAtOnce
                | Self::ReleaseBeforeIntent
                | Self::IntentAfterEffect
                | Self::CommitmentForgotten
                | Self::AbortAndReleaseAccepted
                | Self::EpochNotChecked
                | Self::LeaseNotWaitedOut
                | Self::LostAnswerRepeated
                | Self::BudgetIgnored,
            )
            | None => Sabotage::None,
        }
    }

    /// Whether a look of the fence's proofs is answered from memory.
    pub(super) fn looks_away(self, spot: &Spot, what: &str) -> bool {
        const PROOFS: [&str; 5] = [
            "quiesce.prove_fence",
            "quiesce.final_marker",
            "quiesce.drain_replica",
            "cutover.promote_replica",
            "cutover.release_traffic",
        ];
        self == Self::ProofFromStaleRead
            && PROOFS.contains(&spot.step.as_str())
            && ["sessions", "write counters"].contains(&what)
    }

    /// The rows that a driver with this mistake walks.
    pub(super) fn rows(planted: Option<Self>, status: &Status) -> &'static [Row] {
        match planted {
            Some(
                planted @ (Self::PromotionWithoutMarker
                | Self::UndoForgetsGroupOrder
                | Self::PointSentAtOnce),
            ) => rows::with(planted, status),
            Some(
                Self::FenceNotObserved
                | Self::ProofFromStaleRead
                | Self::ReleaseBeforeIntent
                | Self::IntentAfterEffect
                | Self::CommitmentForgotten
                | Self::AbortAndReleaseAccepted
                | Self::EpochNotChecked
                | Self::LeaseNotWaitedOut
                | Self::LostAnswerRepeated
                | Self::BudgetIgnored,
            )
            | None => process::walked(status),
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
