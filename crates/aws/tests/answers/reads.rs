//! Reads: pages, absence, whole views, versions, events and metrics.

use ciborium::Value;
use jiff::Timestamp;
use landfall_core::port::Cloud;
use landfall_core::port::cloud::{
    ApplyType, AssociatedRole, GroupLevel, GroupMembership, InstanceDetail, Metric, MetricQuery,
    ParameterSource, ResourceState, Subject, TAG_MIGRATION,
};
use landfall_core::{Endpoint, FailureKind};

use crate::door::{Door, Reply, tag_list};

#[tokio::test]
async fn what_aws_does_not_know_is_none() {
    let door = Door::open().await;
    let refused = |code| [Reply::Refused(404, code, "not found")];
    door.on("DescribeDBInstances", refused("DBInstanceNotFound"))
        .on("DescribeDBClusters", refused("DBClusterNotFoundFault"))
        .on("DescribeDBParameterGroups", refused("DBParameterGroupNotFound"))
        .on("DescribeDBClusterParameterGroups", refused("DBParameterGroupNotFound"))
        .on("DescribeDBSnapshots", refused("DBSnapshotNotFound"));
    let cloud = door.cloud().await;
    assert_eq!(cloud.instance(&"orders".into()).await, Ok(None));
    assert_eq!(cloud.cluster(&"orders".into()).await, Ok(None));
    assert_eq!(cloud.parameter_group(GroupLevel::Instance, &"orders".into()).await, Ok(None));
    assert_eq!(cloud.parameter_group(GroupLevel::Cluster, &"orders".into()).await, Ok(None));
    assert_eq!(cloud.snapshot("orders").await, Ok(None));
}

#[tokio::test]
async fn an_instance_is_seen_whole() {
    let door = Door::open().await;
    let tags = tag_list("orders");
    door.on(
        "DescribeDBInstances",
        [Reply::Result(format!(
            "<DBInstances><DBInstance>\
             <DBInstanceIdentifier>orders-prod</DBInstanceIdentifier>\
             <DBInstanceArn>arn:aws:rds:us-east-1:1:db:orders-prod</DBInstanceArn>\
             <Engine>postgres</Engine><EngineVersion>15.18</EngineVersion>\
             <DBInstanceClass>db.m6g.large</DBInstanceClass>\
             <DBInstanceStatus>backing-up</DBInstanceStatus>\
             <Endpoint><Address>10.0.0.7</Address><Port>5433</Port></Endpoint>\
             <MasterUsername>master</MasterUsername>\
             <BackupRetentionPeriod>7</BackupRetentionPeriod>\
             <VpcSecurityGroups>\
             <VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId>\
             <Status>active</Status></VpcSecurityGroupMembership>\
             <VpcSecurityGroupMembership><VpcSecurityGroupId>sg-2</VpcSecurityGroupId>\
             <Status>adding</Status></VpcSecurityGroupMembership></VpcSecurityGroups>\
             <DBSubnetGroup><DBSubnetGroupName>private</DBSubnetGroupName></DBSubnetGroup>\
             <DBParameterGroups><DBParameterGroup>\
             <DBParameterGroupName>orders-pg</DBParameterGroupName>\
             <ParameterApplyStatus>pending-reboot</ParameterApplyStatus>\
             </DBParameterGroup></DBParameterGroups>\
             <ReadReplicaDBClusterIdentifiers><ReadReplicaDBClusterIdentifier>c1\
             </ReadReplicaDBClusterIdentifier></ReadReplicaDBClusterIdentifiers>\
             <ReadReplicaDBInstanceIdentifiers><ReadReplicaDBInstanceIdentifier>r1\
             </ReadReplicaDBInstanceIdentifier></ReadReplicaDBInstanceIdentifiers>\
             <StorageEncrypted>true</StorageEncrypted><KmsKeyId>key</KmsKeyId>\
             <MultiAZ>true</MultiAZ><AllocatedStorage>200</AllocatedStorage>\
             <DeletionProtection>true</DeletionProtection>{tags}\
             </DBInstance></DBInstances>"
        ))],
    );
    let seen = door.cloud().await.instance(&"orders-prod".into()).await.unwrap().unwrap();
    assert_eq!(seen.id.as_str(), "orders-prod");
    assert_eq!(seen.arn, "arn:aws:rds:us-east-1:1:db:orders-prod");
    assert_eq!((&*seen.engine, &*seen.engine_version), ("postgres", "15.18"));
    assert_eq!(seen.class, "db.m6g.large");
    assert_eq!(seen.state, ResourceState::Busy("backing-up".to_owned()));
    assert_eq!(seen.endpoint, Some(Endpoint::new("10.0.0.7", 5433)));
    assert_eq!(seen.master_user, "master");
    assert_eq!(seen.backup_retention_days, 7);
    let groups = [
        GroupMembership { group: "sg-1".into(), active: true },
        GroupMembership { group: "sg-2".into(), active: false },
    ];
    assert_eq!(seen.security_groups, groups);
    assert_eq!(seen.subnet_group.as_deref(), Some("private"));
    let attached = seen.parameter_group.unwrap();
    assert_eq!((attached.name.as_str(), &*attached.apply_status), ("orders-pg", "pending-reboot"));
    assert_eq!(seen.replica_clusters, ["c1".into()]);
    assert_eq!(seen.replica_instances, ["r1".into()]);
    assert_eq!((seen.replica_of, seen.cluster), (None, None));
    assert!(seen.encrypted && seen.multi_az && seen.deletion_protected);
    assert_eq!(seen.kms_key.as_deref(), Some("key"));
    assert_eq!(seen.allocated_gib, 200);
    assert_eq!(seen.tags[TAG_MIGRATION], "orders");
}

#[tokio::test]
async fn the_details_that_only_people_read_are_seen_too() {
    let door = Door::open().await;
    door.on(
        "DescribeDBInstances",
        [Reply::Result(
            "<DBInstances><DBInstance><DBInstanceIdentifier>i1</DBInstanceIdentifier>\
             <DbiResourceId>db-ABC</DbiResourceId><StorageType>io1</StorageType><Iops>3000</Iops>\
             <MaxAllocatedStorage>500</MaxAllocatedStorage>\
             <AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade>\
             <IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>\
             <DomainMemberships><DomainMembership><Domain>d-1</Domain><FQDN>corp.example</FQDN>\
             <Status>joined</Status></DomainMembership></DomainMemberships>\
             <AssociatedRoles><DBInstanceRole><RoleArn>arn:role</RoleArn>\
             <FeatureName>s3Import</FeatureName></DBInstanceRole></AssociatedRoles>\
             <EnabledCloudwatchLogsExports><member>postgresql</member>\
             </EnabledCloudwatchLogsExports>\
             <PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>\
             <PreferredBackupWindow>03:00-03:30</PreferredBackupWindow>\
             <PreferredMaintenanceWindow>sun:04:00-sun:04:30</PreferredMaintenanceWindow>\
             <PendingModifiedValues><EngineVersion>15.18</EngineVersion></PendingModifiedValues>\
             <LatestRestorableTime>2026-11-21T10:00:00Z</LatestRestorableTime>\
             <PubliclyAccessible>true</PubliclyAccessible>\
             <CACertificateIdentifier>rds-ca-rsa2048-g1</CACertificateIdentifier>\
             <MasterUserSecret><SecretArn>arn:secret</SecretArn></MasterUserSecret>\
             <OptionGroupMemberships>\
             <OptionGroupMembership><OptionGroupName>default:postgres-15</OptionGroupName>\
             </OptionGroupMembership><OptionGroupMembership><OptionGroupName>own</OptionGroupName>\
             </OptionGroupMembership></OptionGroupMemberships>\
             <ReadReplicaDBInstanceIdentifiers>\
             <ReadReplicaDBInstanceIdentifier>r1</ReadReplicaDBInstanceIdentifier>\
             <ReadReplicaDBInstanceIdentifier>arn:aws:rds:eu-west-1:1:db:r2\
             </ReadReplicaDBInstanceIdentifier></ReadReplicaDBInstanceIdentifiers>\
             </DBInstance></DBInstances>"
                .to_owned(),
        )],
    );
    let seen = door.cloud().await.instance(&"i1".into()).await.unwrap().unwrap();
    assert_eq!(seen.replica_instances, ["r1".into()]);
    let expected = InstanceDetail {
        resource_id: Some("db-ABC".to_owned()),
        storage_type: Some("io1".to_owned()),
        iops: Some(3_000),
        max_allocated_gib: Some(500),
        auto_minor_upgrade: true,
        iam_auth: true,
        domains: vec!["corp.example joined".to_owned()],
        roles: vec![AssociatedRole {
            arn: "arn:role".to_owned(),
            feature: Some("s3Import".to_owned()),
        }],
        log_exports: vec!["postgresql".to_owned()],
        performance_insights: true,
        backup_window: Some("03:00-03:30".to_owned()),
        maintenance_window: Some("sun:04:00-sun:04:30".to_owned()),
        pending: vec!["EngineVersion=15.18".to_owned()],
        latest_restorable: "2026-11-21T10:00:00Z".parse().ok(),
        publicly_accessible: true,
        ca: Some("rds-ca-rsa2048-g1".to_owned()),
        master_secret: Some("arn:secret".to_owned()),
        option_groups: vec!["own".to_owned()],
        replicas_elsewhere: vec!["arn:aws:rds:eu-west-1:1:db:r2".to_owned()],
    };
    assert_eq!(seen.detail, expected);
}

#[tokio::test]
async fn a_promoted_cluster_replicates_from_nothing() {
    let door = Door::open().await;
    let cluster = |source: &str| {
        Reply::Result(format!(
            "<DBClusters><DBCluster><DBClusterIdentifier>c1</DBClusterIdentifier>\
             <Status>available</Status><Endpoint>c1.example</Endpoint>\
             <ReaderEndpoint>c1-ro.example</ReaderEndpoint><Port>5432</Port>{source}\
             <DBClusterMembers><DBClusterMember><DBInstanceIdentifier>w1</DBInstanceIdentifier>\
             <IsClusterWriter>true</IsClusterWriter></DBClusterMember></DBClusterMembers>\
             </DBCluster></DBClusters>"
        ))
    };
    let source = "<ReplicationSourceIdentifier>arn:source</ReplicationSourceIdentifier>";
    let empty = "<ReplicationSourceIdentifier></ReplicationSourceIdentifier>";
    door.on("DescribeDBClusters", [cluster(source), cluster(empty), cluster("")]);
    let cloud = door.cloud().await;
    let seen = cloud.cluster(&"c1".into()).await.unwrap().unwrap();
    assert_eq!(seen.replicates_from.as_deref(), Some("arn:source"));
    assert_eq!(seen.endpoint, Some(Endpoint::new("c1.example", 5432)));
    assert_eq!(seen.reader_endpoint, Some(Endpoint::new("c1-ro.example", 5432)));
    assert!(seen.members[0].writer && seen.members[0].instance.as_str() == "w1");
    for _ in 0..2 {
        let seen = cloud.cluster(&"c1".into()).await.unwrap().unwrap();
        assert_eq!(seen.replicates_from, None);
    }
}

fn parameters(names: &[&str], marker: &str) -> String {
    let rows: String = names
        .iter()
        .map(|name| {
            format!(
                "<Parameter><ParameterName>{name}</ParameterName><ParameterValue>1</ParameterValue>\
                 <Source>user</Source><ApplyType>dynamic</ApplyType>\
                 <IsModifiable>true</IsModifiable><AllowedValues>0-9</AllowedValues></Parameter>"
            )
        })
        .collect();
    format!("<Parameters>{rows}</Parameters>{marker}")
}

#[tokio::test]
async fn every_page_is_read() {
    let door = Door::open().await;
    let pages = |wrap: fn(String) -> String| {
        let first = parameters(&["a", "b"], "<Marker>more</Marker>");
        [Reply::Result(wrap(first)), Reply::Result(wrap(parameters(&["c"], "")))]
    };
    door.on("DescribeDBParameters", pages(|page| page))
        .on("DescribeDBClusterParameters", pages(|page| page))
        .on("DescribeEngineDefaultParameters", pages(defaults))
        .on("DescribeEngineDefaultClusterParameters", pages(defaults));
    let cloud = door.cloud().await;
    for level in [GroupLevel::Instance, GroupLevel::Cluster] {
        for seen in [
            cloud.parameters(level, &"pg".into()).await.unwrap(),
            cloud.default_parameters(level, "aurora-postgresql15").await.unwrap(),
        ] {
            let names: Vec<_> = seen.iter().map(|parameter| &*parameter.name).collect();
            assert_eq!(names, ["a", "b", "c"]);
            assert_eq!(seen[0].source, ParameterSource::User);
            assert_eq!(seen[0].apply_type, ApplyType::Dynamic);
            assert!(seen[0].modifiable && seen[0].allowed.as_deref() == Some("0-9"));
        }
    }
    for action in ["DescribeDBParameters", "DescribeEngineDefaultClusterParameters"] {
        let heard = door.heard(action);
        assert_eq!(heard.len(), 2);
        assert_eq!(heard[1].get("Marker").map(String::as_str), Some("more"));
    }
}

fn defaults(page: String) -> String {
    format!("<EngineDefaults>{page}</EngineDefaults>")
}

#[tokio::test]
async fn versions_come_from_the_sources_own_targets_with_their_families() {
    let door = Door::open().await;
    let source = "<DBEngineVersions><DBEngineVersion><Engine>postgres</Engine>\
        <EngineVersion>15.15</EngineVersion><ValidUpgradeTarget>\
        <UpgradeTarget><Engine>postgres</Engine><EngineVersion>15.18</EngineVersion></UpgradeTarget>\
        <UpgradeTarget><Engine>aurora-postgresql</Engine><EngineVersion>15.17</EngineVersion>\
        </UpgradeTarget></ValidUpgradeTarget></DBEngineVersion></DBEngineVersions>";
    let offered: String = ["15.15", "15.17", "16.1"]
        .iter()
        .map(|version| {
            format!(
                "<DBEngineVersion><Engine>aurora-postgresql</Engine>\
                 <EngineVersion>{version}</EngineVersion>\
                 <DBParameterGroupFamily>aurora-postgresql15</DBParameterGroupFamily>\
                 </DBEngineVersion>"
            )
        })
        .collect();
    let offered = format!("<DBEngineVersions>{offered}</DBEngineVersions>");
    door.on("DescribeDBEngineVersions", [Reply::Result(source.to_owned()), Reply::Result(offered)]);
    let seen = door.cloud().await.aurora_versions("15.15").await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((&*seen[0].version, &*seen[0].family), ("15.17", "aurora-postgresql15"));
    let heard = door.heard("DescribeDBEngineVersions");
    assert_eq!((&*heard[0]["Engine"], &*heard[0]["EngineVersion"]), ("postgres", "15.15"));
    assert_eq!(heard[0]["IncludeAll"], "true");
    assert_eq!(heard[1]["Engine"], "aurora-postgresql");
}

#[tokio::test]
async fn a_class_is_named_once() {
    let door = Door::open().await;
    let page = |classes: &[&str], marker: &str| {
        let rows: String = classes
            .iter()
            .map(|class| {
                format!(
                    "<OrderableDBInstanceOption><DBInstanceClass>{class}</DBInstanceClass>\
                     </OrderableDBInstanceOption>"
                )
            })
            .collect();
        Reply::Result(format!(
            "<OrderableDBInstanceOptions>{rows}</OrderableDBInstanceOptions>{marker}"
        ))
    };
    let pages =
        [page(&["db.r6g.large", "db.r5.large"], "<Marker>m</Marker>"), page(&["db.r6g.large"], "")];
    door.on("DescribeOrderableDBInstanceOptions", pages);
    let classes = door.cloud().await.orderable_classes("15.17").await.unwrap();
    assert_eq!(classes, ["db.r5.large", "db.r6g.large"]);
}

#[tokio::test]
async fn events_are_asked_for_one_subject_with_both_ends() {
    let door = Door::open().await;
    let event = |date: &str, message: &str| {
        format!("<Event><Date>{date}</Date><Message>{message}</Message></Event>")
    };
    let late = event("2026-11-21T10:00:02.5Z", "second");
    let early = event("2026-11-21T10:00:01Z", "first");
    let pages = [
        Reply::Result(format!("<Events>{late}</Events><Marker>m</Marker>")),
        Reply::Result(format!("<Events>{early}</Events>")),
    ];
    door.on("DescribeEvents", pages);
    let since: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let subject = Subject::Cluster("c1".into());
    let seen = door.cloud().await.events(&subject, since).await.unwrap();
    let messages: Vec<_> = seen.iter().map(|event| &*event.message).collect();
    assert_eq!(messages, ["first", "second"]);
    let heard = &door.heard("DescribeEvents")[0];
    assert_eq!((&*heard["SourceType"], &*heard["SourceIdentifier"]), ("db-cluster", "c1"));
    assert_eq!(heard["StartTime"], "2026-11-21T10:00:00Z");
    assert!(heard.contains_key("EndTime"));
}

fn lag_query() -> MetricQuery {
    MetricQuery {
        metric: Metric::OldestReplicationSlotLag,
        subject: Subject::Instance("orders-prod".into()),
        from: "2026-11-21T10:00:30Z".parse().unwrap(),
        to: "2026-11-21T10:10:00Z".parse().unwrap(),
    }
}

fn points(points: &[(&str, f64, &str)]) -> Reply {
    let text = |text: &str| Value::Text(text.to_owned());
    let points = points.iter().map(|(at, value, unit)| {
        let at: Timestamp = at.parse().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century fit")]
        let seconds = at.as_millisecond() as f64 / 1_000.0;
        Value::Map(vec![
            (text("Timestamp"), Value::Tag(1, Box::new(Value::Float(seconds)))),
            (text("Maximum"), Value::Float(*value)),
            (text("Unit"), text(unit)),
        ])
    });
    Reply::Cbor(Value::Map(vec![(text("Datapoints"), Value::Array(points.collect()))]))
}

#[tokio::test]
async fn points_come_in_order_in_bytes_and_from_the_window_alone() {
    let door = Door::open().await;
    let answer = points(&[
        ("2026-11-21T10:04:00Z", 0.0, "Megabytes"),
        ("2026-11-21T10:00:00Z", 9.0, "Megabytes"),
        ("2026-11-21T10:01:00Z", 64.0, "Megabytes"),
    ]);
    door.on("GetMetricStatistics", [answer]);
    let seen = door.cloud().await.metric(&lag_query()).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|point| (point.at.to_string(), point.value)).collect();
    let expected = [
        ("2026-11-21T10:01:00Z".to_owned(), 67_108_864.0),
        ("2026-11-21T10:04:00Z".to_owned(), 0.0),
    ];
    assert_eq!(seen, expected);
    let heard = &door.heard("GetMetricStatistics")[0];
    assert!(heard["Dimensions"].contains("DBInstanceIdentifier"), "{heard:?}");
    assert!(heard["Statistics"].contains("Maximum"), "{heard:?}");
}

#[tokio::test]
async fn no_point_is_no_point() {
    let door = Door::open().await;
    door.on("GetMetricStatistics", [points(&[])]);
    assert_eq!(door.cloud().await.metric(&lag_query()).await, Ok(vec![]));
}

#[tokio::test]
async fn a_lag_in_percent_is_no_lag() {
    let door = Door::open().await;
    door.on("GetMetricStatistics", [points(&[("2026-11-21T10:01:00Z", 1.0, "Percent")])]);
    let failure = door.cloud().await.metric(&lag_query()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unknown);
    assert!(failure.detail.contains("Percent"), "{failure}");
}
