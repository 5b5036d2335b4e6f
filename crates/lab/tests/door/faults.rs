//! Faults on demand, seen from outside.

use std::time::{Duration, Instant};

use landfall_lab::faults::{Fault, Order};
use landfall_lab::firewall::Actor;

use crate::code;
use crate::rig::{self, Rig};
use crate::steps::{login_from, never};

#[tokio::test]
async fn calls_are_throttled_refused_slowed_or_lost_as_often_as_asked() {
    let rig = Rig::up().await;
    let describe = || rig.rds.describe_db_instances().send();

    rig.lab.arm(Order::times(Fault::Throttle, 2).only("DescribeDBInstances")).await;
    rig.rds.describe_db_clusters().send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(code(&describe().await.unwrap_err()), "Throttling");
    }
    describe().await.unwrap();

    rig.lab.arm(Order::times(Fault::ServerError, 1)).await;
    let error = describe().await.unwrap_err();
    assert_eq!(
        (code(&error).as_str(), error.raw_response().unwrap().status().as_u16()),
        ("InternalFailure", 500)
    );
    rig.lab.arm(Order { argument: Some(503), ..Order::times(Fault::ServerError, 1) }).await;
    let error = describe().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);

    rig.lab.arm(Order { argument: Some(300), ..Order::times(Fault::Slow, 1) }).await;
    let began = Instant::now();
    describe().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300));

    // The effect takes place although nobody hears of it.
    let arn = rig.instance("shop-prod").await.db_instance_arn().unwrap().to_owned();
    rig.lab.arm(Order::times(Fault::LostAnswer, 1).only("CreateDBCluster")).await;
    let lost = rig.create_replica_cluster("orders", &arn).await.unwrap_err();
    assert_eq!(code(&lost), "none");
    rig.cluster_is("orders", "available").await;
    let again = rig.create_replica_cluster("orders", &arn).await.unwrap_err();
    assert_eq!(code(&again), "DBClusterAlreadyExistsFault");
    let cut = rig.lab.requests().into_iter().filter(|request| request.outcome == "cut").count();
    assert_eq!(cut, 1);
    rig.down().await;
}

#[tokio::test]
async fn transitions_hang_streams_stall_and_points_are_missing_until_cleared() {
    let rig = Rig::up().await;
    rig.replicate("orders").await;
    let source = rig.session("shop-prod").await;
    source.batch_execute("create table t (id int)").await.unwrap();
    let target = rig.session("orders-1").await;
    let visible = || async {
        let rows = target.query_one("select count(*) from t", &[]).await;
        rows.map(|row| row.get::<_, i64>(0)).unwrap_or(-1)
    };
    rig::eventually("the table arrives", || async { (visible().await == 0).then_some(()) }).await;

    rig.lab.arm(Order::unlimited(Fault::ReplicaStall)).await;
    source.batch_execute("insert into t values (1)").await.unwrap();
    let lag = rig::eventually("the slot lags", || async {
        let points = rig.points("DBInstanceIdentifier", "shop-prod", "OldestReplicationSlotLag");
        let (_, value) = points.await.into_iter().next_back()?;
        (value > 0.0).then_some(value)
    })
    .await;
    assert!(lag > 0.0);
    assert_eq!(visible().await, 0, "a row came through a stream that stands still");
    rig.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    rig::eventually("the row arrives", || async { (visible().await == 1).then_some(()) }).await;

    rig.lab.arm(Order::unlimited(Fault::StuckPromote)).await;
    let promote = rig.rds.promote_read_replica_db_cluster().db_cluster_identifier("orders");
    promote.send().await.unwrap();
    never("the promotion goes on", || async {
        rig.cluster("orders").await.status() != Some("promoting")
    })
    .await;
    let busy =
        rig.rds.delete_db_cluster().db_cluster_identifier("orders").skip_final_snapshot(true);
    assert_eq!(code(&busy.send().await.unwrap_err()), "InvalidDBClusterStateFault");
    rig.lab.cloud().faults().clear(None);
    rig.cluster_is("orders", "available").await;
    assert_eq!(rig.cluster("orders").await.replication_source_identifier(), None);
    rig.down().await;
}

#[tokio::test]
async fn a_new_instance_does_not_become_available_while_its_creation_is_stuck() {
    let rig = Rig::up().await;
    let arn = rig.instance("shop-prod").await.db_instance_arn().unwrap().to_owned();
    rig.create_replica_cluster("orders", &arn).await.unwrap();
    rig.cluster_is("orders", "available").await;
    rig.lab.arm(Order::unlimited(Fault::StuckCreate)).await;
    rig.member("orders", "orders-1").await.unwrap();
    let slots = "select count(*) from pg_replication_slots where active";
    rig::eventually("the standby streams", || async {
        let rows = rig.lab.sql("shop-prod", "postgres", slots).await.unwrap();
        (rows[0][0].as_deref() == Some("1")).then_some(())
    })
    .await;
    never("the instance becomes available", || async {
        rig.instance("orders-1").await.db_instance_status() != Some("creating")
    })
    .await;
    let promote = rig.rds.promote_read_replica_db_cluster().db_cluster_identifier("orders");
    assert_eq!(code(&promote.send().await.unwrap_err()), "InvalidDBClusterStateFault");
    let delete = rig.rds.delete_db_instance().db_instance_identifier("orders-1");
    let busy = delete.skip_final_snapshot(true).send().await.unwrap_err();
    assert_eq!(code(&busy), "InvalidDBInstanceState");
    rig.lab.cloud().faults().clear(None);
    rig.instance_is("orders-1", "available").await;
    rig.down().await;
}

#[tokio::test]
async fn metrics_come_from_the_servers_with_gaps_when_there_is_nothing_to_measure() {
    let rig = Rig::up().await;
    let free = |points: Vec<(f64, f64)>| points.last().map(|(_, value)| *value);
    let latest = |metric: &'static str| {
        let points = rig.points("DBInstanceIdentifier", "shop-prod", metric);
        async move { free(points.await) }
    };
    rig::eventually("there are rates", || async { latest("CPUUtilization").await.map(drop) }).await;
    let before = latest("FreeStorageSpace").await.unwrap();
    assert!(before > 90e9, "{before}");
    rig.lab.arm(Order { argument: Some(1_000_000), ..Order::unlimited(Fault::DiskPressure) }).await;
    rig::eventually("storage is low", || async {
        latest("FreeStorageSpace").await.filter(|free| *free <= 1e6).map(drop)
    })
    .await;
    rig.lab.cloud().faults().clear(None);

    let app = login_from(Actor::Application, rig.lab.source(), "shop").await.unwrap();
    rig::eventually("the connection counts", || async {
        latest("DatabaseConnections").await.filter(|count| *count >= 1.0).map(drop)
    })
    .await;
    drop(app);

    // A slow reboot leaves a gap that is longer than the time between two points.
    rig.lab.arm(Order { argument: Some(1_500), ..Order::times(Fault::SlowReboot, 1) }).await;
    rig.rds.reboot_db_instance().db_instance_identifier("shop-prod").send().await.unwrap();
    rig.instance_is("shop-prod", "available").await;
    let points = rig::eventually("points come again", || async {
        let points = rig.points("DBInstanceIdentifier", "shop-prod", "DatabaseConnections").await;
        let gap = widest_gap(&points);
        (gap > 1.4).then_some(points)
    })
    .await;
    assert!(points.iter().all(|(_, value)| *value >= 0.0));

    rig.lab.arm(Order::unlimited(Fault::MetricGap)).await;
    let count = || async {
        rig.points("DBInstanceIdentifier", "shop-prod", "DatabaseConnections").await.len()
    };
    let before = count().await;
    never("a point is stored in a gap", || async { count().await != before }).await;
    rig.down().await;
}

fn widest_gap(points: &[(f64, f64)]) -> f64 {
    points.windows(2).map(|pair| pair[1].0 - pair[0].0).fold(0.0, f64::max)
}
