//! One night: a move, its orchestrators on two machines, the people and the world around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::Spec;
use landfall_core::ids::{MigrationName, Seq};
use landfall_core::journal::{Entry, StoreTrouble};
use landfall_core::port::router::Sessions;
use landfall_core::port::{Clock, Ports};
use landfall_core::status::{Outcome, Road, Status};

use super::coverage::{Spot, Way};
use super::dice::{self, Dice, Luck};
use super::planted::{Book, Break};
use super::pulse::{Beat, Pulse};
use super::remains::Footprint;
use super::storm::{FaultId, Outlook, Storm, Weather};
use super::story::Story;
use super::tap::Tapped;
use super::wire::Wire;
use super::witness::Witness;
use super::wrist::Wrist;
use super::{Report, judge};
use crate::driver::{Driver, Ended, Gauge, Pace};
use crate::model::{Lane, MemoryStore, World, run_to_end};
use crate::process::{self, Row};

/// What is simulated.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Everything random follows from it.
    pub seed: u64,
    /// A mistake that was planted.
    pub planted: Option<Break>,
    /// Faults that do not strike this time.
    pub ruled_out: BTreeSet<FaultId>,
}

/// One simulated move and everything around it.
pub(super) struct Night<'a> {
    pub(super) world: &'a World,
    pub(super) store: &'a MemoryStore,
    /// As it was asked for.
    pub(super) spec: &'a Spec,
    pub(super) seed: u64,
    pub(super) luck: Luck,
    pub(super) story: &'a Story,
    pub(super) before: &'a Footprint,
    pub(super) witness: &'a Witness<'a>,
    pub(super) weather: &'a Weather<'a>,
    pub(super) planted: Option<Break>,
    written: &'a Mutex<BTreeMap<Seq, Timestamp>>,
    wire: &'a Wire,
    broken: Mutex<Option<String>>,
}

/// Nobody looks on, and nobody says stop.
struct Rows(Option<Break>);

impl Gauge for Rows {
    fn reading(&self, _: &MigrationName, _: &str) {}

    fn stop(&self) -> bool {
        false
    }

    fn table(&self, status: &Status) -> &'static [Row] {
        Break::rows(self.0, status)
    }
}

/// The world of a night, before anything happens.
fn world(dice: &Dice, spec: &Spec, planted: Option<Break>) -> World {
    let world = World::new(dice::delays(dice), Break::sabotage(planted));
    if dice.chance(300) {
        world.meddle(|world| world.instance(|source| source.backup_retention_days = 0));
    }
    if !spec.route.reader.is_empty() {
        world.meddle(|world| world.reader());
    }
    if dice.chance(200) {
        world.meddle(|world| world.ability().holds = false);
    }
    if dice.chance(200) {
        world.meddle(|world| world.ability().sessions = Sessions::Kept);
    }
    world
}

/// The step that a night aims at, when it aims: every second one does, one step after the other.
fn aim(seed: u64) -> Option<Spot> {
    let doing = process::table(Road::Physical).iter().map(|row| (row, Way::Doing));
    let undoing = process::table(Road::Physical)
        .iter()
        .filter(|row| !matches!(row.undo, process::Undo::Refused | process::Undo::Nothing))
        .map(|row| (row, Way::Undoing));
    let spots: Vec<Spot> = doing
        .chain(undoing)
        .map(|(row, way)| Spot { step: row.step.id().to_owned(), way })
        .collect();
    let at = usize::try_from(seed / 2).ok()? % spots.len().max(1);
    spots.into_iter().nth(at).filter(|_| seed.is_multiple_of(2))
}

/// Simulates one move.
#[must_use]
pub fn run(plan: &Plan) -> Report {
    let dice = Dice::new(plan.seed);
    let spec = dice::spec(&dice);
    let world = world(&dice, &spec, plan.planted);
    let (store, story, before) = (MemoryStore::default(), Story::new(&world), world.footprint());
    let begin = world.instant();
    let luck = Luck::draw(&dice);
    let witness = Witness::new(&store, spec.migration.name.clone());
    let outlook =
        Outlook { world: &world, witness: &witness, story: &story, ruled_out: &plan.ruled_out };
    let until = begin + dice.seconds(30, 400);
    let weather = Weather::new(&outlook, plan.seed, luck, (until, aim(plan.seed)));
    let (written, wire) = (Mutex::default(), Wire::default());
    let night = Night {
        world: &world,
        store: &store,
        spec: &spec,
        seed: plan.seed,
        luck,
        story: &story,
        before: &before,
        witness: &witness,
        weather: &weather,
        planted: plan.planted,
        written: &written,
        wire: &wire,
        broken: Mutex::default(),
    };
    let verdict = night.judged();
    drop(night);
    let entries = store.entries(&spec.migration.name);
    let leaders = entries.iter().map(|entry| entry.epoch.0).max().unwrap_or(0);
    let took = world.instant().duration_since(begin).unsigned_abs();
    let (struck, coverage) = weather.end();
    let written = written.into_inner().unwrap_or_else(PoisonError::into_inner);
    let story = story.with(&entries, &written);
    Report { seed: plan.seed, verdict, took, leaders, story, struck, coverage }
}

impl Night<'_> {
    /// A panic is a finding like any other, and it must not hide its seed.
    fn judged(&self) -> Result<Outcome, String> {
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.pass()));
        passed.unwrap_or_else(|_| Err("something panicked".to_owned()))
    }

    fn pass(&self) -> Result<Outcome, String> {
        let verdict = Mutex::new(None);
        let judge = async {
            let judged = self.attempts().await;
            *verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        };
        let lanes: Vec<Lane<'_>> = vec![
            Box::pin(judge),
            Box::pin(self.machine("one")),
            Box::pin(self.machine("two")),
            Box::pin(self.operator()),
            Box::pin(self.person()),
            Box::pin(self.meddler()),
            Box::pin(self.wire.deliver(self.world.ports(self.spec))),
        ];
        run_to_end(self.world, self.seed, 2 * judge::ENDS_WITHIN, lanes);
        let verdict = verdict.into_inner().unwrap_or_else(PoisonError::into_inner);
        verdict.unwrap_or_else(|| Err("virtual time ran out".to_owned()))
    }

    /// Dice of one lane, so that one lane's luck changes nothing in another's.
    pub(super) fn dice(&self, lane: &str) -> Dice {
        Dice::of(self.seed, lane)
    }

    /// The store as a person uses it.
    pub(super) fn book(&self) -> Book<'_> {
        self.book_of(None)
    }

    fn book_of<'b>(&'b self, ports: Option<Ports<'b>>) -> Book<'b> {
        let (store, world, written) = (self.store, self.world, self.written);
        Book { store, world, planted: self.planted, written, ports }
    }

    /// A move, and now and then another try after an undone one.
    async fn attempts(&self) -> Result<Outcome, String> {
        let dice = self.dice("attempts");
        let mut asked = self.spec.clone();
        if self.planted == Some(Break::BudgetIgnored) {
            asked.route.pause_budget = Some(Duration::from_hours(24));
        }
        loop {
            let started = crate::start(&self.book(), self.world, asked.clone(), "ann").await;
            started.map_err(|refusal| format!("the move cannot start: {refusal}"))?;
            let outcome = self.judge().await?;
            let spent = self.world.footprint().contains_key("cluster orders-aurora");
            if outcome != Outcome::Undone || spent || dice.chance(600) {
                return Ok(outcome);
            }
            self.story.tell("it is tried again".to_owned());
        }
    }

    /// One machine: its orchestrator dies and is started again, under another name.
    async fn machine(&self, machine: &str) {
        let clock = Wrist::new(self.world);
        let storm = Storm {
            weather: self.weather,
            machine,
            clock: &clock,
            planted: self.planted,
            afterwards: Mutex::new(Beat::Goes),
        };
        let ports = Ports { clock: &clock, ..self.world.ports(self.spec) };
        let tapped = Tapped::with_wire(ports, &storm, self.wire);
        let book = self.book_of(Some(tapped.ports()));
        let dice = self.dice(machine);
        let rows = Rows(self.planted);
        for life in 1.. {
            self.world.sleep(dice.seconds(0, 20)).await;
            let holder = format!("{machine}-{life}");
            let pulse = Pulse::new(&book, self.world, &storm);
            let driver = Driver {
                ports: tapped.ports(),
                store: &pulse,
                holder: &holder,
                pace: Pace::new(Duration::from_secs(5)),
                gauge: &rows,
            };
            let ended = pulse.until_it_stops(driver.run(&self.spec.migration.name)).await;
            match ended {
                // It stands still without its store, and is started again.
                Some(Ended::Store { trouble: StoreTrouble::Unreachable, .. }) => {}
                Some(Ended::Store { .. }) if pulse.has_failed() => {}
                Some(ended @ (Ended::Store { .. } | Ended::Told)) => self.report(&holder, &ended),
                Some(
                    Ended::Finished(_)
                    | Ended::Unknown
                    | Ended::LedByAnother { .. }
                    | Ended::LostLease,
                )
                | None => {}
            }
        }
    }

    fn report(&self, holder: &str, ended: &Ended) {
        let broken = format!("{holder} ended with {ended:?}");
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(broken);
    }

    pub(super) fn broken_driver(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.store.entries(&self.spec.migration.name)
    }

    pub(super) fn status(&self) -> Option<Status> {
        self.witness.status()
    }
}
