//! Purpose: try the way back while it does not matter: the tables once more, the replica's room for
//!   slots, the path from the source to it.
//! Reads: every table and the room of both servers; a subscription on the source that is rolled
//!   back.
//! Changes: nothing. What stands against the way back closes it here, before anybody approves the
//!   cutover, or stops the move where it is required.
//! Undo: nothing to undo.
//! If it dies here: the next start looks again.

use std::pin::pin;

use futures_util::future::try_join3;
use landfall_core::facts::WayBackPlan;
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::{Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, prepare_way_back, source_endpoint, target, way_back};
use crate::step::{Instead, Look, Plan, Step, Tried};

/// The trial.
pub struct RehearseWayBack;

/// What was found, when it is wanted and was not given up before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    found: Option<WayBackPlan>,
    /// Where the replica answers, so that nobody looks for it in the pause.
    replica: Option<Endpoint>,
}

impl Step for RehearseWayBack {
    const ID: &'static str = "replicate.rehearse_way_back";
    const TITLE: &'static str = "Try the way from the source to the replica";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let open = way_back::is_open(look.spec, look.facts);
        let (found, replica) = match (look.ports.database, source_endpoint(look.facts)) {
            (Some(database), Some(source)) if open => {
                let cluster = target(look).await?;
                let replica = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
                let found = tried(look.spec, database, (source, &replica)).await?;
                (Some(found), Some(replica))
            }
            _ => (None, None),
        };
        Ok(Seen { found, replica })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let Some(found) = seen.found.as_ref().filter(|_| facts.way_back.closed.is_none()) else {
            return Plan::Done;
        };
        if let Some(replica) =
            seen.replica.as_ref().filter(|at| facts.way_back.target.as_ref() != Some(*at))
        {
            return Plan::Learn(Fact::TargetAt { endpoint: replica.clone() });
        }
        match way_back::telling(facts, found) {
            Some(plan) => plan,
            None if found.obstacles.is_empty() => Plan::Done,
            None => way_back::close(spec, facts, &found.obstacles),
        }
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

async fn tried(
    spec: &Spec,
    database: &dyn Database,
    (source, replica): (&Endpoint, &Endpoint),
) -> Result<WayBackPlan, Failure> {
    let (mut found, room, path) = try_join3(
        pin!(prepare_way_back::survey(spec, database, source)),
        pin!(database.room(replica)),
        pin!(database.reaches(source, replica)),
    )
    .await?;
    let databases = database.databases(source).await?.len();
    found.obstacles.extend(way_back::lacks_of_target(spec, &room, databases));
    if let Err(why) = path {
        found.obstacles.push(format!(
            "the source does not reach {replica}: {why}; let {} out to it and \
             target.quarantine_group in from there, and check the right to subscribe",
            spec.cutover.quarantine_group
        ));
    }
    Ok(found)
}
