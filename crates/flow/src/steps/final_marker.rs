//! Purpose: a committed row of ours after the fence: whatever was acknowledged lies before it.
//! Reads: whether the marker can be read on the source, and the flush position after it.
//! Changes: one row in our own table. Without access there is no marker.
//! Undo: nothing; the table is dropped where it was made.
//! If it dies here: the row is there or not; a second marker of the same token is the same row.

use landfall_core::action::DatabaseAction;
use landfall_core::failure::Failure;
use landfall_core::port::database::MarkerView;
use landfall_core::{Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::fence_source::FenceSource;
use super::source_endpoint;
use crate::step::{Look, Plan, Step};

/// The last row of the source.
pub struct FinalMarker;

/// Absent without access.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    marker: Option<MarkerView>,
}

impl Step for FinalMarker {
    const ID: &'static str = "quiesce.final_marker";
    const TITLE: &'static str = "Write the final marker on the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let marker = match (look.ports.database, source_endpoint(look.facts)) {
            (Some(database), Some(at)) => {
                Some(database.marker(at, &token(look.spec, look.facts)).await?)
            }
            _ => None,
        };
        Ok(Seen { marker })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.fenced.is_none() {
            return Plan::Return(FenceSource::ID);
        }
        let (Some(marker), Some(at)) = (seen.marker, source_endpoint(facts)) else {
            return Plan::Done;
        };
        let token = token(spec, facts);
        match marker {
            MarkerView::NoTable => Plan::act(DatabaseAction::CreateMarkerTable { at: at.clone() }),
            MarkerView::Visible { flush_lsn: Some(lsn) } => match &facts.marked {
                Some((known, _)) if *known == token => Plan::Done,
                _ => Plan::Conclude(Fact::Marked { token, lsn }),
            },
            MarkerView::Absent | MarkerView::Visible { flush_lsn: None } => {
                Plan::act(DatabaseAction::WriteMarker { at: at.clone(), token })
            }
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// One marker per proof of the fence: an older one says nothing about writes that came after it.
pub(super) fn token(spec: &Spec, facts: &Facts) -> String {
    let attempt = format!("{}/{}", spec.migration.name, facts.attempt);
    match facts.fence_proofs {
        0 | 1 => attempt,
        proof => format!("{attempt}/{proof}"),
    }
}
