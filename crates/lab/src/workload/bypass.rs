//! A client that does not know the gateway: it writes to the source directly.
//!
//! Made to test that the fence and its proof catch what no route can hold. It is the ordinary writer
//! at the application's own address, once with a session that was there before the fence and once
//! with new connections, and errors do not stop it. Its ledger says which of its writes the
//! source acknowledged, and when the last one was.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::Error;
use super::endpoint::Endpoint;
use super::live::Snapshot;
use super::load::{Workload, WorkloadConfig};
use super::summary::Summary;

const APPLICATION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// A fenced source answers with silence: it tries again instead of waiting for an hour.
const IMPATIENCE: Duration = Duration::from_secs(1);
const RATE_PER_SECOND: f64 = 50.0;

/// A running client that bypasses the gateway.
#[derive(Debug)]
pub struct Bypass(Workload);

impl Bypass {
    /// `source` is the database's own address. Must be called within a tokio runtime.
    pub fn start(source: Endpoint, ledger: PathBuf) -> Result<Self, Error> {
        let endpoint = source.bound_to(APPLICATION).waiting_at_most(IMPATIENCE);
        let mut config = WorkloadConfig::new(endpoint, ledger);
        config.writers = 1;
        config.reconnecting = 1;
        config.rate_per_second = Some(RATE_PER_SECOND);
        Workload::start(config).map(Self)
    }

    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }

    pub async fn stop(self) -> Result<Summary, Error> {
        self.0.stop().await
    }
}
