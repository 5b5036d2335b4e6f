//! Services, their routes and their proxies.

use jiff::Timestamp;
use landfall_core::port::router::RouteView;
use landfall_core::{Endpoint, ServiceName};
use serde::{Deserialize, Serialize};

/// `POST /v1/routes`: takes a service on, open, at the place where it is today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptRoute {
    /// The service name that applications connect to.
    pub service: ServiceName,
    /// Where it goes today, as `HOST:PORT`.
    pub endpoint: Endpoint,
}

/// One service of `GET /v1/routes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceRoute {
    /// The service.
    pub service: ServiceName,
    /// Its route and proxies. A server that serves no xDS sees no proxies.
    #[serde(flatten)]
    pub view: RouteView,
}

/// One certificate of `GET /v1/certificates`, as a proxy was told it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyCertificate {
    /// Envoy's node id.
    pub node: String,
    /// Whom its certificates speak for.
    pub identity: String,
    /// `landfall/identity`, or `landfall/trust` for the roots.
    pub secret: String,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Until when the proxy may ask for another.
    pub enrolled_until: Timestamp,
    /// When it was sent.
    pub sent: Timestamp,
    /// When the proxy took it; absent until then.
    pub acknowledged: Option<Timestamp>,
    /// The proxy's words when it refused it.
    pub rejected: Option<String>,
    /// Whether the proxy is connected.
    pub connected: bool,
}
