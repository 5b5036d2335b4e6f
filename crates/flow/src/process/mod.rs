//! Processes as tables: the order of a move, how each row is undone, and what is safe in it.
//!
//! `docs/PROCESS.md` is generated from here; the driver walks nothing else.

mod physical;
mod reverse;

use landfall_core::journal::Commitment;
use landfall_core::problem::Writes;
use landfall_core::status::{Line, Phase, Road, Status};

use crate::step::AnyStep;

pub use physical::PHYSICAL;
pub use reverse::REVERSE;

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

/// The table that a move is walking.
#[must_use]
pub fn walked(status: &Status) -> &'static [Row] {
    match status.line {
        Line::Migrate => table(status.road),
        Line::Reverse => REVERSE,
    }
}

/// Every row there is, of every table: for titles.
pub fn all() -> impl Iterator<Item = &'static Row> {
    PHYSICAL.iter().chain(REVERSE)
}

/// Who takes writes while a move stands in a row: before its intent the release has not happened.
#[must_use]
pub fn writes(row: &Row, status: &Status) -> Writes {
    let releases = row.commitment == Commitment::Committed;
    if releases && status.commitment == Commitment::Revocable { Writes::Nobody } else { row.writes }
}

/// Where a move goes on when its roll-back was undone: right behind its release.
pub fn behind_the_release(road: Road) -> Option<&'static Row> {
    let rows = table(road);
    let release = rows.iter().position(|row| row.commitment == Commitment::Committed)?;
    rows.get(release + 1)
}

/// The place of a step in a table.
pub fn position(rows: &[Row], step: &str) -> Option<usize> {
    rows.iter().position(|row| row.step.id() == step)
}
