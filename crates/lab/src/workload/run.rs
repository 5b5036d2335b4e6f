//! The load as a command: run until told to stop, then leave the summary in a file.
//!
//! The file appears whole or not at all, so that whoever waits for it may read it the moment it is
//! there. Killed before that, the ledger remains and `summarise_ledger` makes the same summary.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::time::interval;

use super::Error;
use super::live::LiveLine;
use super::load::{Workload, WorkloadConfig};
use super::measure;
use super::summary::Summary;

const REFRESH: Duration = Duration::from_millis(200);

/// Runs a load until `stop` resolves and writes its summary as JSON to `out`.
pub async fn run_to_file(
    config: WorkloadConfig,
    stop: impl Future<Output = ()>,
    out: &Path,
) -> Result<Summary, Error> {
    run_watched(config, stop, out, |_| ()).await
}

/// The same, with a line for people five times a second.
pub async fn run_watched(
    config: WorkloadConfig,
    stop: impl Future<Output = ()>,
    out: &Path,
    mut show: impl FnMut(LiveLine),
) -> Result<Summary, Error> {
    let load = Workload::start(config)?;
    let mut refresh = interval(REFRESH);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = refresh.tick() => show(LiveLine(load.snapshot())),
        }
    }
    let summary = load.stop().await?;
    write(&summary, out)?;
    Ok(summary)
}

/// The summary of a ledger whose load is over, or was killed.
pub fn summarise_ledger(ledger: &Path, window: Duration) -> Result<Summary, Error> {
    measure::summarise(ledger, window)
}

fn write(summary: &Summary, out: &Path) -> Result<(), Error> {
    let failed = |source| Error::Summary { path: out.to_owned(), source };
    let mut text = serde_json::to_vec_pretty(summary).map_err(|e| failed(e.into()))?;
    text.push(b'\n');
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = out.with_file_name(name);
    fs::write(&part, text).map_err(failed)?;
    fs::rename(&part, out).map_err(failed)
}
