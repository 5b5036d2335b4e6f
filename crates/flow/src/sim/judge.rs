//! The judge: the invariants, on every round and at the end, each by its name.

use std::time::Duration;

use landfall_core::ids::Seq;
use landfall_core::journal::{Commitment, Entry, Record, Store};
use landfall_core::port::Clock;
use landfall_core::status::{Course, Outcome, Run, Status};

use super::{Night, remains};
use crate::model::Ledger;

/// A move ends within this, in virtual time, whatever happens.
pub(super) const ENDS_WITHIN: Duration = Duration::from_hours(2);

/// An invariant that did not hold.
pub(super) type Broken = String;

impl Night<'_> {
    /// Looks on until the move is over, or something is broken.
    pub(super) async fn judge(&self) -> Result<Outcome, Broken> {
        let end = self.world.instant() + ENDS_WITHIN;
        let mut read = Seq(0);
        loop {
            self.world.sleep(Duration::from_millis(500)).await;
            if let Some(broken) = self.world.broken().into_iter().next() {
                return Err(broken);
            }
            if let Some(broken) = self.broken_driver() {
                return Err(broken);
            }
            let name = &self.spec.migration.name;
            let entries = self.store.read(name, read).await.unwrap_or_default();
            read = entries.last().map_or(read, |entry| entry.seq);
            if let Some(broken) = entries.iter().find_map(nameless) {
                return Err(broken);
            }
            let Some(status) = self.status() else { continue };
            if status.commitment == Commitment::Committed && status.course == Course::Undoing {
                return Err("undone after the point of no return".to_owned());
            }
            if let Run::Finished { outcome } = status.run {
                return self.verdict(&status, outcome).await.map(|()| outcome);
            }
            if self.world.instant() > end {
                return Err(format!("the move did not end: {:?} in {}", status.run, status.step));
            }
        }
    }

    async fn verdict(&self, status: &Status, outcome: Outcome) -> Result<(), Broken> {
        let committed = status.commitment == Commitment::Committed;
        if committed != (outcome == Outcome::Moved) {
            return Err(format!("{outcome:?}, and the point of no return says otherwise"));
        }
        let written = self.world.ledger().acknowledged.len();
        self.world.sleep(Duration::from_secs(2)).await;
        let ledger = self.world.ledger();
        let deciding = match outcome {
            Outcome::Moved => &ledger.target,
            Outcome::Undone => &ledger.source,
        };
        let lost = ledger.lost(deciding).len();
        if lost > 0 {
            return Err(format!("acknowledged writes are lost: {lost}"));
        }
        let doubled = Ledger::doubled(deciding).len();
        if doubled > 0 {
            return Err(format!("writes are doubled: {doubled}"));
        }
        if ledger.acknowledged.len() == written {
            return Err("the application cannot write after the end".to_owned());
        }
        let entries = self.entries();
        let expected = remains::expected(outcome, self.before, self.world, self.spec, &entries);
        let difference = remains::difference(&expected, &self.world.footprint());
        if !difference.is_empty() {
            return Err(format!("something is left, or gone: {}", difference.join("; ")));
        }
        self.world.broken().into_iter().next().map_or(Ok(()), Err)
    }
}

/// Each stop has a problem with its page, its hint and where writes go; each wait has a name.
fn nameless(entry: &Entry) -> Option<Broken> {
    match &entry.record {
        Record::Stopped { problem } => {
            let told = !problem.primary.is_empty()
                && !problem.hint.is_empty()
                && problem.writes.is_some()
                && !problem.code.page().is_empty();
            (!told).then(|| format!("a stop without words: {problem:?}"))
        }
        Record::Waiting { why, .. } => {
            why.is_empty().then(|| format!("a wait without a name in {:?}", entry.step))
        }
        Record::Started { .. }
        | Record::Led { .. }
        | Record::Entered { .. }
        | Record::Learned { .. }
        | Record::Intended { .. }
        | Record::Acted { .. }
        | Record::Completed { .. }
        | Record::GateOpened { .. }
        | Record::Requested { .. }
        | Record::Finished { .. } => None,
    }
}
