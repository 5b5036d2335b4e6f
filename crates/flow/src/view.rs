//! A move as its journal tells it: spec, status, facts and the trail of the current step.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::failure::FailureKind;
use landfall_core::ids::{MigrationName, Seq};
use landfall_core::journal::{
    Cause, Effect, Entry, Record, Request, Store, StoreError, StoreTrouble,
};
use landfall_core::status::{self, IllegalTransition, Status};
use landfall_core::{Action, Facts, Spec};
use serde_json::Value;

/// What happened in the current step since it was entered or resumed: the limits are counted here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trail {
    /// The last intent and what was seen then.
    pub intent: Option<(Action, Value)>,
    /// How often that same intent was taken by its port, with the same seen.
    pub repeated: u32,
    /// Failures in a row.
    pub failures: u32,
    /// The same action, taken by its port, whatever was seen.
    pub insisted: u32,
    /// The step was seen to be done; the next one is entered next.
    pub done: bool,
}

/// A fold of a move's journal. There is no other truth about a move.
#[derive(Debug, Clone)]
pub struct View {
    /// The move.
    pub name: MigrationName,
    /// The spec of the current attempt.
    pub spec: Spec,
    /// Where it stands.
    pub status: Status,
    /// What it remembers.
    pub facts: Facts,
    /// The last entry read.
    pub last: Seq,
    /// When the current step was entered.
    pub entered_at: Timestamp,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// When the last entry was written.
    pub updated_at: Timestamp,
    /// The current step's trail.
    pub trail: Trail,
    /// Steps completed in this attempt, with the instant; undone ones are taken out.
    pub completed: BTreeMap<String, Timestamp>,
    /// When each step last gave AWS an order, forward, in this attempt.
    pub ordered: BTreeMap<String, Timestamp>,
    /// When each step gave its last order, if nobody knows what became of it: it may still arrive.
    pub unanswered: BTreeMap<String, Timestamp>,
    /// When the watch found the fenced side open, until the sessions of that time were ended.
    pub opened: Option<Timestamp>,
    /// The watch's order that was not answered yet.
    watched: Option<Action>,
}

/// The journal could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store refused.
    #[error("read the journal")]
    Store(#[from] StoreError),
    /// A record that cannot be there.
    #[error("entry {seq} of the journal does not follow from the ones before it")]
    Illegal {
        /// Its position.
        seq: Seq,
        /// Why.
        #[source]
        source: IllegalTransition,
    },
}

impl ViewError {
    /// What keeps the journal from being read.
    pub const fn trouble(&self) -> StoreTrouble {
        match self {
            Self::Store(error) => error.trouble(),
            Self::Illegal { .. } => StoreTrouble::ChangedByHand,
        }
    }
}

impl View {
    /// Reads a move whole; `None` when the store does not know it.
    pub async fn load(store: &dyn Store, name: &MigrationName) -> Result<Option<Self>, ViewError> {
        Self::fold(&store.read(name, Seq(0)).await?)
    }

    /// Folds a whole journal.
    pub fn fold(entries: &[Entry]) -> Result<Option<Self>, ViewError> {
        let Some((first, rest)) = entries.split_first() else { return Ok(None) };
        let mut view = Self::begin(first)?;
        for entry in rest {
            view.apply(entry)?;
        }
        Ok(Some(view))
    }

    fn begin(entry: &Entry) -> Result<Self, ViewError> {
        let illegal = |source| ViewError::Illegal { seq: entry.seq, source };
        let status =
            status::next(None, entry.at, entry.step.as_deref(), &entry.record).map_err(illegal)?;
        let Record::Started { spec, .. } = &entry.record else {
            unreachable!("the transition takes nothing else first")
        };
        let mut view = Self {
            name: entry.migration.clone(),
            spec: (**spec).clone(),
            status,
            facts: Facts::default(),
            last: entry.seq,
            entered_at: entry.at,
            started_at: entry.at,
            updated_at: entry.at,
            trail: Trail::default(),
            completed: BTreeMap::new(),
            ordered: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            opened: None,
            watched: None,
        };
        view.facts.apply(entry);
        Ok(view)
    }

    /// Reads on from the last entry seen.
    pub async fn refresh(&mut self, store: &dyn Store) -> Result<Vec<Entry>, ViewError> {
        let entries = store.read(&self.name, self.last).await?;
        for entry in &entries {
            self.apply(entry)?;
        }
        Ok(entries)
    }

    /// Takes one entry in.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), ViewError> {
        let step = entry.step.as_deref();
        self.status = status::next(Some(&self.status), entry.at, step, &entry.record)
            .map_err(|source| ViewError::Illegal { seq: entry.seq, source })?;
        self.facts.apply(entry);
        self.last = entry.seq;
        self.updated_at = entry.at;
        self.follow(entry);
        Ok(())
    }

    fn follow(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Started { spec, .. } => {
                self.spec = (**spec).clone();
                self.started_at = entry.at;
                self.entered_at = entry.at;
                self.trail = Trail::default();
                self.completed.clear();
                self.ordered.clear();
                self.unanswered.clear();
                self.opened = None;
            }
            Record::Entered { .. } => {
                self.entered_at = entry.at;
                self.trail = Trail::default();
            }
            Record::Requested { request: Request::Resume { .. } | Request::Abort { .. } } => {
                self.trail = Trail::default();
            }
            Record::Requested { request: Request::RollBack { .. } } => {
                // Another side is the fenced one now.
                self.opened = None;
                self.trail = Trail::default();
            }
            Record::Returned { .. } => {
                self.entered_at = entry.at;
                self.trail = Trail::default();
            }
            Record::Intended { action, cause: Cause::Watch, .. } => {
                if matches!(**action, Action::Cloud(_)) {
                    self.opened = Some(entry.at);
                }
                self.watched = Some((**action).clone());
            }
            Record::Intended { action, seen, course, cause: Cause::Step, .. } => {
                self.watched = None;
                self.intended(action, seen);
                let forward = *course == landfall_core::Course::Doing;
                if let (true, Action::Cloud(_), Some(step)) = (forward, &**action, &entry.step) {
                    self.ordered.insert(step.clone(), entry.at);
                }
                if let Some(step) = &entry.step {
                    self.unanswered.insert(step.clone(), entry.at);
                }
            }
            Record::Acted { effect } if self.watched.is_some() => self.answered(effect),
            Record::Acted { effect } => self.acted(entry, effect),
            Record::Completed { .. } => self.complete(entry),
            Record::Led { .. }
            | Record::Learned { .. }
            | Record::Waiting { .. }
            | Record::GateOpened { .. }
            | Record::Requested { .. }
            | Record::Stopped { .. }
            | Record::Finished { .. } => {}
        }
    }

    fn acted(&mut self, entry: &Entry, effect: &Effect) {
        let known = match effect {
            Effect::Taken { .. } => {
                self.trail.failures = 0;
                self.trail.repeated += 1;
                self.trail.insisted += 1;
                true
            }
            Effect::Failed { failure } => {
                self.trail.failures += 1;
                ![FailureKind::TimedOut, FailureKind::Unavailable].contains(&failure.kind)
            }
        };
        if let (true, Some(step)) = (known, &entry.step) {
            self.unanswered.remove(step);
        }
    }

    /// The trail of the step is none of the watch's.
    fn answered(&mut self, effect: &Effect) {
        let taken = matches!(effect, Effect::Taken { .. });
        if let (Some(Action::Database(_)), true) = (self.watched.take(), taken) {
            self.opened = None;
        }
    }

    fn intended(&mut self, action: &Action, seen: &Value) {
        let seen = comparable(seen);
        let same =
            self.trail.intent.as_ref().is_some_and(|last| *last == (action.clone(), seen.clone()));
        if !same {
            self.trail.repeated = 0;
        }
        if self.trail.intent.as_ref().is_none_or(|(last, _)| last != action) {
            self.trail.insisted = 0;
        }
        self.trail.intent = Some((action.clone(), seen));
    }

    fn complete(&mut self, entry: &Entry) {
        self.trail.done = true;
        let Some(step) = &entry.step else { return };
        match self.status.course {
            landfall_core::Course::Doing => {
                self.completed.insert(step.clone(), entry.at);
            }
            landfall_core::Course::Undoing => {
                self.completed.remove(step);
            }
        }
    }

    /// Whether this intent was taken before with the same look, and how often.
    pub fn repeats(&self, action: &Action, seen: &Value) -> u32 {
        match &self.trail.intent {
            Some((last, before)) if last == action && *before == comparable(seen) => {
                self.trail.repeated
            }
            _ => 0,
        }
    }
}

/// What goes on by itself in everything that RDS backs up.
const MOVES_BY_ITSELF: &str = "latest_restorable";

/// A look without its instant, so that two equal looks at different times compare equal.
fn comparable(seen: &Value) -> Value {
    let mut seen = seen.clone();
    if let Value::Object(fields) = &mut seen {
        fields.remove("now");
    }
    forget(&mut seen, MOVES_BY_ITSELF);
    seen
}

fn forget(value: &mut Value, key: &str) {
    match value {
        Value::Object(fields) => {
            fields.remove(key);
            fields.values_mut().for_each(|inner| forget(inner, key));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| forget(inner, key)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
