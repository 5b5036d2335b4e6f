//! `[target.global]`: a Global Database around the promoted cluster, with a cluster in a second
//! Region.
//!
//! AWS takes no cluster into one that still replicates from an instance, so it comes after the
//! release, and nothing of the pause waits for it. The second Region's names (subnet group, groups,
//! key) are nobody's to guess: what AWS cannot default must be in the spec.

use serde::{Deserialize, Serialize};

use super::Target;
use crate::ids::{ClusterId, InstanceId, SecurityGroupId};

/// `[target.global]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalSpec {
    /// GlobalClusterIdentifier.
    pub name: String,
    /// The second Region, such as `eu-west-1`.
    pub region: String,
    /// The cluster to create there.
    pub cluster: ClusterId,
    /// Its instance's class; the target's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// DBSubnetGroupName there; the Region's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_group: Option<String>,
    /// Security groups there; the Region's default when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<SecurityGroupId>,
    /// A key of that Region; needed when the source is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

impl GlobalSpec {
    /// The one instance of the second cluster.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        InstanceId::new(format!("{}-1", self.cluster))
    }
}

/// What AWS would refuse, by key.
pub(super) fn mistakes(global: &GlobalSpec, target: &Target) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    let mut tell = |key, words: String| mistakes.push((key, words));
    let identifier = |text: &str| super::check::is_identifier(text, 50);
    let words = "use lower-case letters, digits and single hyphens";
    if !identifier(&global.name) {
        let name = &global.name;
        tell("target.global.name", format!("{name:?} cannot name a Global Database; {words}"));
    }
    if !identifier(global.cluster.as_str()) {
        let name = global.cluster.as_str();
        tell("target.global.cluster", format!("{name:?} cannot name a cluster; {words}"));
    }
    if !is_region(&global.region) {
        let region = &global.region;
        tell("target.global.region", format!("{region:?} is no Region: write one as eu-west-1"));
    }
    for (key, class) in [("target.class", &target.class), ("target.global.class", &global.class)] {
        if class.as_deref().is_some_and(|class| class.starts_with("db.t")) {
            let words = "a Global Database takes no burstable class: name one of a memory family";
            tell(key, words.to_owned());
        }
    }
    if let Some(key) = &global.kms_key
        && let Some(rest) = key.strip_prefix("arn:")
        && rest.split(':').nth(2) != Some(&global.region)
    {
        let region = &global.region;
        tell("target.global.kms_key", format!("a key of {region} is needed there, not {key}"));
    }
    mistakes
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let number = parts.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let words = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    parts.len() >= 3 && number && parts.iter().take(parts.len() - 1).all(words)
}
