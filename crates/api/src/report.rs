//! Reports: their forms, and the key that vouches for them.

use serde::{Deserialize, Serialize};

/// `GET /v1/moves/{name}/report?form=…`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportForm {
    /// A page for people.
    #[default]
    Html,
    /// The same for programs.
    Json,
    /// The journal and what it comes to, signed.
    Bundle,
}

impl ReportForm {
    /// As it stands in the address.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Json => "json",
            Self::Bundle => "bundle",
        }
    }
}

/// `GET /v1/evidence/key`: what to verify bundles of this server with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceKey {
    /// The public key, base64.
    pub key: String,
    /// A short name of it, to compare by eye.
    pub id: String,
}
