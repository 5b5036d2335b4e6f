//! The story of one simulation: what happened beside the journal, for whoever reads a failing seed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use landfall_core::ids::Seq;
use landfall_core::journal::{Entry, Record};

use crate::model::World;

/// Everything told so far.
pub(super) struct Story {
    world: World,
    told: Mutex<Vec<(Timestamp, String)>>,
}

impl Story {
    pub(super) fn new(world: &World) -> Self {
        Self { world: world.clone(), told: Mutex::default() }
    }

    pub(super) fn tell(&self, what: String) {
        let at = self.world.instant();
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((at, what));
    }

    /// The story and the journal, in one order: by the world's clock, whatever the drivers' showed.
    pub(super) fn with(self, entries: &[Entry], written: &BTreeMap<Seq, Timestamp>) -> Vec<String> {
        let told = self.told.into_inner().unwrap_or_else(PoisonError::into_inner);
        let when = |entry: &Entry| written.get(&entry.seq).copied().unwrap_or(entry.at);
        let begin = entries.first().map_or(Timestamp::UNIX_EPOCH, when);
        let mut all: Vec<(Timestamp, String)> = told
            .into_iter()
            .map(|(at, what)| (at, format!("          {what}")))
            .chain(entries.iter().map(|entry| (when(entry), line(entry))))
            .collect();
        all.sort_by_key(|(at, _)| *at);
        all.into_iter()
            .map(|(at, what)| {
                let since = at.duration_since(begin).as_secs_f64();
                format!("{since:>9.3}  {what}")
            })
            .collect()
    }
}

/// One entry of a journal in a line.
#[must_use]
pub fn line(entry: &Entry) -> String {
    let step = entry.step.as_deref().unwrap_or("-");
    let what = match &entry.record {
        Record::Intended { action, course, .. } => format!("{course:?}: {action}"),
        Record::Acted { effect } => format!("{effect:?}"),
        Record::Stopped { problem } => problem.to_string().replace('\n', " |"),
        Record::Waiting { why, .. } => why.clone(),
        Record::Learned { fact } => format!("{fact:?}"),
        Record::Requested { request } => format!("{request:?}"),
        Record::Finished { outcome } => format!("{outcome:?}"),
        Record::Led { holder } => holder.clone(),
        Record::GateOpened { gate } => gate.clone(),
        Record::Entered { course, .. } => format!("{course:?}"),
        Record::Started { .. } | Record::Completed { .. } | Record::Returned { .. } => {
            String::new()
        }
    };
    format!("{:>4} e{} {step} {} {what}", entry.seq, entry.epoch, entry.record.name())
}
