//! Purpose: know early what a roll-back would carry and lose, and what stands against it.
//! Reads: every table of the source, its room for apply workers and what keeps our role from
//!   applying rows there. Without access there is no way back, and it is said here.
//! Changes: nothing. No publication is made on the source: one over a table without replica
//!   identity would make the application's own updates fail.
//! Undo: nothing to undo.
//! If it dies here: the next start looks again.

use std::pin::pin;

use futures_util::future::try_join3;
use landfall_core::facts::WayBackPlan;
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::{Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{source_endpoint, way_back};
use crate::step::{Instead, Look, Plan, Step, Tried};

/// The survey.
pub struct PrepareWayBack;

/// What was found, when it is wanted and may be looked at.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    found: Option<WayBackPlan>,
}

impl Step for PrepareWayBack {
    const ID: &'static str = "prepare.prepare_way_back";
    const TITLE: &'static str = "See what could flow back after the release";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let open = way_back::is_open(look.spec, look.facts);
        let found = match (look.ports.database, source_endpoint(look.facts)) {
            (Some(database), Some(at)) if open => Some(survey(look.spec, database, at).await?),
            _ => None,
        };
        Ok(Seen { found })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.way_back.closed.is_some() {
            return Plan::Done;
        }
        if let Some(why) = way_back::ruled_out(spec) {
            return match spec.access {
                None => way_back::close(spec, facts, &[why.to_owned()]),
                // Who chose so needs no warning.
                Some(_) => Plan::Learn(Fact::WayBackClosed { why: why.to_owned() }),
            };
        }
        let Some(found) = &seen.found else { return Plan::Done };
        way_back::telling(facts, found)
            .or_else(|| way_back::doubtful(spec, facts, &found.obstacles))
            .unwrap_or(Plan::Done)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }

    fn instead(
        &self,
        spec: &Spec,
        facts: &Facts,
        failure: &Failure,
        tried: Tried,
    ) -> Option<Instead> {
        way_back::instead(spec, facts, failure, tried)
    }
}

/// The source, as far as it can be judged by itself.
pub(super) async fn survey(
    spec: &Spec,
    database: &dyn Database,
    at: &Endpoint,
) -> Result<WayBackPlan, Failure> {
    let (surveys, room, settings) =
        try_join3(pin!(database.survey(at)), pin!(database.room(at)), pin!(database.settings(at)))
            .await?;
    let mut found = way_back::plan_of(spec, &surveys);
    found.obstacles.extend(way_back::lacks_of_source(&room, surveys.len()));
    // Before PostgreSQL 18 each subscription keeps its origin in a place of this parameter.
    let origins = ["max_active_replication_origins", "max_replication_slots"];
    let origins = origins.iter().find_map(|name| settings.get(*name)?.value.parse::<usize>().ok());
    if let Some(places) = origins.filter(|places| *places < surveys.len()) {
        found.obstacles.push(format!(
            "the source has {places} places for origins (max_replication_slots), and the way back \
             takes {}, one for each database: raise it in its parameter group, and reboot it",
            surveys.len()
        ));
    }
    Ok(found)
}
