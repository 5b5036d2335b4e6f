//! Faults that AWS shows: brought about by its own calls, or pretended.

use std::time::Duration;

use landfall_e2e::Stage;
use landfall_lab::cloud::group::{ApplyMethod, GroupKind};
use landfall_lab::cloud::instance::Switch;
use landfall_lab::cloud::names::Identifier;
use landfall_lab::cloud::roles::Role;
use landfall_lab::cloud::standing::Pretence;
use landfall_lab::cloud::{Failover, InstanceChange, InstanceRequest, ParameterChange, Timing};
use landfall_lab::faults::{Fault, Order};
use serde_json::json;

const SOURCE: &str = "shop-prod";

pub(super) fn endpoint(stage: &Stage) -> String {
    let source = stage.lab.source();
    format!("{}:{}", source.host, source.port)
}

/// Waits until these instances are available.
async fn available(stage: &Stage, names: &[&str]) {
    let up = |name: &&str| {
        let all = stage.lab.instances();
        all.iter().any(|one| one.identifier == **name && one.status == "available")
    };
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3000 {
        tick.tick().await;
        if names.iter().all(up) {
            return;
        }
    }
    panic!("{names:?} are not available: {:#?}", stage.lab.instances());
}

fn set(stage: &Stage, name: &str, value: &str, method: ApplyMethod) {
    let group = Identifier::lookup("shop-prod-parameters");
    let change = ParameterChange { name: name.to_owned(), value: value.to_owned(), method };
    stage.lab.cloud().modify_group(GroupKind::Instance, &group, &[change]).expect("set it");
}

/// What restarts the source comes first.
pub(super) async fn neglect(stage: &Stage) {
    let (cloud, source) = (stage.lab.cloud(), Identifier::lookup(SOURCE));
    set(stage, "max_prepared_transactions", "10", ApplyMethod::PendingReboot);
    set(stage, "password_encryption", "md5", ApplyMethod::Immediate);
    set(stage, "max_standby_archive_delay", "60000", ApplyMethod::Immediate);
    let on = [Switch::IamAuthentication, Switch::MultiAz, Switch::PubliclyAccessible];
    let groups = ["sg-app", "sg-quarantine-source"];
    let change = InstanceChange {
        timing: Timing::Immediately,
        retention_days: Some(0),
        security_groups: Some(groups.map(str::to_owned).to_vec()),
        storage_kind: Some("io2".to_owned()),
        iops: Some(3000),
        domain: Some("d-1234567890".to_owned()),
        options: Some("shop-options".to_owned()),
        switches: on.map(|switch| (switch, true)).into(),
        ..InstanceChange::default()
    };
    cloud.modify_instance(&source, change).expect("change the source");
    let role = Role {
        arn: "arn:aws:iam::123456789012:role/import".to_owned(),
        feature: "s3Import".to_owned(),
    };
    cloud.add_instance_role(&source, role).expect("add a role");
    let neighbour = InstanceRequest {
        id: "shop-neighbour".to_owned(),
        class: "db.m6g.large".to_owned(),
        engine: "postgres".to_owned(),
        storage_gib: Some(20),
        parameter_group: Some("shop-prod-parameters".to_owned()),
        master_user: Some("neighbour".to_owned()),
        master_password: Some("not-a-real-secret".to_owned()),
        ..InstanceRequest::default()
    };
    cloud.create_instance(neighbour).expect("create an instance beside it");
    changed(stage).await;
    available(stage, &[SOURCE]).await;
    cloud.reboot_instance(&source, Failover::None).expect("reboot the source");
    available(stage, &[SOURCE, "shop-neighbour"]).await;
    pretend(stage);
    // A megabyte left, as CloudWatch shows it.
    let argument = Some(1_000_000);
    stage.lab.arm(Order { argument, ..Order::unlimited(Fault::DiskPressure) }).await;
}

/// Waits until what was to come into force at once did.
async fn changed(stage: &Stage) {
    let id = Identifier::lookup(SOURCE);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3000 {
        tick.tick().await;
        if stage.lab.cloud().read(|world| world.instance(&id).unwrap().retention_days) == 0 {
            return;
        }
    }
    panic!("its backups stay on: {:#?}", stage.lab.instances());
}

fn pretend(stage: &Stage) {
    let (cloud, instance) = (stage.lab.cloud(), SOURCE.to_owned());
    let source = Identifier::lookup(SOURCE);
    let version = cloud.read(|world| world.instance(&source).unwrap().version.to_string());
    let elsewhere = "arn:aws:rds:eu-west-1:123456789012:db:shop-dr".to_owned();
    let all = [
        Pretence::Maintenance {
            instance: instance.clone(),
            action: "system-update".to_owned(),
            at: None,
        },
        Pretence::Replica { instance: instance.clone(), replica: "shop-replica".to_owned() },
        Pretence::Replica { instance: instance.clone(), replica: elsewhere },
        Pretence::Quota { name: "DBClusters".to_owned(), max: 0 },
        Pretence::Version { instance, version: format!("{version}-R2") },
    ];
    for pretence in all {
        cloud.pretend(pretence).expect("pretend");
    }
    let alarm = json!({
        "AlarmName": "shop\n\"cpu\" é", "MetricName": "CPUUtilization", "Namespace": "AWS/RDS",
        "Statistic": "Average", "Period": 60, "EvaluationPeriods": 1, "Threshold": 90.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Dimensions": [{ "Name": "DBInstanceIdentifier", "Value": SOURCE }],
    });
    cloud.put_alarm(&alarm).expect("put an alarm");
}

/// What waits for a window or for a reboot.
pub(super) fn leave_waiting(stage: &Stage) {
    let change = InstanceChange { storage_gib: Some(400), ..InstanceChange::default() };
    let source = Identifier::lookup(SOURCE);
    stage.lab.cloud().modify_instance(&source, change).expect("change it in the window");
    set(stage, "max_prepared_transactions", "20", ApplyMethod::PendingReboot);
}
