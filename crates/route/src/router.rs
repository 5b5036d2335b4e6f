//! The router port over the gateways of a service: one stored route, one epoch, one verdict.
//!
//! The store is written first, then every gateway is told. Dying in between leaves a stored route
//! that is told by whoever acts or tends next. While a router lives it tends its services: a node
//! that came back in another state, such as one that forgot a hold with its restart, is told again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use landfall_core::action::RouteAction;
use landfall_core::journal::Store;
use landfall_core::port::Stamp;
use landfall_core::port::router::{
    Passage, ProxyView, Route, RouteView, Router, RouterAbility, Sessions,
};
use landfall_core::{Endpoint, Failure, ServiceName};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use crate::decision::{Decision, decide, service_of};
use crate::gateway::Gateway;
use crate::probe::direct;
use crate::stored::Stored;

/// How often nodes are looked at that may have forgotten what they were told.
const TENDED_EVERY: Duration = Duration::from_secs(1);

/// The router of one move.
pub struct ServiceRouter {
    stored: Stored,
    gateways: Arc<[Arc<dyn Gateway>]>,
    passage: Option<Passage>,
    call_timeout: Duration,
    /// Dropping the router ends it.
    tending: Option<AbortHandle>,
}

impl ServiceRouter {
    /// A router over the gateways of a service. `call_timeout` bounds a call to the store, and
    /// a probe.
    pub fn new(
        store: Arc<dyn Store>,
        gateways: Vec<Arc<dyn Gateway>>,
        call_timeout: Duration,
    ) -> Self {
        let stored = Stored::new(store, call_timeout);
        Self { stored, gateways: gateways.into(), passage: None, call_timeout, tending: None }
    }

    /// Every change of a route brings this passage from now on; otherwise what stands is kept.
    #[must_use]
    pub fn with_passage(mut self, passage: Passage) -> Self {
        self.passage = Some(passage);
        self
    }

    /// Tends these services from now on, until the router is dropped.
    #[must_use]
    pub fn tending(mut self, services: Vec<ServiceName>) -> Self {
        let (stored, gateways) = (self.stored.clone(), Arc::clone(&self.gateways));
        self.tending = Some(tokio::spawn(tend(stored, gateways, services)).abort_handle());
        self
    }

    async fn tell(&self, route: &Route) -> Result<(), Failure> {
        let told = join_all(self.gateways.iter().map(|gateway| gateway.tell(route))).await;
        told.into_iter().collect()
    }
}

impl Drop for ServiceRouter {
    fn drop(&mut self) {
        if let Some(tending) = &self.tending {
            tending.abort();
        }
    }
}

#[async_trait]
impl Router for ServiceRouter {
    /// What all of its gateways can do: a service is held when none lets anybody through.
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        let asked = self.gateways.iter().map(|gateway| gateway.ability());
        let abilities: Result<Vec<_>, _> = join_all(asked).await.into_iter().collect();
        let abilities = abilities?;
        Ok(RouterAbility {
            holds: abilities.iter().all(|one| one.holds),
            holds_at_most: abilities.iter().filter_map(|one| one.holds_at_most).min(),
            sessions: abilities.iter().map(|one| one.sessions).min().unwrap_or(Sessions::Cut),
        })
    }

    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        let route = self.stored.route(service).await?;
        let nodes = look(&self.gateways, service, route.as_ref()).await?;
        Ok(RouteView { route, proxies: nodes })
    }

    async fn routes(&self) -> Result<Vec<Route>, Failure> {
        self.stored.routes().await
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        for gateway in self.gateways.iter() {
            if let Err(closed) = gateway.probe(endpoint).await? {
                return Ok(Err(closed));
            }
        }
        let tls = self.passage.as_ref().and_then(|passage| passage.tls.as_ref());
        Ok(match tls {
            Some(_) => direct::probe(endpoint, self.call_timeout).await,
            None => Ok(()),
        })
    }

    async fn act(&self, action: &RouteAction, by: Option<&Stamp>) -> Result<(), Failure> {
        let stored = self.stored.route(service_of(action)).await?;
        let route = match decide(stored, action, self.passage.as_ref())? {
            Decision::Stands(route) => route,
            Decision::Store(route) => {
                self.stored.put(&action.to_string(), &route, by).await?;
                route
            }
        };
        self.tell(&route).await
    }
}

async fn look(
    gateways: &[Arc<dyn Gateway>],
    service: &ServiceName,
    route: Option<&Route>,
) -> Result<Vec<ProxyView>, Failure> {
    let looks = gateways.iter().map(|gateway| gateway.nodes(service, route));
    let nodes: Result<Vec<_>, _> = join_all(looks).await.into_iter().collect();
    Ok(nodes?.into_iter().flatten().collect())
}

async fn tend(stored: Stored, gateways: Arc<[Arc<dyn Gateway>]>, services: Vec<ServiceName>) {
    let mut ticks = tokio::time::interval(TENDED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for service in &services {
            if let Err(failure) = tend_one(&stored, &gateways, service).await {
                tracing::debug!(%service, %failure, "the gateways are looked at again later");
            }
        }
    }
}

/// Tells again every gateway of which a node does not follow what is stored.
async fn tend_one(
    stored: &Stored,
    gateways: &[Arc<dyn Gateway>],
    service: &ServiceName,
) -> Result<(), Failure> {
    for gateway in gateways {
        // Read for each: between two gateways somebody may have changed it.
        let Some(route) = stored.route(service).await? else { return Ok(()) };
        let nodes = gateway.nodes(service, Some(&route)).await?;
        if nodes.iter().any(|node| !node.follows(route.epoch)) {
            gateway.tell(&route).await?;
        }
    }
    Ok(())
}
