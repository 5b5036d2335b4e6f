//! Purpose: new connections wait at the gateway, so that the fence refuses nobody.
//! Reads: the route and each proxy's acknowledgement.
//! Changes: withdraws the service's cluster from every proxy. The pause budget starts here.
//! Undo: points the route at the source and releases it.
//! If it dies here: proxies go on holding without us; the next start, or the budget, goes on.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::{Route, RouteView, Traffic};
use landfall_core::{Course, Fact, Facts, Spec};

use super::{endpoint, gateway_problem, prove_fence, source_endpoint, stragglers, target};
use crate::step::{BRISK, Look, Plan, Step};

/// The hold.
pub struct HoldTraffic;

impl Step for HoldTraffic {
    const ID: &'static str = "quiesce.hold_traffic";
    const TITLE: &'static str = "Hold new connections at the gateway";
    type Seen = RouteView;

    async fn observe(&self, look: &Look<'_>) -> Result<RouteView, Failure> {
        if look.course == Course::Doing && look.facts.held_since.is_none() {
            warm_up(look).await?;
        }
        look.ports.router.view(&look.spec.route.service).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &RouteView) -> Plan {
        match &seen.route {
            Some(route) if route.traffic == Traffic::Held => {
                acknowledged(spec, facts, seen, "the hold")
            }
            Some(route) if Some(&route.endpoint) == source_endpoint(facts) => {
                hold(spec, facts, seen, route)
            }
            _ => {
                let who = vec!["the route no longer leads to the source".to_owned()];
                Plan::blocked(gateway_problem("the hold", &who))
            }
        }
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &RouteView) -> Plan {
        let (Some(route), Some(source)) = (&seen.route, source_endpoint(facts)) else {
            return Plan::Done;
        };
        // Only a hold of ours is released, and only towards the source.
        if facts.held_since.is_none() || route.traffic == Traffic::Open {
            return Plan::Done;
        }
        let (service, epoch) = (spec.route.service.clone(), route.epoch + 1);
        if route.endpoint != *source {
            let endpoint = source.clone();
            return Plan::act(RouteAction::Point { service, endpoint, epoch });
        }
        Plan::act(RouteAction::Release { service, epoch })
    }
}

/// Asks both servers everything that the pause will ask, while nobody waits: connections are made,
/// and what access may not read is found out before the hold.
async fn warm_up(look: &Look<'_>) -> Result<(), Failure> {
    let (Some(database), Some(source)) = (look.ports.database, source_endpoint(look.facts)) else {
        return Ok(());
    };
    let cluster = target(look).await?;
    let replica = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
    prove_fence::inside(database, source).await?;
    database.server(source).await?;
    database.marker(source, "").await?;
    database.server(&replica).await?;
    database.marker(&replica, "").await?;
    Ok(())
}

/// Remembers who must follow, then holds. Without a proxy nothing would be held.
fn hold(spec: &Spec, facts: &Facts, seen: &RouteView, route: &Route) -> Plan {
    let connected = seen.proxies.iter().filter(|proxy| proxy.connected_since.is_some());
    let nodes: Vec<String> = connected.map(|proxy| proxy.node.clone()).collect();
    if nodes.is_empty() {
        let nobody = vec![format!("no proxy of service {} is connected", spec.route.service)];
        return Plan::wait(spec, "a proxy to connect", nobody.join("; "))
            .or(spec.route.acknowledge_within, gateway_problem("the hold", &nobody));
    }
    if facts.proxies.as_ref() != Some(&nodes) {
        return Plan::Learn(Fact::ProxiesSeen { nodes });
    }
    let (service, epoch) = (spec.route.service.clone(), route.epoch + 1);
    Plan::act(RouteAction::Hold { service, epoch })
}

/// Every proxy said that it follows, or the wait that names those which did not. One that was
/// there before the hold and is not listed, as after a restart of ours, has not said anything.
pub(super) fn acknowledged(spec: &Spec, facts: &Facts, seen: &RouteView, what: &str) -> Plan {
    let epoch = seen.route.as_ref().map_or(0, |route| route.epoch);
    let mut waiting = stragglers(seen, epoch);
    let listed = |node: &String| seen.proxies.iter().any(|proxy| proxy.node == *node);
    let missing = facts.proxies.iter().flatten().filter(|node| !listed(node));
    waiting.extend(missing.map(|node| format!("{node} has not come back")));
    if waiting.is_empty() {
        return Plan::Done;
    }
    Plan::wait(spec, format!("every proxy to acknowledge {what}"), waiting.join("; "))
        .every(BRISK)
        .or(spec.route.acknowledge_within, gateway_problem(what, &waiting))
}
