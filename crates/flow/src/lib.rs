//! The process: a table of steps, and the driver that walks it.
//!
//! A step looks and decides; it never writes. The driver journals the decision, does the first
//! action through a port, and looks again, so "done" is always an observation and a crash at any
//! line is a restart. [`model`] is the world in memory that the simulator, the harness and the
//! dry run share.

pub mod driver;
pub mod experience;
pub mod model;

pub mod page;
pub mod process;

pub mod rehearse;
pub mod request;

pub mod sim;

pub mod step;
pub mod steps;
pub mod view;

pub use driver::{Driver, Ended, Pace};
pub use experience::experience;
pub use request::{Refusal, request, start};
pub use view::View;
