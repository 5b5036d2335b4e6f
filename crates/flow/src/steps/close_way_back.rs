//! Purpose: what was made for the way back goes: behind the release where it could not be armed, so
//!   that no slot keeps the target's WAL, and for good once the move is accepted.
//! Reads: subscriptions on the source, publications and slots on the target. Nothing, when nothing
//!   of it was ever ordered.
//! Changes: drops the subscriptions first, then slots, publications and the role; tables get their
//!   replica identity back. A source that somebody deleted is passed over.
//! Undo: refused; from the first order on there is no way back.
//! If it dies here: some of it is gone; the next start looks and drops the rest.

use landfall_core::action::WayBackAction;
use landfall_core::failure::Failure;
use landfall_core::port::way_back::{PublisherView, SubscriberView};
use landfall_core::status::Line;
use landfall_core::{Action, Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, target, way_back};
use crate::step::{Look, Plan, Step};

/// The end of a way back that never stood.
pub struct ClearWayBack;

/// The end of the way back.
pub struct CloseWayBack;

/// Servers on which something of it is left.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    subscriber: Option<Endpoint>,
    publisher: Option<Endpoint>,
}

impl Step for ClearWayBack {
    const ID: &'static str = "verify.clear_way_back";
    const TITLE: &'static str = "Clear what was made of a way back that does not stand";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        if look.facts.way_back.closed.is_none() {
            return Ok(Seen { subscriber: None, publisher: None });
        }
        left(look).await
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        drop_next(spec, seen)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

impl Step for CloseWayBack {
    const ID: &'static str = "retire.close_way_back";
    const TITLE: &'static str = "Close the way back";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        left(look).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.way_back.is_armed() {
            let why = match facts.line {
                Line::Migrate => "the move was accepted",
                Line::Reverse => "the move was rolled back",
            };
            return Plan::Learn(Fact::WayBackClosed { why: why.to_owned() });
        }
        drop_next(spec, seen)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

async fn left(look: &Look<'_>) -> Result<Seen, Failure> {
    let nothing = Seen { subscriber: None, publisher: None };
    let (Some(database), Some(_)) = (look.ports.database, look.facts.way_back.ordered) else {
        return Ok(nothing);
    };
    let name = way_back::name(look.spec);
    let source = look.ports.cloud.instance(&look.spec.source.instance).await?;
    if let Some(at) = source.and_then(|source| source.endpoint) {
        let there = |view: &SubscriberView| view.subscription.is_some();
        if database.subscriber(&at, &name).await?.values().any(there) {
            return Ok(Seen { subscriber: Some(at), publisher: None });
        }
    }
    let cluster = target(look).await?;
    let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
    let there = |view: &PublisherView| view.published.is_some() || view.slot.is_some();
    let publisher = database.publisher(&at, &name).await?.values().any(there).then_some(at);
    Ok(Seen { publisher, ..nothing })
}

fn drop_next(spec: &Spec, seen: &Seen) -> Plan {
    let name = way_back::name(spec);
    let action = match (&seen.subscriber, &seen.publisher) {
        (Some(at), _) => WayBackAction::Unsubscribe { at: at.clone(), name },
        (None, Some(at)) => WayBackAction::Unpublish { at: at.clone(), name },
        (None, None) => return Plan::Done,
    };
    Plan::act(Action::from(action))
}
