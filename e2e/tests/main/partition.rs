//! Risk: the network between Landfall and half of its proxies is down, at the hold or at the release.
//! Those proxies go on with what they know: their clients must lose no write and reach no wrong
//! side, and when the network is back they must hear of the newest route, and of no other.

pub(crate) mod fleet;

use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::Outcome;
use landfall_lab::faults::Fault;

use self::fleet::{CUT_OFF, Fleet};
use crate::told::{has, landfall, stopped};
use crate::watch::{
    into_the_pause, moves, stage_with_gates, start, undone, until, until_gate, until_over,
    until_stopped,
};
use crate::world::World;

/// Of clients whose proxy leads to a server that no longer answers. On AWS the proxy itself finds
/// nobody there; the lab's firewall takes a denied connection and keeps silent.
const HASTY: Option<Duration> = Some(Duration::from_secs(3));

/// Four proxies with a load each, at the gate of the cutover, and the world before the move.
async fn fleet(stragglers: &str, patience: Option<Duration>) -> (Fleet, World) {
    let mut stage = stage_with_gates().await;
    stage.spec.acknowledge_within = Duration::from_secs(2);
    stage.spec.extra.push(("route", format!("stragglers = {stragglers:?}")));
    let mut fleet = Fleet::of(stage, patience).await;
    let before = World::of(&fleet.stage).await;
    start(&mut fleet.stage).await;
    until_gate(&mut fleet.stage, "approve_cutover").await;
    (fleet, before)
}

#[track_caller]
fn are_left_behind(view: &MoveView, at: &str) {
    let left: Vec<&str> = view.facts.left_behind.keys().map(String::as_str).collect();
    assert_eq!(left, CUT_OFF, "{:#?}", view.facts.left_behind);
    assert!(view.facts.left_behind.values().all(|why| why.starts_with(at)), "{left:?}");
}

#[tokio::test]
async fn half_cut_off_at_the_hold_is_left_behind_and_writes_nowhere() {
    let (mut fleet, _) = fleet("go_on", HASTY).await;
    let adopted = fleet.epoch().await;
    fleet.cut();
    fleet.stage.order("approve", Some("approve_cutover")).await.expect("approve");
    let fenced = |view: &MoveView| view.facts.proven.is_some();
    let view = until(&mut fleet.stage, fenced).await.view;
    are_left_behind(&view, "the hold");
    // They never heard of the hold, and send their clients to the source. Nobody gets in there.
    let written = fleet.written_through_cut_off();
    until_gate(&mut fleet.stage, "accept").await;
    fleet.connected_go_on().await;
    assert_eq!(fleet.written_through_cut_off(), written, "acknowledged by the wrong side");
    let told = landfall(&fleet.stage.product, ["status", "shop"]).await;
    told.says(0, &CUT_OFF);

    fleet.heal();
    fleet.cut_off_go_on().await;
    fleet.followed().await;
    let released = fleet.epoch().await;
    // Of hold and pointing they never hear: no older route is told on the way to the newest.
    fleet.heard(&[adopted, released]).await;
    let stage = fleet.judge("shop-aurora-1", Some("shop-prod")).await;
    stage.order("approve", Some("accept")).await.expect("approve");
    moves(stage).await;
}

#[tokio::test]
async fn half_cut_off_at_the_hold_brings_the_move_back_when_the_spec_says_so() {
    let (mut fleet, before) = fleet("undo", HASTY).await;
    let adopted = fleet.epoch().await;
    fleet.cut();
    fleet.stage.order("approve", Some("approve_cutover")).await.expect("approve");
    let followed = until_over(&mut fleet.stage, Outcome::Undone).await;
    before.is_back(&fleet.stage).await;
    let told = landfall(&fleet.stage.product, ["history", "shop"]).await;
    told.says(0, &["route.stragglers", CUT_OFF[0], CUT_OFF[1]]);
    // For them nothing has happened at all.
    fleet.cut_off_go_on().await;
    fleet.heal();
    fleet.followed().await;
    fleet.all_go_on().await;
    // The newest route leads where theirs does: an Envoy that was not told of the hold on the way
    // keeps what it has, version and all.
    let newest = fleet.epoch().await;
    for seen in fleet.seen() {
        assert!(seen == [adopted] || seen == [adopted, newest], "{seen:?}, not {newest}");
    }
    let stage = fleet.judge("shop-prod", None).await;
    undone(stage, &followed).await;
}

/// In the pause: everybody holds. Then half of them is cut off, and the pause ends.
async fn cut_off_while_holding(stragglers: &str) -> (Fleet, u64, u64) {
    let (mut fleet, _) = fleet(stragglers, None).await;
    let adopted = fleet.epoch().await;
    into_the_pause(&mut fleet.stage).await;
    fleet.cut();
    let written = fleet.written_through_cut_off();
    fleet.stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    (fleet, adopted, written)
}

#[tokio::test]
async fn half_cut_off_at_the_release_goes_on_holding_until_it_hears_of_it() {
    let (mut fleet, adopted, written) = cut_off_while_holding("go_on").await;
    let view = until_gate(&mut fleet.stage, "accept").await;
    are_left_behind(&view, "the release");
    fleet.connected_go_on().await;
    assert_eq!(fleet.written_through_cut_off(), written, "the hold leaked");
    fleet.heal();
    fleet.cut_off_go_on().await;
    let released = fleet.epoch().await;
    fleet.heard(&[adopted, released]).await;
    let stage = fleet.judge("shop-aurora-1", Some("shop-prod")).await;
    stage.order("approve", Some("accept")).await.expect("approve");
    moves(stage).await;
}

#[tokio::test]
async fn half_cut_off_at_the_release_cannot_bring_the_move_back_and_is_named() {
    let (mut fleet, adopted, written) = cut_off_while_holding("undo").await;
    let view = until_stopped(&mut fleet.stage).await;
    let parts = [CUT_OFF[0], CUT_OFF[1], "landfall resume"];
    stopped(&view, "LF-010", Writes::Target, &parts);
    fleet.connected_go_on().await;
    assert_eq!(fleet.written_through_cut_off(), written, "the hold leaked");
    let routes = landfall(&fleet.stage.product, ["route", "status"]).await;
    has(&routes.text, &CUT_OFF);
    fleet.heal();
    fleet.cut_off_go_on().await;
    let released = fleet.epoch().await;
    fleet.heard(&[adopted, released]).await;
    fleet.stage.order("resume", None).await.expect("resume");
    until_gate(&mut fleet.stage, "accept").await;
    let stage = fleet.judge("shop-aurora-1", Some("shop-prod")).await;
    stage.order("approve", Some("accept")).await.expect("approve");
    moves(stage).await;
}
