//! Risk: the orchestrator ends, in order or by kill -9, in any phase and between an effect and its
//! record, on the way there and on the way back.
//!
//! A crash point is a step's first record, or the instant after its first effect: positions in the
//! journal differ from run to run, steps do not.

use std::collections::BTreeSet;

use landfall_api::StartMove;
use landfall_api::core::Phase;
use landfall_api::core::status::Outcome;
use landfall_e2e::Stage;
use landfall_lab::faults::{Fault, Order};
use landfall_lab::process::{Exit, Signal};

use crate::watch::{
    into_the_pause, journal, moved, moves, stage, stage_with_gates, start, undone, until,
    until_gate, until_over,
};
use crate::world::World;

/// Starts the orchestrator again, so that it kills itself there.
async fn serve_until(stage: &mut Stage, step: &str, when: &str) {
    stage.product.stop(Signal::Terminate).await;
    stage.product.serve_until(step, when).await.expect("serve");
}

/// One move that dies at each of these points in turn.
async fn dies_at(points: &[(&str, &str)]) {
    let mut stage = stage().await;
    for (at, (step, when)) in points.iter().enumerate() {
        serve_until(&mut stage, step, when).await;
        if at == 0 {
            let order = StartMove { spec_toml: stage.spec.text(), by: "stage".to_owned() };
            // It may die before it has answered.
            let _ = stage.product.client().unwrap().start(&order).await;
        }
        killed(&stage).await;
    }
    stage.product.serve(None).await.expect("serve");
    let followed = until_over(&mut stage, Outcome::Moved).await;
    assert_eq!(followed.crashes, 0, "it died once more");
    moved(stage, &followed).await;
}

/// Waits until the orchestrator has killed itself.
async fn killed(stage: &Stage) {
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(20));
    for _ in 0..6000 {
        tick.tick().await;
        if let Some(exit) = stage.product.exited() {
            assert_eq!(exit, Exit::Signal(9), "{}", stage.product.log());
            return;
        }
    }
    panic!("the orchestrator does not reach its crash point\n{}", stage.product.log());
}

#[tokio::test]
async fn killed_in_each_phase_the_move_goes_on() {
    dies_at(&[
        ("prepare.translate_parameters", "written"),
        ("replicate.wait_available", "written"),
        ("quiesce.prove_fence", "written"),
        ("cutover.wait_writable", "written"),
        ("verify.finish_target", "written"),
        ("soak.keep_fence", "written"),
        ("retire.clean_up", "written"),
    ])
    .await;
}

#[tokio::test]
async fn killed_after_an_effect_and_before_its_record_nothing_is_done_twice() {
    dies_at(&[
        ("prepare.translate_parameters", "effect"),
        ("replicate.create_replica_cluster", "effect"),
        ("replicate.create_writer", "effect"),
        ("quiesce.hold_traffic", "effect"),
        ("quiesce.final_marker", "effect"),
        ("verify.finish_target", "effect"),
        ("retire.clean_up", "effect"),
    ])
    .await;
}

#[tokio::test]
async fn killed_between_fence_and_release_nobody_writes_to_both_sides() {
    dies_at(&[
        ("quiesce.fence_source", "effect"),
        ("cutover.promote_replica", "effect"),
        ("cutover.point_at_target", "effect"),
        ("cutover.release_traffic", "effect"),
    ])
    .await;
}

#[tokio::test]
async fn killed_at_the_point_of_no_return_the_move_never_goes_back() {
    let mut stage = stage().await;
    serve_until(&mut stage, "cutover.release_traffic", "written").await;
    start(&mut stage).await;
    killed(&stage).await;
    stage.product.serve(None).await.expect("serve");
    moves(stage).await;
}

#[tokio::test]
async fn killed_on_the_way_back_the_source_is_as_before() {
    let mut stage = stage_with_gates().await;
    let before = World::of(&stage).await;
    for (step, when) in [
        ("quiesce.fence_source", "effect"),
        ("quiesce.hold_traffic", "effect"),
        ("replicate.create_writer", "effect"),
        ("prepare.translate_parameters", "written"),
    ] {
        start(&mut stage).await;
        into_the_pause(&mut stage).await;
        serve_until(&mut stage, step, when).await;
        stage.order("abort", None).await.expect("abort");
        killed(&stage).await;
        stage.product.serve(None).await.expect("serve");
        until_over(&mut stage, Outcome::Undone).await;
        stage.lab.cloud().faults().clear(None);
        before.is_back(&stage).await;
    }
    let followed = until_over(&mut stage, Outcome::Undone).await;
    undone(stage, &followed).await;
}

/// Ends the orchestrator in order, in this phase, and starts it again.
async fn told_to_stop(stage: &mut Stage, phase: Phase) {
    let there = |view: &landfall_api::MoveView| view.status.phase >= phase;
    let view = until(stage, there).await.view;
    assert_eq!(view.status.phase, phase, "too late: {:#?}", view.status);
    stage.product.stop(Signal::Terminate).await;
    stage.product.serve(None).await.expect("serve");
}

#[tokio::test]
async fn told_to_stop_in_each_phase_the_move_goes_on() {
    let mut stage = stage_with_gates().await;
    // Slow answers and stuck orders hold each phase until it was seen.
    let slow =
        |action: &str| Order { argument: Some(700), ..Order::times(Fault::Slow, 1).only(action) };
    stage.lab.arm(slow("CreateDBClusterParameterGroup")).await;
    start(&mut stage).await;
    told_to_stop(&mut stage, Phase::Prepare).await;
    until_gate(&mut stage, "approve_cutover").await;
    told_to_stop(&mut stage, Phase::Replicate).await;
    into_the_pause(&mut stage).await;
    stage.lab.arm(Order::unlimited(Fault::StuckPromote)).await;
    stage.lab.arm(slow("ModifyDBCluster")).await;
    told_to_stop(&mut stage, Phase::Quiesce).await;
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    told_to_stop(&mut stage, Phase::Cutover).await;
    stage.lab.cloud().faults().clear(Some(Fault::StuckPromote));
    told_to_stop(&mut stage, Phase::Verify).await;
    until_gate(&mut stage, "accept").await;
    told_to_stop(&mut stage, Phase::Soak).await;
    stage.order("approve", Some("accept")).await.expect("approve");
    // Retire is a few looks long: it is reached or over.
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let epochs: BTreeSet<_> = journal(&stage).await.iter().map(|entry| entry.epoch).collect();
    assert!(epochs.len() >= 7, "it was not stopped six times: {epochs:?}");
    assert!(stage.product.log().contains("Stopping between two actions"));
    moved(stage, &followed).await;
}
