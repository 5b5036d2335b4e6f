//! What every kind of gateway has in common: nodes that are brought to a stored route.
//!
//! The route is decided and stored before any gateway hears of it ([`crate::ServiceRouter`]), so a
//! gateway is told a state, never a change: telling it twice, or after a restart, is telling it
//! once. A node that cannot be told is no failure of the call; the look says which it is and why.

use async_trait::async_trait;
use landfall_core::port::router::{ProxyView, Route, RouterAbility};
use landfall_core::{Endpoint, Failure, ServiceName};

/// One kind of gateway of a service.
#[async_trait]
pub trait Gateway: Send + Sync {
    /// What it can do, as its nodes are set now.
    async fn ability(&self) -> Result<RouterAbility, Failure>;

    /// Brings every node to the route. Fails only when no node could even be tried.
    async fn tell(&self, route: &Route) -> Result<(), Failure>;

    /// Each node's part in the service's route, as it is now; the route is absent before the
    /// service is adopted.
    async fn nodes(
        &self,
        service: &ServiceName,
        route: Option<&Route>,
    ) -> Result<Vec<ProxyView>, Failure>;

    /// Tries the way to an endpoint as a node would; `Ok(Err(text))` says why it is closed.
    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure>;
}
