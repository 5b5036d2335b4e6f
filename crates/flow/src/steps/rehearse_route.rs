//! Purpose: try before the hold whatever can be tried: every proxy listens, can hold long enough
//!   and can go there; the owner's tests pass on the replica; no prepared transaction is open.
//! Reads: the route, each proxy's acknowledgement, the way to the replica, the smoke tests there.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: the next start looks again.

use landfall_core::failure::Failure;
use landfall_core::port::router::{RouteView, RouterAbility};
use landfall_core::quantity::duration_text;
use landfall_core::{Code, Endpoint, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::prove_fence::prepared_problem;
use super::smoke::{failing, smoke_problem};
use super::{endpoint, gateway_problem, source_endpoint, stragglers, target};
use crate::step::{Look, Plan, Step};

/// The gateway, tried while it does not matter.
pub struct RehearseRoute;

/// The gateway's state and what the way to the replica answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    view: RouteView,
    ability: RouterAbility,
    way: Result<(), String>,
    inside: Option<Inside>,
}

/// What access shows of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inside {
    failing: Vec<String>,
    prepared: Vec<String>,
}

impl Step for RehearseRoute {
    const ID: &'static str = "replicate.rehearse_route";
    const TITLE: &'static str = "Try the gateway and the way to the replica";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cluster = target(look).await?;
        let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
        let router = look.ports.router;
        Ok(Seen {
            view: router.view(&look.spec.route.service).await?,
            ability: router.ability().await?,
            way: router.probe(&at).await?,
            inside: inside(look, &at).await?,
        })
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        if let Err(why) = &seen.way {
            return Plan::blocked(Problem::new(
                Code::TargetUnreachable,
                format!("replica {} cannot be reached: {why}", spec.target.cluster),
                "Let the gateway and Landfall into target.quarantine_group, then run \
                     `landfall resume`.",
            ));
        }
        let inside = seen.inside.as_ref().and_then(|inside| not_ready(spec, inside));
        if let Some(problem) = inside.or_else(|| too_short(spec, seen.ability)) {
            return Plan::blocked(problem);
        }
        let epoch = seen.view.route.as_ref().map_or(0, |route| route.epoch);
        let mut waiting = stragglers(&seen.view, epoch);
        if seen.view.proxies.is_empty() {
            waiting.push(format!("no proxy of service {} is connected", spec.route.service));
        }
        if waiting.is_empty() {
            return Plan::Done;
        }
        let late = gateway_problem("before the hold", &waiting);
        Plan::wait(spec, "every proxy to follow the route", waiting.join("; "))
            .or(spec.route.acknowledge_within, late)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

async fn inside(look: &Look<'_>, replica: &Endpoint) -> Result<Option<Inside>, Failure> {
    let (Some(database), Some(source)) = (look.ports.database, source_endpoint(look.facts)) else {
        return Ok(None);
    };
    Ok(Some(Inside {
        failing: failing(database, replica, &look.spec.smoke.sql).await?,
        prepared: database.prepared_transactions(source).await?,
    }))
}

fn not_ready(spec: &Spec, seen: &Inside) -> Option<Problem> {
    if !seen.failing.is_empty() {
        return Some(smoke_problem(&seen.failing, spec.smoke.sql.len(), "the replica"));
    }
    prepared_problem(&seen.prepared)
}

fn too_short(spec: &Spec, ability: RouterAbility) -> Option<Problem> {
    let longest = ability.holds_at_most?;
    let budget = spec.pause_budget();
    (longest < budget).then(|| {
        Problem::new(
            Code::PauseBudgetTooSmall,
            format!(
                "the gateway holds connections for {} at most, and the pause budget is {}",
                duration_text::to_text(longest),
                duration_text::to_text(budget)
            ),
            "Lower route.pause_budget, or print the bootstrap again with a longer hold timeout.",
        )
    })
}
