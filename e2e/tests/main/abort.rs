//! Risk: a person changes their mind. Before the point of no return everything is as before,
//! wherever the move stood; after it they are told no, and the move finishes.

use landfall_api::core::Phase;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::Outcome;
use landfall_lab::faults::{Fault, Order};

use crate::told::{landfall, stopped};
use crate::watch::{
    into_the_pause, moved, stage_with_gates, start, undone, until, until_gate, until_over,
    until_stopped,
};
use crate::world::World;

/// Passes on a replica and fails on a primary.
const SMOKE: &str = "sql = [\"select 1 / pg_is_in_recovery()::int\"]";

#[tokio::test]
async fn aborted_in_each_phase_the_source_is_as_before() {
    let mut stage = stage_with_gates().await;
    let before = World::of(&stage).await;

    let slow = Order {
        argument: Some(700),
        ..Order::times(Fault::Slow, 1).only("CreateDBClusterParameterGroup")
    };
    stage.lab.arm(slow).await;
    start(&mut stage).await;
    let view = until(&mut stage, |view| view.status.step == "prepare.translate_parameters").await;
    assert_eq!(view.view.status.phase, Phase::Prepare);
    landfall(&stage.product, ["abort", "shop", "--why", "not today"]).await.says(0, &[]);
    until_over(&mut stage, Outcome::Undone).await;
    before.is_back(&stage).await;

    start(&mut stage).await;
    let view = until_gate(&mut stage, "approve_cutover").await;
    assert_eq!(view.status.phase, Phase::Replicate);
    assert_ne!(before, World::of(&stage).await, "there is nothing to undo");
    landfall(&stage.product, ["abort", "shop"]).await.says(0, &[]);
    until_over(&mut stage, Outcome::Undone).await;
    before.is_back(&stage).await;

    start(&mut stage).await;
    let view = into_the_pause(&mut stage).await;
    assert_eq!(view.status.phase, Phase::Quiesce);
    landfall(&stage.product, ["abort", "shop"]).await.says(0, &[]);
    let followed = until_over(&mut stage, Outcome::Undone).await;
    stage.lab.cloud().faults().clear(None);
    before.is_back(&stage).await;
    undone(stage, &followed).await;
}

#[tokio::test]
async fn aborted_after_the_promotion_the_source_takes_writes_and_the_target_stays_shut() {
    let mut stage = stage_with_gates().await;
    // The stage's own smoke test is there already: one section, one key.
    let text = stage.spec.text();
    let text = text.replace("sql = [\"select count(*) from orders\"]", SMOKE);
    assert!(text.contains(SMOKE), "{text}");
    let before = World::of(&stage).await;
    crate::watch::start_text(&stage, text).await;
    until_gate(&mut stage, "approve_cutover").await;
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let view = until_stopped(&mut stage).await;
    assert_eq!(view.status.phase, Phase::Cutover);
    stopped(&view, "LF-033", Writes::Nobody, &["landfall"]);
    landfall(&stage.product, ["abort", "shop"]).await.says(0, &[]);
    let followed = until_over(&mut stage, Outcome::Undone).await;
    before.source_is_back(&stage).await;
    assert_eq!(World::of(&stage).await.clusters(), ["shop-aurora"], "the spent target is kept");
    let target = stage.lab.instances();
    let target = target.iter().find(|one| one.identifier == "shop-aurora-1").expect("its writer");
    assert!(!target.admitted.iter().any(|who| who == "application"), "{target:?}");
    // The marker's schema is on the target as well, and goes when somebody deletes the target.
    let report = stage.close(&followed).await.expect("judge the move");
    assert_eq!((report.verdict.as_str(), report.lost, report.doubled), ("undone", 0, 0));
    assert!(report.leftovers <= 1, "{report:#?}");
}

#[tokio::test]
async fn an_abort_after_the_point_of_no_return_is_refused_and_the_move_finishes() {
    let mut stage = stage_with_gates().await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    landfall(&stage.product, ["approve", "shop", "approve_cutover"]).await.says(0, &[]);
    until_gate(&mut stage, "accept").await;
    let parts = ["LF-019", "Writes are accepted by the target", "landfall watch shop"];
    landfall(&stage.product, ["abort", "shop"]).await.says(2, &parts);
    until_gate(&mut stage, "accept").await;
    landfall(&stage.product, ["approve", "shop", "accept", "--note", "good"]).await.says(0, &[]);
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
