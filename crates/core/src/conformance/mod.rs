//! Conformance suites: what every implementation of a port, and of the store, must do.
//!
//! One suite serves the fake and the real thing, so that the simulator cannot drift away from the
//! world. A suite knows the trait and a small fixture; waits and runtimes belong to the fixture.
//! It asserts by panicking: it is called from tests only.

pub mod cloud;
pub mod consumers;
pub mod database;
pub mod router;
pub mod store;
pub mod tests;
pub mod way_back;
