//! A store that watches its driver: at each journal write the driver may die, before the record
//! is durable or right after, or oversleep.
//!
//! Dying is what kill -9 does: nothing more happens, nothing is given back. So the store never
//! returns to a dead driver, and [`Pulse::until_it_stops`] drops it.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::ids::{MigrationName, Seq, ServiceName};
use landfall_core::journal::{Entry, Lease, NewEntry, Store, StoreError, StoreTrouble};
use landfall_core::port::router::Route;
use landfall_core::port::{Clock, Stamp};
use landfall_core::{Sample, Series};

/// What becomes of a driver at a journal write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beat {
    /// It goes on.
    Goes,
    /// It dies.
    Dies,
    /// It hangs for that long, and then goes on as if nothing had been.
    Hangs(Duration),
    /// The store says that it failed: before the write nothing is written, after it everything is.
    Fails,
}

/// Decides at each journal write of one driver.
pub trait Watch: Send + Sync {
    /// The record is about to be written.
    fn before(&self, entry: &NewEntry) -> Beat;
    /// The record is durable, and its writer does not know it yet.
    fn after(&self, entry: &NewEntry) -> Beat;
    /// The lease is about to be extended: what becomes of the driver before and after that.
    fn renews(&self) -> [Beat; 2] {
        [Beat::Goes, Beat::Goes]
    }
}

/// The store of one driver.
pub struct Pulse<'a> {
    store: &'a dyn Store,
    clock: &'a dyn Clock,
    watch: &'a dyn Watch,
    stopped: AtomicBool,
    failed: AtomicBool,
}

impl<'a> Pulse<'a> {
    /// A store whose driver is watched.
    pub fn new(store: &'a dyn Store, clock: &'a dyn Clock, watch: &'a dyn Watch) -> Self {
        Self {
            store,
            clock,
            watch,
            stopped: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// Runs a driver until it ends, or dies: then `None`.
    pub async fn until_it_stops<T>(&self, driver: impl Future<Output = T>) -> Option<T> {
        let mut driver = Box::pin(driver);
        let ended = Cell::new(None);
        std::future::poll_fn(|context| {
            if let Poll::Ready(value) = driver.as_mut().poll(context) {
                ended.set(Some(value));
                return Poll::Ready(());
            }
            if self.stopped.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        ended.into_inner()
    }

    /// Whether the store has failed its driver on purpose.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    async fn feel(&self, beat: Beat) -> Result<(), StoreError> {
        match beat {
            Beat::Goes => {}
            Beat::Hangs(time) => self.clock.sleep(time).await,
            Beat::Dies => {
                self.stopped.store(true, Ordering::Relaxed);
                std::future::pending::<()>().await;
            }
            Beat::Fails => {
                self.failed.store(true, Ordering::Relaxed);
                let (what, told) = ("write to the store".to_owned(), "on purpose".to_owned());
                return Err(StoreError::Medium { what, told, trouble: StoreTrouble::Other });
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Pulse<'_> {
    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        self.store.migrations().await
    }

    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        self.feel(self.watch.before(&entry)).await?;
        let written = self.store.append(entry.clone()).await?;
        self.feel(self.watch.after(&entry)).await?;
        Ok(written)
    }

    async fn read(&self, migration: &MigrationName, after: Seq) -> Result<Vec<Entry>, StoreError> {
        self.store.read(migration, after).await
    }

    async fn take_lease(
        &self,
        migration: &MigrationName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.store.take_lease(migration, holder, now, until).await
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let [before, after] = self.watch.renews();
        self.feel(before).await?;
        let renewed = self.store.renew_lease(lease, now, until).await?;
        self.feel(after).await?;
        Ok(renewed)
    }

    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store.drop_lease(lease).await
    }

    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError> {
        self.store.lease(migration).await
    }

    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError> {
        self.store.route(service).await
    }

    async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        self.store.routes().await
    }

    async fn put_samples(
        &self,
        migration: &MigrationName,
        series: Series,
        samples: &[Sample],
    ) -> Result<(), StoreError> {
        self.store.put_samples(migration, series, samples).await
    }

    async fn samples(
        &self,
        migration: &MigrationName,
        series: Series,
    ) -> Result<Vec<Sample>, StoreError> {
        self.store.samples(migration, series).await
    }

    async fn put_route(&self, route: &Route, by: Option<&Stamp>) -> Result<(), StoreError> {
        self.store.put_route(route, by).await
    }
}
