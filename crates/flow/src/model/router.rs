//! The gateway of the model: routes with epochs, proxies that acknowledge at once.

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::action::RouteAction;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{Endpoint, ServiceName};
use landfall_core::port::router::{
    AtHold, Passage, ProxyView, Route, RouteView, RouterAbility, Sessions, Traffic,
};
use landfall_core::port::{Router, Stamp};

use super::traffic::Side;
use super::{Inner, READERS_AT, TARGET_AT, World};

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
        at_hold: AtHold::Wait,
        waiting: None,
    }
}

/// What Envoy can do.
pub(super) fn holding() -> RouterAbility {
    let holds_at_most = Some(std::time::Duration::from_mins(60));
    RouterAbility { holds: true, holds_at_most, sessions: Sessions::Cut }
}

#[async_trait]
impl Router for World {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        Ok(self.lock().ability)
    }

    async fn routes(&self) -> Result<Vec<Route>, Failure> {
        self.call().await;
        Ok(self.lock().routes.values().cloned().collect())
    }

    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        self.call().await;
        let inner = self.lock();
        let route = inner.routes.get(service.as_str()).cloned();
        let part = |proxy: &ProxyView| {
            let key = (proxy.node.clone(), service.to_string());
            let acknowledged = inner.acknowledged.get(&key).copied().or(proxy.acknowledged);
            let at_hold = if inner.ability.holds { proxy.at_hold } else { AtHold::Pass };
            ProxyView { acknowledged, at_hold, ..proxy.clone() }
        };
        Ok(RouteView { route, proxies: inner.proxies.iter().map(part).collect() })
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.call().await;
        let inner = self.lock();
        let side = inner.side_at(endpoint);
        let up = side.and_then(|side| inner.server(side)).is_some_and(|server| server.up);
        Ok(if up { Ok(()) } else { Err("connection refused".to_owned()) })
    }

    async fn act(&self, action: &RouteAction, _: Option<&Stamp>) -> Result<(), Failure> {
        self.call().await;
        self.lock().route(action)
    }
}

impl Inner {
    pub(super) fn side_at(&self, endpoint: &Endpoint) -> Option<Side> {
        if *endpoint == self.source_at {
            Some(Side::Source)
        } else if [TARGET_AT, READERS_AT].contains(&(endpoint.host.as_str(), endpoint.port)) {
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
        let refused = |kind, detail: String| Err(Failure::new(kind, action.to_string(), detail));
        let Some(wanted) = wanted(action, standing.as_ref()) else {
            return refused(FailureKind::NotFound, "the service has no route".to_owned());
        };
        let wanted = Route { passage: self.passage.clone(), ..wanted };
        let found = standing.as_ref().map_or(0, |route| route.epoch);
        if standing.as_ref() == Some(&wanted) {
            return Ok(());
        }
        if epoch != found + 1 {
            return refused(FailureKind::StaleEpoch, format!("the stored epoch is {found}"));
        }
        if let Some(kind) = standing.and_then(|standing| moves_on_the_side(action, &standing)) {
            return refused(kind, "it would move traffic on the side".to_owned());
        }
        self.written.get_or_insert_with(|| service.to_string());
        self.routes.insert(service.to_string(), wanted);
        for proxy in self.proxies.iter_mut().filter(|proxy| proxy.connected_since.is_some()) {
            proxy.sent = Some(epoch);
            if proxy.rejected.is_none() && !self.mute.contains(&proxy.node) {
                self.acknowledged.insert((proxy.node.clone(), service.to_string()), epoch);
            }
        }
        Ok(())
    }
}

/// The route after an action; absent when there is none to change.
fn wanted(action: &RouteAction, standing: Option<&Route>) -> Option<Route> {
    Some(match action {
        RouteAction::Adopt { service, endpoint, epoch } => Route {
            service: service.clone(),
            endpoint: endpoint.clone(),
            traffic: Traffic::Open,
            epoch: *epoch,
            passage: Passage::default(),
        },
        RouteAction::Hold { epoch, .. } => {
            Route { traffic: Traffic::Held, epoch: *epoch, ..standing?.clone() }
        }
        RouteAction::Point { endpoint, epoch, .. } => {
            Route { endpoint: endpoint.clone(), epoch: *epoch, ..standing?.clone() }
        }
        RouteAction::Release { epoch, .. } => {
            Route { traffic: Traffic::Open, epoch: *epoch, ..standing?.clone() }
        }
    })
}

/// Open traffic is moved by no point, and nobody's route is adopted away.
fn moves_on_the_side(action: &RouteAction, standing: &Route) -> Option<FailureKind> {
    match (action, standing.traffic) {
        (RouteAction::Adopt { .. }, Traffic::Held) | (RouteAction::Point { .. }, Traffic::Open) => {
            Some(FailureKind::WrongState)
        }
        (RouteAction::Adopt { endpoint, .. }, Traffic::Open) if *endpoint != standing.endpoint => {
            Some(FailureKind::TakenByAnother)
        }
        (_, Traffic::Open | Traffic::Held) => None,
    }
}
