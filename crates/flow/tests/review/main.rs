//! What a hostile reading of the process found, each as the sequence of events that it was.
//!
//! The stage is the harness's; `cfg(test)` tells clippy that helpers of tests may panic.

#[cfg(test)]
mod proofs;
#[cfg(test)]
#[path = "../harness/stage.rs"]
#[expect(dead_code, reason = "shared with the harness, which uses all of it")]
mod stage;
#[cfg(test)]
#[path = "../harness/support.rs"]
#[expect(dead_code, reason = "shared with the harness, which uses all of it")]
mod support;
