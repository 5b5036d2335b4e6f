//! The cloud door, driven by the official SDK and by raw HTTP, over real PostgreSQL.
//!
//! Each test brings up a lab of its own in this process and takes it down again.

#[cfg(test)]
#[path = "door/apart.rs"]
mod apart;
#[cfg(test)]
#[path = "door/clusters.rs"]
mod clusters;
#[cfg(test)]
#[path = "door/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "door/raw.rs"]
mod raw;
#[cfg(test)]
#[path = "door/removal.rs"]
mod removal;
#[cfg(test)]
mod rig;
#[cfg(test)]
#[path = "door/standing.rs"]
mod standing;
#[cfg(test)]
#[path = "door/steps.rs"]
mod steps;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_rds::types::{ApplyMethod, DbInstance, SourceType};
use landfall_lab::cloud::Timing;
use landfall_lab::firewall::Actor;
use rig::Rig;
use steps::login_from;

/// The error code that the service gave, or `none` when there was no answer.
fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error.as_service_error().and_then(|error| error.code()).unwrap_or("none").to_owned()
}

fn memberships(instance: &DbInstance) -> Vec<(String, String)> {
    let groups = instance.vpc_security_groups().iter();
    groups
        .map(|group| {
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            (text(group.vpc_security_group_id()), text(group.status()))
        })
        .collect()
}

#[tokio::test]
async fn a_replica_is_made_follows_and_becomes_a_cluster_of_its_own() {
    let began = Instant::now();
    let rig = Rig::up().await;
    println!("up: {:?}", began.elapsed());
    let source = rig.session("shop-prod").await;
    source
        .batch_execute("create table orders (id int primary key); insert into orders values (1)")
        .await
        .unwrap();
    let before = rig.instance("SHOP-PROD").await;
    assert_eq!(before.db_instance_status(), Some("available"));
    assert_eq!(before.engine(), Some("postgres"));

    let began = Instant::now();
    rig.replicate("orders-aurora").await;
    println!("replica: {:?}", began.elapsed());
    let replica = rig.cluster("orders-aurora").await;
    assert_eq!(replica.replication_source_identifier(), before.db_instance_arn());
    assert_eq!(replica.master_username(), Some("shop_admin"));
    assert_eq!(replica.database_name(), Some("shop"));
    let replicated = rig.instance("shop-prod").await;
    assert_eq!(replicated.read_replica_db_cluster_identifiers(), ["orders-aurora"]);
    let slots = "select count(*) from pg_replication_slots";
    assert_eq!(
        rig.lab.sql("shop-prod", "postgres", slots).await.unwrap()[0][0].as_deref(),
        Some("1")
    );

    source.batch_execute("insert into orders values (2)").await.unwrap();
    let target = rig.session("orders-aurora-1").await;
    rig::eventually("the row has arrived", || async {
        let count: i64 = target.query_one("select count(*) from orders", &[]).await.unwrap().get(0);
        (count == 2).then_some(())
    })
    .await;
    let refused = target.batch_execute("insert into orders values (3)").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");

    let began = Instant::now();
    let promoting = rig
        .rds
        .promote_read_replica_db_cluster()
        .db_cluster_identifier("orders-aurora")
        .send()
        .await;
    assert_eq!(promoting.unwrap().db_cluster().unwrap().status(), Some("promoting"));
    rig.cluster_is("orders-aurora", "available").await;
    println!("promotion: {:?}", began.elapsed());
    assert_eq!(rig.cluster("orders-aurora").await.replication_source_identifier(), None);
    assert!(rig.instance("shop-prod").await.read_replica_db_cluster_identifiers().is_empty());
    target.batch_execute("insert into orders values (3)").await.unwrap();
    let slots = "select count(*) from pg_replication_slots";
    assert_eq!(
        rig.lab.sql("shop-prod", "postgres", slots).await.unwrap()[0][0].as_deref(),
        Some("0")
    );

    let messages = rig.events(SourceType::DbCluster, "orders-aurora").await;
    let promoted = "Promoted Read Replica cluster to a stand-alone database cluster.";
    assert!(messages.iter().any(|message| message == promoted), "{messages:?}");
    let again = rig
        .rds
        .promote_read_replica_db_cluster()
        .db_cluster_identifier("orders-aurora")
        .send()
        .await;
    assert_eq!(code(&again.unwrap_err()), "InvalidDBClusterStateFault");
    drop((source, target));
    rig.down().await;
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test]
async fn a_security_group_change_is_in_force_later_and_spares_tracked_connections() {
    let rig = Rig::up_slow(|delays| {
        delays.security_groups = Duration::from_secs(4);
        delays.reboot = Duration::from_secs(3);
    })
    .await;
    let app = Actor::Application;
    let access = rig.lab.source().clone();
    let tracked = login_from(app, &access, "shop").await.unwrap();

    let unknown = rig.fence(&["sg-nowhere"]).await.unwrap_err();
    assert_eq!(code(&unknown), "InvalidParameterValue");
    let answer = rig.fence(&["sg-quarantine-source"]).await.unwrap();
    let groups: Vec<(String, String)> = memberships(answer.db_instance().unwrap());
    assert_eq!(
        groups,
        [
            ("sg-app".to_owned(), "removing".to_owned()),
            ("sg-quarantine-source".to_owned(), "adding".to_owned()),
        ]
    );
    // Accepted, and not yet in force: the application still comes in.
    drop(login_from(app, &access, "shop").await.unwrap());
    rig::eventually("the quarantine group is active", || async {
        let groups = memberships(&rig.instance("shop-prod").await);
        (groups == [("sg-quarantine-source".to_owned(), "active".to_owned())]).then_some(())
    })
    .await;
    // A denied connection is never answered, so only time tells.
    let denied = tokio::time::timeout(Duration::from_secs(1), login_from(app, &access, "shop"));
    assert!(denied.await.is_err(), "a new connection of the application was answered");
    tracked.query_one("select 1", &[]).await.unwrap();
    drop(rig.session("shop-prod").await);

    // A reboot ends what the group did not.
    rig.rds.reboot_db_instance().db_instance_identifier("shop-prod").send().await.unwrap();
    assert_eq!(rig.instance("shop-prod").await.db_instance_status(), Some("rebooting"));
    rig.instance_is("shop-prod", "available").await;
    assert!(tracked.query_one("select 1", &[]).await.is_err());
    let events = rig.events(SourceType::DbInstance, "shop-prod").await;
    assert!(events.contains(&"DB instance restarted".to_owned()), "{events:?}");
    rig.down().await;
}

#[tokio::test]
async fn parameters_reach_the_real_server_at_once_or_with_the_reboot() {
    let rig = Rig::up().await;
    let group = "shop-prod-parameters";
    let show = |name: &'static str| {
        let session = rig.session("shop-prod");
        async move {
            let client = session.await;
            let row = client.query_one("select current_setting($1)", &[&name]).await.unwrap();
            row.get::<_, String>(0)
        }
    };
    assert_eq!(show("wal_level").await, "logical");
    rig.set(group, "work_mem", "8192", ApplyMethod::Immediate).await.unwrap();
    rig::eventually("work_mem is in force", || async {
        (show("work_mem").await == "8MB").then_some(())
    })
    .await;
    rig.group_is("in-sync").await;

    let refusals = [
        ("max_connections", "150", ApplyMethod::Immediate, "InvalidParameterCombination"),
        ("work_mem", "1", ApplyMethod::Immediate, "InvalidParameterValue"),
        ("no_such_thing", "1", ApplyMethod::PendingReboot, "InvalidParameterValue"),
        ("wal_level", "logical", ApplyMethod::PendingReboot, "InvalidParameterValue"),
    ];
    for (name, value, method, expected) in refusals {
        let refused = rig.set(group, name, value, method).await.unwrap_err();
        assert_eq!(code(&refused), expected, "{name}");
    }
    let default = rig.set("default.postgres15", "work_mem", "64", ApplyMethod::Immediate).await;
    let expected = if rig.lab.cloud().version().major == 15 {
        "InvalidDBParameterGroupState"
    } else {
        "DBParameterGroupNotFound"
    };
    assert_eq!(code(&default.unwrap_err()), expected);

    rig.set(group, "max_connections", "150", ApplyMethod::PendingReboot).await.unwrap();
    rig.group_is("pending-reboot").await;
    assert_eq!(show("max_connections").await, "200");
    rig.rds.reboot_db_instance().db_instance_identifier("shop-prod").send().await.unwrap();
    rig.instance_is("shop-prod", "available").await;
    assert_eq!(show("max_connections").await, "150");
    assert_eq!(show("work_mem").await, "8MB");
    rig.group_is("in-sync").await;
    rig.down().await;
}

#[tokio::test]
async fn parameters_are_listed_in_pages_with_the_shape_of_rds() {
    let rig = Rig::up().await;
    let mut pages = rig
        .rds
        .describe_db_parameters()
        .db_parameter_group_name("shop-prod-parameters")
        .max_records(20)
        .into_paginator()
        .send();
    let (mut all, mut count) = (Vec::new(), 0);
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.parameters().len() <= 20);
        all.extend(page.parameters().to_vec());
        count += 1;
    }
    assert!(all.len() > 300, "{} parameters", all.len());
    assert!(count > 15);
    let names: BTreeSet<&str> = all.iter().filter_map(|it| it.parameter_name()).collect();
    assert_eq!(names.len(), all.len(), "a parameter is listed twice");
    let find = |name: &str| all.iter().find(|it| it.parameter_name() == Some(name)).unwrap();
    let logical = find("rds.logical_replication");
    assert_eq!((logical.parameter_value(), logical.source()), (Some("1"), Some("user")));
    assert_eq!((logical.apply_type(), logical.is_modifiable()), (Some("static"), Some(true)));
    assert_eq!(find("work_mem").source(), Some("engine-default"));
    assert_eq!(find("work_mem").apply_type(), Some("dynamic"));
    assert_eq!(find("shared_buffers").parameter_value(), Some("{DBInstanceClassMemory/32768}"));
    assert_eq!(find("wal_level").is_modifiable(), Some(false));

    let family = format!("aurora-postgresql{}", rig.lab.cloud().version().major);
    let mut names = BTreeSet::new();
    let mut marker = None;
    loop {
        let page = rig
            .rds
            .describe_engine_default_cluster_parameters()
            .db_parameter_group_family(&family)
            .set_marker(marker)
            .send()
            .await
            .unwrap();
        let defaults = page.engine_defaults().unwrap();
        names.extend(defaults.parameters().iter().filter_map(|it| it.parameter_name.clone()));
        marker = defaults.marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert!(names.contains("rds.logical_replication") && names.contains("apg_ccm_enabled"));
    assert!(!names.contains("archive_timeout") && !names.contains("full_page_writes"));
    let user = rig
        .rds
        .describe_db_parameters()
        .db_parameter_group_name("shop-prod-parameters")
        .source("user")
        .send()
        .await
        .unwrap();
    assert_eq!(user.parameters().len(), 1);
    rig.down().await;
}

#[tokio::test]
async fn backups_have_their_states_and_a_replica_needs_them() {
    let rig = Rig::up_with(|config| {
        config.source.retention_days = 0;
        let mut delays = config.profile.delays();
        (delays.modify, delays.back_up) = (Duration::from_secs(2), Duration::from_secs(2));
        config.delays = Some(delays);
    })
    .await;
    let arn = rig.instance("shop-prod").await.db_instance_arn().unwrap().to_owned();
    let refused = rig.create_replica_cluster("one", &arn).await.unwrap_err();
    assert_eq!(code(&refused), "InvalidDBInstanceState");

    let later = rig.retain(5, Timing::InTheWindow).await.unwrap();
    let later = later.db_instance().unwrap();
    assert_eq!(later.backup_retention_period(), Some(0));
    let pending = later.pending_modified_values().unwrap();
    assert_eq!(pending.backup_retention_period(), Some(5));

    let session = rig.session("shop-prod").await;
    rig.retain(3, Timing::Immediately).await.unwrap();
    // The answer came before the change: only the effect tells when it is in force.
    assert_eq!(rig.instance("shop-prod").await.backup_retention_period(), Some(0));
    let seen = rig.statuses_until("backups are on", |it| it.backup_retention_period() == Some(3));
    let seen = seen.await;
    assert!(seen.contains("modifying") && seen.contains("backing-up"), "{seen:?}");
    assert!(session.query_one("select 1", &[]).await.is_err(), "turning backups on interrupts");

    rig.create_replica_cluster("one", &arn).await.unwrap();
    let second = rig.create_replica_cluster("two", &arn).await.unwrap_err();
    assert_eq!(code(&second), "InvalidDBInstanceState");
    let off = rig.retain(0, Timing::Immediately).await.unwrap_err();
    assert_eq!(code(&off), "InvalidDBInstanceState");
    rig.down().await;
}
