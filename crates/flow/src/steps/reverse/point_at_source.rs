//! Purpose: the stored routes lead to the source; nobody is told yet.
//! Reads: the routes, and the way to the source.
//! Changes: each route's endpoint and epoch, in the store only. Readers lead where they led before
//!   the move, when that is known.
//! Undo: the endpoints are those from before the hold.
//! If it dies here: traffic is still held, whatever the routes say.

use std::pin::pin;

use futures_util::future::try_join;
use landfall_core::action::RouteAction;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::port::router::Route;
use landfall_core::{Code, Course, Endpoint, Facts, Problem, ServiceName, Spec};
use serde::{Deserialize, Serialize};

use super::super::services::{self, Services, is_held};
use super::super::{gateway_problem, source_endpoint};
use crate::step::{BRISK, Look, Plan, Step};

/// The old address, not yet told.
pub struct PointAtSource;

/// The routes, and the way to where they shall lead.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    services: Services,
    way: Result<(), String>,
}

impl Step for PointAtSource {
    const ID: &'static str = "reverse.point_at_source";
    const TITLE: &'static str = "Point the route at the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        if look.course == Course::Undoing {
            return Ok(Seen { services: services::look_at(look).await?, way: Ok(()) });
        }
        let source = source_endpoint(look.facts).ok_or_else(|| {
            Failure::new(FailureKind::NotFound, "reach the source", "nobody knows where it is")
        })?;
        let probe = look.ports.router.probe(source);
        let (services, way) = try_join(pin!(services::look_at(look)), probe).await?;
        Ok(Seen { services, way })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let blocked = |who: &str| Plan::blocked(gateway_problem("pointing", &[who.to_owned()]));
        let (Some(source), None) = (source_endpoint(facts), seen.services.lost()) else {
            return blocked("the route is gone");
        };
        let routes = || seen.services.all().filter_map(|one| one.view.route.as_ref());
        if routes().any(|route| !is_held(route)) {
            return blocked("traffic is not held any more: somebody released it");
        }
        if let Err(why) = &seen.way {
            let late = Problem::new(
                Code::TargetUnreachable,
                format!("source {source} cannot be reached: {why}"),
                "Let the gateway and Landfall into target.quarantine_group, then run `landfall \
                 resume`; `landfall abort` leads back to the target.",
            );
            return Plan::wait(spec, format!("{source} to answer"), why.clone())
                .every(BRISK)
                .or(spec.limits.step_within, late);
        }
        let goal = |service: &ServiceName| before(spec, facts, service).unwrap_or(source);
        match routes().find(|route| route.endpoint != *goal(&route.service)) {
            Some(route) => Plan::act(there(route, goal(&route.service))),
            None => Plan::Done,
        }
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        services::point_home(spec, facts, &seen.services)
    }
}

/// Where a read-only service led before the move.
fn before<'a>(spec: &Spec, facts: &'a Facts, service: &ServiceName) -> Option<&'a Endpoint> {
    let forward = facts.forward.as_ref().filter(|_| *service != spec.route.service)?;
    forward.readers_were.as_ref()?.get(service)
}

fn there(route: &Route, endpoint: &Endpoint) -> RouteAction {
    RouteAction::Point {
        service: route.service.clone(),
        endpoint: endpoint.clone(),
        epoch: route.epoch + 1,
    }
}
