//! Purpose: nothing of ours is left in the databases.
//! Reads: whether the marker's table is on the target and on the fenced source.
//! Changes: drops schema `landfall` on both.
//! Undo: refused; there is nothing to take back.
//! If it dies here: it is dropped or not; the next start looks.

use landfall_core::action::DatabaseAction;
use landfall_core::failure::Failure;
use landfall_core::port::database::MarkerView;
use landfall_core::{Action, Endpoint, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, target};
use crate::step::{Look, Plan, Step};

/// The end of the marker.
pub struct CleanUp;

/// Servers where our table still is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    left_on: Vec<Endpoint>,
}

impl Step for CleanUp {
    const ID: &'static str = "retire.clean_up";
    const TITLE: &'static str = "Leave nothing of ours behind";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let Some(database) = look.ports.database else { return Ok(Seen { left_on: vec![] }) };
        let cluster = target(look).await?;
        let mut servers = vec![endpoint(&cluster.id, cluster.endpoint.as_ref())?];
        // A source that somebody deleted needs no cleaning.
        let source = look.ports.cloud.instance(&look.spec.source.instance).await?;
        servers.extend(source.and_then(|source| source.endpoint));
        let mut left_on = Vec::new();
        for at in servers {
            if database.marker(&at, "").await? != MarkerView::NoTable {
                left_on.push(at);
            }
        }
        Ok(Seen { left_on })
    }

    fn plan(&self, _: &Spec, _: &Facts, seen: &Seen) -> Plan {
        let drop = |at: &Endpoint| Action::from(DatabaseAction::DropMarkerTable { at: at.clone() });
        match seen.left_on.as_slice() {
            [] => Plan::Done,
            servers => Plan::Do(servers.iter().map(drop).collect()),
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}
