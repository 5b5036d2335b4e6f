//! The router port: hold, point and release the traffic of a service.
//!
//! A route and its epoch live in the store; proxies are told. An epoch never goes back, also
//! after a restart. Pointing stores the route and tells nobody: with on-demand discovery, telling
//! a proxy *is* the release.

use std::num::NonZeroU32;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::RouteAction;
use crate::failure::Failure;
use crate::ids::{Endpoint, ServiceName};
use crate::port::Stamp;

/// Whether new connections of a service pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// They reach the endpoint.
    Open,
    /// They wait at the gateway.
    Held,
}

/// Where a service goes; the one truth, in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The service.
    pub service: ServiceName,
    /// The database behind it.
    pub endpoint: Endpoint,
    /// Open or held.
    pub traffic: Traffic,
    /// Grows by one with every change.
    pub epoch: u64,
    /// How proxies take its connections to the database.
    #[serde(default, skip_serializing_if = "Passage::is_plain")]
    pub passage: Passage,
}

/// How proxies take the connections of a service to its database; the same for source and target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Passage {
    /// TLS that the proxy itself speaks; absent = the client's own passes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DirectTls>,
    /// Sessions open at once through each proxy; more wait their turn. Absent = no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions_per_proxy: Option<NonZeroU32>,
}

impl Passage {
    /// As without any setting.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// PostgreSQL's TLS without its negotiation first, from version 17 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectTls {
    /// A file of PEM certificates on each proxy's machine: whom to trust.
    pub roots: String,
}

/// Connections that have not reached a database yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// How many.
    pub connections: u64,
    /// Since when the oldest waits; absent when none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// What becomes of new connections at a node while their service is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AtHold {
    /// They wait for the release.
    #[default]
    Wait,
    /// They pass, and meet the fence: this node cannot hold.
    Pass,
}

/// One proxy's part in a route: what it was sent, and what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyView {
    /// Envoy's node id.
    pub node: String,
    /// Since when its stream is up; absent = it is gone, with when it was last seen below.
    pub connected_since: Option<Timestamp>,
    /// When it last said anything.
    pub last_seen: Timestamp,
    /// It has asked for this service at least once.
    pub subscribed: bool,
    /// The newest epoch sent to it.
    pub sent: Option<u64>,
    /// The newest epoch it acknowledged.
    pub acknowledged: Option<u64>,
    /// Its own words when it refused the newest.
    pub rejected: Option<String>,
    /// Whether it can hold.
    #[serde(default)]
    pub at_hold: AtHold,
    /// The service's connections that wait at it; absent = not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

impl ProxyView {
    /// Whether this proxy is known to follow `epoch`: it said so, or it never asked for the
    /// service and so holds whatever arrives until it is answered.
    pub fn follows(&self, epoch: u64) -> bool {
        self.rejected.is_none()
            && self.connected_since.is_some()
            && (!self.subscribed || self.acknowledged.is_some_and(|seen| seen >= epoch))
    }
}

/// A service's route and its proxies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteView {
    /// Absent before the service is adopted.
    pub route: Option<Route>,
    /// Every proxy seen lately.
    pub proxies: Vec<ProxyView>,
}

/// What a cutover does to established sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sessions {
    /// They are cut; clients connect again.
    Cut,
    /// They go on from one side to the other; no client sees an error.
    Kept,
}

/// What a router can do; a step reads it before it relies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterAbility {
    /// New connections wait instead of failing.
    pub holds: bool,
    /// The longest a held connection waits before the gateway gives up.
    pub holds_at_most: Option<Duration>,
    /// What becomes of established sessions.
    pub sessions: Sessions,
}

/// The gateway's control plane.
#[async_trait]
pub trait Router: Send + Sync {
    /// What this router can do, as its gateways are set now.
    async fn ability(&self) -> Result<RouterAbility, Failure>;
    /// The route and every proxy's part in it.
    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure>;
    /// Every stored route, also of services that no move is about.
    async fn routes(&self) -> Result<Vec<Route>, Failure>;
    /// Tries the way to an endpoint as the gateway would; `Ok(Err(text))` says why it is closed.
    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure>;
    /// Does it; the action's epoch must be the stored one plus one, or equal to what stands. Whoever
    /// acts for a move says so, and is refused once another leads it.
    async fn act(&self, action: &RouteAction, by: Option<&Stamp>) -> Result<(), Failure>;
}
