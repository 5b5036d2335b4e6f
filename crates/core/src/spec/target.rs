//! `[target]`: the cluster to make, and what it must be like once it is the database.
//!
//! What is absent is carried over from the source where AWS has the same notion. Nothing here is
//! looked up: whether AWS offers it is the assessment's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Spec;
use super::global::{self, GlobalSpec};
use super::proxy::{self, ProxySpec};
use crate::ids::{ClusterId, InstanceId, SecurityGroupId};
use crate::port::cloud::AssociatedRole;
use crate::quantity::Acu;

/// The class of an instance whose capacity follows the load.
pub const SERVERLESS_CLASS: &str = "db.serverless";

/// Readers that an Aurora cluster takes at most, beside its writer.
const READERS_MAX: u16 = 15;
/// What AWS gives a serverless instance at most.
const ACU_MAX: Acu = Acu::whole(256);

/// `[target]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// DB cluster identifier to create.
    pub cluster: ClusterId,
    /// Instance class; mapped from the source's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Aurora version; the newest minor of the source's major when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_version: Option<String>,
    /// The group that lets in the gateway and Landfall and nobody else, until after release.
    pub quarantine_group: SecurityGroupId,
    /// Production groups; the source's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_groups: Option<Vec<SecurityGroupId>>,
    /// Backup retention of the target, days.
    #[serde(default = "Target::default_retention")]
    pub backup_retention_days: u16,
    /// Instances beside the writer, made after the release.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub readers: u16,
    /// Capacity that follows the load; every instance is of the serverless class then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serverless: Option<Serverless>,
    /// Deletion protection after the release; on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// Logs that go to CloudWatch; the source's when absent, as far as Aurora has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_exports: Option<BTreeSet<String>>,
    /// Performance Insights of every instance; as on the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_insights: Option<bool>,
    /// Logins by IAM token; as on the source when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_auth: Option<bool>,
    /// IAM roles for features such as `s3Import`; the source's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<AssociatedRole>>,
    /// Tags of the cluster and its instances; the source's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Custom endpoints, made after the readers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoint: Vec<CustomEndpoint>,
    /// What becomes of the CloudWatch alarms on the source.
    #[serde(default)]
    pub alarms: Alarms,
    /// An RDS Proxy in front of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<ProxySpec>,
    /// A cluster in a second Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<GlobalSpec>,
}

impl Target {
    const fn default_retention() -> u16 {
        7
    }

    /// The class that is asked for, by name or through `serverless`.
    pub fn asked_class(&self) -> Option<&str> {
        self.class.as_deref().or_else(|| self.serverless.map(|_| SERVERLESS_CLASS))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// `serverless = { min_acu, max_acu }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serverless {
    /// Never below; 0 lets an idle target pause, and the first client then waits.
    pub min_acu: Acu,
    /// Never above.
    pub max_acu: Acu,
}

/// `[[target.endpoint]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomEndpoint {
    /// DBClusterEndpointIdentifier.
    pub name: String,
    /// Which instances it may lead to.
    #[serde(default)]
    pub kind: EndpointKind,
    /// The only members it leads to, by their number in the cluster: 1 is the first writer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<u16>,
    /// The members it never leads to, likewise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<u16>,
}

/// Which instances a custom endpoint may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointKind {
    /// Readers only.
    #[default]
    Reader,
    /// The writer too.
    Any,
}

impl EndpointKind {
    /// AWS's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reader => "READER",
            Self::Any => "ANY",
        }
    }
}

/// What becomes of the alarms whose dimension names the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarms {
    /// They are named, and people see to them.
    #[default]
    List,
    /// Each whose metric Aurora has is copied with the target's dimension.
    Copy,
}

impl Spec {
    /// Every instance of the target, the first writer's first.
    pub fn members(&self) -> impl Iterator<Item = InstanceId> + '_ {
        (1..=self.target.readers.saturating_add(1)).map(|number| self.member(number))
    }

    /// The target's instance of a number; 1 is the first writer.
    #[must_use]
    pub fn member(&self, number: u16) -> InstanceId {
        InstanceId::new(format!("{}-{number}", self.target.cluster))
    }
}

/// What contradicts what, by key.
pub(super) fn contradictions(target: &Target) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    if !(1..=35).contains(&target.backup_retention_days) {
        mistakes.push(("target.backup_retention_days", "write 1 to 35".to_owned()));
    }
    if target.readers > READERS_MAX {
        mistakes.push(("target.readers", format!("an Aurora cluster takes {READERS_MAX} at most")));
    }
    if let Some(range) = target.serverless {
        mistakes.extend(range_mistake(range).map(|words| ("target.serverless", words)));
        if target.class.as_deref().is_some_and(|class| class != SERVERLESS_CLASS) {
            mistakes.push((
                "target.class",
                format!("[target] serverless runs on {SERVERLESS_CLASS}: drop one of the two"),
            ));
        }
    } else if target.class.as_deref() == Some(SERVERLESS_CLASS) {
        let words =
            format!("{SERVERLESS_CLASS} needs `serverless = {{ min_acu = …, max_acu = … }}`");
        mistakes.push(("target.class", words));
    }
    for endpoint in &target.endpoint {
        mistakes.extend(endpoint_mistake(target, endpoint).map(|words| ("target.endpoint", words)));
    }
    let mut names: Vec<_> = target.endpoint.iter().map(|endpoint| &endpoint.name).collect();
    names.sort_unstable();
    if let Some([twice, _]) = names.windows(2).find(|pair| pair.first() == pair.last()) {
        mistakes.push(("target.endpoint", format!("{twice:?} stands twice; give each its name")));
    }
    for key in target.tags.iter().flatten().map(|(key, _)| key) {
        if key.starts_with("landfall:") || key.starts_with("aws:") {
            let words = format!("{key:?} is not yours to set; drop it");
            mistakes.push(("target.tags", words));
        }
    }
    mistakes.extend(target.proxy.iter().flat_map(proxy::mistakes));
    mistakes.extend(target.global.iter().flat_map(|global| global::mistakes(global, target)));
    mistakes
}

fn range_mistake(range: Serverless) -> Option<String> {
    let Serverless { min_acu, max_acu } = range;
    if min_acu > max_acu {
        return Some(format!("min_acu {min_acu} is above max_acu {max_acu}"));
    }
    let highest_is_allowed = (Acu::whole(1)..=ACU_MAX).contains(&max_acu);
    (!highest_is_allowed).then(|| format!("max_acu is {max_acu}; write 1 to {ACU_MAX}"))
}

fn endpoint_mistake(target: &Target, endpoint: &CustomEndpoint) -> Option<String> {
    let CustomEndpoint { name, kind, members, excluded } = endpoint;
    let last = target.readers.saturating_add(1);
    if !super::check::is_identifier(name, 63) {
        return Some(format!(
            "{name:?} cannot name an endpoint; use lower-case letters, digits and single hyphens"
        ));
    }
    if !members.is_empty() && !excluded.is_empty() {
        return Some(format!("{name}: AWS takes members or excluded, not both"));
    }
    if let Some(number) = members.iter().chain(excluded).find(|n| !(1..=last).contains(*n)) {
        return Some(format!("{name}: there is no member {number}; [target] makes 1 to {last}"));
    }
    (*kind == EndpointKind::Reader && target.readers == 0)
        .then(|| format!("{name} leads to readers and [target] has none: write readers = 1"))
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    fn told(keys: &str) -> String {
        let text = format!(
            "[migration]\nname = \"orders\"\n[source]\ninstance = \"orders-prod\"\n\
             [target]\ncluster = \"orders-aurora\"\nquarantine_group = \"sg-target\"\n{keys}\n\
             [route]\nservice = \"orders\"\n[cutover]\nquarantine_group = \"sg-source\"\n"
        );
        match parse(&text) {
            Ok(spec) => {
                let json = serde_json::to_string(&spec).unwrap();
                assert_eq!(serde_json::from_str::<super::Spec>(&json).unwrap(), spec);
                let members: Vec<_> = spec.members().map(|id| id.to_string()).collect();
                format!("{:?} {}", spec.target.asked_class(), members.join(" "))
            }
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn what_the_target_is_like_is_read_with_every_key() {
        let keys = "readers = 2\nserverless = { min_acu = 0.5, max_acu = 64 }\n\
                    deletion_protection = true\nlog_exports = [\"postgresql\"]\n\
                    performance_insights = true\niam_auth = false\nalarms = \"copy\"\n\
                    roles = [{ arn = \"arn:aws:iam::1:role/s3\", feature = \"s3Import\" }]\n\
                    tags = { team = \"shop\" }\n\
                    [[target.endpoint]]\nname = \"reports\"\nmembers = [3]";
        let told = told(keys);
        assert_eq!(told, "Some(\"db.serverless\") orders-aurora-1 orders-aurora-2 orders-aurora-3");
    }

    #[test]
    fn without_keys_there_is_a_writer_alone() {
        assert_eq!(told(""), "None orders-aurora-1");
    }

    const PROXY: &str = "[target.proxy]\nname = \"orders-proxy\"\nrole = \"arn:aws:iam::1:role/p\"\n\
                         secrets = [\"arn:aws:secretsmanager:x:1:secret:app\"]\n";
    const GLOBAL: &str = "[target.global]\nname = \"orders-world\"\nregion = \"eu-west-1\"\n\
                          cluster = \"orders-eu\"\n";

    #[test]
    fn a_proxy_and_a_second_region_are_read_and_what_aws_refuses_is_told() {
        assert_eq!(told(&format!("{PROXY}{GLOBAL}")), "None orders-aurora-1");
        for (keys, expected) in [
            ("iam_auth = true\nrequire_tls = false", "only over TLS"),
            ("subnets = [\"subnet-a\"]", "two Availability Zones"),
            ("idle_client_timeout = \"9h\"", "write 1s to 8h"),
            ("borrow_timeout = \"6m\"", "write 0s to 5m"),
            ("max_connections_percent = 0", "write 1 to 100"),
            ("max_connections_percent = 20", "write 0 to max_connections_percent, 20"),
            ("session_pinning_filters = [\"ALL\"]", "AWS knows no filter \"ALL\""),
            ("borow_timeout = \"1s\"", "did you mean borrow_timeout?"),
        ] {
            let told = told(&format!("{PROXY}{keys}\n"));
            assert!(told.contains(expected), "{keys}: {told}");
        }
        let told_of = |from: &str, to: &str| told(&format!("{PROXY}{GLOBAL}").replace(from, to));
        for (from, to, expected) in [
            ("eu-west-1", "Europe", "is no Region"),
            ("orders-eu", "Orders", "cannot name a cluster"),
            ("orders-eu\"", "orders-eu\"\nclass = \"db.t4g.large\"", "no burstable class"),
            (
                "orders-eu\"",
                "orders-eu\"\nkms_key = \"arn:aws:kms:us-east-1:1:key/k\"",
                "a key of eu-west-1 is needed there",
            ),
            ("secrets = [\"arn:", "secrets = [\"hunter2:", "the password itself belongs there"),
        ] {
            let told = told_of(from, to);
            assert!(told.contains(expected), "{to}: {told}");
        }
        assert!(!told_of("secrets = [\"arn:", "secrets = [\"hunter2:").contains("hunter2"));
    }

    #[test]
    fn every_mistake_names_its_key_and_what_to_write() {
        for (keys, expected) in [
            ("readers = 16", "target.readers: an Aurora cluster takes 15 at most"),
            ("backup_retention_days = 0", "target.backup_retention_days: write 1 to 35"),
            ("serverless = { min_acu = 4, max_acu = 2 }", "min_acu 4 is above max_acu 2"),
            ("serverless = { min_acu = 0, max_acu = 0.5 }", "write 1 to 256"),
            ("serverless = { min_acu = 0.3, max_acu = 2 }", "in steps of 0.5"),
            ("serverless = { min_acu = 1, max = 2 }", "max"),
            ("class = \"db.serverless\"", "target.class: db.serverless needs"),
            (
                "class = \"db.r6g.large\"\nserverless = { min_acu = 1, max_acu = 2 }",
                "target.class: [target] serverless runs on db.serverless",
            ),
            ("tags = { \"landfall:migration\" = \"x\" }", "target.tags"),
            ("[[target.endpoint]]\nname = \"a\"", "leads to readers and [target] has none"),
            (
                "readers = 1\n[[target.endpoint]]\nname = \"a\"\nmembers = [3]",
                "there is no member 3; [target] makes 1 to 2",
            ),
            (
                "[[target.endpoint]]\nname = \"a\"\nkind = \"any\"\nmember = [1]",
                "did you mean members?",
            ),
            (
                "readers = 1\n[[target.endpoint]]\nname = \"a\"\n[[target.endpoint]]\nname = \"a\"",
                "\"a\" stands twice",
            ),
            (
                "readers = 1\n[[target.endpoint]]\nname = \"a\"\nmembers = [1]\nexcluded = [2]",
                "members or excluded, not both",
            ),
        ] {
            let told = told(keys);
            assert!(told.contains(expected), "{keys}: {told}");
        }
    }
}
