//! Risk: the comparison that people accept a target by compares nothing, or compares counters that
//! somebody reset meanwhile as if they had gone on.

use std::time::Duration;

use landfall_api::core::status::Outcome;
use serde_json::Value;

use crate::watch::{moved, stage, stage_with_gates, start, until, until_gate, until_over};

#[tokio::test]
async fn statements_and_parameters_of_both_sides_are_compared() {
    let mut stage = stage().await;
    stage.spec.compare_for = Duration::from_secs(3);
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let compared = followed.view.facts.comparison.clone().expect("the comparison");
    assert!(compared.statements_compared > 0, "{compared:#?}");
    let missed = |note: &&String| note.contains("statements of database shop were not looked at");
    assert_eq!(compared.notes.iter().find(missed), None);
    let report = moved(stage, &followed).await;
    let count = |key: &str| report.parameters[key].as_u64().unwrap_or_default();
    assert_eq!((count("carried"), count("dropped")), (8, 1), "{}", report.parameters);
    assert!(count("in_force") >= 7, "{}", report.parameters);
    assert_ne!(report.comparison, Value::Null);
}

#[tokio::test]
async fn statistics_that_are_reset_in_the_window_are_told_and_count_from_there() {
    let mut stage = stage_with_gates().await;
    stage.spec.compare_for = Duration::from_secs(3);
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    let reset = "select pg_stat_statements_reset()";
    stage.lab.sql("shop-prod", "shop", reset).await.expect("reset the statistics");
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    until_gate(&mut stage, "accept").await;
    until(&mut stage, |view| view.facts.comparison.is_some()).await;
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let compared = followed.view.facts.comparison.clone().expect("the comparison");
    let told =
        compared.notes.iter().any(|note| note.contains("statistics of the source were reset"));
    assert!(told, "{:#?}", compared.notes);
    moved(stage, &followed).await;
}
