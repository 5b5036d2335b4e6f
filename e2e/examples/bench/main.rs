//! `cargo xtask bench`: figures as JSON. Timings on shared machines are noisy, so each is a median
//! of several, beside what it must be compared with, measured in the same run.

mod floor;
mod path;

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use landfall_e2e::{Product, Stage, StageConfig};
use landfall_lab::process::Signal;
use landfall_lab::seed::Size;
use serde_json::{Value, json};

/// Measures, and prints one JSON object.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The pause of a move, beside its floor: replay wait and pg_promote alone
    Cutover {
        /// How many moves
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Data on the source, MB
        #[arg(long, default_value_t = 100)]
        megabytes: u32,
    },
    /// The way to the database: pgbench directly, through one Envoy, through two with mutual TLS
    Path {
        /// How many turns
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Of each pgbench
        #[arg(long, default_value_t = 3)]
        seconds: u32,
    },
    /// The binary: `--help`, and an idle server's memory
    Binary {
        /// How often
        #[arg(long, default_value_t = 21)]
        runs: usize,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Options::parse().what {
        What::Cutover { runs, megabytes } => cutover(runs, megabytes).await,
        What::Path { runs, seconds } => path::measure(runs, seconds).await,
        What::Binary { runs } => binary(runs).await,
    };
    match done.and_then(|figures| print(&figures)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print(figures: &Value) -> Result<()> {
    writeln!(std::io::stdout(), "{figures:#}").context("write the figures")
}

async fn cutover(runs: usize, megabytes: u32) -> Result<Value> {
    ensure!(runs > 0, "--runs 0 measures nothing");
    let mut all = Vec::new();
    for _ in 0..runs {
        let floor = floor::measure().await.context("measure the floor")?;
        let config = StageConfig { size: Size::Megabytes(megabytes), ..StageConfig::default() };
        let mut stage = Stage::set(config, None).await?;
        let followed = stage.run(Duration::from_mins(5)).await?;
        let report = stage.close(&followed).await?;
        ensure!(report.is_good(), "a move was not good: {report:?}");
        all.push((floor.as_secs_f64() * 1000.0, report.pause_ms));
    }
    let floors: Vec<f64> = all.iter().map(|(floor, _)| *floor).collect();
    let pauses: Vec<f64> = all.iter().map(|(_, pause)| *pause).collect();
    let (floor, pause) = (median(&floors), median(&pauses));
    Ok(json!({
        "runs": runs,
        "megabytes": megabytes,
        "floor_ms": floors,
        "pause_ms": pauses,
        "median_floor_ms": floor,
        "median_pause_ms": pause,
        "aim_ms": 1.5 * floor + 250.0,
        "lab_delays_in_the_pause_ms": { "security_groups": 150, "promote": 200 },
    }))
}

async fn binary(runs: usize) -> Result<Value> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let environment = vec![
        ("AWS_REGION".to_owned(), "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID".to_owned(), "none".to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), "none".to_owned()),
    ];
    let mut product = Product::new(folder.path(), environment)?;
    let mut help = Vec::new();
    for _ in 0..runs.max(1) {
        let begin = std::time::Instant::now();
        let status =
            product.command(["--help"]).stdout(Stdio::null()).status().context("--help")?;
        ensure!(status.success(), "--help ended with {status}");
        help.push(begin.elapsed().as_secs_f64() * 1000.0);
    }
    product.serve(None).await?;
    let pid = product.pid().context("the server has no pid")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read memory")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident: f64 = resident
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .context("the kernel tells no memory")?;
    product.stop(Signal::Terminate).await;
    Ok(json!({ "help_ms": median(&help), "idle_server_mib": (resident / 102.4).round() / 10.0 }))
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    (middle * 10.0).round() / 10.0
}
