//! `lab load` and `lab judge`: the independent referee of a move.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::ProgressBar;
use landfall_api::core::quantity::duration_text;
use landfall_lab::supervisor::{Access, Client, Record};
use landfall_lab::workload::{self, Endpoint, LiveLine, WorkloadConfig};

use super::arguments::{JudgeArguments, LoadArguments};
use super::{failed, record};
use crate::exit::Exit;
use crate::out::Out;
use crate::signal;
use crate::stop::Stop;

/// The lab's firewalls take this address for the application.
const APPLICATION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// A fenced source answers with silence.
const SILENCE: Duration = Duration::from_secs(2);

pub(super) async fn load(record: &Record, asked: &LoadArguments, out: Out) -> Result<Exit, Stop> {
    let source = &record.source;
    let endpoint = Endpoint::new(&asked.address, &source.user, &source.password, database(source))
        .bound_to(APPLICATION);
    let config = WorkloadConfig {
        writers: asked.writers,
        reconnecting: asked.reconnecting,
        rate_per_second: asked.rate,
        ..WorkloadConfig::new(endpoint, asked.ledger.clone())
    };
    let summary_file = asked.summary.clone().unwrap_or_else(|| beside(&asked.ledger));
    let limit = asked.for_time.as_deref().map(duration_text::parse).transpose();
    let limit = limit.map_err(|why| Stop::mistake(format!("--for: {why}.")))?;
    let stop = async move {
        match limit {
            Some(limit) => tokio::select! {
                () = tokio::time::sleep(limit) => {}
                () = signal::told_to_stop() => {}
            },
            None => signal::told_to_stop().await,
        }
    };
    let bar = ProgressBar::new_spinner();
    let show = |line: LiveLine| bar.set_message(line.to_string());
    let summary = workload::run_watched(config, stop, &summary_file, show)
        .await
        .map_err(|error| failed(&error))?;
    bar.finish_and_clear();
    out.json(&summary);
    Ok(Exit::Done)
}

fn beside(ledger: &Path) -> PathBuf {
    let mut name = ledger.file_name().unwrap_or_default().to_owned();
    name.push(".json");
    ledger.with_file_name(name)
}

fn database(access: &Access) -> &str {
    access.databases.first().map_or("postgres", String::as_str)
}

pub(super) async fn judge(dir: &Path, asked: &JudgeArguments, out: Out) -> Result<Exit, Stop> {
    let client = Client::new(&record(dir)?);
    let decides = endpoint(&client, &asked.decides).await?;
    let other = match &asked.other {
        Some(instance) => Some(endpoint(&client, instance).await?.waiting_at_most(SILENCE)),
        None => None,
    };
    let verdict = workload::judge(&asked.ledger, other.as_ref(), &decides)
        .await
        .map_err(|error| failed(&error))?;
    out.data(&verdict, |_| verdict.to_string());
    Ok(if verdict.is_clean() { Exit::Done } else { Exit::Stopped })
}

async fn endpoint(client: &Client, instance: &str) -> Result<Endpoint, Stop> {
    let access = client.access(instance).await.map_err(|error| failed(&error))?;
    let address = format!("{}:{}", access.host, access.port);
    Ok(Endpoint::new(&address, &access.user, &access.password, database(&access)))
}
