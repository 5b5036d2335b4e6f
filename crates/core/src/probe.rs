//! What a doctor tried on the account it was pointed at: a fact we count on, and what was seen.
//!
//! Nothing here decides a move. A fact that could not be looked at is not confirmed, and one that
//! differs is where the lab and AWS part.

use serde::{Deserialize, Serialize};

/// What became of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as we count on.
    Confirmed,
    /// It is otherwise.
    Differs,
    /// Nothing was there to look at, or we may not look.
    NotLooked,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Differs => "differs",
            Self::NotLooked => "could not look",
        }
    }
}

/// A fact that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// Short and stable, such as `slot-lag-unit`.
    pub id: String,
    /// What we count on.
    pub fact: String,
    /// What became of it.
    pub verdict: Verdict,
    /// What was seen, or why nothing was.
    pub seen: String,
}
