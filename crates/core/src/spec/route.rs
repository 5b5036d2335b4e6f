//! `[route]`: the gateways of a service, and what each kind needs to be told.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DnsSpec, Network, PgBouncerSpec};
use crate::ids::ServiceName;
use crate::quantity::{duration_text, optional_duration_text};

/// `[route]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Which gateways: one, or several that change together.
    #[serde(default)]
    pub router: Routers,
    /// The service name that applications connect to.
    pub service: ServiceName,
    /// How long connections may wait at the gateway; the forecast's p95 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_duration_text")]
    pub pause_budget: Option<Duration>,
    /// How long a proxy may take to acknowledge.
    #[serde(default = "RouteSpec::default_acknowledge", with = "duration_text")]
    pub acknowledge_within: Duration,
    /// What becomes of a move when a proxy does not acknowledge in time.
    #[serde(default)]
    pub stragglers: Stragglers,
    /// Where the gateways' connections to the source come from; a session from elsewhere came
    /// past them. Absent = not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateway_networks: Vec<Network>,
    /// `[[route.reader]]`: services that only read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reader: Vec<ReaderSpec>,
    /// `[route.pgbouncer]`, when `router` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pgbouncer: Option<PgBouncerSpec>,
    /// `[route.dns]`, when `router` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsSpec>,
    /// `[route.command]`, when `router` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandSpec>,
}

impl RouteSpec {
    const fn default_acknowledge() -> Duration {
        Duration::from_secs(10)
    }
}

/// `[[route.reader]]`: a service that only reads. It follows the writer's through the cutover,
/// and goes to the target's readers when there are any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderSpec {
    /// The service name that applications connect to.
    pub service: ServiceName,
}

/// What is done about a proxy that does not acknowledge within its time. The fence is what keeps
/// its clients from the source, so going on loses no write: they wait or fail until it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stragglers {
    /// The move stops and a person looks.
    #[default]
    Stop,
    /// The move goes on while another proxy follows; the straggler is named.
    GoOn,
    /// Before the release the move is undone; after it, it stops.
    Undo,
}

/// The gateways this version can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouterKind {
    /// Envoy by xDS.
    #[default]
    Envoy,
    /// PgBouncer by its admin console.
    Pgbouncer,
    /// A record of a DNS zone, by dynamic update (RFC 2136).
    Dns,
    /// A program of the operator's.
    Command,
}

/// One gateway or several: `"envoy"`, or `["envoy", "dns"]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Routers {
    /// One.
    One(RouterKind),
    /// Several: all hold, all point, all release.
    Several(Vec<RouterKind>),
}

impl Default for Routers {
    fn default() -> Self {
        Self::One(RouterKind::Envoy)
    }
}

impl Routers {
    /// Each kind.
    pub fn kinds(&self) -> &[RouterKind] {
        match self {
            Self::One(kind) => std::slice::from_ref(kind),
            Self::Several(kinds) => kinds,
        }
    }
}

/// `[route.command]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSpec {
    /// The program and its arguments; the hook's name is added as the last one.
    pub program: Vec<String>,
    /// Whether new connections wait while the service is held.
    #[serde(default)]
    pub holds: bool,
    /// How long a hook may take.
    #[serde(with = "duration_text", default = "CommandSpec::default_timeout")]
    pub timeout: Duration,
}

impl CommandSpec {
    const fn default_timeout() -> Duration {
        Duration::from_secs(10)
    }
}

/// What contradicts itself in it: the key, and what to write instead.
pub(super) fn contradictions(route: &RouteSpec) -> Vec<(&'static str, String)> {
    let kinds = route.router.kinds();
    let mut found = sections(route, kinds);
    found.extend(route.pgbouncer.iter().flat_map(super::pgbouncer::contradictions));
    let of_dns = |spec| super::dns::contradictions(spec, route.acknowledge_within);
    found.extend(route.dns.iter().flat_map(of_dns));
    found.extend(readers(route, kinds));
    if route.command.as_ref().is_some_and(|command| command.program.is_empty()) {
        found.push(("route.command.program", "name the program to run".to_owned()));
    }
    found
}

fn sections(route: &RouteSpec, kinds: &[RouterKind]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let twice = kinds
        .iter()
        .enumerate()
        .any(|(at, kind)| kinds.iter().skip(at + 1).any(|other| other == kind));
    if kinds.is_empty() || twice {
        found.push(("route.router", "name each gateway once, and at least one".to_owned()));
    }
    let described = [
        (RouterKind::Pgbouncer, "route.pgbouncer", "pgbouncer", route.pgbouncer.is_some()),
        (RouterKind::Dns, "route.dns", "dns", route.dns.is_some()),
        (RouterKind::Command, "route.command", "command", route.command.is_some()),
    ];
    for (kind, key, word, there) in described {
        match (kinds.contains(&kind), there) {
            (true, false) => {
                found.push(("route.router", format!("\"{word}\" needs a section [{key}]")));
            }
            (false, true) => {
                let message =
                    format!("nothing uses it: add \"{word}\" to route.router, or remove it");
                found.push((key, message));
            }
            (true, true) | (false, false) => {}
        }
    }
    found
}

fn readers(route: &RouteSpec, kinds: &[RouterKind]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut names: Vec<_> = route.reader.iter().map(|reader| &reader.service).collect();
    names.push(&route.service);
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() != all {
        let message = "give each reader a service of its own, another than route.service";
        found.push(("route.reader.service", message.to_owned()));
    }
    let of_one = |kind: &&RouterKind| matches!(kind, RouterKind::Pgbouncer | RouterKind::Dns);
    if let Some(kind) = kinds.iter().find(of_one).filter(|_| !route.reader.is_empty()) {
        let section = if *kind == RouterKind::Dns { "route.dns" } else { "route.pgbouncer" };
        let message = format!("[{section}] describes route.service alone; remove the readers");
        found.push(("route.reader", message));
    }
    found
}
