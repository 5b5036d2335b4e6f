//! The witness: reads the journal along, and looks at each order that is given.
//!
//! What it knows is the journal's alone: where the move stands, and which intent the next order
//! must have. It holds nothing back; what it finds the judge reads on its next round.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use landfall_core::Action;
use landfall_core::ids::{Epoch, MigrationName, Seq};
use landfall_core::journal::{Entry, Record, Store};
use landfall_core::status::{Course, Status};

use super::coverage::{Spot, Way};
use crate::model::MemoryStore;
use crate::view::View;

/// An order that nobody wrote down first.
pub const NO_INTENT: &str = "an order without its intent";
/// An order of a leader that was deposed before.
pub const DEPOSED: &str = "an order of a deposed leader";
/// The journal's epochs do not only grow.
pub const EPOCH_BACK: &str = "the journal's epoch went back";

/// Whether the clocks of this night can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clocks {
    /// All of them go as the world's.
    Right,
    /// One of them jumped.
    Jumped,
}

struct Read {
    view: Option<View>,
    last: Seq,
    intent: Option<(Seq, Epoch, Action)>,
    spent: BTreeSet<Seq>,
    epoch: Epoch,
    broken: Option<String>,
}

/// Reads along.
pub(super) struct Witness<'a> {
    store: &'a MemoryStore,
    name: MigrationName,
    read: Mutex<Read>,
}

impl<'a> Witness<'a> {
    pub(super) fn new(store: &'a MemoryStore, name: MigrationName) -> Self {
        let (last, epoch) = (Seq(0), Epoch(0));
        let read =
            Read { view: None, last, intent: None, spent: BTreeSet::new(), epoch, broken: None };
        Self { store, name, read: Mutex::new(read) }
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_on(&self) -> MutexGuard<'_, Read> {
        let mut read = self.lock();
        let entries = self.store.read(&self.name, read.last).now_or_never();
        let entries = entries.expect("a store in memory does not wait").unwrap_or_default();
        for entry in &entries {
            read.take(entry);
        }
        read
    }

    /// The status as the journal tells it.
    pub(super) fn status(&self) -> Option<Status> {
        self.read_on().view.as_ref().map(|view| view.status.clone())
    }

    /// Looks at the newest view.
    pub(super) fn look<T>(&self, look: impl FnOnce(&View) -> T) -> Option<T> {
        self.read_on().view.as_ref().map(look)
    }

    /// Where the move stands.
    pub(super) fn spot(&self) -> Spot {
        self.look(|view| Spot { step: view.status.step.clone(), way: view.status.course.into() })
            .unwrap_or(Spot { step: String::new(), way: Way::Doing })
    }

    /// An order is about to be given: it must be the last intended one, for the first time.
    pub(super) fn order(&self, action: &Action, clocks: Clocks) {
        let mut read = self.read_on();
        let found = match read.intent.clone() {
            Some((seq, epoch, intended)) if intended == *action => {
                if !read.spent.insert(seq) {
                    Some(format!("{NO_INTENT} of its own: {action}"))
                } else if epoch < read.epoch && clocks == Clocks::Right {
                    Some(format!("{DEPOSED}: {action}"))
                } else {
                    None
                }
            }
            // Whoever leads by now has written on, and this one does not know it yet.
            Some((_, epoch, _)) if epoch > Epoch(1) && clocks == Clocks::Jumped => None,
            Some(_) | None => Some(format!("{NO_INTENT}: {action}")),
        };
        if let Some(found) = found {
            read.broken.get_or_insert(found);
        }
    }

    /// What it found, when it found anything.
    pub(super) fn broken(&self) -> Option<String> {
        self.read_on().broken.clone()
    }
}

impl Read {
    fn take(&mut self, entry: &Entry) {
        self.last = entry.seq;
        let applied = match &mut self.view {
            Some(view) => view.apply(entry).map_err(|error| error.to_string()),
            None => match View::fold(std::slice::from_ref(entry)) {
                Ok(view) => {
                    self.view = view;
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
        };
        if let Err(error) = applied {
            self.broken.get_or_insert(error);
        }
        if entry.epoch < self.epoch {
            self.broken.get_or_insert(format!("{EPOCH_BACK}: {} at {}", entry.epoch, entry.seq));
        }
        self.epoch = self.epoch.max(entry.epoch);
        if let Record::Intended { action, .. } = &entry.record {
            self.intent = Some((entry.seq, entry.epoch, (**action).clone()));
        }
    }
}

/// Whether a move goes forward.
pub(super) fn goes_forward(status: &Status) -> bool {
    status.course == Course::Doing
}
