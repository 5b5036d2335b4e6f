//! `[way_back]`: replication from the target back to the fenced source, until the move is accepted.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quantity::{duration_text, optional_duration_text};

/// `[way_back]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WayBackSpec {
    /// Whether it is armed before the release.
    pub arm: ArmWayBack,
    /// What becomes of tables that have no replica identity.
    pub tables_without_identity: WithoutIdentity,
    /// How long it is kept when nobody has to accept the move; absent = until it is accepted.
    #[serde(with = "optional_duration_text", skip_serializing_if = "Option::is_none")]
    pub keep_for: Option<Duration>,
    /// How long the pause may wait for it, once the target is promoted.
    #[serde(with = "duration_text")]
    pub arm_within: Duration,
}

impl Default for WayBackSpec {
    fn default() -> Self {
        Self {
            arm: ArmWayBack::default(),
            tables_without_identity: WithoutIdentity::default(),
            keep_for: None,
            arm_within: Duration::from_secs(10),
        }
    }
}

/// What cannot be asked for together.
pub(super) fn contradiction(spec: &super::Spec) -> Option<(&'static str, String)> {
    let required = spec.way_back.arm == ArmWayBack::Required && spec.access.is_none();
    let told = "\"required\" needs [access]: what flows back does so between the databases";
    required.then(|| ("way_back.arm", told.to_owned()))
}

/// Whether the way back is armed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArmWayBack {
    /// Where it can be: what stands against it is said before the hold, and the move goes on.
    #[default]
    Auto,
    /// The move does not go on without it.
    Required,
    /// Never; after the release, going back loses what was written since.
    Off,
}

/// What becomes of tables that have no replica identity: published without one, the
/// application's own updates and deletes would fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutIdentity {
    /// They stand against the way back.
    #[default]
    Refuse,
    /// They get REPLICA IDENTITY FULL on the target until the way back is closed: more WAL there,
    /// and each change is searched for in the whole table on the source.
    Full,
    /// They are left out: a roll-back loses what was written to them.
    Lose,
}
