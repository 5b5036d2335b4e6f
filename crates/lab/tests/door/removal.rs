//! Taking things away: protection, final snapshots, and what must be gone on the source.

use std::time::Duration;

use aws_sdk_rds::types::Tag;

use crate::code;
use crate::rig::{self, Rig};

#[tokio::test]
async fn a_replica_that_is_deleted_leaves_nothing_on_its_source() {
    let rig = Rig::up().await;
    rig.replicate("orders").await;
    let slots = "select count(*) from pg_replication_slots";
    let count =
        || async { rig.lab.sql("shop-prod", "postgres", slots).await.unwrap()[0][0].clone() };
    assert_eq!(count().await.as_deref(), Some("1"));

    let protected = rig.rds.modify_db_cluster().db_cluster_identifier("orders");
    protected.deletion_protection(true).send().await.unwrap();
    let delete_cluster = |skip: bool| {
        let request = rig.rds.delete_db_cluster().db_cluster_identifier("orders");
        request.skip_final_snapshot(skip).send()
    };
    assert_eq!(code(&delete_cluster(true).await.unwrap_err()), "InvalidParameterCombination");
    let open = rig.rds.modify_db_cluster().db_cluster_identifier("orders");
    open.deletion_protection(false).send().await.unwrap();
    assert_eq!(code(&delete_cluster(true).await.unwrap_err()), "InvalidDBClusterStateFault");

    let source = rig.rds.delete_db_instance().db_instance_identifier("shop-prod");
    let refused = source.skip_final_snapshot(true).send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidDBInstanceState");

    let member = rig.rds.delete_db_instance().db_instance_identifier("orders-1");
    let deleting = member.skip_final_snapshot(true).send().await.unwrap();
    assert_eq!(deleting.db_instance().unwrap().db_instance_status(), Some("deleting"));
    rig::eventually("the writer is gone", || async {
        let gone = rig.rds.describe_db_instances().db_instance_identifier("orders-1").send().await;
        gone.err().map(|error| assert_eq!(code(&error), "DBInstanceNotFound"))
    })
    .await;
    assert_eq!(count().await.as_deref(), Some("0"), "the slot is left on the source");

    assert_eq!(code(&delete_cluster(false).await.unwrap_err()), "InvalidParameterCombination");
    delete_cluster(true).await.unwrap();
    rig::eventually("the cluster is gone", || async {
        let gone = rig.rds.describe_db_clusters().db_cluster_identifier("orders").send().await;
        gone.err().map(|error| assert_eq!(code(&error), "DBClusterNotFoundFault"))
    })
    .await;
    assert!(rig.instance("shop-prod").await.read_replica_db_cluster_identifiers().is_empty());
    rig.down().await;
}

#[tokio::test]
async fn an_instance_is_deleted_after_its_final_snapshot() {
    let rig = Rig::up_slow(|delays| delays.back_up = Duration::from_secs(3)).await;
    let snapshot = rig.rds.create_db_snapshot().db_snapshot_identifier("before");
    let snapshot = snapshot.db_instance_identifier("shop-prod").send().await.unwrap();
    assert_eq!(snapshot.db_snapshot().unwrap().status(), Some("creating"));
    assert_eq!(rig.instance("shop-prod").await.db_instance_status(), Some("backing-up"));
    let busy = rig.rds.reboot_db_instance().db_instance_identifier("shop-prod").send().await;
    assert_eq!(code(&busy.unwrap_err()), "InvalidDBInstanceState");
    rig.instance_is("shop-prod", "available").await;
    let status = |name: &'static str| {
        let request = rig.rds.describe_db_snapshots().db_snapshot_identifier(name);
        async move { request.send().await.unwrap().db_snapshots()[0].status.clone().unwrap() }
    };
    assert_eq!(status("before").await, "available");

    let delete = |last: &str| {
        let request = rig.rds.delete_db_instance().db_instance_identifier("shop-prod");
        request.final_db_snapshot_identifier(last).send()
    };
    assert_eq!(code(&delete("Before").await.unwrap_err()), "DBSnapshotAlreadyExists");
    delete("last").await.unwrap();
    rig::eventually("the instance is gone", || async {
        let all = rig.rds.describe_db_instances().send().await.unwrap();
        all.db_instances().is_empty().then_some(())
    })
    .await;
    assert_eq!(status("last").await, "available");
    rig.down().await;
}

#[tokio::test]
async fn groups_in_use_stay_and_tags_belong_to_what_exists() {
    let rig = Rig::up().await;
    let family = format!("aurora-postgresql{}", rig.lab.cloud().version().major);
    let create = |name: &str, family: &str| {
        let request = rig.rds.create_db_cluster_parameter_group();
        let request = request.db_cluster_parameter_group_name(name).description("of a test");
        let tag = Tag::builder().key("move").value("orders").build();
        request.db_parameter_group_family(family).tags(tag).send()
    };
    assert_eq!(code(&create("wrong", "mysql8.0").await.unwrap_err()), "InvalidParameterValue");
    let made = create("Orders-Cluster", &family).await.unwrap();
    let group = made.db_cluster_parameter_group().unwrap();
    assert_eq!(group.db_cluster_parameter_group_name(), Some("orders-cluster"));
    let again = create("orders-cluster", &family).await.unwrap_err();
    assert_eq!(code(&again), "DBParameterGroupAlreadyExists");

    let arn = group.db_cluster_parameter_group_arn().unwrap().to_owned();
    let tags = || async {
        let listed = rig.rds.list_tags_for_resource().resource_name(&arn).send().await.unwrap();
        let tags = listed.tag_list().iter();
        tags.map(|tag| format!("{}={}", tag.key().unwrap(), tag.value().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(tags().await, ["move=orders"]);
    let remove = rig.rds.remove_tags_from_resource().resource_name(&arn).tag_keys("move");
    remove.send().await.unwrap();
    assert!(tags().await.is_empty());
    let nobody = "arn:aws:rds:us-east-1:123456789012:db:nobody";
    let gone = rig.rds.list_tags_for_resource().resource_name(nobody).send().await;
    assert_eq!(code(&gone.unwrap_err()), "DBInstanceNotFound");

    let used = rig.rds.delete_db_parameter_group().db_parameter_group_name("shop-prod-parameters");
    assert_eq!(code(&used.send().await.unwrap_err()), "InvalidDBParameterGroupState");
    let free = rig.rds.delete_db_cluster_parameter_group();
    free.db_cluster_parameter_group_name("orders-cluster").send().await.unwrap();
    rig.down().await;
}
