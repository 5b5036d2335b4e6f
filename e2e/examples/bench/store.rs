//! What a record costs on either store, and how long a move is without a leader when its leader is
//! killed: from the kill to the first record of the one that takes over.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use landfall_core::journal::{Author, NewEntry, Record, Store};
use landfall_core::{MigrationName, Seq};
use landfall_e2e::database::{self, Database};
use landfall_e2e::{Stage, StageConfig, Store as Kind};
use landfall_lab::process::Signal;
use landfall_lab::tools;
use landfall_store::{PostgresAddress, PostgresStore, SqliteStore};
use serde_json::{Value, json};

/// A call of the stage's servers takes at most a second: a lease is two.
const CALL_TIMEOUT_S: f64 = 1.0;
const LONG: Duration = Duration::from_secs(120);

pub(crate) async fn measure(records: u64, takeovers: usize) -> Result<Value> {
    ensure!(records > 0, "--records 0 measures nothing");
    let folder = tempfile::tempdir().context("make a folder")?;
    open_to_all(folder.path())?;
    let sqlite = SqliteStore::open(&folder.path().join("state"))?;
    let sqlite = appends(&sqlite, records).await?;
    let server = Database::durable(folder.path().join("store"), &tools::postgres()?).await?;
    let url =
        format!("postgres://{}@{}/postgres?sslmode=disable", database::USER, server.address());
    let address = PostgresAddress::parse(&url, Duration::from_secs(10))?
        .with_password(|| Ok(database::PASSWORD.to_owned()));
    let shared = appends(&PostgresStore::open(address).await?, records).await?;
    server.stop().await;
    let mut seconds = Vec::new();
    for _ in 0..takeovers {
        seconds.push(Box::pin(takeover()).await.context("measure a takeover")?);
    }
    let rounded: Vec<f64> = seconds.iter().map(|one| (one * 100.0).round() / 100.0).collect();
    Ok(json!({
        "sqlite": sqlite,
        "postgresql": shared,
        "takeover": {
            "call_timeout_s": CALL_TIMEOUT_S,
            "at_most_s": 3.0 * CALL_TIMEOUT_S + 1.0,
            "runs_s": rounded,
        },
    }))
}

fn open_to_all(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        .context("open the folder to the server's user")
}

/// Records one after the other, each durable before the next, and the whole journal read back.
async fn appends(store: &impl Store, records: u64) -> Result<Value> {
    let migration = MigrationName::new("orders");
    let mut took = Vec::new();
    for after in 0..records {
        let entry = NewEntry {
            migration: migration.clone(),
            after: Seq(after),
            author: Author::Person,
            at: jiff::Timestamp::now(),
            step: Some("replicate.wait_available".to_owned()),
            record: Record::Waiting { why: "x".repeat(400), deadline: None },
        };
        let began = Instant::now();
        store.append(entry).await?;
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    let began = Instant::now();
    let read = store.read(&migration, Seq(0)).await?.len();
    let read_ms = began.elapsed().as_secs_f64() * 1_000.0;
    took.sort_by(f64::total_cmp);
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
    let rounded = |value: f64| (value * 1_000.0).round() / 1_000.0;
    Ok(json!({
        "records": read,
        "append_median_ms": rounded(at(50)),
        "append_p95_ms": rounded(at(95)),
        "read_all_ms": rounded(read_ms),
    }))
}

/// Kills the server that leads, at a gate, where the other one has nothing to do but take over.
async fn takeover() -> Result<f64> {
    let config = StageConfig { store: Kind::Shared, ..StageConfig::default() };
    let mut stage = Stage::set(config, None).await?;
    stage.spec.approve = "person";
    let mut second = stage.product.elsewhere()?;
    second.serve(None).await?;
    stage.start().await?;
    let at_gate = |view: &landfall_api::MoveView| view.gate.is_some();
    let gate = stage.follow(LONG, at_gate).await?.view;
    let killed = Instant::now();
    stage.product.stop(Signal::Kill).await;
    let client = second.client()?;
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    loop {
        tick.tick().await;
        let since = client.history(&"shop".into(), gate.last).await.context("look")?.entries;
        if since.iter().any(|entry| matches!(entry.record, Record::Led { .. })) {
            break;
        }
        ensure!(killed.elapsed() < LONG, "nobody takes over\n{}", second.log());
    }
    let seconds = killed.elapsed().as_secs_f64();
    second.stop(Signal::Terminate).await;
    stage.down().await?;
    Ok(seconds)
}
