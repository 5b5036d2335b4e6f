//! What stands around instances and clusters: details, roles, endpoints, alarms, quotas, and what
//! is pretended so that a check has something to find.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic};
use aws_sdk_rds::types::CloudwatchLogsExportConfiguration;
use landfall_lab::cloud::standing::{PendingName, Pretence};
use landfall_lab::faults::{Fault, Order};

use crate::code;
use crate::rig::{self, Rig};

#[tokio::test]
async fn an_instance_is_changed_at_once_or_in_its_window() {
    let rig = Rig::up().await;
    let change = || rig.rds.modify_db_instance().db_instance_identifier("shop-prod");
    let logs = CloudwatchLogsExportConfiguration::builder().enable_log_types("upgrade").build();
    let changed = change()
        .storage_type("io1")
        .iops(3_000)
        .max_allocated_storage(500)
        .multi_az(true)
        .domain("d-1")
        .enable_iam_database_authentication(true)
        .enable_performance_insights(true)
        .auto_minor_version_upgrade(false)
        .cloudwatch_logs_export_configuration(logs)
        .preferred_maintenance_window("mon:02:00-mon:02:30")
        .send();
    changed.await.unwrap();
    let seen = rig.instance("shop-prod").await;
    let pending = seen.pending_modified_values().unwrap();
    assert_eq!((pending.storage_type(), pending.iops()), (Some("io1"), Some(3_000)));
    assert_eq!(pending.multi_az(), Some(true));
    assert_eq!(
        (seen.storage_type(), seen.iops(), seen.multi_az()),
        (Some("gp3"), None, Some(false))
    );
    assert_eq!(seen.max_allocated_storage(), Some(500));
    assert_eq!(seen.domain_memberships()[0].domain(), Some("d-1"));
    assert_eq!(seen.iam_database_authentication_enabled(), Some(true));
    assert_eq!(seen.performance_insights_enabled(), Some(true));
    assert_eq!(seen.auto_minor_version_upgrade(), Some(false));
    assert_eq!(seen.enabled_cloudwatch_logs_exports(), ["upgrade"]);
    assert_eq!(seen.preferred_maintenance_window(), Some("mon:02:00-mon:02:30"));
    assert!(seen.latest_restorable_time().is_some());

    change().apply_immediately(true).send().await.unwrap();
    rig::eventually("the window's changes are in force", || async {
        let seen = rig.instance("shop-prod").await;
        (seen.storage_type() == Some("io1") && seen.multi_az() == Some(true)).then_some(())
    })
    .await;
    rig.instance_is("shop-prod", "available").await;
    let refused = change().storage_type("gp2").iops(100).send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidParameterCombination");
    rig.down().await;
}

#[tokio::test]
async fn roles_and_endpoints_come_once_and_endpoints_only_after_promotion() {
    let rig = Rig::up().await;
    let role = |feature: &str| {
        let call = rig.rds.add_role_to_db_instance().db_instance_identifier("shop-prod");
        call.role_arn("arn:aws:iam::123456789012:role/s3").feature_name(feature)
    };
    role("s3Import").send().await.unwrap();
    assert_eq!(code(&role("s3Import").send().await.unwrap_err()), "DBInstanceRoleAlreadyExists");
    assert_eq!(code(&role("Telepathy").send().await.unwrap_err()), "InvalidParameterValue");
    let roles = rig.instance("shop-prod").await;
    assert_eq!(roles.associated_roles()[0].feature_name(), Some("s3Import"));

    rig.replicate("orders").await;
    let endpoint = || {
        let call = rig.rds.create_db_cluster_endpoint().db_cluster_identifier("orders");
        call.db_cluster_endpoint_identifier("reports").endpoint_type("ANY")
    };
    let early = endpoint().send().await.unwrap_err();
    assert_eq!(code(&early), "InvalidDBClusterStateFault");
    let promote = rig.rds.promote_read_replica_db_cluster().db_cluster_identifier("orders");
    promote.send().await.unwrap();
    rig.cluster_is("orders", "available").await;
    endpoint().static_members("orders-1").send().await.unwrap();
    let twice = endpoint().send().await.unwrap_err();
    assert_eq!(code(&twice), "DBClusterEndpointAlreadyExistsFault");
    let listed = rig.rds.describe_db_cluster_endpoints().db_cluster_identifier("orders");
    let listed = listed.send().await.unwrap();
    let found = &listed.db_cluster_endpoints()[0];
    assert_eq!((found.custom_endpoint_type(), found.status()), (Some("ANY"), Some("available")));
    assert_eq!(found.static_members(), ["orders-1"]);

    let role = || {
        let call = rig.rds.add_role_to_db_cluster().db_cluster_identifier("orders");
        call.role_arn("arn:aws:iam::123456789012:role/s3").feature_name("s3Import").send()
    };
    role().await.unwrap();
    assert_eq!(code(&role().await.unwrap_err()), "DBClusterRoleAlreadyExists");
    assert_eq!(rig.cluster("orders").await.associated_roles().len(), 1);
    rig.down().await;
}

#[tokio::test]
async fn alarms_are_kept_as_they_were_put_and_listed_in_pages() {
    let rig = Rig::up().await;
    for number in 0..3 {
        rig.watch
            .put_metric_alarm()
            .alarm_name(format!("cpu-{number}"))
            .namespace("AWS/RDS")
            .metric_name("CPUUtilization")
            .dimensions(
                Dimension::builder().name("DBInstanceIdentifier").value("shop-prod").build(),
            )
            .statistic(Statistic::Average)
            .period(60)
            .evaluation_periods(5)
            .threshold(80.5)
            .comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .alarm_actions("arn:aws:sns:us-east-1:123456789012:pager")
            .send()
            .await
            .unwrap();
    }
    let pages = rig.watch.describe_alarms().max_records(2).into_paginator().send();
    let pages: Vec<_> = pages.collect().await;
    let alarms: Vec<_> =
        pages.iter().flat_map(|page| page.as_ref().unwrap().metric_alarms()).collect();
    assert_eq!((pages.len(), alarms.len()), (2, 3));
    assert_eq!(alarms[0].alarm_name(), Some("cpu-0"));
    assert_eq!((alarms[0].threshold(), alarms[0].period()), (Some(80.5), Some(60)));
    assert_eq!(alarms[0].dimensions()[0].value(), Some("shop-prod"));
    assert_eq!(alarms[0].alarm_actions(), ["arn:aws:sns:us-east-1:123456789012:pager"]);
    let named = rig.watch.describe_alarms().alarm_names("cpu-2").send().await.unwrap();
    assert_eq!(named.metric_alarms().len(), 1);
    rig.watch.delete_alarms().alarm_names("cpu-2").send().await.unwrap();
    let none = rig.watch.describe_alarms().alarm_names("cpu-2").send().await.unwrap();
    assert!(none.metric_alarms().is_empty());
    rig.down().await;
}

#[tokio::test]
async fn what_cannot_be_brought_about_is_pretended_and_taken_back() {
    let rig = Rig::up().await;
    let pretend = |pretence| rig.lab.cloud().pretend(pretence).unwrap();
    let instance = || "shop-prod".to_owned();
    let at = Some("2026-12-01T00:00:00Z".parse().unwrap());
    pretend(Pretence::Maintenance { instance: instance(), action: "system-update".into(), at });
    let elsewhere = "arn:aws:rds:eu-west-1:123456789012:db:shop-replica";
    for replica in ["shop-reports", elsewhere] {
        pretend(Pretence::Replica { instance: instance(), replica: replica.to_owned() });
    }
    pretend(Pretence::Quota { name: "DBClusters".to_owned(), max: 0 });
    pretend(Pretence::Version { instance: instance(), version: "17.6-R2".to_owned() });
    let name = PendingName::EngineVersion;
    pretend(Pretence::Pending { instance: instance(), name, value: "17.7".to_owned() });
    let unknown = Pretence::Quota { name: "Wishes".to_owned(), max: 3 };
    assert!(rig.lab.cloud().pretend(unknown).is_err());

    let seen = rig.instance("shop-prod").await;
    assert_eq!(seen.read_replica_db_instance_identifiers(), ["shop-reports", elsewhere]);
    assert_eq!(seen.engine_version(), Some("17.6-R2"));
    assert_eq!(seen.pending_modified_values().unwrap().engine_version(), Some("17.7"));
    let arn = seen.db_instance_arn().unwrap();
    let asked = rig.rds.describe_pending_maintenance_actions().resource_identifier(arn);
    let asked = asked.send().await.unwrap();
    let actions = asked.pending_maintenance_actions()[0].pending_maintenance_action_details();
    assert_eq!(actions[0].action(), Some("system-update"));
    assert!(actions[0].current_apply_date().is_some());
    let quotas = rig.rds.describe_account_attributes().send().await.unwrap();
    let quota = |name: &str| {
        let found = quotas.account_quotas().iter().find(|it| it.account_quota_name() == Some(name));
        found.map(|found| (found.used(), found.max()))
    };
    assert_eq!(quota("DBClusters"), Some((Some(0), Some(0))));
    assert_eq!(quota("DBInstances"), Some((Some(1), Some(40))));

    pretend(Pretence::Nothing);
    let seen = rig.instance("shop-prod").await;
    assert!(seen.read_replica_db_instance_identifiers().is_empty());
    rig.down().await;
}

#[tokio::test]
async fn a_call_can_be_forbidden_and_the_others_go_on() {
    let rig = Rig::up().await;
    rig.lab.arm(Order::unlimited(Fault::Denied).only("DescribeAlarms")).await;
    let refused = rig.watch.describe_alarms().send().await.unwrap_err();
    assert_eq!(code(&refused), "AccessDenied");
    assert_eq!(rig.instance("shop-prod").await.db_instance_status(), Some("available"));
    rig.down().await;
}

#[tokio::test]
async fn a_longer_period_sums_up_what_the_real_server_does() {
    let rig = Rig::up().await;
    let source = rig.session("shop-prod").await;
    source.batch_execute("create table t as select generate_series(1, 10000)").await.unwrap();
    let now = SystemTime::now();
    let read = |metric: &'static str, period| {
        let call = rig.watch.get_metric_statistics().namespace("AWS/RDS").metric_name(metric);
        call.dimensions(
            Dimension::builder().name("DBInstanceIdentifier").value("shop-prod").build(),
        )
        .start_time((now - Duration::from_secs(3_600)).into())
        .end_time((now + Duration::from_secs(3_600)).into())
        .period(period)
        .set_statistics(Some(vec![
            Statistic::Average,
            Statistic::Minimum,
            Statistic::Maximum,
            Statistic::SampleCount,
        ]))
        .send()
    };
    for metric in [
        "CPUUtilization",
        "DatabaseConnections",
        "DiskQueueDepth",
        "FreeStorageSpace",
        "FreeableMemory",
        "NetworkReceiveThroughput",
        "NetworkTransmitThroughput",
        "TransactionLogsGeneration",
        "WriteIOPS",
        "WriteLatency",
    ] {
        rig::eventually(&format!("several samples of {metric}"), || async {
            let points = read(metric, 7_200).await.unwrap();
            points.datapoints().iter().find(|point| {
                let (low, middle, high) = (point.minimum(), point.average(), point.maximum());
                assert!(low <= middle && middle <= high, "{metric}: {point:?}");
                point.sample_count().unwrap() > 1.0
            })?;
            Some(())
        })
        .await;
    }
    rig::eventually("bytes that came in", || async {
        source.batch_execute("select 1").await.unwrap();
        let points = read("NetworkReceiveThroughput", 7_200).await.unwrap();
        points.datapoints().iter().find(|point| point.maximum().unwrap() > 0.0)?;
        Some(())
    })
    .await;
    rig.down().await;
}
