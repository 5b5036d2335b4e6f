//! The judge: the invariants, on every round and at the end, each by its name.

use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use landfall_core::ids::Seq;
use landfall_core::journal::{Commitment, Entry, Record, Store};
use landfall_core::port::Clock;
use landfall_core::spec::OnOverrun;
use landfall_core::status::{Course, Line, Outcome, Run, Status};

use super::night::Night;
use super::remains;
use super::witness::Clocks;
use crate::model::Ledger;

/// A move ends within this, in virtual time, whatever happens.
pub(super) const ENDS_WITHIN: Duration = Duration::from_hours(2);

/// An invariant that did not hold.
pub(super) type Broken = String;

/// Somebody drove the move, and the pause went on beyond its budget.
pub const BUDGET_OVERRUN: &str = "the pause outlasts its budget";
/// The target took a write before the release was committed.
pub const TOO_EARLY: &str = "the target was written to before the release";

/// A driver looks at the budget between any two calls; the slowest few of them take this long.
const CALLS: Duration = Duration::from_secs(45);
/// How often the judge looks.
const ROUND: Duration = Duration::from_millis(500);
/// What a driver that is alive has left of its lease.
const ALIVE: SignedDuration = SignedDuration::from_secs(2);

/// What the judge has seen so far.
struct Round {
    end: Timestamp,
    read: Seq,
    /// How long the pause has lasted under a driver that was alive.
    paused: Duration,
}

impl Night<'_> {
    /// Looks on until the move is over, or something is broken.
    pub(super) async fn judge(&self) -> Result<Outcome, Broken> {
        let end = self.world.instant() + ENDS_WITHIN;
        let mut round = Round { end, read: Seq(0), paused: Duration::ZERO };
        loop {
            self.world.sleep(ROUND).await;
            let witnessed =
                self.world.broken().into_iter().next().or_else(|| self.witness.broken());
            if let Some(broken) = witnessed.or_else(|| self.broken_driver()) {
                return Err(broken);
            }
            let name = &self.spec.migration.name;
            let entries = self.store.read(name, round.read).await.unwrap_or_default();
            round.read = entries.last().map_or(round.read, |entry| entry.seq);
            if let Some(broken) = entries.iter().find_map(nameless) {
                return Err(broken);
            }
            let Some(status) = self.status() else { continue };
            if let Some(broken) = self.goes_wrong(&status, &mut round) {
                return Err(broken);
            }
            if let Run::Finished { outcome } = status.run {
                return self.verdict(&status, outcome).await.map(|()| outcome);
            }
        }
    }

    fn goes_wrong(&self, status: &Status, round: &mut Round) -> Option<Broken> {
        let committed = status.commitment == Commitment::Committed;
        if committed && status.course == Course::Undoing {
            return Some("undone after the point of no return".to_owned());
        }
        if status.line == Line::Migrate && !committed && self.world.target_is_written() {
            return Some(TOO_EARLY.to_owned());
        }
        if self.is_paused(status) {
            round.paused += if self.is_driven() { ROUND } else { Duration::ZERO };
        } else {
            round.paused = Duration::ZERO;
        }
        if round.paused > self.spec.pause_budget() + CALLS {
            return Some(format!("{BUDGET_OVERRUN}, in {}", status.step));
        }
        let late = self.world.instant() > round.end;
        late.then(|| format!("the move did not end: {:?} in {}", status.run, status.step))
    }

    /// Whether the budget runs: people wait, and nobody has decided how it ends.
    fn is_paused(&self, status: &Status) -> bool {
        let waits = self.witness.look(|view| {
            let facts = &view.facts;
            let ordered = facts.promotion_ordered.is_some();
            let decided = ordered && self.spec.cutover.on_overrun == OnOverrun::Finish;
            facts.held_since.is_some() && facts.released_at.is_none() && !decided
        });
        waits == Some(true)
            && status.line == Line::Migrate
            && status.course == Course::Doing
            && status.commitment == Commitment::Revocable
            && !status.is_finished()
            && self.weather.clocks() == Clocks::Right
    }

    /// Whether a driver keeps its lease.
    fn is_driven(&self) -> bool {
        let lease = self.store.lease(&self.spec.migration.name).now_or_never();
        let lease = lease.expect("a store in memory does not wait").ok().flatten();
        lease.is_some_and(|lease| lease.until.duration_since(self.world.instant()) > ALIVE)
    }

    async fn verdict(&self, status: &Status, outcome: Outcome) -> Result<(), Broken> {
        let committed = status.commitment == Commitment::Committed;
        if committed == (outcome == Outcome::Undone) {
            return Err(format!("{outcome:?}, and the point of no return says otherwise"));
        }
        let written = self.world.ledger().acknowledged.len();
        self.world.sleep(Duration::from_secs(2)).await;
        let ledger = self.world.ledger();
        let deciding = match outcome {
            Outcome::Moved => &ledger.target,
            Outcome::Undone | Outcome::RolledBack => &ledger.source,
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
        | Record::Returned { .. }
        | Record::Finished { .. } => None,
    }
}
