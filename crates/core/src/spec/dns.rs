//! `[route.dns]`: the name that applications resolve, and who changes its record.
//!
//! Either the zone's own primary server, by dynamic update, or a hosted zone of Route 53, which
//! takes none.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretReference;
use crate::quantity::duration_text;

/// How long Route 53 may take to bring a change to all of its servers.
pub const ROUTE53_SPREADS_WITHIN: Duration = Duration::from_secs(60);

/// `[route.dns]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsSpec {
    /// The name that applications resolve.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// The primary server of the zone, as `address:port`; it takes the updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// In place of `server`: the ID of the zone in Route 53, such as `Z0123456789ABCDEFGHIJ`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_zone: Option<String>,
    /// The zone's other servers, likewise: a move waits until they show the record too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondaries: Vec<String>,
    /// The port that applications use with the name: DNS carries none, so source and target must
    /// both listen on it.
    #[serde(default = "DnsSpec::default_port")]
    pub port: u16,
    /// TTL of the record; the release waits for it.
    #[serde(with = "duration_text", default = "DnsSpec::default_ttl")]
    pub ttl: Duration,
    /// Name of the TSIG key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// The TSIG key (HMAC-SHA256), base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretReference>,
}

impl DnsSpec {
    const fn default_ttl() -> Duration {
        Duration::from_secs(5)
    }

    const fn default_port() -> u16 {
        5432
    }
}

/// What contradicts itself in it: the key, and what to write instead.
pub(super) fn contradictions(
    spec: &DnsSpec,
    acknowledge_within: Duration,
) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let bare = |name: &str| name.trim_end_matches('.').to_ascii_lowercase();
    let (name, zone) = (bare(&spec.name), bare(&spec.zone));
    if zone.is_empty() || !(name == zone || name.ends_with(&format!(".{zone}"))) {
        found.push(("route.dns.name", format!("{name:?} is not in the zone {zone:?}")));
    }
    found.extend(servers(spec));
    let spread = spec.hosted_zone.as_ref().map_or(Duration::ZERO, |_| ROUTE53_SPREADS_WITHIN);
    if spec.ttl + spread >= acknowledge_within {
        let message = if spread.is_zero() {
            "must be shorter than route.acknowledge_within: the release waits for it".to_owned()
        } else {
            format!(
                "the release waits for Route 53, {} at most, and then for the TTL: make \
                 route.acknowledge_within longer than both together",
                duration_text::to_text(spread)
            )
        };
        found.push(("route.dns.ttl", message));
    }
    if spec.key_name.is_some() != spec.key.is_some() {
        found.push(("route.dns.key", "key_name and key belong together".to_owned()));
    }
    found
}

fn servers(spec: &DnsSpec) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let is_address = |text: &String| text.parse::<SocketAddr>().is_ok();
    match (&spec.server, &spec.hosted_zone) {
        (Some(server), None) if is_address(server) => {}
        (Some(_), None) => {
            let message =
                "write the zone's primary server as an address with a port: \"10.0.0.2:53\"";
            found.push(("route.dns.server", message.to_owned()));
        }
        (None, Some(id)) => found.extend(hosted(spec, id)),
        (None, None) | (Some(_), Some(_)) => {
            let message = "name either the zone's primary server, or hosted_zone for Route 53";
            found.push(("route.dns.server", message.to_owned()));
        }
    }
    if !spec.secondaries.iter().all(is_address) {
        let message = "write each server as an address with a port: \"10.0.0.3:53\"";
        found.push(("route.dns.secondaries", message.to_owned()));
    }
    found
}

fn hosted(spec: &DnsSpec, id: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    if id.is_empty() || id.len() > 32 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        let message = "write the zone's ID alone, such as \"Z0123456789ABCDEFGHIJ\"";
        found.push(("route.dns.hosted_zone", message.to_owned()));
    }
    if spec.key.is_some() || spec.key_name.is_some() {
        let message = "Route 53 has no TSIG keys, it asks IAM: remove key and key_name";
        found.push(("route.dns.key_name", message.to_owned()));
    }
    if !spec.secondaries.is_empty() {
        let message = "Route 53 says itself when all of its servers have a change: remove them";
        found.push(("route.dns.secondaries", message.to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENT: Duration = Duration::from_secs(90);

    fn hosted_zone() -> DnsSpec {
        DnsSpec {
            name: "orders.db.example.org".to_owned(),
            zone: "db.example.org".to_owned(),
            server: None,
            hosted_zone: Some("Z0123456789ABC".to_owned()),
            secondaries: Vec::new(),
            port: 5432,
            ttl: Duration::from_secs(5),
            key_name: None,
            key: None,
        }
    }

    #[test]
    fn a_zone_is_changed_in_one_place() {
        assert_eq!(contradictions(&hosted_zone(), PATIENT), []);
        let server = Some("10.0.0.2:53".to_owned());
        let wrong = [
            (DnsSpec { server, ..hosted_zone() }, "route.dns.server"),
            (DnsSpec { hosted_zone: None, ..hosted_zone() }, "route.dns.server"),
            (
                DnsSpec { hosted_zone: Some("/hostedzone/Z1".to_owned()), ..hosted_zone() },
                "route.dns.hosted_zone",
            ),
            (
                DnsSpec { secondaries: vec!["10.0.0.3:53".to_owned()], ..hosted_zone() },
                "route.dns.secondaries",
            ),
        ];
        for (spec, key) in wrong {
            let told = contradictions(&spec, PATIENT);
            assert!(matches!(told.as_slice(), [(about, _)] if *about == key), "{key}: {told:?}");
        }
    }

    #[test]
    fn the_release_has_time_for_route_53_and_the_ttl() {
        let told = contradictions(&hosted_zone(), Duration::from_secs(65));
        assert!(matches!(told.as_slice(), [("route.dns.ttl", words)] if words.contains("1m")));
    }
}
