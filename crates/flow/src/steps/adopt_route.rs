//! Purpose: the gateway knows the service, and it goes to this source.
//! Reads: the stored route.
//! Changes: stores the first route of a service that has none.
//! Undo: a service taken on stays; its route leads to the source as before.
//! If it dies here: the route is stored or not; both are seen by the next start.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::{RouteView, Traffic};
use landfall_core::{Code, Fact, Facts, Problem, Spec};

use super::source_endpoint;
use crate::step::{Look, Plan, Step};

/// The route as it is before the move.
pub struct AdoptRoute;

impl Step for AdoptRoute {
    const ID: &'static str = "prepare.adopt_route";
    const TITLE: &'static str = "Take the service's route on";
    type Seen = RouteView;

    async fn observe(&self, look: &Look<'_>) -> Result<RouteView, Failure> {
        look.ports.router.view(&look.spec.route.service).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &RouteView) -> Plan {
        if facts.route_was.is_none() {
            return Plan::Learn(Fact::RouteWas { route: seen.route.clone() });
        }
        let Some(source) = source_endpoint(facts) else { return Plan::Done };
        let service = spec.route.service.clone();
        match &seen.route {
            None => Plan::act(RouteAction::Adopt { service, endpoint: source.clone(), epoch: 1 }),
            Some(route) if route.endpoint != *source => Plan::blocked(Problem::new(
                Code::GatewayNotReady,
                format!(
                    "service {service} leads to {}, not to the source at {source}",
                    route.endpoint
                ),
                "Check route.service and source.instance in the spec; one of them names another \
                 database.",
            )),
            Some(route) if route.traffic == Traffic::Held => Plan::blocked(Problem::new(
                Code::GatewayNotReady,
                format!("traffic of service {service} is held already, and not by this move"),
                "Find out who holds it (`landfall route status`) before moving its database.",
            )),
            Some(_) => Plan::Done,
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &RouteView) -> Plan {
        Plan::Done
    }
}
