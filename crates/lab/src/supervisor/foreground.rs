//! A lab as a process of its own: serve until told to stop; and, from another process, find it,
//! ask it, take it down.
//!
//! The record is written last and removed first, so a record means a lab that was complete. When
//! the process is killed, its servers die with it and [`down`] removes what is left.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::record::{self, Record};
use super::{Client, Error, Lab, LabConfig, Listing, leftovers, remove_folder};
use crate::control::Control;

const ASKED_BOUND: Duration = Duration::from_secs(30);
const TOLD_BOUND: Duration = Duration::from_secs(10);
const KILLED_BOUND: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Brings a lab up, writes its record, and serves until it is asked to stop or gets SIGTERM or
/// SIGINT; then takes it down. `ready` is called once the record is there.
pub async fn run_foreground(config: LabConfig, ready: impl FnOnce(&Record)) -> Result<(), Error> {
    let stop = |kind| signal(kind).map_err(Error::Door);
    let (mut terminate, mut interrupt) =
        (stop(SignalKind::terminate())?, stop(SignalKind::interrupt())?);
    // A signal that comes while the lab is brought up is heeded as soon as it is up: taking down
    // something whole leaves nothing behind.
    let lab = Arc::new(Lab::up(config).await?);
    let served = serve(&lab, ready, async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await;
    record::remove(lab.dir());
    lab.down().await;
    served
}

async fn serve(
    lab: &Arc<Lab>,
    ready: impl FnOnce(&Record),
    signalled: impl Future<Output = ()>,
) -> Result<(), Error> {
    let control = Control::open(Arc::clone(lab)).await.map_err(Error::Door)?;
    let record = lab.record(control.url(), control.token().to_owned());
    record.write(lab.dir())?;
    ready(&record);
    tokio::select! {
        () = control.asked_to_stop() => {}
        () = signalled => {}
    }
    control.close().await;
    Ok(())
}

/// How a lab was found when it was taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was running and has stopped.
    Stopped,
    /// Its process had died before; its files are removed.
    WasDead,
}

/// Takes down the lab in a folder, whatever state it is in.
pub async fn down(dir: &Path) -> Result<Outcome, Error> {
    let record = Record::read(dir)?;
    let outcome = if record.is_alive() {
        stop(&record).await?;
        Outcome::Stopped
    } else {
        Outcome::WasDead
    };
    if !leftovers::wait_until_dead(dir).await {
        return Err(Error::StillRunning { pid: record.pid });
    }
    leftovers::sweep(dir);
    if record.made_dir && dir.exists() {
        remove_folder(dir);
    }
    if record.sockets.exists() {
        remove_folder(&record.sockets);
    }
    Ok(outcome)
}

/// What the lab in a folder is doing; none of it when its process has died.
pub async fn status(dir: &Path) -> Result<(Record, Option<Listing>), Error> {
    let record = Record::read(dir)?;
    if !record.is_alive() {
        return Ok((record, None));
    }
    let listing = Client::new(&record).status().await?;
    Ok((record, Some(listing)))
}

/// Ends the process: by asking, then by signals. Only ever the process that wrote the record.
async fn stop(record: &Record) -> Result<(), Error> {
    let asked = tokio::time::timeout(TOLD_BOUND, Client::new(record).shut_down()).await;
    if matches!(asked, Ok(Ok(()))) && ends(record, ASKED_BOUND).await {
        return Ok(());
    }
    for (end, bound) in
        [(rustix::process::Signal::TERM, TOLD_BOUND), (rustix::process::Signal::KILL, KILLED_BOUND)]
    {
        let pid = i32::try_from(record.pid).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid.filter(|_| record.is_alive()) {
            // Fails only when it has ended in between, which is what was wanted.
            let _ = rustix::process::kill_process(pid, end);
        }
        if ends(record, bound).await {
            return Ok(());
        }
    }
    Err(Error::StillRunning { pid: record.pid })
}

async fn ends(record: &Record, bound: Duration) -> bool {
    let deadline = Instant::now() + bound;
    while record.is_alive() {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}
