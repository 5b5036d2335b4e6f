//! The list of requests: what was asked, when, and how it ended. For tests and `lab status`.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

const ENTRIES_MAX: usize = 10_000;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub at: Timestamp,
    pub service: String,
    pub action: String,
    /// The identifier it was about, if it named one.
    pub subject: Option<String>,
    /// `ok`, an error code, or `cut` for an answer that was lost on purpose.
    pub outcome: String,
    pub milliseconds: u64,
}

/// The newest requests, oldest first.
#[derive(Debug, Default)]
pub struct RequestLog(Mutex<VecDeque<Request>>);

impl RequestLog {
    /// Adds one; the oldest goes when the list is full.
    pub fn add(&self, request: Request) {
        let mut entries = self.entries();
        if entries.len() >= ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(request);
    }

    /// All that are kept.
    pub fn all(&self) -> Vec<Request> {
        self.entries().iter().cloned().collect()
    }

    /// How many requests of an action there were.
    pub fn count(&self, action: &str) -> usize {
        self.entries().iter().filter(|request| request.action == action).count()
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
