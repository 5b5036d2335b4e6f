//! The floor of a pause: a committed row, its replay on a standby, and `pg_promote`, with nothing
//! around them. No cutover on this road can be shorter.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use landfall_lab::firewall::{Actor, Egress, Firewall};
use landfall_lab::process::RunAs;
use landfall_lab::server::{Origin, RunFolder, Server, ServerConfig, StopMode};
use landfall_lab::tools;

const BOUND: Duration = Duration::from_secs(30);

pub(crate) async fn measure() -> Result<Duration> {
    let folder = RunFolder::create().context("make a folder")?;
    let run_as = RunAs::detect().context("find a user for the servers")?;
    let config = |name: &str| -> Result<ServerConfig> {
        let sockets = folder.path().join(format!("{name}-s"));
        let mut config = ServerConfig::new(folder.path().join(name), sockets, tools::postgres()?);
        config.run_as = run_as.clone();
        Ok(config)
    };
    let source = Server::initialise(config("a")?).await.context("make a server")?;
    let firewall = Firewall::open(source.address()).await.context("open its door")?;
    firewall.set_allowed([Actor::Managed].into_iter().collect());
    let egress =
        Egress::open(folder.path().join("e"), Actor::Managed, firewall.port(), run_as.as_ref())
            .context("open a way out")?;
    let origin = Origin { source: &source, egress: &egress, slot: "floor" };
    let target = Server::clone_as_standby(config("b")?, origin).await.context("clone it")?;
    target.start().await.context("start the standby")?;
    caught_up(&source, &target).await?;
    let begin = Instant::now();
    let emit = "select pg_logical_emit_message(true, 'floor', '')";
    source.query(emit, &[]).await.context("write a record")?;
    caught_up(&source, &target).await?;
    target.promote().await?;
    let end = Instant::now() + BOUND;
    while target.is_in_recovery().await? {
        ensure!(Instant::now() < end, "the promotion does not end");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = begin.elapsed();
    target.stop(StopMode::Immediate).await;
    source.stop(StopMode::Immediate).await;
    Ok(took)
}

async fn caught_up(source: &Server, target: &Server) -> Result<()> {
    let wanted = source.positions().await?.flush.context("the source has no position")?;
    let end = Instant::now() + BOUND;
    loop {
        let replayed = target.positions().await?.replay;
        if replayed.is_some_and(|replayed| replayed >= wanted) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "the standby stays at {replayed:?}, behind {wanted:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
