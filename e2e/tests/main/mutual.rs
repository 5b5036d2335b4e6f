//! Risk: certificates end, are renewed, or are not there, while a move goes through two hops.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use landfall_api::core::status::Outcome;
use landfall_e2e::{Router, Stage, StageConfig};
use landfall_lab::faults::Fault;
use landfall_lab::process::Signal;

use tokio::time::Instant;

use crate::watch::{LONG, into_the_pause, moved, moves, start, until_gate, until_over};

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

/// When the certificate that each proxy was told last was taken by it, by proxy.
async fn taken(stage: &Stage) -> BTreeMap<String, Timestamp> {
    let told = stage.product.client().expect("a client").certificates().await.expect("them");
    let own = told.into_iter().filter(|one| one.secret == "landfall/identity");
    own.filter_map(|one| Some((one.node, one.acknowledged.map(|_| one.not_after)?))).collect()
}

#[tokio::test]
async fn certificates_renewed_under_a_load_fail_no_statement_and_cut_no_session() {
    let stage = stage().await;
    let before = stage.load().expect("a load").snapshot();
    let mut renewals: BTreeMap<String, BTreeSet<Timestamp>> = BTreeMap::new();
    let end = Instant::now() + LONG;
    while renewals.len() < 2 || renewals.values().any(|seen| seen.len() < 4) {
        assert!(Instant::now() < end, "not renewed three times: {renewals:?}");
        for (node, until) in taken(&stage).await {
            renewals.entry(node).or_default().insert(until);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(renewals.keys().map(String::as_str).collect::<Vec<_>>(), ["gateway-1", "web-1"]);
    let load = stage.load().expect("a load");
    load.go_on_for(50, LONG).await.expect("see the load go on");
    let after = load.snapshot();
    assert!(after.acknowledged > before.acknowledged + 500, "no load: {after:?}");
    assert_eq!((after.failed, after.unknown, after.sessions_cut), (0, 0, 0), "{after:?}");
    stage.down().await.expect("take it down");
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
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.expect("approve");
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
