//! Risk: certificates end, are renewed, or are not there, while a move goes through two hops.

use landfall_api::core::status::Outcome;
use landfall_e2e::{Router, Stage, StageConfig};
use landfall_lab::faults::Fault;
use landfall_lab::process::Signal;

use crate::watch::{into_the_pause, moved, moves, start, until_gate, until_over};

async fn stage() -> Stage {
    let config = StageConfig { router: Router::EnvoyMtls, ..StageConfig::default() };
    Stage::set(config, None).await.expect("set the stage")
}

#[tokio::test]
async fn a_move_through_both_hops_loses_nothing() {
    let mut stage = stage().await;
    let checked = stage.product.succeed(["envoy", "check", "--admin", &stage.admin.to_string()]);
    let checked = checked.expect("the gateway would hold");
    for words in ["shop: new connections are held", "connected to Landfall", "gateway/gateways"] {
        assert!(checked.contains(words), "{checked}");
    }
    let listed = stage.product.succeed(["route", "status"]).expect("the routes");
    for words in ["gateway-1", "web-1", "spiffe://landfall/client/web", "until", "taken"] {
        assert!(listed.contains(words), "{listed}");
    }
    let routes = stage.product.client().expect("a client").routes().await.expect("the routes");
    let nodes: Vec<&str> = routes[0].view.proxies.iter().map(|proxy| proxy.node.as_str()).collect();
    assert_eq!(nodes, ["gateway-1"], "a sidecar has no part in the route");
    start(&mut stage).await;
    moves(stage).await;
}

#[tokio::test]
async fn landfall_killed_while_the_gateway_holds_everybody_gets_an_answer() {
    let mut stage = stage().await;
    stage.spec.approve = "person";
    start(&mut stage).await;
    into_the_pause(&mut stage).await;
    stage.product.stop(Signal::Kill).await;
    let before = stage.load().expect("the load").acknowledged();
    stage.product.serve(None).await.expect("serve");
    assert_eq!(stage.load().expect("the load").acknowledged(), before, "somebody wrote");
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    stage.lab.cloud().faults().clear(Some(Fault::MetricGap));
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.expect("approve");
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
