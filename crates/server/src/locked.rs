//! A database whose password cannot be had: every call fails with the reason.
//!
//! It stands in for a move that is under way when the server comes back without the secret. The
//! driver must run all the same, because it counts the pause budget.

use std::collections::BTreeMap;

use async_trait::async_trait;
use landfall_core::action::{DatabaseAction, SessionsEnded};
use landfall_core::port::Database;
use landfall_core::port::database::{
    Answer, ExtensionView, MarkerView, Question, ServerView, Session, SettingView, SlotView,
    WriteCounters,
};
use landfall_core::port::way_back::{
    PublisherView, Room, Sequences, SubscriberView, Survey, WayBackName,
};
use landfall_core::{DatabaseName, Endpoint, Failure};

/// Why it cannot be opened.
pub(crate) struct Locked(pub(crate) Failure);

impl Locked {
    fn refuse<T>(&self) -> Result<T, Failure> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl Database for Locked {
    async fn server(&self, _: &Endpoint) -> Result<ServerView, Failure> {
        self.refuse()
    }

    async fn databases(&self, _: &Endpoint) -> Result<Vec<DatabaseName>, Failure> {
        self.refuse()
    }

    async fn sessions(&self, _: &Endpoint) -> Result<Vec<Session>, Failure> {
        self.refuse()
    }

    async fn prepared_transactions(&self, _: &Endpoint) -> Result<Vec<String>, Failure> {
        self.refuse()
    }

    async fn write_counters(&self, _: &Endpoint) -> Result<WriteCounters, Failure> {
        self.refuse()
    }

    async fn slots(&self, _: &Endpoint) -> Result<Vec<SlotView>, Failure> {
        self.refuse()
    }

    async fn settings(&self, _: &Endpoint) -> Result<BTreeMap<String, SettingView>, Failure> {
        self.refuse()
    }

    async fn extensions(&self, _: &Endpoint) -> Result<Vec<ExtensionView>, Failure> {
        self.refuse()
    }

    async fn marker(&self, _: &Endpoint, _: &str) -> Result<MarkerView, Failure> {
        self.refuse()
    }

    async fn smoke(
        &self,
        _: &Endpoint,
        _: &str,
    ) -> Result<Result<Option<String>, String>, Failure> {
        self.refuse()
    }

    async fn ask(&self, _: &Endpoint, _: &[Question]) -> Result<Vec<Answer>, Failure> {
        self.refuse()
    }

    async fn markers(
        &self,
        _: &Endpoint,
        _: &str,
    ) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure> {
        self.refuse()
    }

    async fn survey(&self, _: &Endpoint) -> Result<BTreeMap<DatabaseName, Survey>, Failure> {
        self.refuse()
    }

    async fn room(&self, _: &Endpoint) -> Result<Room, Failure> {
        self.refuse()
    }

    async fn publisher(
        &self,
        _: &Endpoint,
        _: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure> {
        self.refuse()
    }

    async fn subscriber(
        &self,
        _: &Endpoint,
        _: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure> {
        self.refuse()
    }

    async fn reaches(&self, _: &Endpoint, _: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.refuse()
    }

    async fn sequences(&self, _: &Endpoint) -> Result<Sequences, Failure> {
        self.refuse()
    }

    async fn act(&self, _: &DatabaseAction) -> Result<SessionsEnded, Failure> {
        self.refuse()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use landfall_api::{Driven, MoveView};
    use landfall_core::journal::{Entry, Record, Request, Store};
    use landfall_core::port::router::{Route, Traffic};
    use landfall_core::port::{Clock, Cloud, Router};
    use landfall_core::problem::Writes;
    use landfall_core::spec::{PasswordReference, SecretReference};
    use landfall_core::status::{Course, Run};
    use landfall_core::{Code, MigrationName, Spec};
    use landfall_flow::driver::Gauge;
    use landfall_flow::model::{
        Delays, MemoryStore, Sabotage, World as Model, example_spec, run_to_end,
    };
    use landfall_flow::{Driver, Pace, View};

    use super::*;
    use crate::config::{Config, Role, XdsSecurity};
    use crate::drivers::Drivers;
    use crate::standing::{self, Around};
    use crate::world::World;

    const CALL_TIMEOUT: Duration = Duration::from_secs(5);
    const MISSING: &str = "LANDFALL_TEST_PASSWORD_THAT_NOBODY_SETS";
    const LAST_STEP: &str = "quiesce.final_marker";

    /// The model's time: it passes when somebody sleeps.
    struct ModelClock(Model);

    #[async_trait]
    impl Clock for ModelClock {
        fn now(&self) -> Timestamp {
            self.0.instant()
        }

        async fn sleep(&self, duration: Duration) {
            run_to_end(&self.0, 0, duration, vec![Box::pin(Clock::sleep(&self.0, duration))]);
            tokio::task::yield_now().await;
        }
    }

    /// The server that had the password dies in the middle of the pause.
    struct UntilTheMarker<'a>(&'a MemoryStore);

    impl Gauge for UntilTheMarker<'_> {
        fn reading(&self, _: &MigrationName, _: &str) {}

        fn stop(&self) -> bool {
            let at_it = |entry: &Entry| entry.step.as_deref() == Some(LAST_STEP);
            self.0.last(&"orders".into(), at_it).unwrap_or_default()
        }
    }

    fn spec() -> Spec {
        let mut spec = example_spec();
        let access = spec.access.as_mut().unwrap();
        access.password =
            Some(PasswordReference::Here(SecretReference::Environment(MISSING.to_owned())));
        spec
    }

    /// A move in the middle of its pause, and its route where a real gateway finds it.
    async fn paused_move() -> (Model, MemoryStore) {
        let (model, store) =
            (Model::new(Delays::default(), Sabotage::None), MemoryStore::default());
        let spec = spec();
        let walk = async {
            landfall_flow::start(&store, &model, spec.clone(), "ann").await.unwrap();
            let (ports, gauge) = (model.ports(&spec), UntilTheMarker(&store));
            let pace = Pace::new(CALL_TIMEOUT);
            let driver = Driver { ports, store: &store, holder: "before", pace, gauge: &gauge };
            driver.run(&"orders".into()).await;
        };
        assert!(run_to_end(&model, 1, Duration::from_hours(1), vec![Box::pin(walk)]));
        // From here on its ports answer at once: no executor of the model's polls them.
        model.meddle(|world| world.delays().call = Duration::ZERO);
        let route = Router::view(&model, &"orders".into()).await.unwrap().route.unwrap();
        assert_eq!(route.traffic, Traffic::Held, "{:?}", store.entries(&"orders".into()).last());
        for epoch in 1..=route.epoch {
            store.put_route(&Route { epoch, ..route.clone() }, None).await.unwrap();
        }
        (model, store)
    }

    /// The drivers of a server that comes back with everything but the password.
    fn drivers(model: &Model, store: &MemoryStore) -> Drivers {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = Config {
            store: None,
            state: "nowhere".into(),
            listen: any,
            role: Role::Drives { xds: any },
            token: None,
            call_timeout: CALL_TIMEOUT,
            hold_timeout: Config::HOLD_TIMEOUT,
            xds_security: XdsSecurity::Plain,
            evidence_key: None,
        };
        let store: Arc<dyn Store> = Arc::new(store.clone());
        let clock = Arc::new(ModelClock(model.clone()));
        let world =
            World::new(config, Arc::clone(&store), clock).with_cloud(Arc::new(model.clone()));
        Drivers::new(store, Arc::new(world), "after".to_owned(), CALL_TIMEOUT)
    }

    /// What `landfall status` is told of the move as these entries leave it.
    fn shown(entries: &[Entry], driven: Driven) -> MoveView {
        let (reached, last_pause) = (standing::reached(entries), standing::last_pause(entries));
        let now = entries.last().unwrap().at;
        let (lease, reading, waiting) = (None, None, Vec::new());
        let measured = BTreeMap::new();
        let around = Around { reached, last_pause, now, lease, driven, reading, waiting, measured };
        standing::whole(View::fold(entries).unwrap().unwrap(), around)
    }

    fn stops(entries: &[Entry]) -> Vec<usize> {
        let stopped = |entry: &Entry| matches!(entry.record, Record::Stopped { .. });
        (0..entries.len()).filter(|at| stopped(&entries[*at])).collect()
    }

    #[tokio::test]
    async fn a_move_without_its_password_is_driven_and_the_budget_opens_the_source() {
        let (model, store) = paused_move().await;
        let name = MigrationName::new("orders");
        let drivers = drivers(&model, &store);
        drivers.ensure(&name);
        let mut look = tokio::time::interval(Duration::from_millis(5));
        let give_up = tokio::time::Instant::now() + Duration::from_secs(30);
        let entries = loop {
            let entries = store.entries(&name);
            // In the pause, and on the way back where the marker's table is to be dropped.
            if stops(&entries).len() == 2 {
                break entries;
            }
            let state = drivers.state(&name);
            assert!(tokio::time::Instant::now() < give_up, "{state:?} {:#?}", entries.last());
            look.tick().await;
        };

        let first = shown(&entries[..=stops(&entries)[0]], drivers.state(&name));
        assert_eq!((first.driven, first.writes), (Driven::Here, Writes::Nobody));
        assert_eq!(first.status.step, LAST_STEP);
        let Run::NeedsHuman { problem } = first.status.run else { panic!("{:?}", first.status) };
        assert_eq!(problem.code, Code::AccessDenied);
        assert_eq!(problem.primary, "could not read the database password");
        assert_eq!(problem.detail, format!("the environment variable {MISSING} is not set"));
        assert!(problem.hint.contains("landfall resume"), "{problem}");

        let last = shown(&entries, Driven::Here);
        assert_eq!((last.status.course, last.writes), (Course::Undoing, Writes::Source));
        let by_the_budget = |entry: &Entry| {
            let Record::Requested { request } = &entry.record else { return false };
            matches!(request, Request::Abort { by, .. } if by == "the pause budget")
        };
        assert!(entries.iter().any(by_the_budget), "{:#?}", last.status);
        let source = Cloud::instance(&model, &"orders-prod".into()).await.unwrap().unwrap();
        let groups: Vec<_> = source.security_groups.iter().map(|one| one.group.as_str()).collect();
        assert_eq!(groups, ["sg-app", "sg-office"]);
        let route = store.route(&"orders".into()).await.unwrap().unwrap();
        assert_eq!((route.traffic, &route.endpoint), (Traffic::Open, &source.endpoint.unwrap()));
        drivers.stop().await;
    }
}
