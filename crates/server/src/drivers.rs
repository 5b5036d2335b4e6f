//! The drivers of a server: one task per unfinished move.
//!
//! A task outlives what stops it: another leader, a full disk, a missing password. It says so and
//! tries again, because a held application waits for it. Told to stop, it ends between two
//! actions and gives its lease back; killed, its lease runs out and the next one looks at the
//! world.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_api::Driven;
use landfall_core::journal::{Store, StoreTrouble};
use landfall_core::{MigrationName, Problem};
use landfall_flow::driver::Gauge;
use landfall_flow::{Driver, Ended, Pace, View};
use tokio::task::JoinHandle;

use crate::held::Held;
use crate::refusal::of_store;
use crate::world::World;

/// How long a driver that could not go on waits before it tries again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a waiting driver looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(50);

/// Every driver of a server.
pub(crate) struct Drivers {
    shared: Arc<Shared>,
    tasks: Mutex<BTreeMap<MigrationName, JoinHandle<()>>>,
}

struct Shared {
    store: Arc<dyn Store>,
    world: Arc<World>,
    holder: String,
    pace: Pace,
    stop: AtomicBool,
    states: Mutex<BTreeMap<MigrationName, Driven>>,
    readings: Mutex<BTreeMap<MigrationName, String>>,
    /// Moves that hold traffic, as last seen: this is told while the store is away.
    held: Mutex<BTreeMap<MigrationName, Held>>,
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gauge for Shared {
    fn reading(&self, name: &MigrationName, text: &str) {
        open(&self.readings).insert(name.clone(), text.to_owned());
    }

    fn stands(&self, view: &View) {
        let mut held = open(&self.held);
        match Held::of(view) {
            Some(now) => held.insert(view.name.clone(), now),
            None => held.remove(&view.name),
        };
    }

    fn stop(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn stopped(&self, name: &MigrationName, step: &'static str, problem: &Problem) {
        tracing::error!(
            migration_id = %name, step, code = %problem.code, problem = problem.primary,
            "the move is stopped"
        );
    }

    fn alarm(&self, name: &MigrationName, text: &str) {
        tracing::error!(migration_id = %name, alarm = text, "somebody has to look");
    }
}

impl Drivers {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        world: Arc<World>,
        holder: String,
        call_timeout: Duration,
    ) -> Self {
        let shared = Shared {
            store,
            world,
            holder,
            pace: Pace::new(call_timeout),
            stop: AtomicBool::new(false),
            states: Mutex::default(),
            readings: Mutex::default(),
            held: Mutex::default(),
        };
        Self { shared: Arc::new(shared), tasks: Mutex::default() }
    }

    /// Makes sure that a move is driven; a move that is driven already is left alone.
    pub(crate) fn ensure(&self, name: &MigrationName) {
        let mut tasks = open(&self.tasks);
        let running = tasks.get(name).is_some_and(|task| !task.is_finished());
        if !running && !self.shared.stop() {
            open(&self.shared.states).insert(name.clone(), Driven::Here);
            let task = tokio::spawn(Arc::clone(&self.shared).drive(name.clone()));
            tasks.insert(name.clone(), task);
        }
    }

    /// Whether a task of this server has the move.
    pub(crate) fn has(&self, name: &MigrationName) -> bool {
        open(&self.tasks).get(name).is_some_and(|task| !task.is_finished())
    }

    /// What becomes of a move here.
    pub(crate) fn state(&self, name: &MigrationName) -> Driven {
        open(&self.shared.states).get(name).cloned().unwrap_or(Driven::No)
    }

    /// Of all of them.
    pub(crate) fn states(&self) -> BTreeMap<MigrationName, Driven> {
        open(&self.shared.states).clone()
    }

    /// The last reading of the current wait.
    pub(crate) fn reading(&self, name: &MigrationName) -> Option<String> {
        open(&self.shared.readings).get(name).cloned()
    }

    /// Ends every driver between two actions.
    pub(crate) async fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let tasks = std::mem::take(&mut *open(&self.tasks));
        for (name, task) in tasks {
            if let Err(error) = task.await {
                tracing::error!(migration_id = %name, %error, "a driver died");
            }
        }
    }
}

impl Shared {
    async fn drive(self: Arc<Self>, name: MigrationName) {
        tracing::info!(migration_id = %name, "driving");
        while !self.stop() {
            let (state, cause) = match self.once(&name).await {
                Next::Over => break,
                Next::Again { state, cause } => (state, cause),
            };
            if self.told(&name, &state) {
                tracing::warn!(migration_id = %name, ?state, cause, "not driving");
            }
            self.wait(AGAIN).await;
        }
        open(&self.states).remove(&name);
        open(&self.readings).remove(&name);
        open(&self.held).remove(&name);
    }

    fn without_store(&self, name: &MigrationName, trouble: StoreTrouble, cause: String) -> Next {
        let (what, hint) = of_store(trouble);
        let held = open(&self.held).get(name).map(|held| held.told(self.world.now()));
        let why = format!("{what}. {hint}{}", held.unwrap_or_default());
        Next::Again { state: Driven::Stopped { why }, cause: Some(cause) }
    }

    /// Whether this is news.
    fn told(&self, name: &MigrationName, state: &Driven) -> bool {
        open(&self.states).insert(name.clone(), state.clone()).as_ref() != Some(state)
    }

    async fn wait(&self, time: Duration) {
        let end = tokio::time::Instant::now() + time;
        while !self.stop() && tokio::time::Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn once(&self, name: &MigrationName) -> Next {
        let spec = match View::load(self.store.as_ref(), name).await {
            Ok(Some(view)) => view.spec,
            Ok(None) => return Next::Over,
            Err(error) => {
                return self.without_store(name, error.trouble(), crate::chain(&error));
            }
        };
        let ports = match self.world.ports_under_way(&spec).await {
            Ok(ports) => ports,
            Err(failure) => return Next::stopped(failure.to_string()),
        };
        let driver = Driver {
            ports: ports.ports(),
            store: self.store.as_ref(),
            holder: &self.holder,
            pace: self.pace,
            gauge: self,
        };
        open(&self.states).insert(name.clone(), Driven::Here);
        match driver.run(name).await {
            Ended::Finished(outcome) => {
                tracing::info!(migration_id = %name, ?outcome, "the move is over");
                Next::Over
            }
            Ended::Unknown | Ended::Told => Next::Over,
            Ended::LedByAnother { holder } => {
                Next::Again { state: Driven::Elsewhere { holder }, cause: None }
            }
            Ended::LostLease => Next::stopped("another orchestrator took the lead".to_owned()),
            Ended::Store { trouble, cause } => self.without_store(name, trouble, cause),
        }
    }
}

enum Next {
    Over,
    Again {
        state: Driven,
        /// For the log alone.
        cause: Option<String>,
    },
}

impl Next {
    fn stopped(why: String) -> Self {
        Self::Again { state: Driven::Stopped { why }, cause: None }
    }
}
