//! The load through the gateway, and what its ledger says in the end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use landfall_lab::supervisor::Access;
use landfall_lab::workload::{
    Endpoint, Snapshot, Summary, Verdict, Workload, WorkloadConfig, judge,
};

/// The application's own loopback address, which security groups know.
const APPLICATION: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// How much load.
#[derive(Debug, Clone, Copy)]
pub struct Strength {
    /// Writers that keep their session.
    pub persistent: usize,
    /// Writers that connect for each transaction.
    pub reconnecting: usize,
    /// Transactions a second and writer; unlimited when absent.
    pub rate: Option<f64>,
    /// How long a writer waits for an answer; as long as the longest hold when absent.
    pub patience: Option<Duration>,
}

impl Default for Strength {
    fn default() -> Self {
        Self { persistent: 4, reconnecting: 2, rate: Some(40.0), patience: None }
    }
}

/// A running load.
pub struct Load {
    workload: Workload,
    ledger: PathBuf,
}

impl Load {
    /// Starts writing through the gateway.
    pub fn start(dir: &Path, gateway: SocketAddr, as_who: &Access, how: Strength) -> Result<Self> {
        let database = as_who.databases.first().context("the source has no database")?;
        let address = gateway.to_string();
        let mut endpoint =
            Endpoint::new(&address, &as_who.user, &as_who.password, database).bound_to(APPLICATION);
        if let Some(patience) = how.patience {
            endpoint = endpoint.waiting_at_most(patience);
        }
        let ledger = dir.join("ledger");
        let mut config = WorkloadConfig::new(endpoint, ledger.clone());
        config.writers = how.persistent;
        config.reconnecting = how.reconnecting;
        config.rate_per_second = how.rate;
        let workload = Workload::start(config).context("start the load")?;
        Ok(Self { workload, ledger })
    }

    /// Acknowledged writes so far.
    pub fn acknowledged(&self) -> u64 {
        self.workload.snapshot().acknowledged
    }

    /// What has become of its attempts so far.
    pub fn snapshot(&self) -> Snapshot {
        self.workload.snapshot()
    }

    /// Waits until this many more writes were acknowledged.
    pub async fn go_on_for(&self, more: u64, bound: Duration) -> Result<()> {
        let wanted = self.acknowledged() + more;
        let end = tokio::time::Instant::now() + bound;
        while self.acknowledged() < wanted {
            if tokio::time::Instant::now() > end {
                bail!("the load stands still at {} writes", self.acknowledged());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Ends the load and compares its ledger with the deciding server, and with the other one.
    pub async fn judge(
        self,
        deciding: &Access,
        other: Option<&Access>,
    ) -> Result<(Summary, Verdict)> {
        let summary = self.workload.stop().await.context("stop the load")?;
        let (deciding, other) = (direct(deciding)?, other.map(direct).transpose()?);
        let verdict = judge(&self.ledger, other.as_ref(), &deciding).await.context("judge")?;
        Ok((summary, verdict))
    }
}

/// Past the gateway, as the operator: from Landfall's own address.
fn direct(access: &Access) -> Result<Endpoint> {
    let database = access.databases.first().context("the server has no database")?;
    let address = format!("{}:{}", access.host, access.port);
    Ok(Endpoint::new(&address, &access.user, &access.password, database)
        .waiting_at_most(Duration::from_secs(5)))
}
