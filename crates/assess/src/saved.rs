//! An inventory with its spec, as a file: saved on one machine, judged on another, without network.
//!
//! It holds no secret: a spec has references only, and no question returns one. It does hold names
//! of tables and roles; whoever sends it away should know.

use landfall_core::Spec;
use serde::{Deserialize, Serialize};

use crate::Inventory;

/// The format of this version's files.
const FORMAT: u32 = 1;

/// What `landfall assess --save` writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Format of the file.
    pub format: u32,
    /// The spec it was collected for.
    pub spec: Spec,
    /// What was found.
    pub inventory: Inventory,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON, or not such a file.
    #[error("read it as a saved inventory")]
    Form(#[source] serde_json::Error),
    /// Another version's.
    #[error("read format {0}: this version reads format {FORMAT}")]
    Format(u32),
}

impl Saved {
    /// A file of this version's format.
    pub const fn new(spec: Spec, inventory: Inventory) -> Self {
        Self { format: FORMAT, spec, inventory }
    }

    /// The file's text.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Takes a file's text apart.
    pub fn from_text(text: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(Unreadable::Form)?;
        if head.format != FORMAT {
            return Err(Unreadable::Format(head.format));
        }
        serde_json::from_str(text).map_err(Unreadable::Form)
    }
}
