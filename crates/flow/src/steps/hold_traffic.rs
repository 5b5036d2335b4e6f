//! Purpose: new connections wait at the gateway, so that the fence refuses nobody.
//! Reads: the routes and each proxy's acknowledgement; who came past the gateway.
//! Changes: withdraws the services' clusters from every proxy. The pause budget starts here.
//! Undo: points each route where it led before and releases it.
//! If it dies here: proxies go on holding without us; the next start, or the budget, goes on.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::future::{try_join, try_join3};
use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::Route;
use landfall_core::{Course, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::services::{self, Order, ServiceView, Services, acknowledged, is_held};
use super::{endpoint, gateway_problem, prove_fence, side, source_endpoint, target};
use crate::step::{Look, Plan, Step};
use landfall_assess::bypass::{self, Party};

/// The hold.
pub struct HoldTraffic;

/// The routes, and right before the hold who is on the source past the gateway.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    services: Services,
    /// Only looked at before the hold, with access and when the gateways' networks are known.
    past: Vec<Party>,
}

impl Step for HoldTraffic {
    const ID: &'static str = "quiesce.hold_traffic";
    const TITLE: &'static str = "Hold new connections at the gateway";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let mut past = Vec::new();
        if look.course == Course::Doing && look.facts.held_since.is_none() {
            warm_up(look).await?;
            past = past_the_gateway(look).await?;
        }
        Ok(Seen { services: services::look_at(look).await?, past })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let (services, before) = (&seen.services, facts.held_since.is_none());
        let lost = |who: &str| Plan::blocked(gateway_problem("the hold", &[who.to_owned()]));
        if let Some(service) = services.lost() {
            return lost(&format!("the route of {service} is gone"));
        }
        let stays = |route: &Route| is_held(route) || Some(&route.endpoint) == side::origin(facts);
        if !services.writer().is_some_and(stays) {
            return lost(&format!("the route no longer leads to the {}", side::word(facts.line)));
        }
        if before && !seen.past.is_empty() && !facts.warnings.contains_key(bypass::ABOUT) {
            let text = bypass::fate(&seen.past);
            return Plan::Learn(Fact::Warned { about: bypass::ABOUT.to_owned(), text });
        }
        // The writer's last: its clients are the ones that pay.
        let open = |one: &&ServiceView| one.view.route.as_ref().is_some_and(|r| !is_held(r));
        match services.all().rev().find(open) {
            Some(one) => hold(spec, facts, services, one),
            None => acknowledged(spec, facts, services, Order::Hold),
        }
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        // Only a hold of ours is released, and only towards where it was.
        if facts.held_since.is_none() {
            return Plan::Done;
        }
        let held = |one: &ServiceView| one.view.route.clone().filter(is_held);
        let Some(route) = seen.services.all().find_map(held) else { return Plan::Done };
        let Some(home) = services::home(spec, facts, &route.service) else { return Plan::Done };
        let (service, epoch) = (route.service, route.epoch + 1);
        if route.endpoint != *home {
            let endpoint = home.clone();
            return Plan::act(RouteAction::Point { service, endpoint, epoch });
        }
        Plan::act(RouteAction::Release { service, epoch })
    }
}

/// Asks both servers everything that the pause will ask, while nobody waits: connections are made,
/// and what access may not read is found out before the hold. As much at once as the pause will:
/// each question that is asked beside another has a connection of its own, and logging in takes
/// longer than the answer.
async fn warm_up(look: &Look<'_>) -> Result<(), Failure> {
    let (Some(database), Some(source)) = (look.ports.database, source_endpoint(look.facts)) else {
        return Ok(());
    };
    let cluster = target(look).await?;
    let replica = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
    let inside = pin!(prove_fence::inside(database, source));
    let on_source = try_join3(inside, database.server(source), database.marker(source, ""));
    let on_replica = try_join(database.server(&replica), database.marker(&replica, ""));
    try_join(on_source, on_replica).await?;
    Ok(())
}

/// Whoever is on the source and did not come from a gateway, right before the fence ends it.
async fn past_the_gateway(look: &Look<'_>) -> Result<Vec<Party>, Failure> {
    let networks = &look.spec.route.gateway_networks;
    match (look.ports.database, side::origin(look.facts)) {
        (Some(database), Some(source)) if !networks.is_empty() => {
            Ok(bypass::past(&database.sessions(source).await?, networks))
        }
        _ => Ok(Vec::new()),
    }
}

/// Remembers where readers led and who must follow, then holds. Without a proxy nothing would be
/// held.
fn hold(spec: &Spec, facts: &Facts, seen: &Services, one: &ServiceView) -> Plan {
    let Some(route) = &one.view.route else { return Plan::Done };
    if facts.readers_were.is_none() && seen.readers().next().is_some() {
        let led = |one: &ServiceView| Some((one.service.clone(), one.view.route.clone()?.endpoint));
        let endpoints: BTreeMap<_, _> = seen.readers().filter_map(led).collect();
        return Plan::Learn(Fact::ReadersWere { endpoints });
    }
    let connected = seen.all().flat_map(|one| &one.view.proxies);
    let connected = connected.filter(|proxy| proxy.connected_since.is_some());
    let mut nodes: Vec<String> = connected.map(|proxy| proxy.node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    if nodes.is_empty() {
        let nobody = vec![format!("no proxy of service {} is connected", spec.route.service)];
        return Plan::wait(spec, "a proxy to connect", nobody.join("; "))
            .or(spec.route.acknowledge_within, gateway_problem("the hold", &nobody));
    }
    // Whoever comes between two holds follows the later one.
    let settled = facts.held_since.is_some() && facts.proxies.is_some();
    if !settled && facts.proxies.as_ref() != Some(&nodes) {
        return Plan::Learn(Fact::ProxiesSeen { nodes });
    }
    Plan::act(RouteAction::Hold { service: one.service.clone(), epoch: route.epoch + 1 })
}
