//! Looking without touching: the assessment of a source and the dry run of a whole move.

use landfall_core::facts::{ParameterVerdict, TargetFacts};
use landfall_core::journal::Commitment;
use landfall_core::problem::{Problem, Writes};
use landfall_core::{MigrationName, Phase};
use serde::{Deserialize, Serialize};

use crate::moves::Window;

/// `POST /v1/plan`, `POST /v1/assess` and `POST /v1/inventory`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecText {
    /// The spec, as TOML.
    pub spec_toml: String,
}

pub use landfall_assess::Assessment;
pub use landfall_assess::saved::Saved;
pub use landfall_core::{Finding, Severity};

/// One row of the dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// Its phase.
    pub phase: Phase,
    /// Its step id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// Every call, in order; each is one change to the world.
    pub calls: Vec<String>,
    /// Whether a person is asked here.
    pub asks: bool,
    /// How it is undone.
    pub undo: String,
    /// Who takes writes meanwhile.
    pub writes: Writes,
    /// What is safe if everything stops here.
    pub safe: String,
    /// Inside the pause or not.
    pub window: Window,
    /// Whether it is the point of no return, or behind it.
    pub commitment: Commitment,
}

/// The dry run: every row with its calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// The move.
    pub name: MigrationName,
    /// The rows, in order.
    pub rows: Vec<PlannedRow>,
    /// What the source would become, when nothing blocks.
    pub target: Option<TargetFacts>,
    /// What would stop it.
    pub stops_at: Option<Problem>,
    /// What becomes of each parameter set by hand.
    pub parameters: Vec<ParameterVerdict>,
    /// Milliseconds for which connections may wait.
    pub pause_budget_ms: u64,
    /// What was found about the source.
    pub findings: Vec<Finding>,
}
