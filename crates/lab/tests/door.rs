//! The cloud door, driven by the official SDK and by raw HTTP, over real PostgreSQL.
//!
//! Each test brings up a lab of its own in this process and takes it down again.

#[cfg(test)]
mod rig;

use std::time::{Duration, Instant};

use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use rig::Rig;

/// The error code that the service gave, or `none` when there was no answer.
fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    error.as_service_error().and_then(|error| error.code()).unwrap_or("none").to_owned()
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
    let slots = "select count(*) from pg_replication_slots where active";
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

    let events = rig
        .rds
        .describe_events()
        .source_type(aws_sdk_rds::types::SourceType::DbCluster)
        .source_identifier("orders-aurora")
        .send()
        .await
        .unwrap();
    let messages: Vec<&str> = events.events().iter().filter_map(|event| event.message()).collect();
    assert!(
        messages.contains(&"Promoted Read Replica cluster to a stand-alone database cluster."),
        "{messages:?}"
    );
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
