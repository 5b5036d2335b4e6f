//! What people did: gates they opened, orders they gave, and what they said with it.

use jiff::Timestamp;
use landfall_core::journal::{Entry, Record, Request};
use serde::Serialize;

use crate::Titles;
use crate::trouble::Trouble;

/// A gate, and who opened it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The attempt it belongs to.
    pub attempt: u32,
    /// What `approve` takes.
    pub name: String,
    /// Its step in words.
    pub title: String,
    /// When it began to wait; absent when it never did.
    pub waited_since: Option<Timestamp>,
    /// How it was opened, when it was.
    pub opened: Option<Opened>,
}

/// How a gate was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Opened {
    /// By a person.
    Person {
        /// Who.
        who: String,
        /// When.
        at: Timestamp,
        /// What they had to say.
        note: String,
    },
    /// By the spec, or because there was nothing to ask.
    Unasked {
        /// When it was passed.
        at: Timestamp,
    },
}

/// Another order of a person, or of the pause budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// The attempt it belongs to.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// `aborted`, `paused` or `resumed`.
    pub verb: &'static str,
    /// Who.
    pub by: String,
    /// Why, as far as they said.
    pub why: String,
}

/// Everything that needed a person, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct People {
    /// Gates.
    pub gates: Vec<Gate>,
    /// Orders.
    pub orders: Vec<Order>,
    /// Problems, and how each ended.
    pub troubles: Vec<Trouble>,
    #[serde(skip)]
    attempt: u32,
}

impl People {
    /// Reads a whole journal.
    pub(crate) fn of(entries: &[Entry], titles: &Titles) -> Self {
        let mut people = Self::default();
        for entry in entries {
            people.take(entry, titles);
        }
        people
    }

    fn take(&mut self, entry: &Entry, titles: &Titles) {
        if let Record::Started { .. } = &entry.record {
            self.attempt = self.attempt.saturating_add(1);
        }
        if let Record::GateOpened { gate } = &entry.record {
            self.gate(entry, titles, (gate, Some(entry.at), None));
        } else if let Record::Stopped { problem } = &entry.record {
            self.troubles.push(Trouble::new(self.attempt, entry, problem, titles));
        } else if let Record::Requested { request } = &entry.record {
            self.requested(entry, titles, request);
        } else if let Record::Completed { seen } = &entry.record
            && seen.get("open_by_policy").and_then(serde_json::Value::as_bool) == Some(true)
            && let Some((_, name)) = entry.step.as_deref().and_then(|id| id.split_once('.'))
        {
            self.gate(entry, titles, (name, None, Some(Opened::Unasked { at: entry.at })));
        } else if let Record::Finished { .. } = &entry.record
            && let Some(trouble) = self.troubles.last_mut()
        {
            trouble.end(entry.at, "the move ended");
        }
    }

    fn requested(&mut self, entry: &Entry, titles: &Titles, request: &Request) {
        let (verb, by, why) = match request {
            Request::Approve { gate, by, note } => {
                let (who, at, note) = (by.clone(), entry.at, note.clone());
                let opened = Opened::Person { who, at, note };
                self.gate(entry, titles, (gate, None, Some(opened)));
                return;
            }
            Request::Abort { by, why } => ("aborted", by, why.as_str()),
            Request::Pause { by, why } => ("paused", by, why.as_str()),
            Request::Resume { by } => ("resumed", by, ""),
            Request::RollBack { by, why, .. } => ("rolled back", by, why.as_str()),
        };
        if verb != "paused"
            && let Some(trouble) = self.troubles.last_mut()
        {
            trouble.end(entry.at, &format!("{by} {verb} the move"));
        }
        let (attempt, at) = (self.attempt, entry.at);
        self.orders.push(Order { attempt, at, verb, by: by.clone(), why: why.to_owned() });
    }

    fn gate(
        &mut self,
        entry: &Entry,
        titles: &Titles,
        (name, waited_since, opened): (&str, Option<Timestamp>, Option<Opened>),
    ) {
        let attempt = self.attempt;
        let same = |gate: &&mut Gate| {
            gate.attempt == attempt && gate.name == name && gate.opened.is_none()
        };
        if let Some(gate) = self.gates.iter_mut().rev().find(same) {
            gate.opened = opened;
            return;
        }
        let step = entry.step.as_deref().unwrap_or_default();
        let title = titles.get(step).map_or(step, String::as_str).to_owned();
        self.gates.push(Gate { attempt, name: name.to_owned(), title, waited_since, opened });
    }
}
