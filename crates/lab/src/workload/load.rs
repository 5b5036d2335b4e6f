//! A running load: its writers, a view of it while it runs, and its orderly end.
//!
//! Starting only creates the ledger and the tasks; a gateway that is down or holding is none of its
//! business. Dropping a load without stopping it ends the writers where they are, and the ledger
//! tells the rest.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Error;
use super::endpoint::Endpoint;
use super::entry::{Event, Header};
use super::ledger::Ledger;
use super::live::Snapshot;
use super::measure;
use super::stop::{self, Stop, StopSignal};
use super::summary::Summary;
use super::writer::{Kind, Writer};

/// How long transactions under way may take to finish when the load is stopped.
const GRACE: Duration = Duration::from_secs(5);
/// Default reach of the windows beside the pause.
const WINDOW: Duration = Duration::from_secs(10);

/// What a load is to be.
#[derive(Debug, Clone)]
pub struct WorkloadConfig {
    pub endpoint: Endpoint,
    /// Writers that keep their session.
    pub writers: usize,
    /// Writers that open a connection for every transaction.
    pub reconnecting: usize,
    /// Limit of each writer; none = as fast as the server answers.
    pub rate_per_second: Option<f64>,
    /// Must not exist.
    pub ledger: PathBuf,
    /// How far before and after the pause rates and latencies are taken.
    pub window: Duration,
}

impl WorkloadConfig {
    /// Four writers of each kind, without limit.
    #[must_use]
    pub fn new(endpoint: Endpoint, ledger: PathBuf) -> Self {
        Self {
            endpoint,
            writers: 4,
            reconnecting: 4,
            rate_per_second: None,
            ledger,
            window: WINDOW,
        }
    }
}

/// A load that is running.
#[derive(Debug)]
pub struct Workload {
    run: i64,
    ledger: Arc<Ledger>,
    window: Duration,
    stop: StopSignal,
    writers: JoinSet<Result<(), Error>>,
}

impl Workload {
    /// Must be called within a tokio runtime.
    pub fn start(config: WorkloadConfig) -> Result<Self, Error> {
        let persistent = writer_count(config.writers, 0)?;
        let total = writer_count(config.writers, config.reconnecting)?;
        let period = config.rate_per_second.map(period).transpose()?;
        // 48 bits: unique enough, and exact in every reader of JSON.
        let run = i64::from(rand::random::<u32>()) << 16 | i64::from(rand::random::<u16>());
        let header = Header {
            run,
            started: Timestamp::now(),
            writers: persistent,
            reconnecting: total - persistent,
        };
        let ledger = Arc::new(Ledger::create(&config.ledger, &header)?);
        let (signal, watch) = stop::signal();
        let mut writers = JoinSet::new();
        for number in 0..total {
            let kind = if number < persistent { Kind::Persistent } else { Kind::Reconnecting };
            let writer = Writer {
                number,
                kind,
                run,
                endpoint: config.endpoint.clone(),
                period,
                ledger: Arc::clone(&ledger),
                stop: watch.clone(),
            };
            writers.spawn(writer.run());
        }
        Ok(Self { run, ledger, window: config.window, stop: signal, writers })
    }

    /// The number that all rows of this load carry.
    #[must_use]
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Where the load stands, without waiting for anything.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.ledger.snapshot()
    }

    /// Ends the load: transactions under way get a few seconds to be answered, connections still
    /// waiting are given up. Returns what the ledger says.
    pub async fn stop(mut self) -> Result<Summary, Error> {
        self.stop.send(Stop::Finish);
        if let Ok(finished) = timeout(GRACE, join_all(&mut self.writers)).await {
            finished?;
        } else {
            self.stop.send(Stop::LetGo);
            join_all(&mut self.writers).await?;
        }
        self.ledger.record(Event::Closed)?;
        measure::summarise(self.ledger.path(), self.window)
    }
}

async fn join_all(writers: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    while let Some(joined) = writers.join_next().await {
        joined.map_err(|source| Error::Writer { source })??;
    }
    Ok(())
}

fn writer_count(writers: usize, reconnecting: usize) -> Result<i16, Error> {
    let wanted = writers.saturating_add(reconnecting);
    i16::try_from(wanted).map_err(|_| Error::TooManyWriters { wanted, most: i16::MAX })
}

fn period(rate: f64) -> Result<Duration, Error> {
    let period = Duration::try_from_secs_f64(1.0 / rate).map_err(|_| Error::Rate { rate })?;
    if period.is_zero() { Err(Error::Rate { rate }) } else { Ok(period) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_refused() {
        assert_eq!(period(4.0).expect("a rate"), Duration::from_millis(250));
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(period(rate), Err(Error::Rate { .. })), "{rate}");
        }
        assert!(matches!(writer_count(40_000, 0), Err(Error::TooManyWriters { .. })));
    }
}
