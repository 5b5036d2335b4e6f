//! Risk: Envoy is away, dies in the pause, or does not answer while connections wait in it.

use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::Run;
use landfall_e2e::Stage;
use landfall_lab::faults::{Fault, Order};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::told::stopped;
use crate::watch::{
    LONG, into_the_pause, moves, stage, stage_with_gates, start, undone, until,
    until_budget_undoes, until_gate, until_stopped,
};
use crate::world::{World, goes_on};

/// The file that this stage's Envoy was started from.
fn bootstrap(stage: &Stage) -> String {
    let file = stage.lab.dir().join("gateway").join("envoy.yaml");
    std::fs::read_to_string(file).expect("read the bootstrap")
}

async fn envoy_dies(stage: &Stage) -> String {
    let bootstrap = bootstrap(stage);
    stage.lab.arm(Order::unlimited(Fault::GatewayDead)).await;
    assert_eq!(envoy_pid(stage), None, "Envoy lives");
    bootstrap
}

async fn envoy_is_back(stage: &Stage, bootstrap: String) {
    stage.lab.start_gateway(bootstrap, stage.admin).await.expect("start Envoy again");
}

/// This stage's Envoy, told from all others by its bootstrap.
fn envoy_pid(stage: &Stage) -> Option<Pid> {
    let file = stage.lab.dir().join("gateway").join("envoy.yaml");
    let file = file.to_str().unwrap().as_bytes();
    let all = std::fs::read_dir("/proc").expect("read /proc");
    all.filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        line.split(|byte| *byte == 0).any(|part| part == file).then(|| Pid::from_raw(pid))?
    })
    .next()
}

#[tokio::test]
async fn envoy_away_before_the_hold_holds_nothing() {
    let mut stage = stage().await;
    stage.spec.acknowledge_within = Duration::from_secs(2);
    let bootstrap = envoy_dies(&stage).await;
    start(&mut stage).await;
    let view = until_stopped(&mut stage).await;
    stopped(&view, "LF-010", Writes::Source, &["gateway-1", "not connected", "landfall resume"]);
    assert!(view.facts.held_since.is_none() && view.pause.is_none(), "something is held");
    let routes = stage.product.client().unwrap().routes().await.unwrap();
    let route = routes[0].view.route.clone().expect("a route");
    assert_eq!(format!("{:?}", route.traffic), "Open");
    envoy_is_back(&stage, bootstrap).await;
    goes_on(&stage).await;
    stage.order("resume", None).await.unwrap();
    moves(stage).await;
}

#[tokio::test]
async fn envoy_killed_in_the_pause_is_named_and_the_move_goes_on_when_it_is_back() {
    let mut stage = stage_with_gates().await;
    stage.spec.acknowledge_within = Duration::from_secs(2);
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    let bootstrap = envoy_dies(&stage).await;
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    let view = until_stopped(&mut stage).await;
    let writes = match view.status.step.as_str() {
        "cutover.release_traffic" => Writes::Target,
        _ => Writes::Nobody,
    };
    stopped(&view, "LF-010", writes, &["gateway-1", "not connected", "landfall resume"]);
    envoy_is_back(&stage, bootstrap).await;
    stage.order("resume", None).await.unwrap();
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    moves(stage).await;
}

#[tokio::test]
async fn envoy_restarted_in_the_pause_holds_again_and_the_move_goes_on() {
    let mut stage = stage_with_gates().await;
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    let written = stage.load().expect("a load").acknowledged();
    let bootstrap = envoy_dies(&stage).await;
    envoy_is_back(&stage, bootstrap).await;
    // Its clients come again at once, so that it asks for a service of which it knows nothing.
    let client = stage.product.client().unwrap();
    let end = Instant::now() + LONG;
    loop {
        let routes = client.routes().await.expect("the routes");
        let view = &routes[0].view;
        let epoch = view.route.as_ref().expect("a route").epoch;
        if view.proxies.iter().any(|proxy| proxy.subscribed && proxy.follows(epoch)) {
            break;
        }
        assert!(Instant::now() < end, "it does not ask: {view:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Its clients are counted where the move is looked at.
    let waits = |view: &MoveView| {
        view.waiting.iter().any(|place| place.waiting.is_some_and(|all| all.connections > 0))
    };
    let view = until(&mut stage, waits).await.view;
    assert_eq!(view.waiting[0].node, "gateway-1", "{:?}", view.waiting);
    assert_eq!(stage.load().expect("a load").acknowledged(), written, "it let somebody through");
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    let report = moves(stage).await;
    assert!(report.sessions_cut > 0, "nobody noticed the death: {report:#?}");
}

#[tokio::test]
async fn envoy_dead_beyond_the_budget_brings_the_source_back() {
    let mut stage = stage_with_gates().await;
    stage.spec.pause_budget = Duration::from_secs(8);
    let before = World::of(&stage).await;
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    let bootstrap = envoy_dies(&stage).await;
    let followed = until_budget_undoes(&mut stage).await;
    stage.lab.cloud().faults().clear(None);
    envoy_is_back(&stage, bootstrap).await;
    before.is_back(&stage).await;
    undone(stage, &followed).await;
}

#[tokio::test]
async fn an_envoy_that_does_not_answer_is_waited_for_before_the_fence() {
    let mut stage = stage_with_gates().await;
    stage.spec.acknowledge_within = Duration::from_secs(60);
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    let envoy = envoy_pid(&stage).expect("Envoy runs");
    kill_process(envoy, Signal::STOP).expect("stop Envoy");
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let waits = |view: &MoveView| {
        view.status.step == "quiesce.hold_traffic"
            && matches!(view.status.run, Run::Waiting { .. } | Run::NeedsHuman { .. })
    };
    let view = until(&mut stage, waits).await.view;
    let waited = view.waited.clone().expect("what it waits for");
    assert!(waited.why.contains("acknowledge the hold"), "{waited:?}");
    assert!(waited.reading.contains("gateway-1"), "{waited:?}");
    assert!(view.facts.fence_active.is_none() && view.facts.groups_were.is_none(), "fenced");
    kill_process(envoy, Signal::CONT).expect("let Envoy go on");
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    moves(stage).await;
}
