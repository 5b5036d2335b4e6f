//! `cargo xtask bench`: figures as JSON. Timings on shared machines are noisy, so each is a median
//! of several, beside what it must be compared with, measured in the same run.

mod assess;
mod back;
mod clock;
mod fleet;
mod floor;
mod held;
mod path;
mod store;

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::{Parser, Subcommand};
use landfall_e2e::{Product, Report, Router, Stage, StageConfig};
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
        /// What the application connects through
        #[arg(long, value_enum, default_value = "envoy")]
        router: Router,
        /// Roll each move back, and measure that pause beside the move's own
        #[arg(long)]
        reverse: bool,
    },
    /// Connections that wait: hold to acknowledgement, release to first result; and the push to
    /// a thousand proxies
    Route {
        /// How many rounds for each number of connections
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Numbers of waiting connections
        #[arg(long, value_delimiter = ',', default_values_t = [1, 50, 500])]
        held: Vec<usize>,
        /// Simulated proxies
        #[arg(long, default_value_t = 1_000)]
        proxies: usize,
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
    /// An assessment with SQL access: seconds, and the server's peak memory
    Assess {
        /// Tables in the first database
        #[arg(long, default_value_t = 50_000)]
        tables: u32,
        /// Databases beside it
        #[arg(long, default_value_t = 0)]
        databases: u32,
    },
    /// A record's cost on SQLite and on PostgreSQL, and how long a killed leader is missed
    Store {
        /// Records, one after the other
        #[arg(long, default_value_t = 1_000)]
        records: u64,
        /// How many leaders are killed
        #[arg(long, default_value_t = 3)]
        takeovers: usize,
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
        What::Cutover { runs, megabytes, router, reverse: true } => {
            Box::pin(back::measure(runs, megabytes, router)).await
        }
        What::Cutover { runs, megabytes, router, reverse: false } => {
            Box::pin(cutover(runs, megabytes, router)).await
        }
        What::Route { runs, held, proxies } => route(runs, &held, proxies).await,
        What::Path { runs, seconds } => path::measure(runs, seconds).await,
        What::Assess { tables, databases } => assess::measure(tables, databases).await,
        What::Store { records, takeovers } => store::measure(records, takeovers).await,
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

async fn cutover(runs: usize, megabytes: u32, router: Router) -> Result<Value> {
    ensure!(runs > 0, "--runs 0 measures nothing");
    let mut floors = Vec::new();
    let mut reports = Vec::new();
    for _ in 0..runs {
        let floor = floor::measure().await.context("measure the floor")?;
        let size = Size::Megabytes(megabytes);
        let mut stage = Stage::set(StageConfig { size, router, ..StageConfig::default() }, None)
            .await
            .context("set the stage")?;
        let followed = stage.run(Duration::from_mins(5)).await?;
        let report = stage.close(&followed).await?;
        ensure!(report.is_good(), "a move was not good: {report:?}");
        floors.push(floor.as_secs_f64() * 1000.0);
        reports.push(report);
    }
    let of = |figure: fn(&Report) -> f64| reports.iter().map(figure).collect::<Vec<f64>>();
    let (floor, pauses) = (median(&floors), of(|report| report.pause_ms));
    let (p99, longest) = (of(|report| report.added_p99_ms), of(|report| report.added_max_ms));
    Ok(json!({
        "runs": runs,
        "megabytes": megabytes,
        "floor_ms": floors,
        "pause_ms": pauses,
        "median_floor_ms": floor,
        "median_pause_ms": median(&pauses),
        "added_latency_p99_ms": p99,
        "added_latency_max_ms": longest,
        "median_added_latency_max_ms": median(&longest),
        "failed_statements": reports.iter().map(|report| report.failed_statements).sum::<u64>(),
        "sessions_cut": reports.iter().map(|report| report.sessions_cut).sum::<u64>(),
        "aim_ms": 1.5 * floor + 250.0,
        "lab_delays_in_the_pause_ms": { "security_groups": 150, "promote": 200 },
    }))
}

async fn route(runs: usize, held: &[usize], proxies: usize) -> Result<Value> {
    ensure!(runs > 0 && proxies > 0, "nothing to measure");
    let fleet = fleet::measure(proxies).await.context("measure the fleet")?;
    Ok(json!({ "held": held::measure(held, runs).await?, "fleet": fleet }))
}

/// A server that never gets to AWS wants a region all the same.
fn no_aws() -> Vec<(String, String)> {
    [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "none"), ("AWS_SECRET_ACCESS_KEY", "none")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

async fn binary(runs: usize) -> Result<Value> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let mut product = Product::new(folder.path(), no_aws())?;
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
