//! One orchestrator of the exhaustive model: what it decides at a look, row by row.
//!
//! A look is one instant; whatever happens between it and the record, and between the record and
//! the call, is what the model explores. The decision is pure, as in the product.

use super::Mistake;
use super::journal::{Course, Journal, Record, Row};
use super::world::{Groups, Order, Side, Target, Traffic, WayBack, World};

/// Whether an orchestrator's epoch is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lease {
    Ours,
    /// Another took over, and it does not know yet.
    Lost,
}

/// Whether somebody wrote to the journal since the look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum View {
    Fresh,
    Outrun,
}

/// What a leader is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Doing {
    /// It took over, and lets the calls of whoever led before come to their end.
    WaitingOut,
    /// It will look.
    Looking,
    /// It looked, and will write what it decided.
    Deciding { record: Record, view: View },
    /// It wrote the intent, and will give the order.
    Ordering(Order),
    /// The order is given.
    Awaiting,
    /// By mistake: the order is given, and its intent is not written yet.
    Belated { order: Order, view: View },
}

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Orchestrator {
    /// It runs and does not lead; one that died is this as soon as it is started again.
    Standby,
    Leading {
        lease: Lease,
        doing: Doing,
    },
}

/// What follows from a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Write(Record),
    /// The world needs time.
    Wait,
}

/// Looks and decides.
pub(crate) fn decide(journal: &Journal, world: &World, mistake: Option<Mistake>) -> Decision {
    let decision = match journal.course {
        Course::Doing => plan(journal, world, mistake),
        Course::Undoing => undo(journal, world),
    };
    match decision {
        // The write would be refused: another row has to notice.
        Decision::Write(record) if journal.with(record).is_none() => Decision::Wait,
        Decision::Write(_) | Decision::Wait => decision,
    }
}

const fn order(order: Order) -> Decision {
    Decision::Write(Record::Intended(order))
}

const DONE: Decision = Decision::Write(Record::Completed);

/// Nobody can write to the source, nobody has a session there, and nobody did since the proof.
fn fence_holds(world: &World, counted: Option<u8>, mistake: Option<Mistake>) -> bool {
    let still = counted.is_none_or(|counted| counted == world.written);
    let shut = world.groups == Groups::Quarantine && !world.source_is_used();
    (shut && still) || mistake == Some(Mistake::NoFenceProof)
}

fn plan(journal: &Journal, world: &World, mistake: Option<Mistake>) -> Decision {
    let facts = &journal.facts;
    let epoch = world.route.epoch + 1;
    let fenced = fence_holds(world, facts.fenced, mistake);
    let stop = Decision::Write(Record::Stopped);
    match journal.row {
        Row::Hold => match world.route.traffic {
            Traffic::Open => order(Order::Hold { epoch }),
            Traffic::Held => DONE,
        },
        Row::Fence => match (facts.groups_were, world.groups) {
            (None, _) => Decision::Write(Record::RememberedGroups),
            (Some(()), Groups::Production) => order(Order::Quarantine),
            (Some(()), Groups::Quarantine)
                if world.source_is_used() && mistake != Some(Mistake::NoFenceProof) =>
            {
                order(Order::EndSessions)
            }
            (Some(()), Groups::Quarantine) => DONE,
        },
        Row::ProveFence => match facts.fenced {
            Some(_) => DONE,
            None if fenced => Decision::Write(Record::Fenced(world.written)),
            None => stop,
        },
        Row::FinalMarker => match (facts.fenced, world.marker, facts.marked) {
            (None, _, _) => Decision::Write(Record::BackTo(Row::Fence)),
            (Some(counted), Some(marker), None) if marker >= counted => {
                Decision::Write(Record::Marked(marker))
            }
            (Some(_), _, Some(_)) => DONE,
            (Some(_), _, None) => order(Order::WriteMarker),
        },
        Row::Drain => match (facts.marked, facts.proven) {
            (None, _) => Decision::Write(Record::BackTo(Row::Fence)),
            (Some(_), Some(())) => DONE,
            (Some(_), None) if !fenced => stop,
            (Some(marked), None) if world.replayed >= marked => Decision::Write(Record::Proven),
            (Some(_), None) => Decision::Wait,
        },
        Row::Promote => match (world.target, facts.proven, facts.promotion_ordered) {
            (Target::Primary { .. }, _, Some(())) => DONE,
            (Target::Primary { .. }, _, None) => stop,
            (Target::Replica, None, _) => Decision::Write(Record::BackTo(Row::Fence)),
            (Target::Replica, Some(()), _) if !fenced => stop,
            (Target::Replica, Some(()), _) => order(Order::Promote),
        },
        Row::WaitWritable => match world.target {
            Target::Primary { .. } => DONE,
            Target::Replica => Decision::Wait,
        },
        Row::ArmWayBack => match world.way_back {
            WayBack::Closed => order(Order::Subscribe),
            WayBack::Armed => DONE,
        },
        Row::Point => match world.route.to {
            Side::Source => order(Order::Point { to: Side::Target, epoch }),
            Side::Target => DONE,
        },
        Row::Smoke => DONE,
        Row::Release => match (world.route.traffic, journal.commitment) {
            (Traffic::Open, _) => DONE,
            (Traffic::Held, super::journal::Commitment::Revocable) if !fenced => stop,
            (Traffic::Held, _) => order(Order::Release { epoch }),
        },
    }
}

fn undo(journal: &Journal, world: &World) -> Decision {
    let facts = &journal.facts;
    let epoch = world.route.epoch + 1;
    let held = world.route.traffic == Traffic::Held;
    let to_source = order(Order::Point { to: Side::Source, epoch });
    match journal.row {
        Row::Hold | Row::Point if held && world.route.to == Side::Target => to_source,
        Row::ArmWayBack if world.way_back == WayBack::Armed => order(Order::Unsubscribe),
        Row::Promote if facts.promotion_ordered.is_some() && world.target_is_used() => {
            Decision::Write(Record::Stopped)
        }
        Row::Fence if facts.groups_were.is_some() && world.groups == Groups::Quarantine => {
            order(Order::RestoreGroups)
        }
        Row::Hold if facts.held.is_some() && held => order(Order::Release { epoch }),
        Row::Hold
        | Row::Fence
        | Row::ProveFence
        | Row::FinalMarker
        | Row::Drain
        | Row::Promote
        | Row::WaitWritable
        | Row::ArmWayBack
        | Row::Point
        | Row::Smoke
        | Row::Release => DONE,
    }
}
