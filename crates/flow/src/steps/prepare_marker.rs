//! Purpose: have the marker's table ready, so that the pause needs one insert and no DDL.
//! Reads: whether the table is there. Without access there is no marker, and the metric decides.
//! Changes: creates schema `landfall` with one table on the source; it replicates like all else.
//! Undo: drops it.
//! If it dies here: the table is there or not; both are seen by the next start.

use landfall_core::action::DatabaseAction;
use landfall_core::failure::Failure;
use landfall_core::port::database::MarkerView;
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::source_endpoint;
use crate::step::{Look, Plan, Step};

/// The marker's table on the source.
pub struct PrepareMarker;

/// Absent without access.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    marker: Option<MarkerView>,
}

impl Step for PrepareMarker {
    const ID: &'static str = "prepare.prepare_marker";
    const TITLE: &'static str = "Prepare the marker on the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let marker = match (look.ports.database, source_endpoint(look.facts)) {
            (Some(database), Some(at)) => Some(database.marker(at, "").await?),
            _ => None,
        };
        Ok(Seen { marker })
    }

    fn plan(&self, _: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match (seen.marker, source_endpoint(facts)) {
            (Some(MarkerView::NoTable), Some(at)) => {
                Plan::act(DatabaseAction::CreateMarkerTable { at: at.clone() })
            }
            _ => Plan::Done,
        }
    }

    fn undo(&self, _: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match (seen.marker, source_endpoint(facts)) {
            (Some(MarkerView::Absent | MarkerView::Visible { .. }), Some(at)) => {
                Plan::act(DatabaseAction::DropMarkerTable { at: at.clone() })
            }
            _ => Plan::Done,
        }
    }
}
