//! Purpose: try before the hold whatever can be tried: every proxy listens, can hold long enough
//!   and can go there; the owner's tests pass on the replica, which has room for every session; no
//!   prepared transaction is open.
//! Reads: the routes, each proxy's acknowledgement, what the gateway can do, the way to the
//!   replica, the smoke tests there, both servers' room for sessions.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: the next start looks again.

use std::collections::BTreeMap;

use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::port::database::SettingView;
use landfall_core::port::router::RouterAbility;
use landfall_core::quantity::duration_text;
use landfall_core::{Code, Endpoint, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::prove_fence::prepared_problem;
use super::services::{self, Order, Services, acknowledged};
use super::smoke::{failing, smoke_problem};
use super::{endpoint, gateway_problem, source_endpoint, target};
use crate::step::{Look, Plan, Step};
use landfall_assess::bypass;

type Settings = BTreeMap<String, SettingView>;

/// The gateway, tried while it does not matter.
pub struct RehearseRoute;

/// The gateway's state and what the way to the replica answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    services: Services,
    ability: RouterAbility,
    way: Result<(), String>,
    inside: Option<Inside>,
}

/// What access shows of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inside {
    failing: Vec<String>,
    prepared: Vec<String>,
    room: Room,
}

/// How many sessions there are, and how many each side takes; absent where it was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Room {
    sessions: u64,
    source: Option<u64>,
    target: Option<u64>,
}

/// What warnings are about.
const ROOM: &str = "room for sessions";
const WHO_CANNOT_HOLD: &str = "who cannot hold";

impl Step for RehearseRoute {
    const ID: &'static str = "replicate.rehearse_route";
    const TITLE: &'static str = "Try the gateway and the way to the replica";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cluster = target(look).await?;
        let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
        let router = look.ports.router;
        Ok(Seen {
            services: services::look_at(look).await?,
            ability: router.ability().await?,
            way: router.probe(&at).await?,
            inside: inside(look, &at).await?,
        })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
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
        if facts.gateway != Some(seen.ability) {
            return Plan::Learn(Fact::Gateway(seen.ability));
        }
        let tight = seen.inside.as_ref().and_then(|inside| tighter(inside.room));
        let through = passing(&seen.services);
        for (about, text) in [(ROOM, tight), (WHO_CANNOT_HOLD, through)] {
            if let Some(text) = text.filter(|_| !facts.warnings.contains_key(about)) {
                return Plan::Learn(Fact::Warned { about: about.to_owned(), text });
            }
        }
        if seen.services.first().is_some_and(|one| one.view.proxies.is_empty()) {
            let nobody = vec![format!("no proxy of service {} is connected", spec.route.service)];
            let late = gateway_problem("before the hold", &nobody);
            return Plan::wait(spec, "every proxy to follow the route", nobody.join("; "))
                .or(spec.route.acknowledge_within, late);
        }
        acknowledged(spec, facts, &seen.services, Order::Rehearsal)
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
        room: room(database, source, replica).await?,
    }))
}

async fn room(
    database: &dyn Database,
    source: &Endpoint,
    replica: &Endpoint,
) -> Result<Room, Failure> {
    let parties = bypass::parties(&database.sessions(source).await?);
    let sessions = parties.iter().map(|party| party.count as u64).sum();
    let (source, target) = (database.settings(source).await?, database.settings(replica).await?);
    let takes = |settings: &Settings| settings.get("max_connections")?.value.parse().ok();
    Ok(Room { sessions, source: takes(&source), target: takes(&target) })
}

/// Sessions beyond what the target takes are refused by it, all at once at the release.
fn too_small(room: Room) -> Option<Problem> {
    let target = room.target.filter(|target| *target < room.sessions)?;
    Some(Problem::new(
        Code::TargetTooSmall,
        format!("the target takes {target} sessions, and the source has {} now", room.sessions),
        "Raise max_connections of the target or give it a larger class, or have fewer sessions; \
         then run `landfall resume`.",
    ))
}

fn tighter(room: Room) -> Option<String> {
    let (source, target) = room.source.zip(room.target).filter(|(s, t)| t < s)?;
    let now = room.sessions;
    Some(format!("the target takes {target} sessions, the source {source}; there are {now} now"))
}

/// Who lets connections through in the hold, by name: the others are waited for all the same.
fn passing(services: &Services) -> Option<String> {
    let nodes = services.passing();
    (!nodes.is_empty()).then(|| {
        format!(
            "{} cannot hold: from the fence to the release connections by it fail",
            nodes.join(", ")
        )
    })
}

fn not_ready(spec: &Spec, seen: &Inside) -> Option<Problem> {
    if !seen.failing.is_empty() {
        return Some(smoke_problem(&seen.failing, spec.smoke.sql.len(), "the replica"));
    }
    prepared_problem(&seen.prepared).or_else(|| too_small(seen.room))
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
            "Lower route.pause_budget, or let the gateway wait longer: Envoy by a bootstrap with a \
             longer --hold-timeout, PgBouncer by query_wait_timeout and client_login_timeout.",
        )
    })
}
