//! What the tests of the process share: a world, a store, and drives to their end.
//!
//! A drive runs in virtual time and ends at the first problem, because nobody comes to mend a
//! model; a test that wants to see what happens then drives with [`Nobody`].

use std::time::Duration;

use landfall_core::Spec;
use landfall_core::ids::MigrationName;
use landfall_core::journal::{Entry, Record, Store};
use landfall_core::port::Ports;
use landfall_flow::driver::Gauge;
use landfall_flow::model::{Delays, MemoryStore, Sabotage, World, example_spec, run_to_end};
use landfall_flow::{Driver, Ended, Pace, View};

/// Nobody looks: a stopped move stays stopped.
pub(crate) struct Nobody;

impl Gauge for Nobody {
    fn reading(&self, _: &MigrationName, _: &str) {}
    fn stop(&self) -> bool {
        false
    }
}

/// Tells the driver to stop once the move has a problem.
pub(crate) struct UntilStopped<'a>(pub(crate) &'a Bench);

impl Gauge for UntilStopped<'_> {
    fn reading(&self, _: &MigrationName, _: &str) {}
    fn stop(&self) -> bool {
        let stopped = |entry: &Entry| matches!(entry.record, Record::Stopped { .. });
        self.0.store.last(self.0.name(), stopped).unwrap_or_default()
    }
}

/// No move of a test takes longer, in virtual time.
pub(crate) const AT_MOST: Duration = Duration::from_hours(2);

pub(crate) fn driver<'a>(
    ports: Ports<'a>,
    store: &'a dyn Store,
    holder: &'a str,
    gauge: &'a dyn Gauge,
) -> Driver<'a> {
    Driver { ports, store, holder, pace: Pace::new(Duration::from_secs(5)), gauge }
}

/// A world, a store and a spec that fit one another.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) store: MemoryStore,
    pub(crate) spec: Spec,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Delays::default())
    }

    pub(crate) fn with(delays: Delays) -> Self {
        let world = World::new(delays, Sabotage::None);
        Self { world, store: MemoryStore::default(), spec: example_spec() }
    }

    pub(crate) fn name(&self) -> &MigrationName {
        &self.spec.migration.name
    }

    pub(crate) fn ports(&self) -> Ports<'_> {
        self.world.ports(&self.spec)
    }

    pub(crate) fn start(&self) {
        self.on(async {
            landfall_flow::start(&self.store, &self.world, self.spec.clone(), "test")
                .await
                .unwrap();
        });
    }

    /// Runs something in virtual time.
    pub(crate) fn on(&self, lane: impl Future<Output = ()>) {
        let ended = run_to_end(&self.world, 1, AT_MOST, vec![Box::pin(lane)]);
        let last = self.store.last(self.name(), Entry::clone);
        assert!(ended, "virtual time ran out; the journal ends with {last:#?}");
    }

    /// Drives to the end, or to the first problem, with one driver.
    pub(crate) fn drive(&self) -> Ended {
        let mut ended = None;
        let gauge = UntilStopped(self);
        self.on(async {
            let driver = driver(self.ports(), &self.store, "first", &gauge);
            ended = Some(driver.run(self.name()).await);
        });
        ended.unwrap()
    }

    pub(crate) fn view(&self) -> View {
        View::fold(&self.store.entries(self.name())).unwrap().unwrap()
    }
}
