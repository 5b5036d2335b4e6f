//! The lease: one leader per move, and time between two of them.
//!
//! AWS cannot refuse an old epoch. So a call starts only while the lease outlasts it, and whoever
//! takes over a lease that was not given back lets one more call's length pass before the first
//! effect. Two machines' clocks are never compared: the store says when a lease is free, and a
//! holder counts its own from before it asked.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::ids::MigrationName;
use landfall_core::journal::{Lease, StoreError, StoreTrouble};

use super::{Drive, Driver, Ended, refused};

/// The end of a lease that was given back: its holder has no call under way.
const GIVEN_BACK: Timestamp = Timestamp::UNIX_EPOCH;

impl Driver<'_> {
    /// Takes it when it is free. A call of a leader that did not give its lease back began while
    /// that stood, and none lasts longer than the bound of a call: so this waits for one. When the
    /// lease ended, by which clock, does not matter: the store says that it has.
    pub(super) async fn take_lease(&self, name: &MigrationName) -> Result<Lease, Ended> {
        let previous = self.store.lease(name).await.map_err(refused)?;
        let now = self.ports.clock.now();
        let until = now + self.pace.lease;
        let lease = self.store.take_lease(name, self.holder, now, until).await.map_err(refused)?;
        if previous.is_some_and(|previous| previous.until > GIVEN_BACK) {
            self.ports.clock.sleep(self.pace.call_timeout).await;
        }
        // The wait may have used it up.
        let now = self.ports.clock.now();
        self.store.renew_lease(&lease, now, now + self.pace.lease).await.map_err(refused)
    }
}

impl Drive<'_> {
    /// Extends the lease when less than a whole call is left of it. A lease that seems to last for
    /// longer than any does is extended too: the clock went back, and the store's did not.
    pub(super) async fn keep_lease(&mut self) -> Result<(), Ended> {
        let pace = self.driver.pace;
        let now = self.driver.ports.clock.now();
        let left = self.lease.until.duration_since(now);
        let enough = pace.call_timeout + pace.lease / 4;
        let known = left.is_positive() && left.unsigned_abs() <= pace.lease;
        if known && left.unsigned_abs() > enough {
            return Ok(());
        }
        let until = now + pace.lease;
        let renewed = self.driver.store.renew_lease(&self.lease, now, until).await;
        self.lease = renewed.map_err(|error| match error {
            StoreError::LeaseHeld { .. } => Ended::LostLease,
            StoreError::Outrun(_)
            | StoreError::EpochLost(_)
            | StoreError::RouteOutrun { .. }
            | StoreError::Newer(_)
            | StoreError::Medium { .. } => refused(error),
        })?;
        // A store, or a process that was stopped meanwhile, may have taken the call's time for it.
        let left = self.lease.until.duration_since(self.driver.ports.clock.now());
        if left.is_positive() && left.unsigned_abs() >= pace.call_timeout {
            return Ok(());
        }
        let cause = "renewing the lease took longer than the lease has to spare".to_owned();
        Err(Ended::Store { trouble: StoreTrouble::Unreachable, cause })
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
