//! What the referee says, as people and JSON readers get it.
//!
//! Every count of a fault has its name, and `is_clean` is the only judgement. Rows that nobody could
//! look at are never counted as fine: a source that was asked for and not reached is not clean.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::RowId;

/// The outcome of comparing a ledger with the servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub run: i64,
    pub acknowledged: u64,
    pub failed: u64,
    /// Acknowledged, but not on the deciding server.
    pub lost: u64,
    /// Ids that are on the deciding server more than once.
    pub doubled: u64,
    /// Ids on the source that the target does not have, acknowledged or not: writes that the source
    /// took after the proof of sync.
    pub stranded: u64,
    /// Rows of this run, on either server, that never had a commit sent or were refused for sure.
    pub unexpected: u64,
    /// Rows whose content is not what was written.
    pub altered: u64,
    /// Ledger rows on the deciding server whose order is not there.
    pub orders_missing: u64,
    /// Commit sent, no answer: present or absent, both are legal.
    pub unknown: u64,
    pub unknown_present: u64,
    pub sessions_cut: u64,
    pub unknown_check: UnknownCheck,
    pub target_rows: u64,
    pub source: SourceReading,
    pub examples: Examples,
}

/// Whether every unknown outcome has a cut session to explain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum UnknownCheck {
    Explained,
    Excess { by: u64 },
}

/// Whether the source was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum SourceReading {
    NotAsked,
    Read { rows: u64 },
    Unreachable { why: String },
}

/// The first few ids of each fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examples {
    pub lost: Vec<RowId>,
    pub doubled: Vec<RowId>,
    pub stranded: Vec<RowId>,
    pub unexpected: Vec<RowId>,
    pub altered: Vec<RowId>,
}

impl Verdict {
    /// No fault of any kind, everything that was asked for was looked at, and every unknown outcome is
    /// explained.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let faults = self.faults().iter().all(|(_, count)| *count == 0);
        let looked = match &self.source {
            SourceReading::NotAsked | SourceReading::Read { .. } => true,
            SourceReading::Unreachable { .. } => false,
        };
        faults && looked && self.unknown_check == UnknownCheck::Explained
    }

    fn faults(&self) -> [(&'static str, u64); 6] {
        [
            ("lost", self.lost),
            ("doubled", self.doubled),
            ("stranded", self.stranded),
            ("unexpected", self.unexpected),
            ("altered", self.altered),
            ("orders missing", self.orders_missing),
        ]
    }
}

/// One line for people.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} acknowledged", self.acknowledged)?;
        for (name, count) in self.faults() {
            write!(f, ", {name} {count}")?;
        }
        write!(f, ", unknown {} ({} present)", self.unknown, self.unknown_present)?;
        if let UnknownCheck::Excess { by } = self.unknown_check {
            write!(f, ", {by} unknown more than the {} sessions cut explain", self.sessions_cut)?;
        }
        if let SourceReading::Unreachable { why } = &self.source {
            write!(f, ", source not looked at: {why}")?;
        }
        Ok(())
    }
}
