//! Purpose: the stored routes lead to the target; nobody is told yet.
//! Reads: the routes; the way to the target, and to its readers when it has any.
//! Changes: each route's endpoint and epoch, in the store only.
//! Undo: the endpoints are those from before the hold.
//! If it dies here: traffic is still held, whatever the routes say.

use std::pin::pin;

use futures_util::future::try_join;
use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::Route;
use landfall_core::{Code, Course, Endpoint, Facts, Problem, ServiceName, Spec};
use serde::{Deserialize, Serialize};

use super::services::{self, Services, is_held};
use super::{endpoint, gateway_problem, target};
use crate::step::{BRISK, Look, Plan, Step};

/// The new address, not yet told.
pub struct PointAtTarget;

/// The routes, and the way to where they shall lead.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    services: Services,
    target: Option<Endpoint>,
    /// Where readers go, when the target has any that take connections.
    readers: Option<Endpoint>,
    way: Result<(), String>,
}

impl Step for PointAtTarget {
    const ID: &'static str = "cutover.point_at_target";
    const TITLE: &'static str = "Point the route at the target";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        // Undo does not need the target, and must not depend on it.
        if look.course == Course::Undoing || look.facts.promoted.is_none() {
            let services = services::look_at(look).await?;
            return Ok(Seen { services, target: None, readers: None, way: Ok(()) });
        }
        let (services, way) = try_join(pin!(services::look_at(look)), pin!(way(look))).await?;
        let Way { target, readers, open } = way;
        Ok(Seen { services, target: Some(target), readers, way: open })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        let blocked = |who: &str| Plan::blocked(gateway_problem("pointing", &[who.to_owned()]));
        let (Some(target), None) = (&seen.target, seen.services.lost()) else {
            return blocked("the route is gone");
        };
        let routes = || seen.services.all().filter_map(|one| one.view.route.as_ref());
        if routes().any(|route| !is_held(route)) {
            return blocked("traffic is not held any more: somebody released it");
        }
        if let Err(why) = &seen.way {
            let late = Problem::new(
                Code::TargetUnreachable,
                format!("target {target} cannot be reached: {why}"),
                "Let the gateway and Landfall into target.quarantine_group, then run `landfall \
                 resume`.",
            );
            return Plan::wait(spec, format!("{target} to answer"), why.clone())
                .every(BRISK)
                .or(spec.limits.step_within, late);
        }
        let goal = |service: &ServiceName| match &seen.readers {
            Some(readers) if *service != spec.route.service => readers,
            Some(_) | None => target,
        };
        // A reader that leads to the target is not moved again when its readers come or go.
        let there = |route: &Route| {
            let end = Some(&route.endpoint);
            end == Some(target)
                || (route.service != spec.route.service && end == seen.readers.as_ref())
        };
        match routes().find(|route| !there(route)) {
            Some(route) => Plan::act(RouteAction::Point {
                service: route.service.clone(),
                endpoint: goal(&route.service).clone(),
                epoch: route.epoch + 1,
            }),
            None => Plan::Done,
        }
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        services::point_home(spec, facts, &seen.services)
    }
}

/// Where the services shall lead, and whether the way there is open.
struct Way {
    target: Endpoint,
    readers: Option<Endpoint>,
    open: Result<(), String>,
}

async fn way(look: &Look<'_>) -> Result<Way, Failure> {
    let cluster = target(look).await?;
    let target = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
    let probe = look.ports.router.probe(&target);
    let (open, readers) = try_join(probe, pin!(services::readers_at(look, &cluster))).await?;
    Ok(Way { target, readers, open })
}
