//! Risk: AWS never finishes the replica, and an abort cannot get rid of what is half built.

use std::time::Duration;

use landfall_api::core::problem::Writes;
use landfall_api::core::status::Outcome;
use landfall_lab::door::Request;
use landfall_lab::faults::{Fault, Order};
use landfall_lab::supervisor::Lab;

use crate::told::{landfall, stopped};
use crate::watch::{moves, stage, start, until_over, until_stopped};
use crate::world::{World, goes_on};

#[tokio::test]
async fn a_replica_that_is_never_available_is_told_and_removed() {
    let mut stage = stage().await;
    let before = World::of(&stage).await;
    stage.spec.replica_within = Duration::from_secs(3);
    stage.lab.arm(Order::unlimited(Fault::StuckCreate)).await;
    start(&mut stage).await;
    let view = until_stopped(&mut stage).await;
    let parts = ["shop-aurora", "landfall resume", "landfall abort"];
    stopped(&view, "LF-008", Writes::Source, &parts);

    // AWS deletes nothing that it is still creating: the way back insists, and needs nobody.
    landfall(&stage.product, ["abort", "shop"]).await.says(0, &[]);
    let refused =
        |one: &Request| one.action == "DeleteDBInstance" && one.outcome == "InvalidDBInstanceState";
    let insists = |lab: &Lab| lab.requests().into_iter().filter(refused).count() > 1;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..1200 {
        if insists(&stage.lab) {
            break;
        }
        tick.tick().await;
    }
    assert!(insists(&stage.lab), "{:#?}", stage.lab.requests());
    goes_on(&stage).await;
    stage.lab.cloud().faults().clear(None);
    until_over(&mut stage, Outcome::Undone).await;
    before.is_back(&stage).await;

    // The next attempt, with an AWS that works, goes through.
    stage.spec.replica_within = Duration::from_mins(2);
    start(&mut stage).await;
    let report = moves(stage).await;
    assert!(report.acknowledged > 0);
}
