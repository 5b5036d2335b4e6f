//! Risk: a client that does not know the gateway and writes to the source directly. Either the
//! fence shuts it out, or the fence's proof names it; its acknowledged writes are never lost.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use landfall_api::core::problem::Writes;
use landfall_api::core::status::{Outcome, Run};
use landfall_e2e::Stage;
use landfall_lab::workload::{Bypass, Endpoint, Verdict, Workload, WorkloadConfig, judge};

use crate::told::{has, landfall, problem, stopped};
use crate::watch::{
    moved, stage, stage_with_gates, start, undone, until, until_budget_undoes, until_gate,
    until_over,
};
use crate::world::World;

/// What the warning is about.
const PAST: &str = "sessions past the gateway";

fn direct(stage: &Stage, instance: &str) -> Endpoint {
    let access = stage.lab.access(instance).expect("the instance answers");
    let address = format!("{}:{}", access.host, access.port);
    Endpoint::new(&address, &access.user, &access.password, "shop")
        .waiting_at_most(Duration::from_secs(5))
}

/// What became of the writes of a client that knows no gateway.
async fn verdict(stage: &Stage, ledger: &Path, deciding: &str, other: Option<&str>) -> Verdict {
    let other = other.map(|instance| direct(stage, instance));
    judge(ledger, other.as_ref(), &direct(stage, deciding)).await.expect("judge")
}

#[tokio::test]
async fn an_application_past_the_gateway_is_shut_out_and_loses_nothing() {
    let mut stage = stage().await;
    let ledger = stage.dir().join("bypass");
    let bypass = Bypass::start(direct(&stage, "shop-prod"), ledger.clone()).expect("start it");
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let last = bypass.snapshot();
    let summary = bypass.stop().await.expect("stop it");
    assert!(summary.tally.all.acknowledged > 0, "it never wrote: {summary:?}");
    assert!(last.last_ack_age_ms.is_some_and(|age| age > 0), "{last:?}");
    let verdict = verdict(&stage, &ledger, "shop-aurora-1", Some("shop-prod")).await;
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.sessions_cut > 0, "nobody cut it: {verdict}");
    moved(stage, &followed).await;
}

/// A batch job that knows no gateway, in a network of its own.
#[tokio::test]
async fn who_comes_past_the_gateway_is_listed_by_address_before_the_move_and_at_the_fence() {
    let mut stage = stage_with_gates().await;
    let ledger = stage.dir().join("batch");
    let endpoint = direct(&stage, "shop-prod")
        .bound_to(IpAddr::V4(Ipv4Addr::new(127, 0, 7, 9)))
        .waiting_at_most(Duration::from_secs(1));
    let mut config = WorkloadConfig::new(endpoint, ledger.clone());
    (config.writers, config.reconnecting) = (2, 0);
    config.rate_per_second = Some(20.0);
    let batch = Workload::start(config).expect("start the batch job");
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    while batch.snapshot().acknowledged < 10 {
        assert!(tokio::time::Instant::now() < end, "it never writes");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Who does not know their networks yet reads them off the assessment.
    let file = stage.spec_file().expect("a spec");
    let told = landfall(&stage.product, ["assess", file.to_str().unwrap()]).await;
    told.says(0, &["sessions come from 127.0.0.3 (", "127.0.7.9 (2)", "route.gateway_networks"]);
    assert!(!told.text.contains("past the gateway: "), "{}", told.text);

    stage.spec.extra.push(("route", "gateway_networks = [\"127.0.0.3/32\"]".to_owned()));
    stage.spec_file().expect("a spec");
    let told = landfall(&stage.product, ["assess", file.to_str().unwrap()]).await;
    let who = format!("user {}", stage.lab.source().user);
    let parts = ["sessions came past the gateway: 2 of", &who, "landfall-workload", "127.0.7.9"];
    told.says(0, &parts);
    assert!(!told.text.contains("127.0.0.3"), "the gateway itself is listed: {}", told.text);

    start(&mut stage).await;
    let view = until_gate(&mut stage, "approve_cutover").await;
    assert!(!view.facts.warnings.contains_key(PAST), "{:#?}", view.facts.warnings);
    stage.order("approve", Some("approve_cutover")).await.expect("approve");
    let view = until_gate(&mut stage, "accept").await;
    let warned = &view.facts.warnings[PAST];
    has(warned, &["2 of", &who, "landfall-workload", "from 127.0.7.9", "the fence ends them"]);
    assert!(!warned.contains("127.0.0.3"), "{warned}");
    landfall(&stage.product, ["history", "shop"])
        .await
        .says(0, &["came past the gateway", "127.0.7.9"]);

    let summary = batch.stop().await.expect("stop the batch job");
    assert!(summary.tally.all.sessions_cut > 0, "nobody cut it: {summary:?}");
    let verdict = verdict(&stage, &ledger, "shop-aurora-1", Some("shop-prod")).await;
    assert!(verdict.is_clean(), "{verdict}");
    stage.order("approve", Some("accept")).await.expect("approve");
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}

/// A client whom the quarantine group lets in writes on through the fence.
async fn let_in(stage: &mut Stage, from: Ipv4Addr, ledger: &Path) {
    start(stage).await;
    until_gate(stage, "approve_cutover").await;
    let endpoint = direct(stage, "shop-prod")
        .bound_to(IpAddr::V4(from))
        .waiting_at_most(Duration::from_secs(1));
    let mut config = WorkloadConfig::new(endpoint, ledger.to_owned());
    // More than can be caught at an instant when all of them happen to be away.
    (config.writers, config.reconnecting) = (8, 2);
    config.rate_per_second = Some(100.0);
    let client = Workload::start(config).expect("start a client");
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let over = |view: &landfall_api::MoveView| {
        matches!(view.status.run, Run::NeedsHuman { .. } | Run::Finished { .. })
    };
    let view = until(stage, over).await.view;
    let who = format!("user {}", stage.lab.source().user);
    let from = format!("from {from}");
    let parts = ["pid ", &who, "landfall-workload", &from, "landfall resume", "landfall abort"];
    stopped(&view, "LF-012", Writes::Nobody, &parts);
    assert!(problem(&view).hint.contains("budget"), "it does not say that the budget aborts");
    until_budget_undoes(stage).await;
    let summary = client.stop().await.expect("stop the client");
    assert!(summary.tally.all.acknowledged > 0, "it never wrote: {summary:?}");
    let verdict = verdict(stage, ledger, "shop-prod", None).await;
    assert!(verdict.is_clean(), "{verdict}");
}

#[tokio::test]
async fn a_writer_inside_the_quarantine_is_named_and_stops_the_move() {
    let mut stage = stage_with_gates().await;
    stage.spec.pause_budget = Duration::from_secs(8);
    let before = World::of(&stage).await;
    let ledger = stage.dir().join("consumer");
    let_in(&mut stage, Ipv4Addr::new(127, 0, 0, 4), &ledger).await;
    before.is_back(&stage).await;
    // The same from Landfall's own address: a colleague's script on that machine.
    let ledger = stage.dir().join("colleague");
    let_in(&mut stage, Ipv4Addr::LOCALHOST, &ledger).await;
    before.is_back(&stage).await;
    let followed = until_over(&mut stage, Outcome::Undone).await;
    undone(stage, &followed).await;
}
