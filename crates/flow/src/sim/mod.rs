//! The simulator: whole moves on the model, in virtual time, with seeded bad luck.
//!
//! Several orchestrators share a move; they die at journal writes, oversleep their lease and come
//! back under another name. Calls fail, lose their answers and show old views; people ask at the
//! wrong moment; the world has its own life. A judge looks on. Everything follows from the seed: a
//! seed that fails once fails always. The harness uses the same taps, scripted.

mod dice;
mod judge;
mod people;
mod pulse;
mod remains;
mod storm;
mod story;
mod tap;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use landfall_core::Spec;
use landfall_core::ids::MigrationName;
use landfall_core::journal::Entry;
use landfall_core::port::Clock;
use landfall_core::port::router::Sessions;
use landfall_core::status::{Outcome, Status};

use crate::driver::{Driver, Ended, Gauge, Pace};
use crate::model::{MemoryStore, Sabotage, World, run_to_end};
use crate::view::View;
use dice::{Dice, Luck};
use storm::Storm;
use story::Story;

pub use pulse::{Beat, Pulse, Watch};
pub use remains::{Footprint, difference, expected};
pub use story::line;
pub use tap::{Fate, Sight, Tap, Tapped};

/// What came of one seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How the move ended, or the invariant that was broken.
    pub verdict: Result<Outcome, String>,
    /// Virtual time it took.
    pub took: Duration,
    /// Orchestrators that led.
    pub leaders: u64,
    /// The journal and everything that happened beside it.
    pub story: Vec<String>,
}

/// One simulated move and everything around it.
struct Night<'a> {
    world: &'a World,
    store: &'a MemoryStore,
    spec: &'a Spec,
    dice: &'a Dice,
    luck: Luck,
    story: &'a Story,
    before: &'a Footprint,
    /// From here on nothing goes wrong any more that did not before.
    calm_from: Timestamp,
    broken: Mutex<Option<String>>,
    view: Mutex<Option<View>>,
}

struct Nobody;

impl Gauge for Nobody {
    fn reading(&self, _: &MigrationName, _: &str) {}

    fn stop(&self) -> bool {
        false
    }
}

/// Simulates one move.
#[must_use]
pub fn run(seed: u64, sabotage: Sabotage) -> Report {
    let dice = Dice::new(seed);
    let spec = dice::spec(&dice);
    let world = World::new(dice::delays(&dice), sabotage);
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
    let (store, story, before) = (MemoryStore::default(), Story::new(&world), world.footprint());
    let begin = world.instant();
    let luck = Luck::draw(&dice);
    let calm_from = begin + dice.seconds(30, 400);
    let night = Night {
        world: &world,
        store: &store,
        spec: &spec,
        dice: &dice,
        luck,
        story: &story,
        before: &before,
        calm_from,
        broken: Mutex::default(),
        view: Mutex::default(),
    };
    // A panic is a finding like any other, and it must not hide its seed.
    let passed = panic::catch_unwind(AssertUnwindSafe(|| night.pass(seed)));
    let verdict = passed.unwrap_or_else(|_| Err("something panicked".to_owned()));
    drop(night);
    let entries = store.entries(&spec.migration.name);
    let leaders = entries.iter().map(|entry| entry.epoch.0).max().unwrap_or(0);
    let took = world.instant().duration_since(begin).unsigned_abs();
    Report { seed, verdict, took, leaders, story: story.with(&entries) }
}

impl Night<'_> {
    fn pass(&self, seed: u64) -> Result<Outcome, String> {
        let storm = Storm {
            world: self.world,
            dice: self.dice,
            luck: self.luck,
            story: self.story,
            until: self.calm_from,
        };
        let tapped = Tapped::new(self.world.ports(self.spec), &storm);
        let verdict = Mutex::new(None);
        let judge = async {
            let judged = self.attempts().await;
            *verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        };
        let lanes: Vec<crate::model::Lane<'_>> = vec![
            Box::pin(judge),
            Box::pin(self.orchestrator("one", &tapped, &storm)),
            Box::pin(self.orchestrator("two", &tapped, &storm)),
            Box::pin(self.operator()),
            Box::pin(self.person()),
            Box::pin(self.meddler()),
        ];
        run_to_end(self.world, seed, 2 * judge::ENDS_WITHIN, lanes);
        let verdict = verdict.into_inner().unwrap_or_else(PoisonError::into_inner);
        verdict.unwrap_or_else(|| Err("virtual time ran out".to_owned()))
    }

    /// A move, and now and then another try after an undone one.
    async fn attempts(&self) -> Result<Outcome, String> {
        loop {
            let started = crate::start(self.store, self.world, self.spec.clone(), "ann").await;
            started.map_err(|refusal| format!("the move cannot start: {refusal}"))?;
            let outcome = self.judge().await?;
            let spent = self.world.footprint().contains_key("cluster orders-aurora");
            if outcome == Outcome::Moved || spent || self.dice.chance(600) {
                return Ok(outcome);
            }
            self.story.tell("it is tried again".to_owned());
        }
    }

    /// One machine: its orchestrator dies and is started again, under another name.
    async fn orchestrator(&self, machine: &str, tapped: &Tapped<'_>, storm: &Storm<'_>) {
        for life in 1.. {
            self.world.sleep(self.dice.seconds(0, 20)).await;
            let holder = format!("{machine}-{life}");
            let pulse = Pulse::new(self.store, self.world, storm);
            let driver = Driver {
                ports: tapped.ports(),
                store: &pulse,
                holder: &holder,
                pace: Pace::new(Duration::from_secs(5)),
                gauge: &Nobody,
            };
            let ended = pulse.until_it_stops(driver.run(&self.spec.migration.name)).await;
            match ended {
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

    fn broken_driver(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entries(&self) -> Vec<Entry> {
        self.store.entries(&self.spec.migration.name)
    }

    /// The status as the journal tells it; what was read before is not read again.
    fn status(&self) -> Option<Status> {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        match view.as_mut() {
            Some(view) => {
                let read = view.refresh(self.store).now_or_never();
                read.expect("a store in memory does not wait").ok()?;
            }
            None => *view = View::fold(&self.entries()).ok().flatten(),
        }
        view.as_ref().map(|view| view.status.clone())
    }
}
