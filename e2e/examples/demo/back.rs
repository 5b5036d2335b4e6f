//! A roll-back in the demo: the target takes writes for a while, then everything goes back.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use landfall_e2e::stage::connect;
use landfall_e2e::{Stage, report};

use crate::tell::Tell;

/// How many rows the application has written, on the server that is asked.
const WRITTEN: &str = "select count(*) from workload_ledger";

/// Follows the move until the target has taken writes for `after`, and asks for the roll-back. Says
/// how often the orchestrator died meanwhile, and how many rows were written to the target.
pub(crate) async fn ask(
    tell: &Tell,
    stage: &mut Stage,
    (bound, after): (Duration, Duration),
) -> Result<(u32, i64)> {
    let mut told = 0;
    let mut at_release = None;
    let released =
        |view: &landfall_api::MoveView| view.facts.released_at.is_some() || report::is_over(view);
    let followed = stage
        .follow(bound, |view| {
            told = tell.rows(view, told);
            released(view)
        })
        .await?;
    let mut crashes = followed.crashes;
    ensure!(!report::is_over(&followed.view), "the move ended before its release");
    let target = stage.lab.access("shop-aurora-1").context("reach the target")?;
    let database = target.databases.first().cloned().unwrap_or_default();
    let client = connect(&target, &database).await?;
    let count = async || -> Result<i64> {
        Ok(client.query_one(WRITTEN, &[]).await.context("count on the target")?.get(0))
    };
    let before = count().await?;
    let followed = stage
        .follow(bound, |view| {
            told = tell.rows(view, told);
            let since = *at_release.get_or_insert(view.now);
            let armed = view.facts.way_back.is_armed();
            let waited = view.now.duration_since(since).unsigned_abs() >= after;
            (armed && waited && view.gate.is_some()) || report::is_over(view)
        })
        .await?;
    crashes += followed.crashes;
    ensure!(!report::is_over(&followed.view), "the move ended before it was rolled back");
    let written = count().await? - before;
    ensure!(written > 0, "nothing was written to the target");
    tell.say(&format!("{written} rows were written to the target: $ landfall roll-back shop"));
    stage.order("roll-back", None).await?;
    Ok((crashes, written))
}
