//! The machine's own time, for every test binary of this crate.

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::port::Clock;
use tokio::time::timeout;

pub(crate) struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        let _ = timeout(duration, pending::<()>()).await;
    }
}
