//! A roll-back of a move on the stage: the target takes writes for a while, then everything goes back.

use std::time::Duration;

use crate::report;
use crate::stage::{Stage, connect};
use anyhow::{Context as _, Result, ensure};
use landfall_api::MoveView;
use landfall_api::core::status::Line;

/// How many rows the application has written, on the server that is asked.
const WRITTEN: &str = "select count(*) from workload_ledger";

/// What a spec needs for it.
pub async fn prepare(stage: &mut Stage) -> Result<()> {
    // Accepted is accepted: nobody rolls back behind that.
    stage.spec.acceptance = Some("person");
    // The shop has a table without a key, which is to go back like all else.
    let full = "tables_without_identity = \"full\"".to_owned();
    stage.spec.extra.push(("way_back", full));
    stage.lab.allow_subscriptions().await.context("let the source subscribe")
}

/// Follows the move until the target has taken writes for `after`, and asks for the roll-back. Says
/// how often the orchestrator died meanwhile, and how many rows were written to the target.
pub async fn ask(
    stage: &mut Stage,
    (bound, after): (Duration, Duration),
    mut say: impl FnMut(&MoveView) + Send,
) -> Result<(u32, i64)> {
    let released = |view: &MoveView| view.facts.released_at.is_some() || report::is_over(view);
    let followed = stage
        .follow(bound, |view| {
            say(view);
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
    let mut at_release = None;
    let followed = stage
        .follow(bound, |view| {
            say(view);
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
    Ok((crashes + order(stage, bound).await?, written))
}

/// Gives the order, to the next orchestrator when one dies over it.
async fn order(stage: &mut Stage, bound: Duration) -> Result<u32> {
    let mut crashes = 0;
    loop {
        let Err(error) = stage.order("roll-back", None).await else { return Ok(crashes) };
        if !stage.revive().await? {
            return Err(error);
        }
        crashes += 1;
        // It may have been written before the answer was lost.
        let followed = stage.follow(bound, |_| true).await?;
        crashes += followed.crashes;
        if followed.view.status.line == Line::Reverse {
            return Ok(crashes);
        }
    }
}
