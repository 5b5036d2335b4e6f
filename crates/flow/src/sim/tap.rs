//! Ports with something in between: an order may be refused, done and its answer lost, done twice
//! or late; a look may fail, take long, or show an earlier view.
//!
//! What happens is decided by a [`Tap`]; nothing is random here. The harness scripts it, the
//! simulator rolls dice. Every order passes here, so this is also where orders are counted.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::Action;
use landfall_core::action::{CloudAction, DatabaseAction, RouteAction, SessionsEnded};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{
    ClusterId, DatabaseName, Endpoint, InstanceId, ParameterGroupName, ServiceName,
};
use landfall_core::port::cloud::{
    Alarm, CloudEvent, Cluster, ClusterEndpoint, EngineVersion, GroupLevel, Instance, MetricPoint,
    MetricQuery, MetricSpan, Parameter, ParameterGroup, Snapshot, Subject, Surroundings,
};
use landfall_core::port::database::{
    Answer, ExtensionView, MarkerView, Question, ServerView, Session, SettingView, SlotView,
    WriteCounters,
};
use landfall_core::port::equipment::{GlobalDatabase, Proxy, Secondary};
use landfall_core::port::router::{Route, RouteView, RouterAbility};
use landfall_core::port::tests::TestRun;
use landfall_core::port::way_back::{
    PublisherView, Room, Sequences, SubscriberView, Survey, WayBackName,
};
use landfall_core::port::{Clock, Cloud, Database, Ports, Router, Stamp, Tests};
use landfall_core::probe::Probed;
use landfall_core::spec::{CommandTest, GlobalSpec, HttpTest};

use super::fault::Door;
use super::wire::{Sent, Wire};

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done, and the answer arrives.
    Done,
    /// It is refused, and nothing is done.
    Refused(FailureKind),
    /// It is done, and the answer is lost.
    AnswerLost,
    /// It is done twice. That the object is busy with the first is an answer.
    Twice,
    /// It is done late.
    Slow(Duration),
    /// It is done at once, and the answer comes late.
    Held(Duration),
    /// The call is given up at once, and the order takes effect late.
    Late(Duration),
}

/// What becomes of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// It shows what is.
    Clear,
    /// It fails.
    Blind(FailureKind),
    /// It takes long.
    Slow(Duration),
    /// It sees what is, and the answer comes late.
    Held(Duration),
    /// It shows what was seen the time before, when that was just now; only RDS does that.
    Stale,
    /// It shows what was seen the time before, whenever that was: no service does, a mistake might.
    Old,
}

/// Decides what becomes of each call.
pub trait Tap: Send + Sync {
    /// An order is about to be given.
    fn order(&self, action: &Action) -> Fate;
    /// Something is about to be looked at.
    fn look(&self, what: &'static str) -> Sight;
    /// The same, where it matters through which door.
    fn look_at(&self, _: Door, what: &'static str) -> Sight {
        self.look(what)
    }
    /// A mistake: whether an order that failed so is given again without another look.
    fn repeats(&self, _: &Failure) -> bool {
        false
    }
}

/// What was shown last, by what was asked: when, and the answer.
type Shown = BTreeMap<(&'static str, String), (Timestamp, Box<dyn Any + Send>)>;

/// Ports behind a tap.
pub struct Tapped<'a> {
    ports: Ports<'a>,
    tap: &'a dyn Tap,
    wire: Option<&'a Wire>,
    shown: Mutex<Shown>,
}

/// An order being given.
type Giving<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// An RDS view is never older than this.
const STALE_AT_MOST: Duration = Duration::from_secs(2);

impl<'a> Tapped<'a> {
    /// Puts a tap before ports.
    pub fn new(ports: Ports<'a>, tap: &'a dyn Tap) -> Self {
        Self { ports, tap, wire: None, shown: Mutex::default() }
    }

    /// The same, with a wire for what takes effect after its call was given up.
    pub fn with_wire(ports: Ports<'a>, tap: &'a dyn Tap, wire: &'a Wire) -> Self {
        Self { wire: Some(wire), ..Self::new(ports, tap) }
    }

    /// The ports behind the tap.
    pub fn ports(&self) -> Ports<'_> {
        let database = self.ports.database.map(|_| self as &dyn Database);
        Ports { cloud: self, database, router: self, tests: self, clock: self.ports.clock }
    }

    fn clock(&self) -> &'a dyn Clock {
        self.ports.clock
    }

    async fn order<'b, T: Send>(
        &self,
        action: Action,
        stamp: Option<&Stamp>,
        give: impl Fn() -> Giving<'b, T> + Send + Sync,
    ) -> Result<T, Failure> {
        let first = self.once(&action, stamp, &give).await;
        match &first {
            Err(failure) if self.tap.repeats(failure) => self.once(&action, stamp, &give).await,
            Err(_) | Ok(_) => first,
        }
    }

    async fn once<'b, T: Send>(
        &self,
        action: &Action,
        stamp: Option<&Stamp>,
        give: &(impl Fn() -> Giving<'b, T> + Send + Sync),
    ) -> Result<T, Failure> {
        let failed = |kind, why: &str| Err(Failure::new(kind, action.to_string(), why));
        match self.tap.order(action) {
            Fate::Done => give().await,
            Fate::Refused(kind) => failed(kind, "refused on purpose"),
            Fate::AnswerLost => {
                give().await?;
                failed(FailureKind::Unavailable, "the answer is lost")
            }
            Fate::Twice => {
                let first = give().await?;
                match give().await {
                    Err(failure) if failure.kind != FailureKind::WrongState => Err(failure),
                    Err(_) | Ok(_) => Ok(first),
                }
            }
            Fate::Slow(by) => {
                self.clock().sleep(by).await;
                give().await
            }
            Fate::Held(by) => {
                let answer = give().await;
                self.clock().sleep(by).await;
                answer
            }
            Fate::Late(by) => {
                if let Some(wire) = self.wire {
                    let (action, stamp) = (action.clone(), stamp.cloned());
                    wire.send(Sent { action, stamp, after: by });
                }
                failed(FailureKind::TimedOut, "the call was given up")
            }
        }
    }

    async fn look<T: Clone + Send + 'static>(
        &self,
        what: &'static str,
        look: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        self.look_through((Door::Database, what), String::new(), look).await
    }

    /// Looks through a door at something, of which an earlier view may be shown.
    async fn look_through<T: Clone + Send + 'static>(
        &self,
        (door, what): (Door, &'static str),
        about: String,
        look: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        let (before, held) = match self.tap.look_at(door, what) {
            Sight::Clear => (None, Duration::ZERO),
            Sight::Blind(kind) => {
                return Err(Failure::new(kind, format!("look at {what}"), "on purpose"));
            }
            Sight::Slow(by) => {
                self.clock().sleep(by).await;
                (None, Duration::ZERO)
            }
            Sight::Held(by) => (None, by),
            // A server answers for itself.
            Sight::Stale if door != Door::Cloud => (None, Duration::ZERO),
            Sight::Stale => (self.showed(what, &about, STALE_AT_MOST), Duration::ZERO),
            Sight::Old => (self.showed(what, &about, Duration::MAX), Duration::ZERO),
        };
        if let Some(before) = before {
            return Ok(before);
        }
        let seen = look.await;
        if let (Ok(seen), false) = (&seen, about.is_empty()) {
            let shown: Box<dyn Any + Send> = Box::new(seen.clone());
            self.shown().insert((what, about), (self.clock().now(), shown));
        }
        if !held.is_zero() {
            self.clock().sleep(held).await;
        }
        seen
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was shown before, when it is not too old.
    fn showed<T: Clone + 'static>(
        &self,
        what: &'static str,
        about: &str,
        at_most: Duration,
    ) -> Option<T> {
        let shown = self.shown();
        let (at, seen) = shown.get(&(what, about.to_owned()))?;
        let age = self.clock().now().duration_since(*at).unsigned_abs();
        seen.downcast_ref::<T>().filter(|_| age <= at_most).cloned()
    }

    /// A test fails, or takes long; nobody outside has an earlier answer.
    async fn test(&self, name: &str, run: impl Future<Output = TestRun> + Send) -> TestRun {
        match self.tap.look_at(Door::Tests, "a test") {
            Sight::Clear | Sight::Stale | Sight::Old => run.await,
            Sight::Blind(kind) => TestRun {
                test: name.to_owned(),
                failed: Some(format!("{kind:?} on purpose")),
                output: String::new(),
                took: Duration::ZERO,
            },
            Sight::Slow(by) => {
                self.clock().sleep(by).await;
                run.await
            }
            Sight::Held(by) => {
                let run = run.await;
                self.clock().sleep(by).await;
                run
            }
        }
    }

    fn database(&self) -> Result<&'a dyn Database, Failure> {
        self.ports
            .database
            .ok_or_else(|| Failure::new(FailureKind::Denied, "connect", "the spec gives no access"))
    }
}

#[async_trait]
impl Cloud for Tapped<'_> {
    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, Failure> {
        let look = self.ports.cloud.instance(id);
        self.look_through((Door::Cloud, "an instance"), id.to_string(), look).await
    }

    async fn cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure> {
        let look = self.ports.cloud.cluster(id);
        self.look_through((Door::Cloud, "a cluster"), id.to_string(), look).await
    }

    async fn parameter_group(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<ParameterGroup>, Failure> {
        let look = self.ports.cloud.parameter_group(level, name);
        self.look_through((Door::Cloud, "a parameter group"), format!("{level:?} {name}"), look)
            .await
    }

    async fn parameters(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Vec<Parameter>, Failure> {
        let look = self.ports.cloud.parameters(level, name);
        self.look_through((Door::Cloud, "parameters"), format!("{level:?} {name}"), look).await
    }

    async fn default_parameters(
        &self,
        level: GroupLevel,
        family: &str,
    ) -> Result<Vec<Parameter>, Failure> {
        let look = self.ports.cloud.default_parameters(level, family);
        self.look_through((Door::Cloud, "default parameters"), format!("{level:?} {family}"), look)
            .await
    }

    async fn aurora_versions(&self, version: &str) -> Result<Vec<EngineVersion>, Failure> {
        let look = self.ports.cloud.aurora_versions(version);
        self.look_through((Door::Cloud, "versions"), version.to_owned(), look).await
    }

    async fn orderable_classes(&self, version: &str) -> Result<Vec<String>, Failure> {
        let look = self.ports.cloud.orderable_classes(version);
        self.look_through((Door::Cloud, "classes"), version.to_owned(), look).await
    }

    async fn events(&self, of: &Subject, since: Timestamp) -> Result<Vec<CloudEvent>, Failure> {
        let look = self.ports.cloud.events(of, since);
        self.look_through((Door::Cloud, "events"), format!("{of:?}"), look).await
    }

    async fn metric(&self, query: &MetricQuery) -> Result<Vec<MetricPoint>, Failure> {
        let look = self.ports.cloud.metric(query);
        self.look_through(
            (Door::Cloud, "a metric"),
            format!("{:?} {:?}", query.metric, query.subject),
            look,
        )
        .await
    }

    async fn history(&self, query: &MetricQuery, period: u32) -> Result<Vec<MetricSpan>, Failure> {
        let look = self.ports.cloud.history(query, period);
        self.look_through(
            (Door::Cloud, "a metric's history"),
            format!("{:?} {:?}", query.metric, query.subject),
            look,
        )
        .await
    }

    async fn surroundings(&self, instance: &Instance) -> Result<Surroundings, Failure> {
        let look = self.ports.cloud.surroundings(instance);
        self.look_through((Door::Cloud, "the surroundings"), instance.id.to_string(), look).await
    }

    async fn alarms(&self, subject: &Subject) -> Result<Vec<Alarm>, Failure> {
        let look = self.ports.cloud.alarms(subject);
        self.look_through((Door::Cloud, "alarms"), format!("{subject:?}"), look).await
    }

    async fn metric_names(&self, subject: &Subject) -> Result<BTreeSet<String>, Failure> {
        let look = self.ports.cloud.metric_names(subject);
        self.look_through((Door::Cloud, "the names of metrics"), format!("{subject:?}"), look).await
    }

    async fn cluster_endpoints(&self, id: &ClusterId) -> Result<Vec<ClusterEndpoint>, Failure> {
        let look = self.ports.cloud.cluster_endpoints(id);
        self.look_through((Door::Cloud, "endpoints"), id.to_string(), look).await
    }

    async fn proxy(&self, name: &str) -> Result<Option<Proxy>, Failure> {
        let look = self.ports.cloud.proxy(name);
        self.look_through((Door::Cloud, "a proxy"), name.to_owned(), look).await
    }

    async fn global_database(&self, name: &str) -> Result<Option<GlobalDatabase>, Failure> {
        let look = self.ports.cloud.global_database(name);
        self.look_through((Door::Cloud, "a Global Database"), name.to_owned(), look).await
    }

    async fn secondary(&self, of: &GlobalSpec) -> Result<Option<Secondary>, Failure> {
        let look = self.ports.cloud.secondary(of);
        self.look_through((Door::Cloud, "a second Region"), format!("{of:?}"), look).await
    }

    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        let look = self.ports.cloud.snapshot(id);
        self.look_through((Door::Cloud, "a snapshot"), id.to_owned(), look).await
    }

    async fn probe(&self) -> Vec<Probed> {
        self.ports.cloud.probe().await
    }

    async fn act(&self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
        let give = || self.ports.cloud.act(action, stamp);
        self.order(action.clone().into(), Some(stamp), give).await
    }
}

#[async_trait]
impl Database for Tapped<'_> {
    async fn server(&self, at: &Endpoint) -> Result<ServerView, Failure> {
        self.look("a server", self.database()?.server(at)).await
    }

    async fn databases(&self, at: &Endpoint) -> Result<Vec<DatabaseName>, Failure> {
        self.look("databases", self.database()?.databases(at)).await
    }

    async fn sessions(&self, at: &Endpoint) -> Result<Vec<Session>, Failure> {
        let look = self.database()?.sessions(at);
        self.look_through((Door::Database, "sessions"), at.to_string(), look).await
    }

    async fn prepared_transactions(&self, at: &Endpoint) -> Result<Vec<String>, Failure> {
        self.look("prepared transactions", self.database()?.prepared_transactions(at)).await
    }

    async fn write_counters(&self, at: &Endpoint) -> Result<WriteCounters, Failure> {
        let look = self.database()?.write_counters(at);
        self.look_through((Door::Database, "write counters"), at.to_string(), look).await
    }

    async fn slots(&self, at: &Endpoint) -> Result<Vec<SlotView>, Failure> {
        self.look("slots", self.database()?.slots(at)).await
    }

    async fn settings(&self, at: &Endpoint) -> Result<BTreeMap<String, SettingView>, Failure> {
        self.look("settings", self.database()?.settings(at)).await
    }

    async fn extensions(&self, at: &Endpoint) -> Result<Vec<ExtensionView>, Failure> {
        self.look("extensions", self.database()?.extensions(at)).await
    }

    async fn marker(&self, at: &Endpoint, token: &str) -> Result<MarkerView, Failure> {
        self.look("the marker", self.database()?.marker(at, token)).await
    }

    async fn smoke(
        &self,
        at: &Endpoint,
        sql: &str,
    ) -> Result<Result<Option<String>, String>, Failure> {
        self.look("a smoke test", self.database()?.smoke(at, sql)).await
    }

    async fn ask(&self, at: &Endpoint, questions: &[Question]) -> Result<Vec<Answer>, Failure> {
        self.look("the catalogues", self.database()?.ask(at, questions)).await
    }

    async fn markers(
        &self,
        at: &Endpoint,
        token: &str,
    ) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure> {
        self.look("the markers", self.database()?.markers(at, token)).await
    }

    async fn survey(&self, at: &Endpoint) -> Result<BTreeMap<DatabaseName, Survey>, Failure> {
        self.look("the tables", self.database()?.survey(at)).await
    }

    async fn room(&self, at: &Endpoint) -> Result<Room, Failure> {
        self.look("room for a way back", self.database()?.room(at)).await
    }

    async fn publisher(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure> {
        self.look("publications", self.database()?.publisher(at, name)).await
    }

    async fn subscriber(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure> {
        self.look("subscriptions", self.database()?.subscriber(at, name)).await
    }

    async fn reaches(&self, from: &Endpoint, to: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.look("the way between the servers", self.database()?.reaches(from, to)).await
    }

    async fn sequences(&self, at: &Endpoint) -> Result<Sequences, Failure> {
        self.look("sequences", self.database()?.sequences(at)).await
    }

    async fn act(&self, action: &DatabaseAction) -> Result<SessionsEnded, Failure> {
        let database = self.database()?;
        self.order(action.clone().into(), None, || database.act(action)).await
    }
}

/// What fails there is the test's own answer.
#[async_trait]
impl Tests for Tapped<'_> {
    async fn http(&self, test: &HttpTest, at: &Endpoint) -> TestRun {
        self.test(&test.url, self.ports.tests.http(test, at)).await
    }

    async fn command(&self, test: &CommandTest, at: &Endpoint) -> TestRun {
        self.test(&test.program, self.ports.tests.command(test, at)).await
    }
}

#[async_trait]
impl Router for Tapped<'_> {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        self.ports.router.ability().await
    }

    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        let look = self.ports.router.view(service);
        self.look_through((Door::Gateway, "the route"), String::new(), look).await
    }

    async fn routes(&self) -> Result<Vec<Route>, Failure> {
        let look = self.ports.router.routes();
        self.look_through((Door::Gateway, "the routes"), String::new(), look).await
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        let look = self.ports.router.probe(endpoint);
        self.look_through((Door::Gateway, "the way"), String::new(), look).await
    }

    async fn act(&self, action: &RouteAction, by: Option<&Stamp>) -> Result<(), Failure> {
        let give = || self.ports.router.act(action, by);
        self.order(action.clone().into(), by, give).await
    }
}
