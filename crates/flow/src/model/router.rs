//! The gateway of the model: routes with epochs, proxies that acknowledge at once.

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::action::RouteAction;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{Endpoint, ServiceName};
use landfall_core::port::Router;
use landfall_core::port::router::{ProxyView, Route, RouteView, RouterAbility, Traffic};

use super::traffic::Side;
use super::{Inner, TARGET_AT, World};

/// A proxy whose stream is up.
pub(super) fn connected(node: &str, now: Timestamp) -> ProxyView {
    ProxyView {
        node: node.to_owned(),
        connected_since: Some(now),
        last_seen: now,
        subscribed: true,
        sent: None,
        acknowledged: Some(0),
        rejected: None,
    }
}

#[async_trait]
impl Router for World {
    fn ability(&self) -> RouterAbility {
        RouterAbility { holds: true, holds_at_most: Some(std::time::Duration::from_mins(60)) }
    }

    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        self.call().await;
        let inner = self.lock();
        let route = inner.routes.get(service.as_str()).cloned();
        Ok(RouteView { route, proxies: inner.proxies.clone() })
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.call().await;
        let inner = self.lock();
        let side = inner.side_at(endpoint);
        let up = side.and_then(|side| inner.server(side)).is_some_and(|server| server.up);
        Ok(if up { Ok(()) } else { Err("connection refused".to_owned()) })
    }

    async fn act(&self, action: &RouteAction) -> Result<(), Failure> {
        self.call().await;
        self.lock().route(action)
    }
}

impl Inner {
    pub(super) fn side_at(&self, endpoint: &Endpoint) -> Option<Side> {
        if *endpoint == self.source_at {
            Some(Side::Source)
        } else if (endpoint.host.as_str(), endpoint.port) == TARGET_AT {
            Some(Side::Target)
        } else {
            None
        }
    }

    fn route(&mut self, action: &RouteAction) -> Result<(), Failure> {
        let (service, epoch) = match action {
            RouteAction::Adopt { service, epoch, .. }
            | RouteAction::Hold { service, epoch }
            | RouteAction::Point { service, epoch, .. }
            | RouteAction::Release { service, epoch } => (service, *epoch),
        };
        let standing = self.routes.get(service.as_str()).cloned();
        let stale = |found| {
            let detail = format!("the stored epoch is {found}");
            Failure::new(FailureKind::StaleEpoch, action.to_string(), detail)
        };
        let wanted = match (action, &standing) {
            (RouteAction::Adopt { service, endpoint, .. }, _) => Route {
                service: service.clone(),
                endpoint: endpoint.clone(),
                traffic: Traffic::Open,
                epoch,
            },
            (_, None) => return Err(stale(0)),
            (RouteAction::Hold { .. }, Some(route)) => {
                Route { traffic: Traffic::Held, epoch, ..route.clone() }
            }
            (RouteAction::Point { endpoint, .. }, Some(route)) => {
                Route { endpoint: endpoint.clone(), epoch, ..route.clone() }
            }
            (RouteAction::Release { .. }, Some(route)) => {
                Route { traffic: Traffic::Open, epoch, ..route.clone() }
            }
        };
        let found = standing.as_ref().map_or(0, |route| route.epoch);
        if standing.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if epoch != found + 1 {
            return Err(stale(found));
        }
        self.routes.insert(service.to_string(), wanted);
        for proxy in self.proxies.iter_mut().filter(|proxy| proxy.connected_since.is_some()) {
            proxy.sent = Some(epoch);
            if proxy.rejected.is_none() && !self.mute.contains(&proxy.node) {
                proxy.acknowledged = Some(epoch);
            }
        }
        Ok(())
    }
}
