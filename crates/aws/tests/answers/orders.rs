//! Orders: what is sent, what is not sent, and what a refusal comes to.

use ciborium::Value;
use landfall_core::FailureKind;
use landfall_core::action::{
    CloudAction, ClusterSettings, Equipment, NewReplicaCluster, NewWriter, ParameterChange,
};
use landfall_core::port::Cloud;
use landfall_core::port::cloud::{ApplyType, AssociatedRole, GroupLevel};
use landfall_core::spec::Serverless;

use crate::door::{Door, Reply, stamp, tag_list};

fn nothing() -> Reply {
    Reply::Result(String::new())
}

fn cluster(status: &str, source: &str, owner: &str) -> Reply {
    let tags = tag_list(owner);
    Reply::Result(format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>c1</DBClusterIdentifier>\
         <Status>{status}</Status>\
         <ReplicationSourceIdentifier>{source}</ReplicationSourceIdentifier>{tags}\
         </DBCluster></DBClusters>"
    ))
}

fn instance(status: &str, owner: &str, rest: &str) -> Reply {
    let tags = tag_list(owner);
    Reply::Result(format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>i1</DBInstanceIdentifier>\
         <DBInstanceStatus>{status}</DBInstanceStatus>{rest}{tags}</DBInstance></DBInstances>"
    ))
}

fn with_group(door: &Door, owner: &str) {
    let described = "<DBClusterParameterGroups><DBClusterParameterGroup>\
        <DBClusterParameterGroupName>g1</DBClusterParameterGroupName>\
        <DBParameterGroupFamily>aurora-postgresql15</DBParameterGroupFamily>\
        <DBClusterParameterGroupArn>arn:g1</DBClusterParameterGroupArn>\
        </DBClusterParameterGroup></DBClusterParameterGroups>";
    door.on("DescribeDBClusterParameterGroups", [Reply::Result(described.to_owned())])
        .on("ListTagsForResource", [Reply::Result(tag_list(owner))]);
}

async fn act(door: &Door, action: CloudAction) -> Result<(), FailureKind> {
    let done = door.cloud().await.act(&action, &stamp()).await;
    done.map_err(|failure| {
        assert_eq!(failure.what, action.to_string());
        failure.kind
    })
}

fn replica() -> CloudAction {
    CloudAction::CreateReplicaCluster(NewReplicaCluster {
        cluster: "c1".into(),
        source_arn: "arn:source".into(),
        engine_version: "15.17".into(),
        parameter_group: "g1".into(),
        security_groups: vec!["sg-1".into(), "sg-2".into()],
        subnet_group: Some("private".into()),
        encrypted: true,
        kms_key: Some("key".into()),
        backup_retention_days: 7,
        serverless: None,
    })
}

#[tokio::test]
async fn a_replica_cluster_is_ordered_with_key_tags_and_no_protection() {
    let door = Door::open().await;
    door.on("CreateDBCluster", [nothing()]);
    assert_eq!(act(&door, replica()).await, Ok(()));
    let sent = &door.heard("CreateDBCluster")[0];
    for (field, value) in [
        ("DBClusterIdentifier", "c1"),
        ("Engine", "aurora-postgresql"),
        ("EngineVersion", "15.17"),
        ("ReplicationSourceIdentifier", "arn:source"),
        ("DBClusterParameterGroupName", "g1"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.1", "sg-1"),
        ("VpcSecurityGroupIds.VpcSecurityGroupId.2", "sg-2"),
        ("DBSubnetGroupName", "private"),
        ("StorageEncrypted", "true"),
        ("KmsKeyId", "key"),
        ("BackupRetentionPeriod", "7"),
        ("DeletionProtection", "false"),
        ("CopyTagsToSnapshot", "true"),
        ("Tags.Tag.1.Key", "landfall:migration"),
        ("Tags.Tag.1.Value", "orders"),
        ("Tags.Tag.2.Key", "landfall:epoch"),
        ("Tags.Tag.2.Value", "7"),
    ] {
        assert_eq!(sent.get(field).map(String::as_str), Some(value), "{field}");
    }
    assert!(!sent.contains_key("MasterUsername"));
}

#[tokio::test]
async fn a_taken_name_is_success_only_when_it_is_ours() {
    for (found, expected) in [
        (cluster("creating", "arn:source", "orders"), Ok(())),
        (cluster("available", "arn:source", "billing"), Err(FailureKind::TakenByAnother)),
        (cluster("deleting", "arn:source", "orders"), Err(FailureKind::WrongState)),
        (Reply::Refused(404, "DBClusterNotFoundFault", "gone"), Err(FailureKind::WrongState)),
    ] {
        let door = Door::open().await;
        door.on("CreateDBCluster", [Reply::Refused(400, "DBClusterAlreadyExistsFault", "taken")])
            .on("DescribeDBClusters", [found]);
        assert_eq!(act(&door, replica()).await, expected);
    }
}

#[tokio::test]
async fn a_second_order_that_aws_refuses_for_another_reason_is_done_too() {
    let door = Door::open().await;
    door.on("CreateDBCluster", [Reply::Refused(400, "InvalidDBInstanceState", "has a replica")])
        .on("DescribeDBClusters", [cluster("creating", "arn:source", "orders")]);
    assert_eq!(act(&door, replica()).await, Ok(()));
}

#[tokio::test]
async fn a_writer_is_ordered_into_its_cluster() {
    let door = Door::open().await;
    door.on("CreateDBInstance", [nothing()]);
    let writer = CloudAction::CreateWriter(NewWriter {
        instance: "i1".into(),
        cluster: "c1".into(),
        class: "db.r6g.large".into(),
        parameter_group: "g2".into(),
    });
    assert_eq!(act(&door, writer).await, Ok(()));
    let sent = &door.heard("CreateDBInstance")[0];
    assert_eq!(sent["DBClusterIdentifier"], "c1");
    assert_eq!(sent["DBInstanceClass"], "db.r6g.large");
    assert_eq!(sent["DBParameterGroupName"], "g2");
    assert_eq!(sent["Tags.Tag.1.Value"], "orders");
}

#[tokio::test]
async fn parameters_go_out_twenty_at_a_time() {
    let door = Door::open().await;
    with_group(&door, "orders");
    door.on("ModifyDBClusterParameterGroup", [nothing()]);
    let changes = (0..45).map(|number| ParameterChange {
        name: format!("p{number}"),
        value: "1".into(),
        apply_type: if number % 2 == 0 { ApplyType::Static } else { ApplyType::Dynamic },
    });
    let action = CloudAction::SetParameters {
        level: GroupLevel::Cluster,
        name: "g1".into(),
        changes: changes.collect(),
    };
    assert_eq!(act(&door, action).await, Ok(()));
    let sent = door.heard("ModifyDBClusterParameterGroup");
    let sizes: Vec<_> = sent
        .iter()
        .map(|form| form.keys().filter(|name| name.ends_with(".ParameterName")).count())
        .collect();
    assert_eq!(sizes, [20, 20, 5]);
    assert_eq!(sent[0]["Parameters.Parameter.1.ApplyMethod"], "pending-reboot");
    assert_eq!(sent[0]["Parameters.Parameter.2.ApplyMethod"], "immediate");
    assert_eq!(sent[2]["Parameters.Parameter.5.ParameterName"], "p44");
}

#[tokio::test]
async fn what_is_anothers_is_neither_changed_nor_deleted() {
    let door = Door::open().await;
    with_group(&door, "billing");
    door.on("DescribeDBClusters", [cluster("available", "arn:source", "billing")])
        .on("DescribeDBInstances", [instance("available", "billing", "")]);
    let (level, name) = (GroupLevel::Cluster, "g1".into());
    for action in [
        CloudAction::DeleteCluster { cluster: "c1".into() },
        CloudAction::PromoteCluster { cluster: "c1".into() },
        CloudAction::ProtectCluster { cluster: "c1".into() },
        CloudAction::SetClusterSecurityGroups { cluster: "c1".into(), groups: vec![] },
        CloudAction::DeleteWriter { instance: "i1".into() },
        CloudAction::SetParameters { level, name, changes: vec![] },
        CloudAction::DeleteParameterGroup { level, name: "g1".into() },
    ] {
        let refused = act(&door, action).await;
        assert_eq!(refused, Err(FailureKind::TakenByAnother));
    }
    for order in ["DeleteDBCluster", "PromoteReadReplicaDBCluster", "ModifyDBCluster"] {
        assert_eq!(door.heard(order), []);
    }
    for order in ["DeleteDBInstance", "DeleteDBClusterParameterGroup"] {
        assert_eq!(door.heard(order), []);
    }
}

#[tokio::test]
async fn deleting_what_is_gone_or_going_is_done() {
    let door = Door::open().await;
    door.on("DescribeDBClusters", [cluster("deleting", "arn:source", "orders")])
        .on("DescribeDBInstances", [Reply::Refused(404, "DBInstanceNotFound", "gone")])
        .on(
            "DescribeDBClusterParameterGroups",
            [Reply::Refused(404, "DBParameterGroupNotFound", "gone")],
        );
    for action in [
        CloudAction::DeleteCluster { cluster: "c1".into() },
        CloudAction::DeleteWriter { instance: "i1".into() },
        CloudAction::DeleteRetiredSource { instance: "i1".into() },
        CloudAction::DeleteParameterGroup { level: GroupLevel::Cluster, name: "g1".into() },
    ] {
        assert_eq!(act(&door, action).await, Ok(()));
    }
}

#[tokio::test]
async fn a_replica_is_deleted_without_a_final_snapshot() {
    let door = Door::open().await;
    door.on("DescribeDBClusters", [cluster("available", "arn:source", "orders")])
        .on("DescribeDBInstances", [instance("available", "orders", "")])
        .on("DeleteDBCluster", [nothing()])
        .on("DeleteDBInstance", [nothing()]);
    let cluster = CloudAction::DeleteCluster { cluster: "c1".into() };
    assert_eq!(act(&door, cluster).await, Ok(()));
    assert_eq!(act(&door, CloudAction::DeleteWriter { instance: "i1".into() }).await, Ok(()));
    assert_eq!(door.heard("DeleteDBCluster")[0]["SkipFinalSnapshot"], "true");
    assert_eq!(door.heard("DeleteDBInstance")[0]["SkipFinalSnapshot"], "true");
}

#[tokio::test]
async fn promotion_is_ordered_once() {
    let door = Door::open().await;
    let looks = [
        cluster("available", "arn:source", "orders"),
        cluster("promoting", "arn:source", "orders"),
        cluster("available", "", "orders"),
    ];
    door.on("DescribeDBClusters", looks).on("PromoteReadReplicaDBCluster", [nothing()]);
    for _ in 0..3 {
        let promote = CloudAction::PromoteCluster { cluster: "c1".into() };
        assert_eq!(act(&door, promote).await, Ok(()));
    }
    assert_eq!(door.heard("PromoteReadReplicaDBCluster").len(), 1);
}

#[tokio::test]
async fn a_busy_cluster_is_promoted_later() {
    let door = Door::open().await;
    door.on("DescribeDBClusters", [cluster("modifying", "arn:source", "orders")]).on(
        "PromoteReadReplicaDBCluster",
        [Reply::Refused(400, "InvalidDBClusterStateFault", "busy")],
    );
    let promote = CloudAction::PromoteCluster { cluster: "c1".into() };
    assert_eq!(act(&door, promote).await, Err(FailureKind::WrongState));
}

#[tokio::test]
async fn a_reboot_under_way_is_the_reboot() {
    for (status, expected) in [("rebooting", Ok(())), ("modifying", Err(FailureKind::WrongState))] {
        let door = Door::open().await;
        door.on("RebootDBInstance", [Reply::Refused(400, "InvalidDBInstanceState", "busy")])
            .on("DescribeDBInstances", [instance(status, "", "")]);
        let reboot = CloudAction::RebootInstance { instance: "i1".into() };
        assert_eq!(act(&door, reboot).await, expected);
    }
}

#[tokio::test]
async fn the_fence_replaces_the_whole_list() {
    let door = Door::open().await;
    door.on("ModifyDBInstance", [nothing()]);
    let groups = vec!["sg-q".into()];
    let fence = CloudAction::SetInstanceSecurityGroups { instance: "i1".into(), groups };
    assert_eq!(act(&door, fence).await, Ok(()));
    let sent = &door.heard("ModifyDBInstance")[0];
    assert_eq!(sent["VpcSecurityGroupIds.VpcSecurityGroupId.1"], "sg-q");
    assert!(!sent.contains_key("VpcSecurityGroupIds.VpcSecurityGroupId.2"));
    assert_eq!(sent["ApplyImmediately"], "true");
}

fn snapshots(status: &str, owner: &str) -> Reply {
    let tags = tag_list(owner);
    Reply::Result(format!(
        "<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>s1</DBSnapshotIdentifier>\
         <Status>{status}</Status>{tags}</DBSnapshot></DBSnapshots>"
    ))
}

#[tokio::test]
async fn a_source_is_deleted_only_beside_a_finished_snapshot_of_this_move() {
    for (snapshot, expected) in [
        (snapshots("available", "orders"), Ok(())),
        (snapshots("creating", "orders"), Err(FailureKind::Invalid)),
        (snapshots("available", "billing"), Err(FailureKind::Invalid)),
        (Reply::Result("<DBSnapshots></DBSnapshots>".into()), Err(FailureKind::Invalid)),
    ] {
        let door = Door::open().await;
        door.on("DescribeDBInstances", [instance("available", "", "")])
            .on("DescribeDBSnapshots", [snapshot])
            .on("DeleteDBInstance", [nothing()]);
        let retire = CloudAction::DeleteRetiredSource { instance: "i1".into() };
        assert_eq!(act(&door, retire).await, expected);
        let sent = door.heard("DeleteDBInstance");
        assert_eq!(sent.len(), usize::from(expected.is_ok()));
        for order in sent {
            assert_eq!(order["SkipFinalSnapshot"], "true");
            assert_eq!(order["DeleteAutomatedBackups"], "false");
        }
    }
}

#[tokio::test]
async fn a_cluster_member_is_no_retired_source() {
    let door = Door::open().await;
    let member = "<DBClusterIdentifier>c1</DBClusterIdentifier>";
    door.on("DescribeDBInstances", [instance("available", "orders", member)]);
    let retire = CloudAction::DeleteRetiredSource { instance: "i1".into() };
    assert_eq!(act(&door, retire).await, Err(FailureKind::Invalid));
    assert_eq!(door.heard("DeleteDBInstance"), []);
}

#[tokio::test]
async fn deletion_protection_is_reported_and_never_switched_off() {
    let door = Door::open().await;
    let words = "Cannot delete protected DB Instance, please disable deletion protection";
    door.on("DescribeDBInstances", [instance("available", "", "")])
        .on("DescribeDBSnapshots", [snapshots("available", "orders")])
        .on("DeleteDBInstance", [Reply::Refused(400, "InvalidParameterCombination", words)]);
    let retire = CloudAction::DeleteRetiredSource { instance: "i1".into() };
    let failure = door.cloud().await.act(&retire, &stamp()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.detail.contains(words), "{failure}");
    assert_eq!(door.heard("ModifyDBInstance"), []);
}

fn alarm(name: &str, dimension: &str, id: &str) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    let dimension = Value::Map(vec![(text("Name"), text(dimension)), (text("Value"), text(id))]);
    Value::Map(vec![
        (text("AlarmName"), text(name)),
        (text("MetricName"), text("CPUUtilization")),
        (text("Namespace"), text("AWS/RDS")),
        (text("Dimensions"), Value::Array(vec![dimension])),
        (text("Statistic"), text("Average")),
        (text("Period"), Value::Integer(60.into())),
        (text("EvaluationPeriods"), Value::Integer(5.into())),
        (text("DatapointsToAlarm"), Value::Integer(3.into())),
        (text("Threshold"), Value::Float(80.5)),
        (text("ComparisonOperator"), text("GreaterThanThreshold")),
        (text("TreatMissingData"), text("breaching")),
        (text("AlarmActions"), Value::Array(vec![text("arn:pager")])),
    ])
}

fn alarms(found: Vec<Value>) -> Reply {
    let name = Value::Text("MetricAlarms".to_owned());
    Reply::Cbor(Value::Map(vec![(name, Value::Array(found))]))
}

fn copy() -> CloudAction {
    CloudAction::Equip(Equipment::AlarmCopy {
        alarm: "cpu of i1".to_owned(),
        copy: "cpu of c1".to_owned(),
        cluster: "c1".into(),
    })
}

#[tokio::test]
async fn a_copied_alarm_rings_as_its_original_did_and_follows_the_writer() {
    let door = Door::open().await;
    let original = alarm("cpu of i1", "DBInstanceIdentifier", "i1");
    door.on("DescribeDBClusters", [cluster("available", "", "orders")])
        .on("DescribeAlarms", [alarms(vec![]), alarms(vec![original])])
        .on("PutMetricAlarm", [Reply::Cbor(Value::Map(vec![]))]);
    assert_eq!(act(&door, copy()).await, Ok(()));
    let sent = &door.heard("PutMetricAlarm")[0];
    for (field, words) in [
        ("AlarmName", "cpu of c1"),
        ("Threshold", "80.5"),
        ("Period", "60"),
        ("EvaluationPeriods", "5"),
        ("DatapointsToAlarm", "3"),
        ("ComparisonOperator", "GreaterThanThreshold"),
        ("TreatMissingData", "breaching"),
        ("AlarmActions", "arn:pager"),
        ("Dimensions", "DBClusterIdentifier"),
        ("Dimensions", "WRITER"),
    ] {
        let told = sent.get(field).unwrap_or_else(|| panic!("{field} was not sent: {sent:?}"));
        assert!(told.contains(words), "{field}: {told}");
    }
    assert!(!sent["Dimensions"].contains("i1"), "{sent:?}");
}

#[tokio::test]
async fn an_alarm_of_the_copys_name_is_left_alone() {
    for (about, expected) in [("c1", Ok(())), ("c9", Err(FailureKind::TakenByAnother))] {
        let door = Door::open().await;
        let taken = alarm("cpu of c1", "DBClusterIdentifier", about);
        door.on("DescribeDBClusters", [cluster("available", "", "orders")])
            .on("DescribeAlarms", [alarms(vec![taken])]);
        assert_eq!(act(&door, copy()).await, expected);
        assert!(door.heard("PutMetricAlarm").is_empty());
    }
}

#[tokio::test]
async fn settings_send_what_changes_and_nothing_else() {
    let door = Door::open().await;
    door.on("DescribeDBClusters", [cluster("available", "", "orders")])
        .on("ModifyDBCluster", [nothing()]);
    let acu = |units| landfall_core::quantity::Acu::whole(units);
    let settings = ClusterSettings {
        logs_on: vec!["postgresql".to_owned()],
        serverless: Some(Serverless { min_acu: acu(2), max_acu: acu(64) }),
        ..ClusterSettings::default()
    };
    let set = CloudAction::SetClusterSettings { cluster: "c1".into(), settings };
    assert_eq!(act(&door, set.clone()).await, Ok(()));
    let sent = &door.heard("ModifyDBCluster")[0];
    let logs = "CloudwatchLogsExportConfiguration.EnableLogTypes.member.1";
    for (field, value) in [
        (logs, "postgresql"),
        ("ServerlessV2ScalingConfiguration.MinCapacity", "2"),
        ("ServerlessV2ScalingConfiguration.MaxCapacity", "64"),
        ("ApplyImmediately", "true"),
    ] {
        let told = sent.get(field).unwrap_or_else(|| panic!("{field} was not sent: {sent:?}"));
        assert!(told.starts_with(value), "{field}: {told}");
    }
    for absent in ["BackupRetentionPeriod", "EnableIAMDatabaseAuthentication", "DeletionProtection"]
    {
        assert!(!sent.contains_key(absent), "{absent} was sent");
    }
    let door = Door::open().await;
    door.on("DescribeDBClusters", [cluster("available", "", "billing")]);
    assert_eq!(act(&door, set).await, Err(FailureKind::TakenByAnother));
    assert!(door.heard("ModifyDBCluster").is_empty());
}

#[tokio::test]
async fn a_role_that_is_there_is_not_added_and_one_added_meanwhile_is_done() {
    let role = |feature: &str| AssociatedRole {
        arn: "arn:role".to_owned(),
        feature: Some(feature.to_owned()),
    };
    let add =
        |feature| CloudAction::Equip(Equipment::Role { cluster: "c1".into(), role: role(feature) });
    let tags = tag_list("orders");
    let with_role = format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>c1</DBClusterIdentifier>\
         <Status>available</Status><AssociatedRoles><DBClusterRole><RoleArn>arn:role</RoleArn>\
         <FeatureName>s3Import</FeatureName><Status>ACTIVE</Status></DBClusterRole>\
         </AssociatedRoles>{tags}</DBCluster></DBClusters>"
    );
    let door = Door::open().await;
    door.on("DescribeDBClusters", [Reply::Result(with_role)]).on(
        "AddRoleToDBCluster",
        [
            Reply::Refused(400, "DBClusterRoleAlreadyExists", "it is there"),
            Reply::Refused(400, "InvalidParameterValue", "no such feature"),
        ],
    );
    assert_eq!(act(&door, add("s3Import")).await, Ok(()));
    assert!(door.heard("AddRoleToDBCluster").is_empty());
    assert_eq!(act(&door, add("Lambda")).await, Ok(()));
    assert_eq!(act(&door, add("Telepathy")).await, Err(FailureKind::Invalid));
}
