//! Risk: the orchestrator is a command in a terminal. Gates, pauses and Ctrl-C leave the move
//! safe, say how to go on, and going on works.

use std::path::Path;
use std::time::Duration;

use landfall_api::core::status::Outcome;
use landfall_e2e::Stage;
use landfall_e2e::stage::Followed;
use landfall_lab::faults::{Fault, Order};
use landfall_lab::process::{Exit, Signal};

use crate::told::{Told, has, landfall};
use crate::watch::until_over;
use crate::watch::{LONG, into_the_pause, moved, stage_with_gates, start, until, until_gate};

/// `landfall run`, without a server: the command is the orchestrator.
async fn run(stage: &Stage, file: &str) -> Told {
    let xds = stage.product.xds.to_string();
    landfall(&stage.product, ["run", file, "--xds-listen", &xds]).await
}

/// Waits until a program's log says this.
async fn says(log: &Path, part: &str) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..1200 {
        tick.tick().await;
        if std::fs::read_to_string(log).is_ok_and(|text| text.contains(part)) {
            return;
        }
    }
    panic!("{part:?} is not in\n{}", std::fs::read_to_string(log).unwrap_or_default());
}

#[tokio::test]
async fn interrupted_in_the_pause_the_command_says_how_to_go_on_and_goes_on() {
    let mut stage = stage_with_gates().await;
    stage.product.stop(Signal::Terminate).await;
    let path = stage.spec_file().unwrap();
    let file = path.to_str().unwrap();
    let again = format!("landfall run {file}");
    let told = run(&stage, file).await;
    told.says(6, &["landfall approve shop approve_cutover", &again, "accepted by the source"]);
    let told = landfall(&stage.product, ["approve", "shop", "approve_cutover"]).await;
    told.says(0, &["nobody leads this move", "landfall run"]);

    stage.lab.arm(Order::unlimited(Fault::ReplicaStall)).await;
    let log = stage.dir().join("run.log");
    let xds = stage.product.xds.to_string();
    let arguments = ["run", file, "--xds-listen", &xds];
    let running = stage.product.start(arguments, &log).await.unwrap();
    says(&log, "Prove that the replica has everything").await;
    running.signal(Signal::Interrupt);
    let ended = tokio::time::timeout(LONG, running.wait()).await.expect("it ends");
    let text = std::fs::read_to_string(&log).unwrap();
    assert_eq!(ended, Exit::Code(130), "{text}");
    has(&text, &["Interrupted", "safe", "To go on:", &again]);
    // Nobody leads it, traffic waits, and that is what a person sees.
    let told = landfall(&stage.product, ["status", "shop"]).await;
    told.says(0, &["quiesce"]);

    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    run(&stage, file).await.says(6, &["landfall retire shop", "accepted by the target"]);
    landfall(&stage.product, ["approve", "shop", "accept"]).await.says(0, &[]);
    run(&stage, file).await.says(0, &["shop is moved", "accepted by the target"]);
    stage.product.serve(None).await.unwrap();
    let view = stage.product.client().unwrap().one(&"shop".into()).await.unwrap();
    moved(stage, &Followed { view, crashes: 0 }).await;
}

#[tokio::test]
async fn paused_by_a_person_the_move_stands_still_until_resumed() {
    let mut stage = stage_with_gates().await;
    // Before connections wait a pause ends whoever follows.
    stage.lab.arm(Order::unlimited(Fault::StuckCreate)).await;
    start(&mut stage).await;
    until(&mut stage, |view| view.status.step == "replicate.wait_available").await;
    landfall(&stage.product, ["pause", "shop", "--why", "lunch"]).await.says(0, &["paused by"]);
    let file = stage.spec_file().unwrap();
    let told = landfall(&stage.product, ["run", file.to_str().unwrap()]).await;
    told.says(7, &["Paused by stage", "lunch", "accepted by the source", "landfall resume shop"]);
    stage.lab.cloud().faults().clear(None);
    landfall(&stage.product, ["resume", "shop"]).await.says(0, &[]);
    until_gate(&mut stage, "approve_cutover").await;
    // A gate is a pause already; an unknown gate and a move that runs are told apart.
    landfall(&stage.product, ["pause", "shop"]).await.says(2, &["waits at gate approve_cutover"]);
    landfall(&stage.product, ["resume", "shop"]).await.says(2, &["approve it"]);
    landfall(&stage.product, ["approve", "shop", "accept"])
        .await
        .says(2, &["gate approve_cutover is open, not accept"]);
    landfall(&stage.product, ["abort", "shap"]).await.says(1, &["no move is named shap"]);

    into_the_pause(&mut stage).await;
    let paused = landfall(&stage.product, ["pause", "shop", "--why", "ask the owner"]).await;
    paused.says(0, &["paused by stage", "new connections wait"]);
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    // Connections wait: whoever follows stays, and sees what is to be typed.
    let file = stage.spec_file().unwrap();
    let log = stage.dir().join("run.log");
    let following = stage.product.start(["run", file.to_str().unwrap()], &log).await.unwrap();
    says(&log, "landfall resume shop").await;
    has(&std::fs::read_to_string(&log).unwrap(), &["Paused by stage", "ask the owner"]);
    let view = until(&mut stage, |_| true).await.view;
    assert_eq!(view.status.step, "quiesce.drain_replica", "it went on: {:#?}", view.status);
    assert!(view.facts.proven.is_none());
    landfall(&stage.product, ["resume", "shop"]).await.says(0, &[]);
    until_gate(&mut stage, "accept").await;
    let ended = tokio::time::timeout(LONG, following.wait()).await.expect("it ends");
    assert_eq!(ended, Exit::Code(6), "{}", std::fs::read_to_string(&log).unwrap());
    landfall(&stage.product, ["retire", "shop", "--yes"]).await.says(0, &[]);
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
