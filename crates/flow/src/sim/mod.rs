//! The simulator: a whole move on the model, with seeded bad luck.

mod pulse;
mod tap;

pub use pulse::{Beat, Pulse, Watch};
pub use tap::{Fate, Sight, Tap, Tapped};
