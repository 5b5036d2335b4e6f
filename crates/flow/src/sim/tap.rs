//! Ports with something in between: an order may be refused, done and its answer lost, done twice
//! or late; a look may fail, take long, or show an earlier view.
//!
//! What happens is decided by a [`Tap`]; nothing is random here. The harness scripts it, the
//! simulator rolls dice. Every order passes here, so this is also where orders are counted.

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
use landfall_core::port::router::{Route, RouteView, RouterAbility};
use landfall_core::port::tests::TestRun;
use landfall_core::port::{Clock, Cloud, Database, Ports, Router, Stamp, Tests};
use landfall_core::probe::Probed;
use landfall_core::spec::{CommandTest, HttpTest};

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
    /// It shows what was seen the time before, when there was one; only RDS does that.
    Stale,
}

/// Decides what becomes of each call.
pub trait Tap: Send + Sync {
    /// An order is about to be given.
    fn order(&self, action: &Action) -> Fate;
    /// Something is about to be looked at.
    fn look(&self, what: &'static str) -> Sight;
}

/// What RDS showed last, by object.
#[derive(Default)]
struct Shown {
    instances: BTreeMap<InstanceId, (Timestamp, Option<Instance>)>,
    clusters: BTreeMap<ClusterId, (Timestamp, Option<Cluster>)>,
}

/// Ports behind a tap.
pub struct Tapped<'a> {
    ports: Ports<'a>,
    tap: &'a dyn Tap,
    shown: Mutex<Shown>,
}

/// An order being given.
type Giving<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// An RDS view is never older than this.
const STALE_AT_MOST: Duration = Duration::from_secs(2);

impl<'a> Tapped<'a> {
    /// Puts a tap before ports.
    pub fn new(ports: Ports<'a>, tap: &'a dyn Tap) -> Self {
        Self { ports, tap, shown: Mutex::default() }
    }

    /// The ports behind the tap.
    pub fn ports(&self) -> Ports<'_> {
        let database = self.ports.database.map(|_| self as &dyn Database);
        Ports { cloud: self, database, router: self, tests: self, clock: self.ports.clock }
    }

    fn clock(&self) -> &dyn Clock {
        self.ports.clock
    }

    async fn order<'b, T: Send>(
        &self,
        action: Action,
        give: impl Fn() -> Giving<'b, T> + Send,
    ) -> Result<T, Failure> {
        match self.tap.order(&action) {
            Fate::Done => give().await,
            Fate::Refused(kind) => {
                Err(Failure::new(kind, action.to_string(), "refused on purpose"))
            }
            Fate::AnswerLost => {
                give().await?;
                Err(Failure::new(
                    FailureKind::Unavailable,
                    action.to_string(),
                    "the answer is lost",
                ))
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
        }
    }

    async fn look<T>(
        &self,
        what: &'static str,
        look: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        self.sight(what).await?;
        look.await
    }

    /// Whether the look may show an earlier view.
    async fn sight(&self, what: &'static str) -> Result<bool, Failure> {
        match self.tap.look(what) {
            Sight::Clear => Ok(false),
            Sight::Stale => Ok(true),
            Sight::Blind(kind) => Err(Failure::new(kind, format!("look at {what}"), "on purpose")),
            Sight::Slow(by) => {
                self.clock().sleep(by).await;
                Ok(false)
            }
        }
    }

    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_fresh(&self, at: Timestamp) -> bool {
        self.clock().now().duration_since(at).unsigned_abs() <= STALE_AT_MOST
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
        if self.sight("an instance").await? {
            let shown = self.shown().instances.get(id).cloned();
            if let Some((_, before)) = shown.filter(|(at, _)| self.is_fresh(*at)) {
                return Ok(before);
            }
        }
        let seen = self.ports.cloud.instance(id).await?;
        self.shown().instances.insert(id.clone(), (self.clock().now(), seen.clone()));
        Ok(seen)
    }

    async fn cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure> {
        if self.sight("a cluster").await? {
            let shown = self.shown().clusters.get(id).cloned();
            if let Some((_, before)) = shown.filter(|(at, _)| self.is_fresh(*at)) {
                return Ok(before);
            }
        }
        let seen = self.ports.cloud.cluster(id).await?;
        self.shown().clusters.insert(id.clone(), (self.clock().now(), seen.clone()));
        Ok(seen)
    }

    async fn parameter_group(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<ParameterGroup>, Failure> {
        self.look("a parameter group", self.ports.cloud.parameter_group(level, name)).await
    }

    async fn parameters(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Vec<Parameter>, Failure> {
        self.look("parameters", self.ports.cloud.parameters(level, name)).await
    }

    async fn default_parameters(
        &self,
        level: GroupLevel,
        family: &str,
    ) -> Result<Vec<Parameter>, Failure> {
        self.look("default parameters", self.ports.cloud.default_parameters(level, family)).await
    }

    async fn aurora_versions(&self, version: &str) -> Result<Vec<EngineVersion>, Failure> {
        self.look("versions", self.ports.cloud.aurora_versions(version)).await
    }

    async fn orderable_classes(&self, version: &str) -> Result<Vec<String>, Failure> {
        self.look("classes", self.ports.cloud.orderable_classes(version)).await
    }

    async fn events(&self, of: &Subject, since: Timestamp) -> Result<Vec<CloudEvent>, Failure> {
        self.look("events", self.ports.cloud.events(of, since)).await
    }

    async fn metric(&self, query: &MetricQuery) -> Result<Vec<MetricPoint>, Failure> {
        self.look("a metric", self.ports.cloud.metric(query)).await
    }

    async fn history(&self, query: &MetricQuery, period: u32) -> Result<Vec<MetricSpan>, Failure> {
        self.look("a metric's history", self.ports.cloud.history(query, period)).await
    }

    async fn surroundings(&self, instance: &Instance) -> Result<Surroundings, Failure> {
        self.look("the surroundings", self.ports.cloud.surroundings(instance)).await
    }

    async fn alarms(&self, subject: &Subject) -> Result<Vec<Alarm>, Failure> {
        self.look("alarms", self.ports.cloud.alarms(subject)).await
    }

    async fn metric_names(&self, subject: &Subject) -> Result<BTreeSet<String>, Failure> {
        self.look("the names of metrics", self.ports.cloud.metric_names(subject)).await
    }

    async fn cluster_endpoints(&self, id: &ClusterId) -> Result<Vec<ClusterEndpoint>, Failure> {
        self.look("endpoints", self.ports.cloud.cluster_endpoints(id)).await
    }

    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        self.look("a snapshot", self.ports.cloud.snapshot(id)).await
    }

    async fn probe(&self) -> Vec<Probed> {
        self.ports.cloud.probe().await
    }

    async fn act(&self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
        self.order(action.clone().into(), || self.ports.cloud.act(action, stamp)).await
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
        self.look("sessions", self.database()?.sessions(at)).await
    }

    async fn prepared_transactions(&self, at: &Endpoint) -> Result<Vec<String>, Failure> {
        self.look("prepared transactions", self.database()?.prepared_transactions(at)).await
    }

    async fn write_counters(&self, at: &Endpoint) -> Result<WriteCounters, Failure> {
        self.look("write counters", self.database()?.write_counters(at)).await
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

    async fn act(&self, action: &DatabaseAction) -> Result<SessionsEnded, Failure> {
        let database = self.database()?;
        self.order(action.clone().into(), || database.act(action)).await
    }
}

/// A test outside is asked as it stands: what fails there is the test's own answer.
#[async_trait]
impl Tests for Tapped<'_> {
    async fn http(&self, test: &HttpTest, at: &Endpoint) -> TestRun {
        self.ports.tests.http(test, at).await
    }

    async fn command(&self, test: &CommandTest, at: &Endpoint) -> TestRun {
        self.ports.tests.command(test, at).await
    }
}

#[async_trait]
impl Router for Tapped<'_> {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        self.ports.router.ability().await
    }

    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        self.look("the route", self.ports.router.view(service)).await
    }

    async fn routes(&self) -> Result<Vec<Route>, Failure> {
        self.look("the routes", self.ports.router.routes()).await
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.look("the way", self.ports.router.probe(endpoint)).await
    }

    async fn act(&self, action: &RouteAction, by: Option<&Stamp>) -> Result<(), Failure> {
        self.order(action.clone().into(), || self.ports.router.act(action, by)).await
    }
}
