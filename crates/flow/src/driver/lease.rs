//! The lease: one leader per move, and time between two of them.
//!
//! AWS cannot refuse an old epoch. So a call starts only while the lease outlasts it, and whoever
//! takes over an expired lease lets one more call's length pass before the first effect.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::ids::MigrationName;
use landfall_core::journal::{Lease, StoreError};

use super::{Drive, Driver, Ended, refused};

impl Driver<'_> {
    pub(super) async fn take_lease(&self, name: &MigrationName) -> Result<Lease, Ended> {
        let previous = self.store.lease(name).await.map_err(refused)?;
        let now = self.ports.clock.now();
        let until = now + self.pace.lease;
        let lease = self.store.take_lease(name, self.holder, now, until).await.map_err(refused)?;
        if let Some(previous) = previous {
            self.let_calls_end(&previous, now).await;
        }
        // The wait may have used it up.
        let until = self.ports.clock.now() + self.pace.lease;
        self.store.renew_lease(&lease, until).await.map_err(refused)
    }

    /// A call of the leader before us began while its lease stood; none lasts longer than this.
    async fn let_calls_end(&self, previous: &Lease, now: Timestamp) {
        let quiet_from = previous.until + self.pace.call_timeout;
        let wait = quiet_from.duration_since(now);
        if wait.is_positive() {
            self.ports.clock.sleep(wait.unsigned_abs().min(self.pace.call_timeout)).await;
        }
    }
}

impl Drive<'_> {
    /// Extends the lease when less than a whole call is left of it.
    pub(super) async fn keep_lease(&mut self) -> Result<(), Ended> {
        let now = self.driver.ports.clock.now();
        let left = self.lease.until.duration_since(now);
        let needed = self.driver.pace.call_timeout + self.driver.pace.lease / 4;
        if left.is_positive() && left.unsigned_abs() > needed {
            return Ok(());
        }
        let until = now + self.driver.pace.lease;
        self.lease =
            self.driver.store.renew_lease(&self.lease, until).await.map_err(
                |error| match error {
                    StoreError::LeaseHeld { .. } => Ended::LostLease,
                    StoreError::Outrun(_)
                    | StoreError::EpochLost(_)
                    | StoreError::RouteOutrun { .. }
                    | StoreError::Newer(_)
                    | StoreError::Medium { .. } => refused(error),
                },
            )?;
        Ok(())
    }

    /// Lets time pass, keeping the lease, and wakes early when somebody asks for something.
    pub(super) async fn pass(&mut self, time: Duration) -> Result<(), Ended> {
        let clock = self.driver.ports.clock;
        let end = clock.now() + time;
        loop {
            let left = end.duration_since(clock.now());
            if !left.is_positive() || self.driver.gauge.stop() {
                return Ok(());
            }
            let slice = left.unsigned_abs().min(self.driver.pace.poll);
            clock.sleep(slice).await;
            self.keep_lease().await?;
            let before = self.view.last;
            self.refresh().await?;
            self.watch().await?;
            if self.view.last != before || self.overrun().is_some() {
                return Ok(());
            }
        }
    }
}
