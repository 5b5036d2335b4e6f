//! What the tests of the door do to a lab again and again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_rds::error::SdkError;
use aws_sdk_rds::operation::create_db_cluster::{CreateDBClusterError, CreateDbClusterOutput};
use aws_sdk_rds::operation::create_db_instance::{CreateDBInstanceError, CreateDbInstanceOutput};
use aws_sdk_rds::operation::modify_db_instance::{ModifyDBInstanceError, ModifyDbInstanceOutput};
use aws_sdk_rds::operation::modify_db_parameter_group::{
    ModifyDBParameterGroupError, ModifyDbParameterGroupOutput,
};
use aws_sdk_rds::types::{ApplyMethod, DbInstance, Parameter, SourceType};
use landfall_lab::cloud::Timing;
use landfall_lab::firewall::{Actor, connect_as};
use landfall_lab::supervisor::Access;
use tokio_postgres::NoTls;

use crate::rig::{BOUND, Rig, eventually};

impl Rig {
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
        self.member(cluster, &writer).await.unwrap();
        self.instance_is(&writer, "available").await;
    }

    /// Asks for an instance in a cluster.
    pub(crate) async fn member(
        &self,
        cluster: &str,
        instance: &str,
    ) -> Result<CreateDbInstanceOutput, SdkError<CreateDBInstanceError>> {
        let request = self.rds.create_db_instance().db_instance_identifier(instance);
        let request = request.db_cluster_identifier(cluster).engine("aurora-postgresql");
        request.db_instance_class("db.r6g.large").send().await
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
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            tick.tick().await;
            let instance = self.instance("shop-prod").await;
            let status = instance.db_instance_status().unwrap_or_default().to_owned();
            let done = status == "available" && is_so(&instance);
            seen.insert(status);
            if done {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited {BOUND:?} for: {what}; saw {seen:?}");
        }
    }

    /// The messages of the events of an instance or cluster.
    pub(crate) async fn events(&self, kind: SourceType, source: &str) -> Vec<String> {
        let request = self.rds.describe_events().source_type(kind);
        let answer = request.source_identifier(source).send().await.unwrap();
        answer.events().iter().filter_map(|event| event.message.clone()).collect()
    }
}

/// Looks again and again for longer than any transition of a quick lab takes: it must not happen.
pub(crate) async fn never<F, Fut>(what: &str, mut happened: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let until = Instant::now() + Duration::from_secs(1);
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    while Instant::now() < until {
        tick.tick().await;
        assert!(!happened().await, "it happened: {what}");
    }
}

/// A session of the master user from the address of an actor.
pub(crate) async fn login_from(
    actor: Actor,
    access: &Access,
    database: &str,
) -> Result<tokio_postgres::Client, Box<dyn std::error::Error>> {
    let stream = connect_as(actor, access.port).await?;
    let mut config = tokio_postgres::Config::new();
    config.user(&access.user).password(&access.password).dbname(database);
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
