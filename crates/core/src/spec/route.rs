//! `[route]`: the gateways of a service, and what each kind needs to be told.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DnsSpec, Network, PgBouncerSpec};
use crate::ids::ServiceName;
use crate::port::router::{DirectTls, Passage};
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
    /// How long the service's clients wait for a connection before they give up, as their owner
    /// says: no server can tell. Absent = not known.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_duration_text")]
    pub clients_wait: Option<Duration>,
    /// Where the gateways' connections to the source come from; a session from elsewhere came
    /// past them. Absent = not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateway_networks: Vec<Network>,
    /// Whose TLS reaches the database through Envoy.
    #[serde(default)]
    pub upstream_tls: UpstreamTls,
    /// With direct TLS: a file of PEM certificates on each Envoy's machine, whom it trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_roots: Option<String>,
    /// Sessions open at once through each Envoy; more wait their turn. Absent = no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_per_proxy: Option<NonZeroU32>,
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

    /// How proxies take connections to the databases.
    pub fn passage(&self) -> Passage {
        let roots = self.upstream_roots.clone().unwrap_or_default();
        let tls = match self.upstream_tls {
            UpstreamTls::Passthrough => None,
            UpstreamTls::Direct => Some(DirectTls { roots }),
        };
        Passage { tls, sessions_per_proxy: self.sessions_per_proxy }
    }
}

/// Whose TLS reaches the database through Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamTls {
    /// The client's own, untouched.
    #[default]
    Passthrough,
    /// Envoy's, without PostgreSQL's negotiation; PostgreSQL 17 or later.
    Direct,
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
    found.extend(passage(route, kinds));
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

fn passage(route: &RouteSpec, kinds: &[RouterKind]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let direct = route.upstream_tls == UpstreamTls::Direct;
    let roots = route.upstream_roots.as_deref();
    if direct && !roots.is_some_and(|path| path.starts_with('/')) {
        let message = "direct TLS trusts nobody by itself: name a file of PEM certificates on \
                       each Envoy's machine by its absolute path";
        found.push(("route.upstream_roots", message.to_owned()));
    }
    if !direct && roots.is_some() {
        let message = "nothing uses it: add upstream_tls = \"direct\", or remove it";
        found.push(("route.upstream_roots", message.to_owned()));
    }
    if !kinds.contains(&RouterKind::Envoy) {
        let message = "only Envoy has it: add \"envoy\" to route.router, or remove it";
        if direct {
            found.push(("route.upstream_tls", message.to_owned()));
        }
        if route.sessions_per_proxy.is_some() {
            found.push(("route.sessions_per_proxy", message.to_owned()));
        }
    }
    found
}

/// The oldest PostgreSQL that speaks TLS without being asked for it first.
pub(super) const DIRECT_TLS_SINCE: u32 = 17;

/// Whether a server of this version (`16.4`, `17.2`) refuses direct TLS for certain.
pub fn refuses_direct_tls(version: &str) -> bool {
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major < DIRECT_TLS_SINCE)
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
