//! What the journals of finished moves teach the forecast. Reads only; a journal that cannot be
//! read teaches nothing and stops nothing.

use landfall_core::Seq;
use landfall_core::experience::PastMove;
use landfall_core::journal::{Entry, Record, Store, StoreError};
use landfall_core::status::{Course, Outcome, Run};

use crate::step::Step;
use crate::steps::{CreateReplicaCluster, WaitAvailable};
use crate::view::View;

/// So many moves are enough; a store may hold hundreds.
const AT_MOST: usize = 50;

/// The finished moves of a store.
pub async fn experience(store: &dyn Store) -> Result<Vec<PastMove>, StoreError> {
    let mut known = Vec::new();
    for name in store.migrations().await? {
        if known.len() == AT_MOST {
            break;
        }
        let Ok(entries) = store.read(&name, Seq(0)).await else { continue };
        known.extend(past(&entries));
    }
    Ok(known)
}

/// How a move went, when it was finished on the target.
fn past(entries: &[Entry]) -> Option<PastMove> {
    let view = View::fold(entries).ok().flatten()?;
    if view.status.run != (Run::Finished { outcome: Outcome::Moved }) {
        return None;
    }
    let facts = &view.facts;
    let of = |step: &str, holds: fn(&Record) -> bool| {
        let mut of_it = entries.iter().rev().filter(|one| one.step.as_deref() == Some(step));
        of_it.find(|one| holds(&one.record)).map(|one| one.at)
    };
    let began = of(CreateReplicaCluster::ID, |record| {
        matches!(record, Record::Entered { course: Course::Doing, .. })
    })?;
    let there = of(WaitAvailable::ID, |record| matches!(record, Record::Completed { .. }))?;
    let pause = facts.released_at?.duration_since(facts.held_since?);
    Some(PastMove {
        bytes: facts.assessed.as_ref()?.bytes,
        build: there.duration_since(began).try_into().ok()?,
        pause: pause.try_into().ok()?,
    })
}
