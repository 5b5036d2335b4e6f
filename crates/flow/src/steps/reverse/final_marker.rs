//! Purpose: a committed row of ours in every database of the target, behind everything it took.
//! Reads: whether the marker can be read there, and the flush positions after it.
//! Changes: one row in each of our own tables. Without a way back there is nothing to drain.
//! Undo: nothing; the tables are dropped where they were made.
//! If it dies here: the rows are there or not; a second marker of the same token is the same row.

use std::collections::BTreeMap;

use landfall_core::action::WayBackAction;
use landfall_core::failure::Failure;
use landfall_core::ids::DatabaseName;
use landfall_core::port::database::MarkerView;
use landfall_core::{Code, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::FENCE_TARGET;
use crate::step::{Look, Plan, Step};

/// The last rows of the target.
pub struct FinalMarkers;

/// By database; absent without a way back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    markers: Option<BTreeMap<DatabaseName, MarkerView>>,
}

impl Step for FinalMarkers {
    const ID: &'static str = "reverse.final_marker";
    const TITLE: &'static str = "Write the final marker on the target";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let markers = match (look.ports.database, &look.facts.way_back.target) {
            (Some(database), Some(at)) if look.facts.way_back.is_armed() => {
                Some(database.markers(at, &token(look.spec, look.facts)).await?)
            }
            _ => None,
        };
        Ok(Seen { markers })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.fenced.is_none() {
            return Plan::Return(FENCE_TARGET.id);
        }
        let (Some(markers), Some(at)) = (&seen.markers, &facts.way_back.target) else {
            return Plan::Done;
        };
        let without = markers.iter().find(|(_, marker)| **marker == MarkerView::NoTable);
        if let Some((database, _)) = without {
            return Plan::blocked(no_table(database));
        }
        let token = token(spec, facts);
        let flushed = |marker: &MarkerView| match marker {
            MarkerView::Visible { flush_lsn } => *flush_lsn,
            MarkerView::Absent | MarkerView::NoTable => None,
        };
        let positions: Option<Vec<_>> = markers.values().map(flushed).collect();
        match positions.and_then(|positions| positions.into_iter().max()) {
            Some(lsn) => match &facts.marked {
                Some((known, _)) if *known == token => Plan::Done,
                _ => Plan::Conclude(Fact::Marked { token, lsn }),
            },
            None => Plan::act(WayBackAction::WriteMarkers { at: at.clone(), token }),
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// One marker per proof of the fence, and other than those of the way forward.
fn token(spec: &Spec, facts: &Facts) -> String {
    // A roll-back that was undone has markers of its own: the pause tells them apart.
    let held = facts.held_since.map_or(0, |at| at.as_second());
    let (name, attempt) = (&spec.migration.name, facts.attempt);
    format!("{name}/{attempt}/back/{held}/{}", facts.fence_proofs)
}

fn no_table(database: &DatabaseName) -> Problem {
    Problem::new(
        Code::WayBackBroken,
        format!("database {database} has no marker table, so nothing can be proven of it"),
        "It was made, or its schema landfall dropped, since the way back was armed. `landfall \
         abort` leaves the target in charge.",
    )
}
