//! The spec: one file that says what to move, where to, and how carefully.
//!
//! Everything has a default but the names. [`parse`] reports every mistake at once, each with its
//! key and a remedy; a key nobody knows is an error with a suggestion, because a misspelt safety
//! setting that is silently ignored is worse than none. A password is never written in a spec.

mod access;
mod check;
mod consumer;
mod dns;
mod global;
mod keys;
mod network;
mod pgbouncer;
mod proxy;
mod route;
mod smoke;
mod target;
mod way_back;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, MigrationName, ParameterGroupName, SecurityGroupId, ServiceName};
use crate::quantity::{ByteCount, duration_text};

pub use access::{Access, Auth, PasswordReference, SecretReference};
pub use check::{SpecError, SpecMistakes, parse};
pub use consumer::{
    ConnectLogin, ConsumerMeans, ConsumerSpec, HooksSpec, KafkaConnectSpec, SlotCommands, SlotSpec,
    Undrained, consumers,
};
pub use dns::{DnsSpec, ROUTE53_SPREADS_WITHIN};
pub use global::GlobalSpec;
pub use network::Network;
pub use pgbouncer::{PgBouncerNode, PgBouncerSpec};
pub use proxy::{ProxyPool, ProxySpec};
pub use route::{
    CommandSpec, ReaderSpec, RouteSpec, RouterKind, Routers, Stragglers, UpstreamTls,
    refuses_direct_tls,
};
pub use smoke::{BaselineSpec, CommandTest, HttpTest, Smoke, SqlTest};
pub use target::{Alarms, CustomEndpoint, EndpointKind, SERVERLESS_CLASS, Serverless, Target};
pub use way_back::{ArmWayBack, WayBackSpec, WithoutIdentity};

/// A whole spec, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name and road.
    pub migration: Migration,
    /// The database to move.
    pub source: Source,
    /// Where it goes.
    pub target: Target,
    /// SQL access; absent = credential-free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    /// The gateway.
    pub route: RouteSpec,
    /// The cutover.
    pub cutover: Cutover,
    /// The owner's tests.
    #[serde(default)]
    pub smoke: Smoke,
    /// How the target is compared with what the source was.
    #[serde(default)]
    pub baseline: BaselineSpec,
    /// Deadlines of the long waits.
    #[serde(default)]
    pub limits: Limits,
    /// Who opens the gates.
    #[serde(default)]
    pub approve: Approve,
    /// The way back after the release.
    #[serde(default)]
    pub way_back: WayBackSpec,
    /// What becomes of the source.
    #[serde(default)]
    pub retire: Retire,
}

/// `[migration]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// The move's name: lower-case letters, digits and hyphens.
    pub name: MigrationName,
    /// `auto` chooses among what this version can do.
    #[serde(default)]
    pub road: RoadChoice,
}

/// The road asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoadChoice {
    /// The best open one.
    #[default]
    Auto,
    /// An Aurora read replica, promoted.
    Physical,
}

/// `[source]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// DB instance identifier.
    pub instance: InstanceId,
}

/// `[cutover]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutover {
    /// How sessions end.
    #[serde(default)]
    pub fence: FenceKind,
    /// The group that replaces the source's: lets in Landfall and the consumers only.
    pub quarantine_group: SecurityGroupId,
    /// Lag above this is too much.
    #[serde(default = "Cutover::default_lag_max")]
    pub lag_max: ByteCount,
    /// How long lag must stay below, under production traffic.
    #[serde(default = "Cutover::default_sustained_for", with = "duration_text")]
    pub sustained_for: Duration,
    /// How long open transactions may still run after the hold, before they are ended.
    #[serde(default = "Cutover::default_grace", with = "duration_text")]
    pub grace: Duration,
    /// When the budget is spent after promotion.
    #[serde(default)]
    pub on_overrun: OnOverrun,
}

impl Cutover {
    const fn default_lag_max() -> ByteCount {
        ByteCount::RDS_SEGMENT
    }
    const fn default_sustained_for() -> Duration {
        Duration::from_mins(30)
    }
    const fn default_grace() -> Duration {
        Duration::from_millis(500)
    }
}

/// How the fence ends sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FenceKind {
    /// Termination with access, else reboot.
    #[default]
    Auto,
    /// `pg_terminate_backend`; needs access.
    Terminate,
    /// RebootDBInstance.
    Reboot,
}

/// What to do when the budget is spent and the target is promoted already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOverrun {
    /// Go on to release; proofs are never skipped.
    #[default]
    Finish,
    /// Undo; the target is spent.
    Undo,
}

/// `[limits]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The replica must be available by then.
    #[serde(with = "duration_text")]
    pub replica_available_within: Duration,
    /// Lag must have been sustained by then.
    #[serde(with = "duration_text")]
    pub lag_sustained_within: Duration,
    /// Every other wait on AWS.
    #[serde(with = "duration_text")]
    pub step_within: Duration,
    /// How often slow waits look again.
    #[serde(with = "duration_text")]
    pub look_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            replica_available_within: Duration::from_hours(96),
            lag_sustained_within: Duration::from_hours(48),
            step_within: Duration::from_mins(30),
            look_every: Duration::from_secs(5),
        }
    }
}

/// `[approve]`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Approve {
    /// Turning backups on, where that interrupts service.
    pub backups: Approval,
    /// The cutover.
    pub cutover: Approval,
    /// The end of the soak.
    pub acceptance: Approval,
}

/// Who opens a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// A person, with `landfall approve`.
    #[default]
    Person,
    /// It opens by itself.
    Automatic,
}

/// `[retire]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retire {
    /// What becomes of the source after `landfall retire`.
    pub source: RetireSource,
    /// A group that lets people look at the fenced source; never a production group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inspection_group: Option<SecurityGroupId>,
}

/// What becomes of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetireSource {
    /// It stays, fenced.
    #[default]
    Keep,
    /// A final snapshot, then deletion; deletion protection is respected.
    SnapshotAndDelete,
}

impl Spec {
    /// Every service of the move, the writer's first.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        let readers = self.route.reader.iter().map(|reader| &reader.service);
        std::iter::once(&self.route.service).chain(readers)
    }

    /// The parameter group made for the target's cluster.
    pub fn cluster_group(&self) -> ParameterGroupName {
        ParameterGroupName::new(format!("{}-cluster", self.target.cluster))
    }

    /// The parameter group made for the target's instances.
    pub fn instance_group(&self) -> ParameterGroupName {
        ParameterGroupName::new(format!("{}-instance", self.target.cluster))
    }

    /// The target's writer instance.
    pub fn writer(&self) -> InstanceId {
        self.member(1)
    }

    /// The snapshot taken before the source is deleted.
    pub fn final_snapshot(&self) -> String {
        format!("{}-final-{}", self.source.instance, self.migration.name)
    }

    /// The fence with `auto` decided.
    #[must_use]
    pub const fn fence(&self) -> FenceKind {
        match self.cutover.fence {
            FenceKind::Auto if self.access.is_some() => FenceKind::Terminate,
            FenceKind::Auto => FenceKind::Reboot,
            decided @ (FenceKind::Terminate | FenceKind::Reboot) => decided,
        }
    }

    /// The pause budget, or the prior for AWS: promotions take one to ten minutes there.
    #[must_use]
    pub fn pause_budget(&self) -> Duration {
        self.route.pause_budget.unwrap_or(Duration::from_mins(15))
    }
}
