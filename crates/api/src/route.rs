//! Services, their routes and their proxies.

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
