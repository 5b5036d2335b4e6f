//! Risk: CloudWatch says nothing for minutes. With access the pause must not wait for it; without
//! access there is no other proof, and then no promotion either.

use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::facts::MetricVerdict;
use landfall_api::core::status::{Outcome, Run};
use landfall_e2e::{Fence, Stage, StageConfig};
use landfall_lab::faults::{Fault, Order};

use crate::watch::{
    moved, stage_with_gates, start, until, until_budget_undoes, until_gate, until_over,
};
use crate::world::World;

#[tokio::test]
async fn with_access_a_silent_metric_does_not_stop_the_move() {
    let mut stage = stage_with_gates().await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    stage.lab.arm(Order::unlimited(Fault::MetricGap)).await;
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let view = until_gate(&mut stage, "accept").await;
    let proven = view.facts.proven.clone().expect("the proof");
    assert_eq!(proven.metric, MetricVerdict::Silent, "{proven:?}");
    assert!(proven.replay_lsn >= proven.marker_lsn && proven.marker_lsn.is_some(), "{proven:?}");
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}

#[tokio::test]
async fn without_access_a_silent_metric_never_promotes() {
    let config = StageConfig { access: false, fence: Fence::Reboot, ..StageConfig::default() };
    let mut stage = Stage::set(config, None).await.expect("set the stage");
    stage.spec.approve = "person";
    stage.spec.pause_budget = Duration::from_secs(12);
    let before = World::of(&stage).await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    stage.lab.arm(Order::unlimited(Fault::MetricGap)).await;
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let waits = |view: &MoveView| {
        view.status.step == "quiesce.drain_replica"
            && matches!(&view.status.run, Run::Waiting { .. })
    };
    let view = until(&mut stage, waits).await.view;
    let Run::Waiting { why, deadline, .. } = &view.status.run else { unreachable!() };
    assert!(why.contains("OldestReplicationSlotLag") && deadline.is_some(), "{why}");
    until_budget_undoes(&mut stage).await;
    let promotions = stage.lab.requests();
    let promotions = promotions.iter().filter(|one| one.action == "PromoteReadReplicaDBCluster");
    assert_eq!(promotions.count(), 0, "promoted without a proof");
    before.is_back(&stage).await;

    // The metric comes back late, and within the budget: the same move goes through.
    stage.lab.cloud().faults().clear(None);
    stage.spec.pause_budget = Duration::from_secs(90);
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    let gap = Order { milliseconds: Some(4000), ..Order::unlimited(Fault::MetricGap) };
    stage.lab.arm(gap).await;
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let view = until_gate(&mut stage, "accept").await;
    let proven = view.facts.proven.clone().expect("the proof");
    assert_eq!((proven.metric, proven.marker_lsn), (MetricVerdict::Agrees, None), "{proven:?}");
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
