//! Purpose: the gateway knows the move's services, and the writer's goes to this source.
//! Reads: the stored routes.
//! Changes: stores the first route of a service that has none: the source. A service that only
//!   reads and has one keeps it until the cutover. How proxies reach the database becomes what the
//!   spec says, at the next epoch.
//! Undo: a service taken on stays; its route leads to the source as before.
//! If it dies here: a route is stored or not; both are seen by the next start.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::Route;
use landfall_core::spec::{UpstreamTls, refuses_direct_tls};
use landfall_core::{Code, Endpoint, Fact, Facts, Problem, Spec};

use super::services::{self, Services, is_held};
use super::source_endpoint;
use crate::step::{Look, Plan, Step};

/// The routes as they are before the move.
pub struct AdoptRoute;

impl Step for AdoptRoute {
    const ID: &'static str = "prepare.adopt_route";
    const TITLE: &'static str = "Take the service's route on";
    type Seen = Services;

    async fn observe(&self, look: &Look<'_>) -> Result<Services, Failure> {
        services::look_at(look).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Services) -> Plan {
        if facts.route_was.is_none() {
            return Plan::Learn(Fact::RouteWas { route: seen.writer().cloned() });
        }
        let Some(source) = source_endpoint(facts) else { return Plan::Done };
        if let Some(problem) = deaf_to_tls(spec, facts) {
            return Plan::blocked(problem);
        }
        for one in seen.all() {
            let service = one.service.clone();
            let Some(route) = &one.view.route else {
                let endpoint = source.clone();
                return Plan::act(RouteAction::Adopt { service, endpoint, epoch: 1 });
            };
            if let Some(problem) = elsewhere(spec, source, route).or_else(|| held(route)) {
                return Plan::blocked(problem);
            }
            if route.passage != spec.route.passage() {
                // Early: whoever cannot follow it is found before the hold.
                let endpoint = route.endpoint.clone();
                return Plan::act(RouteAction::Adopt { service, endpoint, epoch: route.epoch + 1 });
            }
        }
        Plan::Done
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Services) -> Plan {
        Plan::Done
    }
}

/// Proxies that speak direct TLS reach no source that does not.
fn deaf_to_tls(spec: &Spec, facts: &Facts) -> Option<Problem> {
    let source = facts.source.as_ref()?;
    let version = &source.engine_version;
    let deaf = spec.route.upstream_tls == UpstreamTls::Direct && refuses_direct_tls(version);
    deaf.then(|| {
        Problem::new(
            Code::GatewayNotReady,
            format!(
                "the source is PostgreSQL {version}, which speaks TLS only after its own \
                 negotiation: Envoy cannot reach it by direct TLS"
            ),
            "Remove route.upstream_tls from the spec: the client's own TLS then passes through \
             Envoy to both sides.",
        )
    })
}

/// The writer's service leads to another database. A reader may: to a replica of the source.
fn elsewhere(spec: &Spec, source: &Endpoint, route: &Route) -> Option<Problem> {
    let wrong = route.service == spec.route.service && route.endpoint != *source;
    wrong.then(|| {
        Problem::new(
            Code::GatewayNotReady,
            format!(
                "service {} leads to {}, not to the source at {source}",
                route.service, route.endpoint
            ),
            "Check route.service and source.instance in the spec; one of them names another \
             database.",
        )
    })
}

fn held(route: &Route) -> Option<Problem> {
    is_held(route).then(|| {
        Problem::new(
            Code::GatewayNotReady,
            format!("traffic of service {} is held already, and not by this move", route.service),
            "Find out who holds it (`landfall route status`) before moving its database.",
        )
    })
}
