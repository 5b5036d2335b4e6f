//! Risk: a client that does not know the gateway and writes to the source directly. Either the
//! fence shuts it out, or the fence's proof names it; its acknowledged writes are never lost.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use landfall_api::core::problem::Writes;
use landfall_api::core::status::{Outcome, Run};
use landfall_e2e::Stage;
use landfall_lab::workload::{Bypass, Endpoint, Verdict, Workload, WorkloadConfig, judge};

use crate::told::{problem, stopped};
use crate::watch::{
    moved, stage, stage_with_gates, start, undone, until, until_budget_undoes, until_gate,
    until_over,
};
use crate::world::World;

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
    let parts = ["pid ", &who, "landfall-workload", "landfall resume", "landfall abort"];
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
