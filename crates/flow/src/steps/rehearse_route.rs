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
use landfall_core::port::router::{ProxyView, RouterAbility};
use landfall_core::port::tests::TestRun;
use landfall_core::quantity::duration_text;
use landfall_core::status::Line;
use landfall_core::{Code, Endpoint, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::prove_fence::prepared_problem;
use super::services::{self, Order, Services, acknowledged};
use super::{endpoint, gateway_problem, smoke, source_endpoint, target};
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
    /// The owner's tests, once each time the gateway is tried anew.
    #[serde(default)]
    tests: Vec<TestRun>,
    inside: Option<Inside>,
}

/// What access shows of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Inside {
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
        // A program is not run again for each look at a proxy that is late.
        let tried = look.facts.gateway.is_some();
        Ok(Seen {
            tests: if tried { vec![] } else { smoke::run(look, &at).await? },
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
        let inside = || seen.inside.as_ref().and_then(not_ready);
        let tests = smoke::failing(&seen.tests, "the replica");
        if let Some(problem) = tests.or_else(inside).or_else(|| too_short(spec, seen.ability)) {
            return Plan::blocked(problem);
        }
        if facts.gateway != Some(seen.ability) {
            return Plan::Learn(Fact::Gateway(seen.ability));
        }
        let tight = seen
            .inside
            .as_ref()
            .and_then(|inside| tighter(spec, inside.room, passages(&seen.services)));
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
    Ok(Room { sessions, source: takes(&source), target: takes(&target) })
}

/// What applications get of `max_connections`: some places are kept for those who look after it.
fn takes(settings: &Settings) -> Option<u64> {
    const KEPT: [&str; 3] = [
        "superuser_reserved_connections",
        "reserved_connections",
        "rds.rds_superuser_reserved_connections",
    ];
    let number = |name: &str| settings.get(name)?.value.parse::<u64>().ok();
    let kept: u64 = KEPT.iter().filter_map(|name| number(name)).sum();
    Some(number("max_connections")?.saturating_sub(kept))
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

/// Proxies that let connections of the writer's service through.
fn passages(services: &Services) -> u64 {
    let proxies = services.first().map(|one| one.view.proxies.as_slice()).unwrap_or_default();
    let through = |proxy: &&ProxyView| proxy.connected_since.is_some() && proxy.subscribed;
    proxies.iter().filter(through).count() as u64
}

fn tighter(spec: &Spec, room: Room, proxies: u64) -> Option<String> {
    let target = room.target?;
    if let Some(limit) = spec.route.sessions_per_proxy {
        let all = proxies.saturating_mul(limit.get().into());
        return (all > target).then(|| {
            format!(
                "the target takes {target} sessions, and {proxies} proxies let {all} through \
                 (route.sessions_per_proxy)"
            )
        });
    }
    let (source, now) = (room.source.filter(|source| target < *source)?, room.sessions);
    Some(format!(
        "the target takes {target} sessions, the source {source}; there are {now} now. More that \
         were held come at once, unless route.sessions_per_proxy lets them take turns"
    ))
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

fn not_ready(seen: &Inside) -> Option<Problem> {
    prepared_problem(Line::Migrate, &seen.prepared).or_else(|| too_small(seen.room))
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
