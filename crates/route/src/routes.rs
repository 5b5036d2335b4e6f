//! Routes between the store, which has them, and the index, which tells Envoys.
//!
//! A route that was stored by anybody, this process or another, reaches the index when it is told
//! here, when a proxy asks, or with the next regular look at the store.

use std::time::Duration;

use landfall_core::port::router::{ProxyView, Route};
use landfall_core::{Failure, ServiceName};
use tokio::time::MissedTickBehavior;

use crate::fault;
use crate::keeper::Keeper;
use crate::stored::Stored;
use crate::waiting::Reports;

/// The routes of one control plane; clones share it.
#[derive(Clone)]
pub(crate) struct Routes {
    stored: Stored,
    keeper: Keeper,
    reports: Reports,
}

impl Routes {
    pub(crate) const fn new(stored: Stored, keeper: Keeper, reports: Reports) -> Self {
        Self { stored, keeper, reports }
    }

    pub(crate) const fn reports(&self) -> &Reports {
        &self.reports
    }

    pub(crate) const fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Tells every stream a stored route.
    pub(crate) async fn tell(&self, route: &Route) -> Result<(), Failure> {
        let told = self.keeper.apply(vec![route.clone()]).await;
        told.map_err(|_| fault::of_stop(&format!("tell the route of {}", route.service)))
    }

    /// Every proxy's part in a service, and what waits at it.
    pub(crate) async fn proxies(&self, service: &ServiceName) -> Result<Vec<ProxyView>, Failure> {
        let proxies = self.keeper.proxies(service.clone()).await;
        let mut proxies =
            proxies.map_err(|_| fault::of_stop(&format!("look at the proxies of {service}")))?;
        self.reports.add_to(service, &mut proxies);
        Ok(proxies)
    }

    /// Reads the routes that a proxy is about to be told. When the store does not answer, what is
    /// known stands: a proxy that starts now must not wait for the store to be repaired.
    pub(crate) async fn refresh(&self, services: &[ServiceName]) {
        let mut routes = Vec::new();
        for service in services {
            match self.stored.route(service).await {
                Ok(route) => routes.extend(route),
                Err(failure) => {
                    tracing::warn!(%failure, "a proxy is told the route known here");
                    break;
                }
            }
        }
        if !routes.is_empty() {
            // The task has ended only when this stream is ending too.
            let _ = self.keeper.apply(routes).await;
        }
    }

    /// Looks at the store again and again while proxies are connected, since another process may
    /// change a route; ends with the task that owns the index.
    pub(crate) async fn follow_store(self, every: Duration) {
        let mut connected = self.keeper.connected();
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut readable = true;
        while connected.wait_for(|count| *count > 0).await.is_ok() {
            ticks.tick().await;
            match self.stored.routes().await {
                Ok(routes) => {
                    readable = true;
                    if self.keeper.apply(routes).await.is_err() {
                        return;
                    }
                }
                Err(failure) => {
                    if readable {
                        tracing::warn!(%failure, "routes changed elsewhere are not seen");
                    }
                    readable = false;
                }
            }
        }
    }
}
