//! What the tests of the lab's cloud share: a lab in a folder of its own, the official clients,
//! and waiting with a bound.

pub(crate) mod http;

use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_cloudwatch::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, ScanBy};
use aws_sdk_rds::config::retry::RetryConfig;
use aws_sdk_rds::types::{DbCluster, DbInstance};
use landfall_lab::cloud::delays::Delays;
use landfall_lab::supervisor::{Access, Lab, LabConfig};
use tempfile::TempDir;
use tokio_postgres::NoTls;

pub(crate) const BOUND: Duration = Duration::from_secs(120);

/// A lab with the clients of AWS.
pub(crate) struct Rig {
    pub(crate) lab: Lab,
    pub(crate) rds: aws_sdk_rds::Client,
    pub(crate) watch: aws_sdk_cloudwatch::Client,
    pub(crate) folder: TempDir,
}

impl Rig {
    pub(crate) async fn up() -> Self {
        Self::up_slow(|_| {}).await
    }

    /// A lab in which one transition takes so long that it is seen on a busy machine too.
    pub(crate) async fn up_slow(stretch: impl FnOnce(&mut Delays)) -> Self {
        Self::up_with(|config| {
            let mut delays = config.profile.delays();
            stretch(&mut delays);
            config.delays = Some(delays);
        })
        .await
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

    pub(crate) async fn cluster(&self, id: &str) -> DbCluster {
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
    let credentials = Credentials::new("lab-admin", "lab", None, None, "test");
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
        .connect_timeout(BOUND);
    let (client, connection) = config.connect(NoTls).await?;
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
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        tick.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {BOUND:?} for: {what}");
    }
}
