//! Routes between the store, which has them, and the index, which tells them.
//!
//! Every path writes the store first and tells the proxies after. Dying in between leaves a stored
//! route that is told by whoever reads the store next: this process's regular look, or the next
//! process when the proxies reconnect. Every call to the store is bounded.

use std::sync::Arc;
use std::time::Duration;

use landfall_core::action::RouteAction;
use landfall_core::journal::{Store, StoreError};
use landfall_core::port::router::{Route, RouteView};
use landfall_core::{Failure, ServiceName};
use tokio::time::MissedTickBehavior;

use crate::decision::{Decision, decide, service_of};
use crate::fault;
use crate::keeper::Keeper;

/// The routes of one control plane; clones share it.
#[derive(Clone)]
pub(crate) struct Routes {
    store: Arc<dyn Store>,
    keeper: Keeper,
    call_timeout: Duration,
}

impl Routes {
    pub(crate) fn new(store: Arc<dyn Store>, keeper: Keeper, call_timeout: Duration) -> Self {
        Self { store, keeper, call_timeout }
    }

    pub(crate) const fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Stores what the action makes of the route and tells every stream.
    pub(crate) async fn act(&self, action: &RouteAction) -> Result<(), Failure> {
        let what = action.to_string();
        let read = self.store.route(service_of(action));
        let stored = bounded(&what, self.call_timeout, read).await?;
        let route = match decide(stored, action)? {
            Decision::Stands(route) => route,
            Decision::Store(route) => {
                let write = self.store.put_route(&route);
                bounded(&what, self.call_timeout, write).await?;
                route
            }
        };
        self.keeper.apply(vec![route]).await.map_err(|_| fault::of_stop(&what))
    }

    pub(crate) async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        let what = format!("read the route of {service}");
        let route = bounded(&what, self.call_timeout, self.store.route(service)).await?;
        if let Some(route) = &route {
            // What proxies are shown to follow is never older than the route shown beside it.
            let known = self.keeper.apply(vec![route.clone()]).await;
            known.map_err(|_| fault::of_stop(&what))?;
        }
        let proxies = self.keeper.proxies(service.clone()).await;
        Ok(RouteView { route, proxies: proxies.map_err(|_| fault::of_stop(&what))? })
    }

    /// Reads the routes that a proxy is about to be told. When the store does not answer, what is
    /// known stands: a proxy that starts now must not wait for the store to be repaired.
    pub(crate) async fn refresh(&self, services: &[ServiceName]) {
        let mut routes = Vec::new();
        for service in services {
            let what = format!("read the route of {service}");
            match bounded(&what, self.call_timeout, self.store.route(service)).await {
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
            match bounded("read the routes", self.call_timeout, self.store.routes()).await {
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

/// Every route the store has, for a start.
pub(crate) async fn load(store: &dyn Store, bound: Duration) -> Result<Vec<Route>, Failure> {
    bounded("read the routes", bound, store.routes()).await
}

async fn bounded<T>(
    what: &str,
    bound: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(bound, call).await {
        Ok(answer) => answer.map_err(|error| fault::of_store(what, &error)),
        Err(_) => Err(fault::of_time(what, bound)),
    }
}
