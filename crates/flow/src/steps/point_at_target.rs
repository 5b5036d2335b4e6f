//! Purpose: the stored route leads to the target; nobody is told yet.
//! Reads: the route; the way to the target.
//! Changes: the route's endpoint and epoch, in the store only.
//! Undo: the endpoint is the source's again.
//! If it dies here: traffic is still held, whatever the route says.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::{RouteView, Traffic};
use landfall_core::{Code, Course, Endpoint, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, gateway_problem, source_endpoint, target};
use crate::step::{BRISK, Look, Plan, Step};

/// The new address, not yet told.
pub struct PointAtTarget;

/// The route, and the way to where it shall lead.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    view: RouteView,
    target: Option<Endpoint>,
    way: Result<(), String>,
}

impl Step for PointAtTarget {
    const ID: &'static str = "cutover.point_at_target";
    const TITLE: &'static str = "Point the route at the target";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let view = look.ports.router.view(&look.spec.route.service).await?;
        // Undo does not need the target, and must not depend on it.
        if look.course == Course::Undoing || look.facts.promoted.is_none() {
            return Ok(Seen { view, target: None, way: Ok(()) });
        }
        let cluster = target(look).await?;
        let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
        let way = look.ports.router.probe(&at).await?;
        Ok(Seen { view, target: Some(at), way })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        let (Some(target), Some(route)) = (&seen.target, &seen.view.route) else {
            return Plan::blocked(gateway_problem("pointing", &["the route is gone".to_owned()]));
        };
        if route.traffic != Traffic::Held {
            let who = vec!["traffic is not held any more: somebody released it".to_owned()];
            return Plan::blocked(gateway_problem("pointing", &who));
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
        if route.endpoint == *target {
            return Plan::Done;
        }
        Plan::act(RouteAction::Point {
            service: spec.route.service.clone(),
            endpoint: target.clone(),
            epoch: route.epoch + 1,
        })
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let (Some(route), Some(source)) = (&seen.view.route, source_endpoint(facts)) else {
            return Plan::Done;
        };
        if route.endpoint == *source || route.traffic == Traffic::Open {
            return Plan::Done;
        }
        Plan::act(RouteAction::Point {
            service: spec.route.service.clone(),
            endpoint: source.clone(),
            epoch: route.epoch + 1,
        })
    }
}
