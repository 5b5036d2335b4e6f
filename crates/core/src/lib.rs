//! The words of a move: what a person asks for, what is seen, what is done, and what is recorded.
//!
//! This crate knows no network, no clock and no runtime. Adapters implement the traits in
//! [`port`]; `flow` decides over the values defined here; everything that is stored or sent is a
//! type of this crate, so that one word means one thing from the spec to the journal.

pub mod action;
pub mod comparison;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod experience;
pub mod facts;
pub mod failure;
pub mod finding;
pub mod ids;
pub mod journal;
pub mod lsn;
pub mod port;
pub mod probe;
pub mod problem;
pub mod quantity;
pub mod sample;
pub mod secret;
pub mod spec;
pub mod status;

pub use action::Action;
pub use facts::{Fact, Facts};
pub use failure::{Failure, FailureKind, Retry};
pub use finding::{Finding, Learnt, Severity};
pub use ids::{
    ClusterId, DatabaseName, Endpoint, Epoch, InstanceId, MigrationName, Seq, ServiceName,
};
pub use lsn::Lsn;
pub use problem::{Code, Problem};
pub use quantity::ByteCount;
pub use sample::{Sample, Series};
pub use secret::Secret;
pub use spec::Spec;
pub use status::{Course, Phase, Run, Status};
