//! The way a move went: which step from when to when, in which phase, and for how long traffic
//! was held. Of the latest attempt only; the attempts before it are told in a line each.

use jiff::Timestamp;
use landfall_core::journal::{Entry, Record, Request};
use landfall_core::status::{Course, Outcome};
use landfall_core::{Facts, Phase, Spec};
use serde::Serialize;

use crate::Titles;

/// One stay at a step. A step that is come back to is stayed at twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stay {
    /// The step's id.
    pub step: String,
    /// In words.
    pub title: String,
    /// Its phase.
    pub phase: Phase,
    /// Doing or undoing it.
    pub course: Course,
    /// When it was entered.
    pub from: Timestamp,
    /// When it was left, or when the journal ends.
    pub to: Timestamp,
    /// Times in which a person was waited for.
    pub waits: Vec<(Timestamp, Timestamp)>,
}

/// Neighbouring stays of one phase and course.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PhaseSpan {
    /// Which.
    pub phase: Phase,
    /// Doing or undoing.
    pub course: Course,
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
}

/// The time for which new connections waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pause {
    /// Hold.
    pub from: Timestamp,
    /// Release, or where the journal ends.
    pub to: Timestamp,
    /// Whether traffic was released.
    pub over: Over,
    /// Milliseconds it was allowed to last.
    pub budget_ms: u64,
    /// What was done in it.
    pub stays: Vec<Stay>,
}

/// Whether the pause is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Traffic flows.
    Released,
    /// It waits.
    Held,
}

/// A try, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// How it ended, when it did.
    pub ended: Option<(Timestamp, Outcome)>,
    /// Who aborted it, and why.
    pub aborted: Option<(String, String)>,
}

/// Every attempt of a journal.
pub(crate) fn attempts(entries: &[Entry]) -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = Vec::new();
    for entry in entries {
        if let Record::Started { by, .. } = &entry.record {
            let number = u32::try_from(attempts.len() + 1).unwrap_or(u32::MAX);
            let (at, by) = (entry.at, by.clone());
            attempts.push(Attempt { number, at, by, ended: None, aborted: None });
        }
        let Some(attempt) = attempts.last_mut() else { continue };
        if let Record::Finished { outcome } = &entry.record {
            attempt.ended = Some((entry.at, *outcome));
        } else if let Record::Requested { request: Request::Abort { by, why } } = &entry.record {
            attempt.aborted = Some((by.clone(), why.clone()));
        }
    }
    attempts
}

/// The entries of the latest attempt.
pub(crate) fn latest(entries: &[Entry]) -> &[Entry] {
    let begins = |entry: &Entry| matches!(entry.record, Record::Started { .. });
    let at = entries.iter().rposition(begins).unwrap_or(0);
    entries.get(at..).unwrap_or_default()
}

/// Every stay, in order.
pub(crate) fn stays(entries: &[Entry], titles: &Titles) -> Vec<Stay> {
    let mut stays: Vec<Stay> = Vec::new();
    let mut waits_since = None;
    for entry in entries {
        let opens = matches!(entry.record, Record::GateOpened { .. } | Record::Stopped { .. });
        if let Some(stay) = stays.last_mut() {
            stay.to = entry.at;
            if let Some(since) = waits_since
                && !opens
            {
                stay.waits.push((since, entry.at));
                waits_since = None;
            }
        }
        if opens {
            waits_since = waits_since.or(Some(entry.at));
        }
        if let Record::Entered { phase, course } = &entry.record {
            let step = entry.step.clone().unwrap_or_default();
            let title = titles.get(&step).unwrap_or(&step).clone();
            let (phase, course, from, to) = (*phase, *course, entry.at, entry.at);
            stays.push(Stay { step, title, phase, course, from, to, waits: Vec::new() });
        }
    }
    stays
}

/// Stays put together by phase.
pub(crate) fn phases(stays: &[Stay]) -> Vec<PhaseSpan> {
    let mut spans: Vec<PhaseSpan> = Vec::new();
    for stay in stays {
        match spans.last_mut() {
            Some(last) if last.phase == stay.phase && last.course == stay.course => {
                last.to = stay.to;
            }
            Some(_) | None => {
                let Stay { phase, course, from, to, .. } = stay;
                spans.push(PhaseSpan { phase: *phase, course: *course, from: *from, to: *to });
            }
        }
    }
    spans
}

/// The pause of the attempt, when there was one.
pub(crate) fn pause(facts: &Facts, spec: &Spec, stays: &[Stay]) -> Option<Pause> {
    let from = facts.held_since?;
    let last = stays.last().map_or(from, |stay| stay.to);
    let over = if facts.released_at.is_some() { Over::Released } else { Over::Held };
    let to = facts.released_at.unwrap_or(last);
    let within = |stay: &&Stay| stay.to > from && stay.from < to;
    let clipped =
        |stay: &Stay| Stay { from: stay.from.max(from), to: stay.to.min(to), ..stay.clone() };
    Some(Pause {
        from,
        to,
        over,
        budget_ms: u64::try_from(spec.pause_budget().as_millis()).unwrap_or(u64::MAX),
        stays: stays.iter().filter(within).map(clipped).collect(),
    })
}
