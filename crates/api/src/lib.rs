//! What goes over Landfall's HTTP API, and a thin client for it.
//!
//! The server, the command line and the tests share these types, so that a field has one name.
//! Nothing is decided here. Every address stands under `/v1`; an error is problem JSON.

mod client;
mod health;
mod moves;
mod plan;
mod problem;
mod report;
mod route;
mod slots;

pub use client::{Client, ClientError};
pub use health::Health;
pub use moves::{
    Driven, GateView, History, LeaseView, Measured, MoveLine, MoveSummary, MoveView, Order,
    PauseClock, PausedBy, Place, RowView, StartMove, Started, Waited, WaitingAt, Window,
};
pub use plan::{Assessment, Finding, PlanView, PlannedRow, Saved, Severity, SpecText};
pub use problem::ApiProblem;
pub use report::{EvidenceKey, ReportForm};
pub use route::{AdoptRoute, ProxyCertificate, ServiceRoute};
pub use slots::{DropSlot, SlotDropped};

/// The words of a move, as the API carries them: who talks to a server needs no other crate.
pub use landfall_core as core;

/// The judgement of an assessment, for whoever has an inventory and no server.
pub use landfall_assess as assess;
