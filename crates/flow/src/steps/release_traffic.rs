//! Purpose: the held connections go on, to the target. The intent is the point of no return.
//! Reads: the route and each proxy's acknowledgement.
//! Changes: the route is open; every proxy is told.
//! Undo: refused: writes may be on the target from the first moment.
//! If it dies here: before the intent nothing happened and undo is open; after it the next start
//!   releases, and never goes back.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::{RouteView, Traffic};
use landfall_core::{Facts, Spec};

use super::{gateway_problem, hold_traffic, source_endpoint};
use crate::step::{Look, Plan, Step};

/// The point of no return.
pub struct ReleaseTraffic;

impl Step for ReleaseTraffic {
    const ID: &'static str = "cutover.release_traffic";
    const TITLE: &'static str = "Release traffic to the target";
    type Seen = RouteView;

    async fn observe(&self, look: &Look<'_>) -> Result<RouteView, Failure> {
        look.ports.router.view(&look.spec.route.service).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &RouteView) -> Plan {
        match &seen.route {
            Some(route) if Some(&route.endpoint) == source_endpoint(facts) => {
                let who = vec!["the route leads to the source again".to_owned()];
                Plan::blocked(gateway_problem("the release", &who))
            }
            Some(route) if route.traffic == Traffic::Held => {
                let (service, epoch) = (spec.route.service.clone(), route.epoch + 1);
                Plan::act(RouteAction::Release { service, epoch })
            }
            Some(_) => hold_traffic::acknowledged(spec, facts, seen, "the release"),
            None => {
                let who = vec!["the route is gone".to_owned()];
                Plan::blocked(gateway_problem("the release", &who))
            }
        }
    }

    /// Reached only when the intent was never committed: then nothing was released.
    fn undo(&self, _: &Spec, _: &Facts, _: &RouteView) -> Plan {
        Plan::Done
    }
}
