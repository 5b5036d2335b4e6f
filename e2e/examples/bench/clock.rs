//! The machine's own time, for control planes that a benchmark starts itself.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::port::Clock;

/// Wall time.
pub(crate) struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
