//! The broker: one process, one node, nothing on disk. What it holds ends with it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::Error;
use crate::pooler::free_address;
use crate::process::{Program, Running, Signal, Stopped};
use crate::tools::ConnectTools;

const READY_BOUND: Duration = Duration::from_secs(30);
const STOP_BOUND: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

/// A running broker. Dropping it ends it.
#[derive(Debug)]
pub struct Broker {
    process: Running,
    address: SocketAddr,
}

impl Broker {
    pub(super) async fn start(tools: &ConnectTools, dir: &Path) -> Result<Self, Error> {
        let address = free_address().map_err(Error::Port)?;
        let url = format!("tcp://{address}");
        let program = Program::new(tools.broker(), dir.join("broker.log")).args([
            "broker",
            "--listener-url",
            &url,
            "--advertised-listener-url",
            &url,
            "--storage-engine",
            "memory://tansu/",
        ]);
        let broker = Self { process: program.start().await.map_err(Error::Program)?, address };
        broker.wait_until_it_listens().await?;
        Ok(broker)
    }

    /// Where Kafka's protocol is spoken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, with everything that it held.
    pub async fn stop(&self) -> Stopped {
        self.process.stop(Signal::Terminate, STOP_BOUND).await
    }

    async fn wait_until_it_listens(&self) -> Result<(), Error> {
        let program = "the broker";
        let deadline = Instant::now() + READY_BOUND;
        let mut tick = tokio::time::interval(POLL);
        while Instant::now() < deadline {
            tick.tick().await;
            if let Some(exit) = self.process.exit() {
                return Err(Error::Ended { program, exit, tail: self.process.log_tail() });
            }
            if TcpStream::connect(self.address).await.is_ok() {
                return Ok(());
            }
        }
        let (address, tail) = (self.address, self.process.log_tail());
        Err(Error::NotReady { program, address, bound: READY_BOUND, tail })
    }
}
