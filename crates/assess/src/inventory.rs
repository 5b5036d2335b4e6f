//! Everything looked at before a source is touched: data, so that it can be saved and judged again.
//!
//! Not a judgement: [`crate::checks`] are pure over it. What could not be looked at is an absence
//! with its reason, never an empty list.

use jiff::Timestamp;
use landfall_core::failure::Failure;
use landfall_core::ids::{Endpoint, InstanceId};
use landfall_core::port::cloud::{
    Cluster, EngineVersion, Instance, Metric, MetricSpan, Parameter, Surroundings,
};
use landfall_core::port::database::{Answer, ServerView, SlotView};
use landfall_core::port::equipment::{GlobalDatabase, Proxy, Secondary};
use landfall_core::port::router::{Route, RouterAbility};
use serde::{Deserialize, Serialize};

use crate::bypass::Party;
use crate::forecast::PastMove;

/// One metric of the source over the time before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Which.
    pub metric: Metric,
    /// Its spans, oldest first, or why it could not be read.
    pub spans: Result<Vec<MetricSpan>, Failure>,
}

/// What SQL access adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The server.
    pub server: ServerView,
    /// Prepared transactions.
    pub prepared: Vec<String>,
    /// Slots.
    pub slots: Vec<SlotView>,
    /// Client sessions, by who they are.
    #[serde(default)]
    pub parties: Vec<Party>,
}

/// Engine defaults, of both sides, as far as a judgement needs them: those set by hand on the source
/// and those of the few whose defaults differ.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Defaults {
    /// Of the source's family.
    pub source: Vec<Parameter>,
    /// Of Aurora's family, cluster level.
    pub cluster: Vec<Parameter>,
    /// Of Aurora's family, instance level.
    pub instance: Vec<Parameter>,
}

/// What has the names that the target's equipment will want. An absent part was not asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Taken {
    /// Instances.
    pub members: Vec<Instance>,
    /// The proxy.
    pub proxy: Option<Result<Option<Proxy>, Failure>>,
    /// The Global Database.
    pub global: Option<Result<Option<GlobalDatabase>, Failure>>,
    /// The cluster in the second Region.
    pub secondary: Option<Result<Option<Secondary>, Failure>>,
}

/// Everything looked at.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// When it was collected, by our clock.
    #[serde(default)]
    pub taken_at: Option<Timestamp>,
    /// The source.
    pub instance: Option<Instance>,
    /// Versions it may become.
    pub versions: Vec<EngineVersion>,
    /// Classes that can be ordered for the chosen version.
    pub classes: Vec<String>,
    /// Whatever has the target's name.
    pub cluster: Option<Cluster>,
    /// User-set parameters of the source.
    pub parameters: Vec<Parameter>,
    /// Whatever has the other names of the target.
    #[serde(default)]
    pub taken: Option<Taken>,
    /// Seen from inside, with access.
    pub inside: Option<Inside>,
    /// The source's read replicas, with where they answer.
    #[serde(default)]
    pub replicas: Vec<(InstanceId, Endpoint)>,
    /// Every stored route.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// What the gateway can do, or why it could not be asked.
    #[serde(default)]
    pub gateway: Option<Result<RouterAbility, Failure>>,
    /// Why the inside could not be looked at, though access is given.
    pub not_looked: Option<Failure>,
    /// What stands around the source.
    #[serde(default)]
    pub around: Option<Surroundings>,
    /// Answers to the questions of [`crate::question`], by the observer's role or by the owner's
    /// own hand.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// Metrics of the time before, for the forecast.
    #[serde(default)]
    pub history: Vec<History>,
    /// Engine defaults, or why they could not be read; absent = not asked.
    #[serde(default)]
    pub defaults: Option<Result<Defaults, Failure>>,
    /// How finished moves went.
    #[serde(default)]
    pub experience: Vec<PastMove>,
}
