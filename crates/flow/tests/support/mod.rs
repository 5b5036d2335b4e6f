//! What the tests of the process share: a world, a store, and drives to their end.

use std::time::Duration;

use landfall_core::Spec;
use landfall_core::ids::MigrationName;
use landfall_core::journal::Store;
use landfall_core::port::Ports;
use landfall_flow::driver::Gauge;
use landfall_flow::model::{Delays, MemoryStore, Sabotage, World, example_spec, run_to_end};
use landfall_flow::{Driver, Ended, Pace, View};

pub struct Quiet;

impl Gauge for Quiet {
    fn reading(&self, _: &MigrationName, _: &str) {}
    fn stop(&self) -> bool {
        false
    }
}

pub const AT_MOST: Duration = Duration::from_hours(24);

pub fn driver<'a>(ports: Ports<'a>, store: &'a dyn Store, holder: &'a str) -> Driver<'a> {
    Driver { ports, store, holder, pace: Pace::new(Duration::from_secs(5)), gauge: &Quiet }
}

/// A world, a store and a spec that fit one another.
pub struct Bench {
    pub world: World,
    pub store: MemoryStore,
    pub spec: Spec,
}

impl Bench {
    pub fn new() -> Self {
        let world = World::new(Delays::default(), Sabotage::None);
        Self { world, store: MemoryStore::default(), spec: example_spec() }
    }

    pub fn name(&self) -> &MigrationName {
        &self.spec.migration.name
    }

    pub fn ports(&self) -> Ports<'_> {
        self.world.ports(&self.spec)
    }

    pub fn start(&self) {
        self.on(async {
            landfall_flow::start(&self.store, &self.world, self.spec.clone(), "test")
                .await
                .unwrap();
        });
    }

    /// Runs something in virtual time.
    pub fn on(&self, lane: impl Future<Output = ()>) {
        assert!(run_to_end(&self.world, 1, AT_MOST, vec![Box::pin(lane)]), "virtual time ran out");
    }

    /// Drives to the end with one driver.
    pub fn drive(&self) -> Ended {
        let mut ended = None;
        self.on(async {
            ended = Some(driver(self.ports(), &self.store, "first").run(self.name()).await);
        });
        ended.unwrap()
    }

    pub fn view(&self) -> View {
        View::fold(&self.store.entries(self.name())).unwrap().unwrap()
    }
}
