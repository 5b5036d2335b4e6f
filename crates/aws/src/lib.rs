//! The cloud port on the AWS SDK: RDS for instances, clusters, groups and events, CloudWatch for
//! metrics. The only crate that links the SDK.
//!
//! It decides nothing: a read is a view of what AWS says, an action is one order. Every action is
//! idempotent, and none touches an object that must be Landfall's unless its tag names the move
//! that asks. Endpoint, region and credentials come from the SDK's own environment and profile, so
//! the lab and AWS differ by variables alone. A process that dies between an order and its answer
//! leaves the order with AWS: the next look shows what became of it.

mod act;
mod alarm;
mod cluster;
mod doctor;
mod equipment;
mod event;
mod fault;
mod global;
mod history;
mod instance;
mod login;
mod metric;
mod ownership;
mod parameter;
mod pending;
mod proxy;
mod snapshot;
mod surroundings;
mod time;
mod version;
mod zone;

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use jiff::Timestamp;
use landfall_core::action::CloudAction;
use landfall_core::ids::ParameterGroupName;
use landfall_core::port::cloud::{
    Alarm, CloudEvent, Cluster, ClusterEndpoint, EngineVersion, GroupLevel, Instance, MetricPoint,
    MetricQuery, MetricSpan, Parameter, ParameterGroup, Snapshot, Subject, Surroundings,
};
use landfall_core::port::equipment::{GlobalDatabase, Proxy, Secondary};
use landfall_core::port::{Cloud, Stamp};
use landfall_core::probe::Probed;
use landfall_core::spec::GlobalSpec;
use landfall_core::{ClusterId, Failure, FailureKind, InstanceId};

pub use login::Logins;
#[cfg(feature = "route53")]
pub use zone::HostedZone;
pub use zone::hosted_zone;

/// The engine Landfall moves from.
const SOURCE_ENGINE: &str = "postgres";
/// The engine Landfall moves to.
const TARGET_ENGINE: &str = "aurora-postgresql";

/// RDS and CloudWatch of one account and Region.
#[derive(Debug, Clone)]
pub struct AwsCloud {
    rds: aws_sdk_rds::Client,
    metrics: aws_sdk_cloudwatch::Client,
    call_timeout: Duration,
    /// For a client of another Region.
    config: SdkConfig,
}

impl AwsCloud {
    /// The account that the SDK's standard environment and profile name. Called once at start;
    /// credentials are looked for at the first call, a region right here.
    ///
    /// # Errors
    /// When no region is set anywhere.
    pub async fn from_env(call_timeout: Duration) -> Result<Self, Failure> {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        Self::new(&config, call_timeout)
    }

    /// The account of a configuration made elsewhere. Retries are those of `config`; one RDS or
    /// CloudWatch request with its retries, and one whole action, take at most `call_timeout`.
    ///
    /// # Errors
    /// When the configuration has no region.
    pub fn new(config: &SdkConfig, call_timeout: Duration) -> Result<Self, Failure> {
        if config.region().is_none() {
            return Err(Failure::new(
                FailureKind::Invalid,
                "choose an AWS region",
                "no region is set; set AWS_REGION, or a region in the profile AWS_PROFILE names",
            ));
        }
        let mut timeouts = TimeoutConfig::builder().operation_timeout(call_timeout);
        if let Some(connect) = config.timeout_config().and_then(TimeoutConfig::connect_timeout) {
            timeouts = timeouts.connect_timeout(connect.min(call_timeout));
        }
        let config = config.clone().into_builder().timeout_config(timeouts.build()).build();
        Ok(Self {
            rds: aws_sdk_rds::Client::new(&config),
            metrics: aws_sdk_cloudwatch::Client::new(&config),
            call_timeout,
            config,
        })
    }
}

#[async_trait]
impl Cloud for AwsCloud {
    async fn instance(&self, id: &InstanceId) -> Result<Option<Instance>, Failure> {
        self.read_instance(id).await
    }

    async fn cluster(&self, id: &ClusterId) -> Result<Option<Cluster>, Failure> {
        self.read_cluster(id).await
    }

    async fn parameter_group(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<ParameterGroup>, Failure> {
        self.read_parameter_group(level, name).await
    }

    async fn parameters(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Vec<Parameter>, Failure> {
        self.read_parameters(level, name).await
    }

    async fn default_parameters(
        &self,
        level: GroupLevel,
        family: &str,
    ) -> Result<Vec<Parameter>, Failure> {
        self.read_default_parameters(level, family).await
    }

    async fn aurora_versions(&self, version: &str) -> Result<Vec<EngineVersion>, Failure> {
        self.read_aurora_versions(version).await
    }

    async fn orderable_classes(&self, aurora_version: &str) -> Result<Vec<String>, Failure> {
        self.read_orderable_classes(aurora_version).await
    }

    async fn events(
        &self,
        subject: &Subject,
        since: Timestamp,
    ) -> Result<Vec<CloudEvent>, Failure> {
        self.read_events(subject, since).await
    }

    async fn metric(&self, query: &MetricQuery) -> Result<Vec<MetricPoint>, Failure> {
        self.read_metric(query).await
    }

    async fn history(&self, query: &MetricQuery, period: u32) -> Result<Vec<MetricSpan>, Failure> {
        self.read_history(query, period).await
    }

    async fn surroundings(&self, instance: &Instance) -> Result<Surroundings, Failure> {
        Ok(self.read_surroundings(instance).await)
    }

    async fn alarms(&self, subject: &Subject) -> Result<Vec<Alarm>, Failure> {
        self.read_alarms(subject).await
    }

    async fn metric_names(&self, subject: &Subject) -> Result<BTreeSet<String>, Failure> {
        self.read_metric_names(subject).await
    }

    async fn cluster_endpoints(&self, id: &ClusterId) -> Result<Vec<ClusterEndpoint>, Failure> {
        self.read_cluster_endpoints(id).await
    }

    async fn proxy(&self, name: &str) -> Result<Option<Proxy>, Failure> {
        self.read_proxy(name).await
    }

    async fn global_database(&self, name: &str) -> Result<Option<GlobalDatabase>, Failure> {
        self.read_global_database(name).await
    }

    async fn secondary(&self, of: &GlobalSpec) -> Result<Option<Secondary>, Failure> {
        self.read_secondary(of).await
    }

    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        self.read_snapshot(id).await
    }

    async fn probe(&self) -> Vec<Probed> {
        self.probe_account().await
    }

    /// An action may look before and after its order. All of it together is bounded, because the
    /// lease that allows it counts on one timeout.
    async fn act(&self, action: &CloudAction, stamp: &Stamp) -> Result<(), Failure> {
        let done = tokio::time::timeout(self.call_timeout, self.carry_out(action, stamp)).await;
        done.unwrap_or_else(|_| Err(fault::timed_out(action.to_string(), self.call_timeout)))
    }
}
