//! Whether a server is there, and what it does.

use std::collections::BTreeMap;

use landfall_core::MigrationName;
use serde::{Deserialize, Serialize};

use crate::moves::Driven;

/// `GET /v1/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The server's version.
    pub version: String,
    /// Whether it drives moves.
    pub drives: bool,
    /// Where Envoy finds it, when it serves xDS.
    pub xds: Option<String>,
    /// Every move it drives or tried to.
    pub moves: BTreeMap<MigrationName, Driven>,
}
