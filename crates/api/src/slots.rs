//! Dropping a slot of a source, outside of any move.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `POST /v1/slots/drop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropSlot {
    /// A spec with the source and the access to it, as TOML.
    pub spec_toml: String,
    /// The slot.
    pub slot: String,
    /// Why, for the audit file.
    pub reason: String,
    /// Who.
    pub by: String,
}

/// A slot that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotDropped {
    /// The slot.
    pub slot: String,
    /// When.
    pub at: Timestamp,
    /// WAL that was kept for it, in bytes.
    pub retained_bytes: u64,
}
