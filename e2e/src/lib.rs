//! The stage on which whole moves are played: a lab, a gateway, a load, and the real binary.
//!
//! The demo, the benchmarks and the end-to-end tests share it, so a demo is a test. It drives the
//! product only through its command line and its HTTP door, and it judges a move only by the
//! load's own ledger. Everything it starts dies with it, also on kill -9.

pub mod back;
pub mod captured;
pub mod database;
pub mod load;
pub mod mtls;
pub mod pooled;
pub mod product;
pub mod report;
pub mod spec;
pub mod stage;

pub use pooled::Pooling;
pub use product::{CrashPoint, Product};
pub use report::Report;
pub use spec::{Fence, SpecText};
pub use stage::{Router, Stage, StageConfig, Store};
