//! Risk: a transaction that is open when the fence comes. Within the grace it commits and moves;
//! beyond it, it is cut, and nobody was told that it had committed.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::status::Outcome;
use landfall_e2e::Stage;
use landfall_lab::workload::{Endpoint, LongEnd, LongTransaction, RowId};

use crate::watch::{moved, stage_with_gates, start, until, until_gate, until_over};

const APPLICATION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// A stage at the gate of the cutover, and a transaction that is open through its gateway.
async fn with_an_open_transaction(grace: &str) -> (Stage, LongTransaction) {
    let mut stage = stage_with_gates().await;
    stage.spec.extra.push(("cutover", format!("grace = \"{grace}\"")));
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    let source = stage.lab.source();
    let gateway = stage.gateway.to_string();
    let endpoint =
        Endpoint::new(&gateway, &source.user, &source.password, "shop").bound_to(APPLICATION);
    let transaction = LongTransaction::open(&endpoint).await.expect("open a transaction");
    (stage, transaction)
}

/// How often the row is on a server.
async fn rows(stage: &Stage, instance: &str, row: RowId) -> String {
    let sql = format!("select count(*) from workload_ledger where run = {}", row.run);
    let rows = stage.lab.sql(instance, "shop", &sql).await.expect("count");
    rows.into_iter().flatten().flatten().next().expect("a count")
}

async fn to_the_end(mut stage: Stage, row: RowId, expected: &str) {
    until_gate(&mut stage, "accept").await;
    assert_eq!(rows(&stage, "shop-aurora-1", row).await, expected, "on the target");
    assert_eq!(rows(&stage, "shop-prod", row).await, expected, "on the source");
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}

#[tokio::test]
async fn a_transaction_that_ends_within_the_grace_is_on_the_target() {
    let (mut stage, transaction) = with_an_open_transaction("40s").await;
    let row = transaction.row();
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    // The source is closed to everybody new, and waits for this one.
    let fenced = |view: &MoveView| view.facts.fence_active.is_some();
    let view = until(&mut stage, fenced).await.view;
    assert_eq!(view.status.step, "quiesce.fence_source");
    assert_eq!(transaction.commit_after(Duration::ZERO).await, LongEnd::Committed);
    to_the_end(stage, row, "1").await;
}

#[tokio::test]
async fn a_transaction_beyond_the_grace_is_cut_and_nowhere() {
    let (stage, transaction) = with_an_open_transaction("1s").await;
    let row = transaction.row();
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let end = transaction.commit_after(Duration::from_mins(2)).await;
    assert!(matches!(end, LongEnd::CutBeforeCommit(_)), "{end:?}");
    to_the_end(stage, row, "0").await;
}
