//! Risk: while the replica is watched it falls behind, and CloudWatch then says nothing for a while:
//! old points, or none, are taken for a replica that keeps up.

use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::status::{Outcome, Run};
use landfall_lab::faults::{Fault, Order};

use crate::watch::{moved, stage_with_gates, start, until, until_gate, until_over};

/// More WAL than the limit: what `lag_max` says, and one segment of RDS.
const BURST: &str = "create table burst as select n, repeat(md5(n::text), 40) as filler \
                     from generate_series(1, 90000) as n";

#[tokio::test]
async fn a_burst_of_lag_and_a_silent_metric_begin_the_window_anew() {
    let mut stage = stage_with_gates().await;
    stage.spec.sustained_for = Duration::from_secs(6);
    stage.spec.extra.push(("cutover", "lag_max = \"1MiB\"".to_owned()));
    start(&mut stage).await;
    let watched = |view: &MoveView| view.status.step == "replicate.sustain_lag";
    until(&mut stage, watched).await;
    stage.lab.arm(Order::unlimited(Fault::ReplicaStall)).await;
    stage.lab.sql("shop-prod", "shop", BURST).await.expect("a burst of writes");
    let behind = |view: &MoveView| {
        watched(view)
            && view.waited.as_ref().is_some_and(|wait| wait.reading.contains("above the limit"))
    };
    let view = until(&mut stage, behind).await.view;
    assert!(matches!(view.status.run, Run::Waiting { .. }), "{:?}", view.status);

    let silence = Order { milliseconds: Some(2000), ..Order::unlimited(Fault::MetricGap) };
    stage.lab.arm(silence).await;
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    stage.lab.cloud().follow_stall();
    let view = until_gate(&mut stage, "approve_cutover").await;
    let lag = view.facts.sustained.clone().expect("a verdict");
    assert!(lag.bursts.is_some_and(|bursts| bursts.count > 0), "{lag:?}");
    assert!(lag.lag_max.0 < 66 << 20, "the burst is not in the window: {lag:?}");
    let window = lag.to.duration_since(lag.from).unsigned_abs();
    assert!(window >= Duration::from_secs(6), "{lag:?}");

    stage.order("approve", Some("approve_cutover")).await.unwrap();
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
