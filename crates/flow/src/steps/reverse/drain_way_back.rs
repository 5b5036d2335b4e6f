//! Purpose: everything that the target took is on the source, shown twice.
//! Reads: the marker on the source, in every database; on the target how far each slot is
//!   confirmed; and the fence of the target, once more.
//! Changes: nothing; the proof is remembered.
//! Undo: nothing to undo.
//! If it dies here: both sides are closed; the next start looks again.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::future::try_join3;
use jiff::Timestamp;
use landfall_core::facts::{MetricVerdict, SyncProof};
use landfall_core::failure::Failure;
use landfall_core::ids::DatabaseName;
use landfall_core::port::database::MarkerView;
use landfall_core::port::way_back::PublisherView;
use landfall_core::{Code, Fact, Facts, Lsn, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::super::prove_fence::{self, Inside};
use super::super::{source_endpoint, way_back};
use super::FENCE_TARGET;
use crate::step::{BRISK, Look, Plan, Step};

/// The proof that the source has everything.
pub struct DrainWayBack;

/// Both ends, and the fence.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ends {
    markers: BTreeMap<DatabaseName, MarkerView>,
    publisher: BTreeMap<DatabaseName, PublisherView>,
    fence: Inside,
}

/// Absent without a way back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    ends: Option<Ends>,
    now: Timestamp,
}

impl Step for DrainWayBack {
    const ID: &'static str = "reverse.drain_way_back";
    const TITLE: &'static str = "Prove that the source has every write";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let facts = look.facts;
        let (Some(database), Some(source), Some(target), Some((token, _))) =
            (look.ports.database, source_endpoint(facts), &facts.way_back.target, &facts.marked)
        else {
            return Ok(Seen { ends: None, now: look.now() });
        };
        if !facts.way_back.is_armed() {
            return Ok(Seen { ends: None, now: look.now() });
        }
        let name = way_back::name(look.spec);
        let (markers, publisher, fence) = try_join3(
            database.markers(source, token),
            database.publisher(target, &name),
            pin!(prove_fence::inside(database, target)),
        )
        .await?;
        Ok(Seen { ends: Some(Ends { markers, publisher, fence }), now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if !facts.way_back.is_armed() {
            return Plan::Done;
        }
        let (Some((_, marker)), Some(ends)) = (&facts.marked, &seen.ends) else {
            return Plan::Return(FENCE_TARGET.id);
        };
        if let Some(problem) = prove_fence::leak_since(facts, &ends.fence) {
            return Plan::blocked(problem);
        }
        if facts.proven.is_some() {
            return Plan::Done;
        }
        let behind: Vec<String> = ends
            .publisher
            .iter()
            .filter_map(|(name, view)| behind(name, ends.markers.get(name), view, *marker))
            .collect();
        if let Some(first) = behind.first() {
            let late = Problem::new(
                Code::WayBackBroken,
                format!("the source does not have everything: {first}"),
                "The pause budget leads back to the target by itself; `landfall abort` does it now.",
            );
            let why = "the source to have every write of the target";
            return Plan::wait(spec, why, behind.join("; "))
                .every(BRISK)
                .or(spec.pause_budget(), late);
        }
        let confirmed = ends.publisher.values().filter_map(confirmed).min();
        Plan::Conclude(Fact::Proven(SyncProof {
            marker_lsn: Some(*marker),
            replay_lsn: confirmed,
            metric: MetricVerdict::Silent,
            zero_touches: 0,
            at: seen.now,
        }))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

fn confirmed(view: &PublisherView) -> Option<Lsn> {
    view.slot.as_ref()?.confirmed
}

/// Why a database is not drained yet. The row on the source says that its commit was applied, and
/// with it every commit before it; the slot says that this is durable there.
fn behind(
    name: &DatabaseName,
    marker: Option<&MarkerView>,
    view: &PublisherView,
    wanted: Lsn,
) -> Option<String> {
    match marker {
        Some(MarkerView::Visible { .. }) => {}
        Some(MarkerView::Absent | MarkerView::NoTable) | None => {
            return Some(format!("database {name}: the marker has not arrived"));
        }
    }
    match confirmed(view) {
        Some(at) if at >= wanted => None,
        Some(at) => Some(format!("database {name}: confirmed up to {at}, marker at {wanted}")),
        None => Some(format!("database {name}: the slot is gone")),
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::port::way_back::{SlotState, WayBackSlot};
    use landfall_core::quantity::ByteCount;

    use super::*;

    #[test]
    fn both_the_row_and_the_slot_must_say_so() {
        let shop = DatabaseName::new("shop");
        let view = |confirmed: Option<u64>| PublisherView {
            slot: Some(WayBackSlot {
                state: SlotState::Active,
                confirmed: confirmed.map(Lsn),
                retained: ByteCount(0),
                safe_wal: None,
            }),
            ..PublisherView::default()
        };
        let there = Some(&MarkerView::Visible { flush_lsn: None });
        let behind = |marker, confirmed| behind(&shop, marker, &view(confirmed), Lsn(100));
        assert_eq!(behind(there, Some(100)), None);
        for (marker, confirmed) in [
            (there, Some(99)),
            (there, None),
            (Some(&MarkerView::Absent), Some(200)),
            (Some(&MarkerView::NoTable), Some(200)),
            (None, Some(200)),
        ] {
            assert!(behind(marker, confirmed).is_some(), "{marker:?} {confirmed:?}");
        }
    }
}
