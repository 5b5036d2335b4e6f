//! What a move will take: the time to build the replica, the WAL the source keeps meanwhile, the
//! instant its disk would be full, and the pause. Pure, and the same for the same inventory.

use std::time::Duration;

use landfall_core::quantity::{ByteCount, duration_text};
use serde::{Deserialize, Serialize};

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
