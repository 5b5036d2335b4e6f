//! kill -9 at every journal write: each crash point is a whole move in a lab of its own.
//!
//! A reference run says how long the journal is and which entries are intents. An intent is a
//! crash point twice: once written, and once after its effect, before its result is written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use landfall_e2e::{CrashPoint, StageConfig};
use serde::Serialize;

use crate::tell::Tell;
use crate::{Options, Span, quietly};

/// What came of all of them.
#[derive(Debug, Default, Serialize)]
struct Everywhere {
    /// Entries of the reference run's journal.
    journal: usize,
    /// Crash points tried.
    tried: usize,
    /// Moves, or roll-backs, that were good although the orchestrator was killed.
    moved: usize,
    /// Points behind the end of that run's own, shorter journal: nothing was killed there.
    not_reached: Vec<String>,
    /// Moves that were not good, with what was wrong.
    failed: Vec<String>,
    /// Summed over all of them.
    lost: u64,
    doubled: u64,
    leftovers: u64,
    verdict: &'static str,
}

pub(crate) async fn everywhere(options: &Options, tell: &Tell) -> Result<bool> {
    let (config, back) = (options.stage()?, options.roll_back_after);
    tell.say("Reference run, to see how long the journal is …");
    let (reference, intents) =
        Box::pin(quietly(config.clone(), None, back)).await.context("reference run")?;
    tell.say(&format!("{} entries, verdict {}", intents.len(), reference.verdict));
    let points: VecDeque<CrashPoint> =
        points(&intents).into_iter().step_by(options.every).collect();
    let tried = points.len();
    let verdict = if back.is_some() { "rolled back" } else { "moved" };
    let result = Everywhere { journal: intents.len(), tried, verdict, ..Everywhere::default() };
    let shared = Arc::new((Mutex::new(points), Mutex::new(result)));
    // Two labs side by side, one a core.
    tokio::try_join!(
        worker((config.clone(), back), Arc::clone(&shared), tell),
        worker((config, back), Arc::clone(&shared), tell)
    )?;
    let mut result = std::mem::take(&mut *shared.1.lock().unwrap_or_else(PoisonError::into_inner));
    let good = result.failed.is_empty() && reference.is_good() && result.moved > 0;
    if !good {
        result.verdict = "failed";
    }
    tell.result(&result)?;
    Ok(good)
}

fn points(intents: &[bool]) -> Vec<CrashPoint> {
    let mut points = Vec::new();
    for (at, intent) in (1_u64..).zip(intents) {
        points.push(CrashPoint { at, when: "written" });
        if *intent {
            points.push(CrashPoint { at, when: "effect" });
        }
    }
    points
}

async fn worker(
    (config, back): (StageConfig, Option<Span>),
    shared: Arc<(Mutex<VecDeque<CrashPoint>>, Mutex<Everywhere>)>,
    tell: &Tell,
) -> Result<()> {
    let wanted = if back.is_some() { "rolled back" } else { "moved" };
    loop {
        let next = shared.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some(point) = next else { return Ok(()) };
        let name = format!("{} {}", point.at, point.when);
        let ran = Box::pin(quietly(config.clone(), Some(point), back)).await;
        let mut result = shared.1.lock().unwrap_or_else(PoisonError::into_inner);
        let said = match ran {
            Ok((report, _)) if report.verdict != wanted => {
                result.failed.push(format!("{name}: {}", report.verdict));
                format!("FAILED: {}", serde_json::to_string(&report).unwrap_or_default())
            }
            Ok((report, _)) if report.is_good() && report.crashes > 0 => {
                result.moved += 1;
                format!("{}, pause {} ms", report.verdict, report.pause_ms)
            }
            Ok((report, _)) if report.is_good() => {
                result.not_reached.push(name.clone());
                format!("{}; its journal ended at {}", report.verdict, report.journal)
            }
            Ok((report, _)) => {
                result.lost += report.lost;
                result.doubled += report.doubled;
                result.leftovers += report.leftovers;
                result.failed.push(format!("{name}: {}", report.verdict));
                format!("FAILED: {}", serde_json::to_string(&report).unwrap_or_default())
            }
            Err(error) => {
                result.failed.push(format!("{name}: {error:#}"));
                format!("FAILED: {error:#}")
            }
        };
        tell.say(&format!("killed at {name}: {said}"));
    }
}
