//! How finished moves went: what a forecast learns from them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::{ByteCount, duration_text};

/// How a finished move went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastMove {
    /// Bytes of the source's databases, or of its storage in use.
    pub bytes: ByteCount,
    /// From the order to create the replica until it was available.
    #[serde(with = "duration_text")]
    pub build: Duration,
    /// From the hold to the release.
    #[serde(with = "duration_text")]
    pub pause: Duration,
}
