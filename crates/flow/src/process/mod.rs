//! Processes as tables: the order of a move, how each row is undone, and what is safe in it.
//!
//! `docs/PROCESS.md` is generated from here; the driver walks nothing else.

mod physical;

use landfall_core::journal::Commitment;
use landfall_core::problem::Writes;
use landfall_core::status::{Phase, Road};

use crate::step::AnyStep;

pub use physical::PHYSICAL;

/// Whether a row lies inside the pause, where the budget runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Traffic flows.
    Outside,
    /// Connections wait at the gateway.
    Pause,
}

/// What undoing a row leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// The row changed nothing.
    Nothing,
    /// It takes this back; nothing remains.
    Reverts(&'static str),
    /// This remains, on purpose.
    Keeps(&'static str),
    /// The point of no return: refused.
    Refused,
}

/// One row of a process.
pub struct Row {
    /// Its phase.
    pub phase: Phase,
    /// Its step.
    pub step: &'static dyn AnyStep,
    /// Inside the pause or not.
    pub window: Window,
    /// Revocable, or the point of no return.
    pub commitment: Commitment,
    /// How it is undone.
    pub undo: Undo,
    /// Who takes writes while the move stands in this row.
    pub writes: Writes,
    /// What is safe if everything stops here.
    pub safe: &'static str,
}

/// The table of a road.
#[must_use]
pub fn table(road: Road) -> &'static [Row] {
    match road {
        Road::Physical => PHYSICAL,
    }
}

/// The place of a step in a table.
pub fn position(rows: &[Row], step: &str) -> Option<usize> {
    rows.iter().position(|row| row.step.id() == step)
}
