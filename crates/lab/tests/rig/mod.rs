//! What the tests of the lab's cloud share: a lab in a folder of its own, the official clients,
//! and waiting with a bound.

use std::collections::BTreeSet;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::error::SdkError;
use aws_sdk_rds::operation::create_db_cluster::{CreateDBClusterError, CreateDbClusterOutput};
use aws_sdk_rds::operation::modify_db_instance::{ModifyDBInstanceError, ModifyDbInstanceOutput};
use aws_sdk_rds::operation::modify_db_parameter_group::{
    ModifyDBParameterGroupError, ModifyDbParameterGroupOutput,
};
use aws_sdk_rds::types::{ApplyMethod, DbInstance, Parameter, SourceType};
use landfall_lab::cloud::Timing;
use landfall_lab::firewall::{Actor, connect_as};
use landfall_lab::supervisor::{Access, Lab, LabConfig};
use tempfile::TempDir;
use tokio_postgres::NoTls;

pub(crate) const BOUND: Duration = Duration::from_secs(40);

/// A lab with the clients of AWS.
pub(crate) struct Rig {
    pub(crate) lab: Lab,
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) watch: aws_sdk_cloudwatch::Client,
    pub(crate) folder: TempDir,
}

impl Rig {
    pub(crate) async fn up() -> Self {
        Self::up_with(|_| {}).await
    }

    pub(crate) async fn up_with(adjust: impl FnOnce(&mut LabConfig)) -> Self {
        let folder = folder();
        let mut config = LabConfig::new(folder.path().join("lab"));
        adjust(&mut config);
        let lab = Lab::up(config).await.expect("the lab comes up");
        let (rds, watch) = clients(&lab.endpoint_url());
        Self { lab, rds, watch, folder }
    }

    pub(crate) async fn down(self) {
        self.lab.down().await;
        assert!(!self.folder.path().join("lab").exists(), "the state folder is left");
    }

    pub(crate) async fn instance(&self, id: &str) -> DbInstance {
        let answer = self.rds.describe_db_instances().db_instance_identifier(id).send().await;
        answer.expect("the instance exists").db_instances().first().unwrap().clone()
    }

    pub(crate) async fn cluster(&self, id: &str) -> aws_sdk_rds::types::DbCluster {
        let answer = self.rds.describe_db_clusters().db_cluster_identifier(id).send().await;
        answer.expect("the cluster exists").db_clusters().first().unwrap().clone()
    }

    pub(crate) async fn instance_is(&self, id: &str, status: &str) {
        eventually(&format!("{id} is {status}"), || async {
            let found = self.instance(id).await;
            (found.db_instance_status() == Some(status)).then_some(())
        })
        .await;
    }

    pub(crate) async fn cluster_is(&self, id: &str, status: &str) {
        eventually(&format!("{id} is {status}"), || async {
            let found = self.cluster(id).await;
            (found.status() == Some(status)).then_some(())
        })
        .await;
    }

    /// A replica cluster of the source with its writer, available.
    pub(crate) async fn replicate(&self, cluster: &str) {
        let source = self.instance("shop-prod").await;
        self.rds
            .create_db_cluster()
            .db_cluster_identifier(cluster)
            .engine("aurora-postgresql")
            .replication_source_identifier(source.db_instance_arn().unwrap())
            .vpc_security_group_ids("sg-quarantine-target")
            .send()
            .await
            .unwrap();
        self.cluster_is(cluster, "available").await;
        let writer = format!("{cluster}-1");
        self.rds
            .create_db_instance()
            .db_instance_identifier(&writer)
            .db_cluster_identifier(cluster)
            .db_instance_class("db.r6g.large")
            .engine("aurora-postgresql")
            .send()
            .await
            .unwrap();
        self.instance_is(&writer, "available").await;
    }

    pub(crate) async fn create_replica_cluster(
        &self,
        cluster: &str,
        source: &str,
    ) -> Result<CreateDbClusterOutput, SdkError<CreateDBClusterError>> {
        let request = self.rds.create_db_cluster().db_cluster_identifier(cluster);
        let request = request.engine("aurora-postgresql").replication_source_identifier(source);
        request.send().await
    }

    pub(crate) async fn fence(
        &self,
        groups: &[&str],
    ) -> Result<ModifyDbInstanceOutput, SdkError<ModifyDBInstanceError>> {
        let groups = groups.iter().map(ToString::to_string).collect();
        let request = self.rds.modify_db_instance().db_instance_identifier("shop-prod");
        request.set_vpc_security_group_ids(Some(groups)).send().await
    }

    pub(crate) async fn retain(
        &self,
        days: i32,
        timing: Timing,
    ) -> Result<ModifyDbInstanceOutput, SdkError<ModifyDBInstanceError>> {
        let request = self.rds.modify_db_instance().db_instance_identifier("shop-prod");
        let request = request.backup_retention_period(days);
        request.apply_immediately(timing == Timing::Immediately).send().await
    }

    pub(crate) async fn set(
        &self,
        group: &str,
        name: &str,
        value: &str,
        method: ApplyMethod,
    ) -> Result<ModifyDbParameterGroupOutput, SdkError<ModifyDBParameterGroupError>> {
        let parameter = Parameter::builder()
            .parameter_name(name)
            .parameter_value(value)
            .apply_method(method)
            .build();
        let request = self.rds.modify_db_parameter_group().db_parameter_group_name(group);
        request.parameters(parameter).send().await
    }

    /// Waits until the source's parameter group has that status.
    pub(crate) async fn group_is(&self, status: &str) {
        eventually(&format!("the parameter group is {status}"), || async {
            let instance = self.instance("shop-prod").await;
            let group = instance.db_parameter_groups().first()?;
            (group.parameter_apply_status() == Some(status)).then_some(())
        })
        .await;
    }

    /// Every status that the source goes through until something is so and it is available.
    pub(crate) async fn statuses_until(
        &self,
        what: &str,
        is_so: impl Fn(&DbInstance) -> bool,
    ) -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let deadline = Instant::now() + BOUND;
        loop {
            let instance = self.instance("shop-prod").await;
            let status = instance.db_instance_status().unwrap_or_default().to_owned();
            let done = status == "available" && is_so(&instance);
            seen.insert(status);
            if done {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited {BOUND:?} for: {what}; saw {seen:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The points of the last hour, oldest first: epoch seconds and values.
    pub(crate) async fn points(&self, dimension: &str, id: &str, metric: &str) -> Vec<(f64, f64)> {
        let now = SystemTime::now();
        let dimension = Dimension::builder().name(dimension).value(id).build();
        let metric = Metric::builder()
            .namespace("AWS/RDS")
            .metric_name(metric)
            .dimensions(dimension)
            .build();
        let stat = MetricStat::builder().metric(metric).period(60).stat("Maximum").build();
        let query = MetricDataQuery::builder().id("points").metric_stat(stat).build();
        let request = self
            .watch
            .get_metric_data()
            .metric_data_queries(query)
            .scan_by(ScanBy::TimestampAscending)
            .start_time((now - Duration::from_secs(3_600)).into())
            .end_time((now + Duration::from_secs(60)).into());
        let answer = request.send().await.unwrap();
        let result = answer.metric_data_results().first().unwrap();
        let times = result.timestamps().iter().map(DateTime::as_secs_f64);
        times.zip(result.values().iter().copied()).collect()
    }

    /// The messages of the events of an instance.
    pub(crate) async fn events(&self, instance: &str) -> Vec<String> {
        let request = self.rds.describe_events().source_type(SourceType::DbInstance);
        let answer = request.source_identifier(instance).send().await.unwrap();
        answer.events().iter().filter_map(|event| event.message.clone()).collect()
    }

    /// A session of the master user of an instance, as Landfall.
    pub(crate) async fn session(&self, instance: &str) -> tokio_postgres::Client {
        login(&self.lab.access(instance).unwrap(), "shop").await.unwrap()
    }
}

/// A folder that the user of the servers may pass through.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("lab-test-")
        .permissions(std::fs::Permissions::from_mode(0o711))
        .tempdir()
        .unwrap()
}

/// Clients that never retry, so that a test sees every answer.
pub(crate) fn clients(url: &str) -> (aws_sdk_rds::Client, aws_sdk_cloudwatch::Client) {
    let credentials = Credentials::new("lab", "lab", None, None, "test");
    let rds = aws_sdk_rds::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials.clone())
        .retry_config(RetryConfig::disabled())
        .build();
    let watch = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .build();
    (aws_sdk_rds::Client::from_conf(rds), aws_sdk_cloudwatch::Client::from_conf(watch))
}

pub(crate) async fn login(
    access: &Access,
    database: &str,
) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host(&access.host)
        .port(access.port)
        .user(&access.user)
        .password(&access.password)
        .dbname(database)
        .connect_timeout(Duration::from_millis(1_500));
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The same from the address of an actor.
pub(crate) async fn login_from(
    actor: Actor,
    access: &Access,
    database: &str,
) -> Result<tokio_postgres::Client, Box<dyn std::error::Error>> {
    let stream = connect_as(actor, access.port).await?;
    let mut config = tokio_postgres::Config::new();
    config.user(&access.user).password(&access.password).dbname(database);
    let connecting = config.connect_raw(stream, NoTls);
    let (client, connection) =
        tokio::time::timeout(Duration::from_millis(1_500), connecting).await??;
    tokio::spawn(connection);
    Ok(client)
}

/// Polls until there is something, or fails with what was waited for.
pub(crate) async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + BOUND;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {BOUND:?} for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
