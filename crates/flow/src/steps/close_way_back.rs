//! Purpose: what was made for the way back goes: behind the release where it could not be armed, so
//!   that no slot keeps the target's WAL, and for good once the move is accepted.
//! Reads: subscriptions on the source, publications and slots on the target. Nothing, when nothing
//!   of it was ever ordered.
//! Changes: drops subscriptions, slots, publications and the role; tables get their replica identity
//!   back. A source that somebody deleted is passed over.
//! Undo: refused; from the first order on there is no way back.
//! If it dies here: some of it is gone; the next start looks and drops the rest.

use landfall_core::action::WayBackAction;
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::port::way_back::{PublisherView, SubscriberView};
use landfall_core::status::Line;
use landfall_core::{Action, Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{endpoint, target, way_back};
use crate::step::{Instead, Look, Plan, Step, Tried};

/// The end of a way back that never stood.
pub struct ClearWayBack;

/// The end of the way back.
pub struct CloseWayBack;

/// What the warning is about that something could not be dropped behind the release.
const LEFT: &str = "what is left of the way back";

/// Servers on which something of it is left.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    subscriber: Option<Endpoint>,
    publisher: Option<Endpoint>,
}

impl Step for ClearWayBack {
    const ID: &'static str = "verify.clear_way_back";
    const TITLE: &'static str = "Clear what was made of a way back that does not stand";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let given_up = look.facts.warnings.contains_key(LEFT);
        if look.facts.way_back.closed.is_none() || given_up {
            return Ok(Seen::default());
        }
        // What keeps the target's WAL goes first: the source may be what does not answer.
        match publisher(look).await? {
            Some(at) => Ok(Seen { publisher: Some(at), ..Seen::default() }),
            None => Ok(Seen { subscriber: subscriber(look).await?, ..Seen::default() }),
        }
    }

    fn plan(&self, spec: &Spec, _: &Facts, seen: &Seen) -> Plan {
        drop_next(spec, seen)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }

    /// A target in charge is finished all the same; what is left goes when the move is accepted.
    fn instead(&self, _: &Spec, _: &Facts, failure: &Failure, tried: Tried) -> Option<Instead> {
        let text = format!(
            "something is left of the way back, and goes when the move is accepted: could not {}: \
             {}; a slot that stays on the target keeps its WAL",
            failure.what, failure.detail
        );
        (tried == Tried::InVain)
            .then(|| Instead::Learn(Box::new(Fact::Warned { about: LEFT.to_owned(), text })))
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
    match subscriber(look).await? {
        Some(at) => Ok(Seen { subscriber: Some(at), publisher: None }),
        None => Ok(Seen { subscriber: None, publisher: publisher(look).await? }),
    }
}

/// SQL access, when something of a way back was ever ordered.
fn ordered<'a>(look: &Look<'a>) -> Option<&'a dyn Database> {
    look.ports.database.filter(|_| look.facts.way_back.ordered.is_some())
}

/// The source, when our subscriptions are there. One that somebody deleted has none.
async fn subscriber(look: &Look<'_>) -> Result<Option<Endpoint>, Failure> {
    let Some(database) = ordered(look) else { return Ok(None) };
    let source = look.ports.cloud.instance(&look.spec.source.instance).await?;
    let Some(at) = source.and_then(|source| source.endpoint) else { return Ok(None) };
    let views = database.subscriber(&at, &way_back::name(look.spec)).await?;
    let there = |view: &SubscriberView| view.subscription.is_some();
    Ok(views.values().any(there).then_some(at))
}

/// The target, when our publications or slots are there.
async fn publisher(look: &Look<'_>) -> Result<Option<Endpoint>, Failure> {
    let Some(database) = ordered(look) else { return Ok(None) };
    let cluster = target(look).await?;
    let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
    let views = database.publisher(&at, &way_back::name(look.spec)).await?;
    let there = |view: &PublisherView| view.published.is_some() || view.slot.is_some();
    Ok(views.values().any(there).then_some(at))
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
