//! Purpose: the held connections go on, to the target. The intent is the point of no return.
//! Reads: the routes and each proxy's acknowledgement; before the intent also the fence, once more.
//! Changes: the routes are open, the writer's first; every proxy is told.
//! Undo: refused: writes may be on the target from the first moment.
//! If it dies here: before the intent nothing happened and undo is open; after it the next start
//!   releases, and never goes back.

use std::pin::pin;

use futures_util::future::try_join;
use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::status::Line;
use landfall_core::{Course, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::prove_fence::Again;
use super::services::{self, Order, ServiceView, Services, acknowledged, is_held};
use super::{gateway_problem, prove_fence, side};
use crate::step::{Look, Plan, Step};

/// The point of no return.
pub struct ReleaseTraffic;

/// The routes, and the fence while going back is still possible.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    services: Services,
    fence: Option<Again>,
}

impl Step for ReleaseTraffic {
    const ID: &'static str = "cutover.release_traffic";
    const TITLE: &'static str = "Release traffic to the target";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let fence = async {
            match (look.course, look.facts.released_at) {
                (Course::Doing, None) => prove_fence::again_if_there(look).await,
                // Once the intent is written, nothing but the release is left.
                (Course::Doing, Some(_)) | (Course::Undoing, _) => Ok(None),
            }
        };
        let (services, fence) = try_join(pin!(services::look_at(look)), pin!(fence)).await?;
        Ok(Seen { services, fence })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if let Some(problem) = seen.fence.as_ref().and_then(|f| prove_fence::broken(spec, facts, f))
        {
            return Plan::blocked(left_behind(facts.line, problem));
        }
        let who = |who: &str| Plan::blocked(gateway_problem("the release", &[who.to_owned()]));
        let Some(writer) = seen.services.writer() else { return who("the route is gone") };
        let origin = side::origin(facts);
        if Some(&writer.endpoint) == origin {
            return who(&format!("the route leads to the {} again", side::word(facts.line)));
        }
        // The writer's first: this one intent is the point of no return, and readers are only
        // opened behind it.
        let held = |one: &ServiceView| one.view.route.clone().filter(is_held);
        let Some(route) = seen.services.all().find_map(held) else {
            return acknowledged(spec, facts, &seen.services, Order::Release);
        };
        let (service, epoch) = (route.service.clone(), route.epoch + 1);
        if Some(&route.endpoint) == origin {
            let endpoint = writer.endpoint.clone();
            return Plan::act(RouteAction::Point { service, endpoint, epoch });
        }
        Plan::act(RouteAction::Release { service, epoch })
    }

    /// Reached only when the intent was never committed: then nothing was released.
    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The other side is complete without what this one took since its proof.
fn left_behind(line: Line, mut problem: Problem) -> Problem {
    let (origin, goal) = match line {
        Line::Migrate => ("source", "target"),
        Line::Reverse => ("target", "source"),
    };
    problem.hint = format!(
        "Run `landfall abort`: nobody has written to the {goal}, and the {origin} keeps every \
         write. Only when you know that nobody wrote to the {origin}, close it again and run \
         `landfall resume`."
    );
    problem
}
