//! What went wrong: problems that stopped the move, with how each ended, and calls that failed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::Problem;
use landfall_core::journal::{Effect, Entry, Record};
use serde::Serialize;

use crate::Titles;

/// A problem, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The attempt it stopped.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// At which step, in words.
    pub title: String,
    /// The problem.
    pub problem: Problem,
    /// When it ended and how; absent while it lasts.
    pub ended: Option<(Timestamp, String)>,
}

impl Trouble {
    pub(crate) fn new(attempt: u32, entry: &Entry, problem: &Problem, titles: &Titles) -> Self {
        let step = entry.step.as_deref().unwrap_or_default();
        let title = titles.get(step).map_or(step, String::as_str).to_owned();
        Self { attempt, at: entry.at, title, problem: problem.clone(), ended: None }
    }

    pub(crate) fn end(&mut self, at: Timestamp, how: &str) {
        if self.ended.is_none() {
            self.ended = Some((at, how.to_owned()));
        }
    }
}

/// A call that failed, once or again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedCall {
    /// What was tried.
    pub what: String,
    /// What was said to it, the last time.
    pub said: String,
    /// How often.
    pub times: u32,
    /// The first time.
    pub from: Timestamp,
    /// The last time.
    pub to: Timestamp,
}

/// Every call that failed.
pub(crate) fn failed_calls(entries: &[Entry]) -> Vec<FailedCall> {
    let mut calls: BTreeMap<&str, FailedCall> = BTreeMap::new();
    for entry in entries {
        let Record::Acted { effect: Effect::Failed { failure } } = &entry.record else { continue };
        let call = calls.entry(&failure.what).or_insert_with(|| FailedCall {
            what: failure.what.clone(),
            said: String::new(),
            times: 0,
            from: entry.at,
            to: entry.at,
        });
        call.said.clone_from(&failure.detail);
        call.times = call.times.saturating_add(1);
        call.to = entry.at;
    }
    let mut calls: Vec<FailedCall> = calls.into_values().collect();
    calls.sort_by_key(|call| call.from);
    calls
}
