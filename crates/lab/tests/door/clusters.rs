//! Clusters beyond the plain replica: readers, and clusters of their own from the start.

use std::time::Duration;

use crate::code;
use crate::rig::{self, Rig};

#[tokio::test]
async fn a_reader_follows_the_writer_through_its_promotion() {
    let rig = Rig::up().await;
    let source = rig.session("shop-prod").await;
    source.batch_execute("create table t (id int)").await.unwrap();
    rig.replicate("orders").await;
    rig.member("orders", "orders-2").await.unwrap();
    rig.instance_is("orders-2", "available").await;
    let members: Vec<(String, bool)> = rig
        .cluster("orders")
        .await
        .db_cluster_members()
        .iter()
        .map(|it| (it.db_instance_identifier.clone().unwrap(), it.is_cluster_writer.unwrap()))
        .collect();
    assert_eq!(members, [("orders-1".to_owned(), true), ("orders-2".to_owned(), false)]);

    let promote = rig.rds.promote_read_replica_db_cluster().db_cluster_identifier("orders");
    promote.send().await.unwrap();
    rig.cluster_is("orders", "available").await;
    let writer = rig.session("orders-1").await;
    writer.batch_execute("insert into t values (1)").await.unwrap();
    let reader = rig.session("orders-2").await;
    rig::eventually("the reader has the row", || async {
        let count: i64 = reader.query_one("select count(*) from t", &[]).await.ok()?.get(0);
        (count == 1).then_some(())
    })
    .await;
    let refused = reader.batch_execute("insert into t values (2)").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "25006");
    rig::eventually("the reader has a lag", || async {
        let points = rig.points("DBInstanceIdentifier", "orders-2", "AuroraReplicaLag").await;
        points.last().map(drop)
    })
    .await;
    let lag = rig.points("DBClusterIdentifier", "orders", "RDSToAuroraPostgreSQLReplicaLag").await;
    assert!(!lag.is_empty(), "the cluster had a lag while it was a replica");
    rig.down().await;
}

#[tokio::test]
async fn a_cluster_of_its_own_is_empty_and_keeps_its_address() {
    let rig = Rig::up_slow(|delays| {
        delays.create_cluster = Duration::from_secs(2);
        delays.modify = Duration::from_secs(2);
    })
    .await;
    let create = || rig.rds.create_db_cluster().db_cluster_identifier("books");
    let create = || create().engine("aurora-postgresql");
    assert_eq!(code(&create().send().await.unwrap_err()), "InvalidParameterCombination");
    let request = create().master_username("librarian").master_user_password("of-a-test");
    request.database_name("shop").vpc_security_group_ids("sg-inspect").send().await.unwrap();
    let early = rig.member("books", "books-1").await.unwrap_err();
    assert_eq!(code(&early), "InvalidDBClusterStateFault");
    rig.cluster_is("books", "available").await;
    let port = rig.cluster("books").await.port();
    rig.member("books", "books-1").await.unwrap();
    rig.instance_is("books-1", "available").await;
    let writer = rig.instance("books-1").await;
    assert_eq!(writer.endpoint().unwrap().port(), port);
    assert_eq!(writer.vpc_security_groups()[0].vpc_security_group_id(), Some("sg-inspect"));
    let session = rig.session("books-1").await;
    session.batch_execute("create table t (id int)").await.unwrap();
    let promote = rig.rds.promote_read_replica_db_cluster().db_cluster_identifier("books");
    assert_eq!(code(&promote.send().await.unwrap_err()), "InvalidDBClusterStateFault");

    // What belongs to the cluster is not changed at its instance.
    let modify = rig.rds.modify_db_instance().db_instance_identifier("books-1");
    let refused = modify.vpc_security_group_ids("sg-app").send().await.unwrap_err();
    assert_eq!(code(&refused), "InvalidParameterCombination");
    let modify = rig.rds.modify_db_cluster().db_cluster_identifier("books");
    modify.master_user_password("another-of-a-test").send().await.unwrap();
    rig.cluster_is("books", "resetting-master-credentials").await;
    rig.cluster_is("books", "available").await;
    assert_eq!(rig.lab.access("books-1").unwrap().password, "another-of-a-test");
    drop(rig.session("books-1").await);
    rig.down().await;
}
