//! One entry of a journal in words, for the appendix.

use landfall_core::Fact;
use landfall_core::journal::{Commitment, Effect, Entry, Record, Request};
use landfall_core::status::{Course, Outcome};
use serde_json::Value;

/// What the entry says.
pub(crate) fn words(entry: &Entry) -> String {
    match &entry.record {
        Record::Started { spec, by, .. } => {
            format!("{by} started the move of {} to {}", spec.source.instance, spec.target.cluster)
        }
        Record::Led { holder } => format!("{holder} leads, epoch {}", entry.epoch),
        Record::Entered { phase, course: Course::Doing } => format!("entered, in phase {phase}"),
        Record::Entered { phase, course: Course::Undoing } => {
            format!("entered to take it back, in phase {phase}")
        }
        Record::Learned { fact } => format!("learned: {}", compact(fact)),
        Record::Intended { action, commitment: Commitment::Revocable, .. } => {
            format!("ordered: {action}")
        }
        Record::Intended { action, commitment: Commitment::Committed, .. } => {
            format!("ordered, past the point of no return: {action}")
        }
        Record::Acted { effect: Effect::Taken { ended: None } } => "the order was taken".to_owned(),
        Record::Acted { effect: Effect::Taken { ended: Some(ended) } } => {
            format!("the order was taken; {ended}")
        }
        Record::Acted { effect: Effect::Failed { failure } } => format!("failed: {failure}"),
        Record::Waiting { why, .. } => format!("waits for {why}"),
        Record::Completed { .. } => "done, as observed".to_owned(),
        Record::GateOpened { gate } => format!("waits for approval of {gate}"),
        Record::Requested { request } => requested(request),
        Record::Stopped { problem } => format!("stopped by {}: {}", problem.code, problem.primary),
        Record::Finished { outcome: Outcome::Moved } => "finished: moved".to_owned(),
        Record::Finished { outcome: Outcome::Undone } => "finished: undone".to_owned(),
        Record::Finished { outcome: Outcome::RolledBack } => "finished: rolled back".to_owned(),
        Record::Returned { .. } => "the roll-back was undone; the move goes on".to_owned(),
    }
}

fn requested(request: &Request) -> String {
    let because = |why: &str| if why.is_empty() { String::new() } else { format!(": {why}") };
    match request {
        Request::Abort { by, why } => format!("{by} aborted{}", because(why)),
        Request::Approve { gate, by, note } => format!("{by} approved {gate}{}", because(note)),
        Request::Pause { by, why } => format!("{by} paused{}", because(why)),
        Request::Resume { by } => format!("{by} resumed"),
        Request::RollBack { by, why, accept_loss } => {
            let loss = accept_loss.as_ref().map(|words| format!(", accepting a loss: {words}"));
            format!("{by} asked to roll back{}{}", because(why), loss.unwrap_or_default())
        }
    }
}

/// How much of a fact the appendix shows; the bundle has all of it.
const FACT_MAX: usize = 300;

fn compact(fact: &Fact) -> String {
    let mut value = serde_json::to_value(fact).unwrap_or(Value::Null);
    let name = value.get("fact").and_then(Value::as_str).unwrap_or_default().replace('_', " ");
    if let Some(fields) = value.as_object_mut() {
        fields.remove("fact");
    }
    let text = value.to_string();
    let cut = text.chars().count() > FACT_MAX;
    let mut shown: String = text.chars().take(FACT_MAX).collect();
    if cut {
        shown.push('…');
    }
    format!("{name} {shown}")
}
