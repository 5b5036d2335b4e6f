//! What a roll-back costs: its pause beside the pause of the move that it takes back, both from the
//! intent of the hold to the intent of the release.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use landfall_api::core::Facts;
use landfall_e2e::{Report, Router, Stage, StageConfig, back, report};
use landfall_lab::seed::Size;
use serde_json::{Value, json};

use crate::median;

const BOUND: Duration = Duration::from_mins(5);
/// How long the target takes writes.
const SOAK: Duration = Duration::from_secs(3);

pub(crate) async fn measure(runs: usize, megabytes: u32, router: Router) -> Result<Value> {
    ensure!(runs > 0, "--runs 0 measures nothing");
    let (mut forward, mut backward, mut reports) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let size = Size::Megabytes(megabytes);
        let mut stage = Stage::set(StageConfig { size, router, ..StageConfig::default() }, None)
            .await
            .context("set the stage")?;
        back::prepare(&mut stage).await?;
        stage.start().await?;
        Box::pin(back::ask(&mut stage, (BOUND, SOAK), |_| {})).await?;
        let followed = stage.follow(BOUND, report::is_over).await?;
        let facts = &followed.view.facts;
        let before = facts.forward.as_deref().context("nothing was rolled back")?;
        forward.push(pause(before)?);
        backward.push(pause(facts)?);
        let report = stage.close(&followed).await?;
        ensure!(report.is_good(), "a roll-back was not good: {report:?}");
        reports.push(report);
    }
    let sum = |figure: fn(&Report) -> u64| reports.iter().map(figure).sum::<u64>();
    Ok(json!({
        "runs": runs,
        "megabytes": megabytes,
        "move_pause_ms": forward,
        "roll_back_pause_ms": backward,
        "median_move_pause_ms": median(&forward),
        "median_roll_back_pause_ms": median(&backward),
        "failed_statements": sum(|report| report.failed_statements),
        "sessions_cut": sum(|report| report.sessions_cut),
        "lost": sum(|report| report.lost),
        "lab_delays_in_the_pause_ms": {
            "move": { "security_groups": 150, "promote": 200 },
            "roll_back": { "security_groups": 300 },
        },
    }))
}

fn pause(facts: &Facts) -> Result<f64> {
    let held = facts.held_since.context("nothing was held")?;
    let released = facts.released_at.context("nothing was released")?;
    Ok((released.duration_since(held).as_secs_f64() * 10_000.0).round() / 10.0)
}
