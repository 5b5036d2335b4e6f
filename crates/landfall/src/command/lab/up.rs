//! `lab up`: a lab as a process of its own, ready when this command returns.
//!
//! The process is this binary again, in the foreground, in a process group of its own so that a
//! Ctrl-C for the command does not reach it. What it logs goes to a file beside its folder.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use landfall_lab::seed::{self, Size};
use landfall_lab::supervisor::{self, Client, LabConfig, Record, SourceConfig};
use tokio_postgres::NoTls;

use super::arguments::UpArguments;
use super::{failed, log_file, print_env};
use crate::exit::Exit;
use crate::out::Out;
use crate::stop::Stop;

/// Longer than initdb takes on a slow machine.
const READY_WITHIN: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(20);

pub(super) async fn up(dir: &Path, asked: &UpArguments, out: Out) -> Result<Exit, Stop> {
    let size = size(&asked.seed)?;
    if asked.foreground {
        return foreground(dir, asked, out).await;
    }
    let record = detached(dir, asked).await?;
    if let Some(size) = size {
        fill(&record, size, out).await?;
    }
    out.say(&format!(
        "The lab is up in {}: {} answers at {}:{}. In a shell: eval \"$(landfall lab env)\"",
        dir.display(),
        record.source.instance,
        record.source.host,
        record.source.port
    ));
    if asked.capture.with_cdc {
        capture(&record, out).await?;
    }
    print_env(&record, out);
    Ok(Exit::Done)
}

/// After the seed, so that it does not flow through the connector row by row.
async fn capture(record: &Record, out: Out) -> Result<(), Stop> {
    let capture = Client::new(record).start_capture().await.map_err(|error| failed(&error))?;
    out.say(&format!(
        "Connector {} of the worker at {} captures {}; its topics {}.* are at the broker {}.",
        capture.connector, capture.worker, record.source.instance, capture.topics, capture.broker
    ));
    Ok(())
}

fn size(text: &str) -> Result<Option<Size>, Stop> {
    if text == "none" {
        return Ok(None);
    }
    Size::from_str(text)
        .map(Some)
        .map_err(|error| Stop::mistake(format!("--seed: could not {error}; or write none.")))
}

async fn foreground(dir: &Path, asked: &UpArguments, out: Out) -> Result<Exit, Stop> {
    let source = SourceConfig {
        identifier: asked.instance.clone(),
        databases: asked.databases.clone(),
        retention_days: asked.backup_retention,
        ..SourceConfig::default()
    };
    let config = LabConfig {
        profile: asked.pace.into(),
        source,
        archive_timeout_seconds: asked.archive_timeout,
        ..LabConfig::new(dir)
    };
    supervisor::run_foreground(config, |record| print_env(record, out))
        .await
        .map_err(|error| failed(&error))?;
    Ok(Exit::Done)
}

async fn detached(dir: &Path, asked: &UpArguments) -> Result<Record, Stop> {
    if Record::read(dir).is_ok_and(|record| record.is_alive()) {
        return Err(Stop::Failed(
            Exit::Refused,
            format!("A lab is up in {} already; `landfall lab down` ends it.", dir.display()),
        ));
    }
    let log = log_file(dir);
    let cannot = |error: std::io::Error| {
        Stop::Failed(Exit::Unreachable, format!("Could not start the lab's process: {error}."))
    };
    if let Some(parent) = log.parent() {
        // It may be the state directory, which is its owner's alone.
        DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(cannot)?;
    }
    let file = File::create(&log).map_err(cannot)?;
    let mut child = command(dir, asked)
        .map_err(cannot)?
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .map_err(cannot)?;
    let give_up = Instant::now() + READY_WITHIN;
    loop {
        match Record::read(dir) {
            Ok(record) if record.pid == child.id() => return Ok(record),
            Ok(_) | Err(_) => {}
        }
        let ended = child.try_wait().map_err(cannot)?.is_some();
        if ended || Instant::now() > give_up {
            // Ends only the process started above; it may have ended by itself.
            let _ = child.kill();
            return Err(died(&log));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn command(dir: &Path, asked: &UpArguments) -> std::io::Result<Command> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["lab", "up", "--foreground", "--seed", "none", "--dir"]).arg(dir);
    command.args(["--instance", &asked.instance, "--pace", asked.pace.word()]);
    command.args(["--backup-retention", &asked.backup_retention.to_string()]);
    for database in &asked.databases {
        command.args(["--database", database]);
    }
    if let Some(seconds) = asked.archive_timeout {
        command.args(["--archive-timeout", &seconds.to_string()]);
    }
    command.process_group(0);
    Ok(command)
}

fn died(log: &Path) -> Stop {
    let told = std::fs::read_to_string(log).unwrap_or_default();
    let told = told.trim();
    let told = if told.is_empty() { "It said nothing." } else { told };
    Stop::Failed(Exit::Unreachable, format!("The lab did not come up:\n{told}"))
}

async fn fill(record: &Record, size: Size, out: Out) -> Result<(), Stop> {
    let source = &record.source;
    let database = source.databases.first().map_or("postgres", String::as_str);
    let mut config = tokio_postgres::Config::new();
    config.host(&source.host).port(source.port).dbname(database);
    config.user(&source.user).password(&source.password);
    let (mut client, connection) = config.connect(NoTls).await.map_err(|error| failed(&error))?;
    let connection = tokio::spawn(connection);
    let report = seed::seed(&mut client, size).await.map_err(|error| failed(&error));
    drop(client);
    // The connection ends with its client; how is of no interest once the seed is committed.
    let _ = connection.await;
    let report = report?;
    out.say(&format!(
        "Seeded {database}: {} orders, {} MiB.",
        report.orders,
        report.database_bytes >> 20
    ));
    Ok(())
}
