//! What goes over Landfall's HTTP API, and a thin client for it.
//!
//! The server, the command line and the tests share these types, so that a field has one name.
//! Nothing is decided here. Every address stands under `/v1`; an error is problem JSON.

mod client;
mod health;
mod moves;
mod plan;
mod problem;
mod route;

pub use client::{Client, ClientError};
pub use health::Health;
pub use moves::{
    Driven, GateView, History, LeaseView, MoveLine, MoveSummary, MoveView, Order, PauseClock,
    PausedBy, Place, RowView, StartMove, Started, Waited, Window,
};
pub use plan::{Assessment, Finding, PlanView, PlannedRow, Severity, SpecText};
pub use problem::ApiProblem;
pub use route::{AdoptRoute, ProxyCertificate, ServiceRoute};

/// The words of a move, as the API carries them: who talks to a server needs no other crate.
pub use landfall_core as core;
