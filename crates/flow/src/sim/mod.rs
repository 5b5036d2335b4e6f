//! The simulator: whole moves on the model, in virtual time, with seeded bad luck.
//!
//! Several orchestrators share a move; they die at journal writes, oversleep their lease and come
//! back under another name; their clocks jump. Calls fail, lose their answers, take effect late and
//! show old views; people ask at the wrong moment; the world has its own life. A judge looks on.
//! Everything follows from the seed: a seed that fails once fails always. The harness uses the same
//! taps, scripted.

mod coverage;
mod dice;
mod fault;
mod judge;
mod night;
mod people;
mod planted;
mod pulse;
mod remains;
mod shrink;
mod storm;
mod story;
mod tap;
mod wire;
mod witness;
mod wrist;

use std::time::Duration;

use landfall_core::status::Outcome;

pub use coverage::{Coverage, Spot, Way};
pub use fault::{Call, Door, Fault, IMPOSSIBLE, Kind, kinds};
pub use judge::{BUDGET_OVERRUN, TOO_EARLY};
pub use night::{Plan, run};
pub use planted::Break;
pub use pulse::{Beat, Pulse, Watch};
pub use remains::{Footprint, difference, expected};
pub use shrink::{Shrunk, shrink};
pub use storm::{FaultId, Struck};
pub use story::line;
pub use tap::{Fate, Sight, Tap, Tapped};
pub use wire::Wire;
pub use witness::{DEPOSED, EPOCH_BACK, NO_INTENT};

/// What came of one seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How the move ended, or the invariant that was broken.
    pub verdict: Result<Outcome, String>,
    /// Virtual time it took.
    pub took: Duration,
    /// Orchestrators that led.
    pub leaders: u64,
    /// The journal and everything that happened beside it.
    pub story: Vec<String>,
    /// The faults that struck, in order.
    pub struck: Vec<Struck>,
    /// What they hit.
    pub coverage: Coverage,
}
