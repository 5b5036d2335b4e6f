//! What an assessment costs: seconds on the clock, and the most memory that Landfall's process
//! held, on a source with very many tables or databases.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use landfall_e2e::stage::connect;
use landfall_e2e::{Product, SpecText};
use landfall_lab::process::Signal;
use landfall_lab::supervisor::{Access, Lab, LabConfig};
use serde_json::{Value, json};

/// Tables that are made in one transaction: each is locked until its end.
const BATCH: u32 = 500;

/// One assessment may take longer than any other call on the stage.
const CALL_TIMEOUT: &str = "60s";

pub(crate) async fn measure(tables: u32, databases: u32) -> Result<Value> {
    let folder = tempfile::tempdir().context("make a folder")?;
    // PostgreSQL runs as another user and must get to its data.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))
        .context("open the folder to the servers' user")?;
    let lab =
        Lab::up(LabConfig::new(folder.path().join("lab"))).await.context("bring up the lab")?;
    let source = lab.source().clone();
    let begin = Instant::now();
    fill(&source, tables, databases).await?;
    let filled = begin.elapsed().as_secs_f64();
    let environment =
        lab.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).chain([
            ("LANDFALL_PASSWORD".to_owned(), source.password.clone()),
            ("LANDFALL_CALL_TIMEOUT".to_owned(), CALL_TIMEOUT.to_owned()),
        ]);
    let mut product = Product::new(folder.path(), environment.collect())?;
    product.serve(None).await?;
    let idle = peak_mib(&product)?;
    let assessed = assess(&product, &source, folder.path());
    let peak = peak_mib(&product)?;
    product.stop(Signal::Terminate).await;
    lab.down().await;
    let (seconds, assessment) = assessed?;
    let findings = assessment.get("findings").and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(findings > 0, "nothing was found: {assessment}");
    Ok(json!({
        "tables": tables,
        "databases": databases,
        "fill_seconds": round(filled),
        "seconds": round(seconds),
        "peak_mib": round(peak),
        "peak_idle_mib": round(idle),
        "findings": findings,
        "aim_seconds": 20,
    }))
}

/// The command as a person types it; its findings as JSON.
fn assess(product: &Product, source: &Access, folder: &Path) -> Result<(f64, Value)> {
    let mut spec = SpecText::new(&source.instance);
    let database = source.databases.first().cloned().unwrap_or_default();
    spec.access = Some((source.user.clone(), database));
    let file = folder.join("bench.toml");
    std::fs::write(&file, spec.text()).context("write the spec")?;
    let begin = Instant::now();
    let output = product.command(["assess", "--json"]).arg(&file).output().context("assess")?;
    let seconds = begin.elapsed().as_secs_f64();
    let told = serde_json::from_slice(&output.stdout).with_context(|| {
        format!("assess said nothing: {}", String::from_utf8_lossy(&output.stderr))
    })?;
    Ok((seconds, told))
}

/// Tables in the first database, and empty databases beside it.
async fn fill(source: &Access, tables: u32, databases: u32) -> Result<()> {
    let first = source.databases.first().context("the source has no database")?;
    let client = connect(source, first).await?;
    for from in (0..tables).step_by(usize::try_from(BATCH)?) {
        let to = tables.min(from + BATCH) - 1;
        let batch = format!(
            "do $$ begin for n in {from}..{to} loop execute format('create table public.t%s \
             (id bigint primary key, name text, at timestamptz)', n); end loop; end $$"
        );
        client.batch_execute(&batch).await.context("make tables")?;
    }
    for number in 0..databases {
        let make = format!("create database tenant_{number}");
        client.batch_execute(&make).await.context("make a database")?;
    }
    Ok(())
}

/// The most memory that the process ever held.
fn peak_mib(product: &Product) -> Result<f64> {
    let pid = product.pid().context("the server has no pid")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read memory")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak: f64 = peak
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .context("the kernel tells no memory")?;
    Ok(peak / 1024.0)
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
