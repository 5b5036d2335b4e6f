//! Purpose: the held connections go on, to the target. The intent is the point of no return.
//! Reads: the route and each proxy's acknowledgement; before the intent also the fence, once more.
//! Changes: the route is open; every proxy is told.
//! Undo: refused: writes may be on the target from the first moment.
//! If it dies here: before the intent nothing happened and undo is open; after it the next start
//!   releases, and never goes back.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::router::{RouteView, Traffic};
use landfall_core::{Course, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::prove_fence::Again;
use super::{gateway_problem, hold_traffic, prove_fence, source_endpoint};
use crate::step::{Look, Plan, Step};

/// The point of no return.
pub struct ReleaseTraffic;

/// The route, and the fence while going back is still possible.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    view: RouteView,
    fence: Option<Again>,
}

impl Step for ReleaseTraffic {
    const ID: &'static str = "cutover.release_traffic";
    const TITLE: &'static str = "Release traffic to the target";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let view = look.ports.router.view(&look.spec.route.service).await?;
        let fence = match (look.course, look.facts.released_at) {
            (Course::Doing, None) => prove_fence::again_if_there(look).await?,
            // Once the intent is written, nothing but the release is left.
            (Course::Doing, Some(_)) | (Course::Undoing, _) => None,
        };
        Ok(Seen { view, fence })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if let Some(problem) = seen.fence.as_ref().and_then(|f| prove_fence::broken(spec, facts, f))
        {
            return Plan::blocked(left_behind(problem));
        }
        let seen = &seen.view;
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
    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The target is promoted: what the source took since then is not there.
fn left_behind(mut problem: Problem) -> Problem {
    problem.hint = "Run `landfall abort`: nobody has written to the target, and the source keeps \
                    every write. Only when you know that nobody wrote to the source, close it \
                    again and run `landfall resume`."
        .to_owned();
    problem
}
