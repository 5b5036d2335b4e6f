//! The store of a night: the model's, by the world's clock, with the mistakes that a driver could
//! make about it.
//!
//! Whatever the drivers' clocks show, a lease ends by the store's. People write through it too, so
//! it also knows at which instant of the world each record was written.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::Action;
use landfall_core::ids::{MigrationName, Seq, ServiceName};
use landfall_core::journal::{
    Author, Commitment, Entry, Lease, NewEntry, Record, Store, StoreError,
};
use landfall_core::port::router::Route;
use landfall_core::port::{Ports, Stamp};
use landfall_core::{Sample, Series};

use super::Break;
use crate::model::{MemoryStore, World};

/// The store as one driver, or a person, uses it.
pub(in crate::sim) struct Book<'a> {
    pub(in crate::sim) store: &'a MemoryStore,
    pub(in crate::sim) world: &'a World,
    pub(in crate::sim) planted: Option<Break>,
    /// When each record was written, by the world's clock.
    pub(in crate::sim) written: &'a Mutex<BTreeMap<Seq, Timestamp>>,
    /// Through which a driver that is mistaken about intents gives its orders.
    pub(in crate::sim) ports: Option<Ports<'a>>,
}

impl Book<'_> {
    fn is(&self, planted: Break) -> bool {
        self.planted == Some(planted)
    }

    /// Whether the order of this record is given before the record is written.
    fn is_too_early(&self, record: &Record) -> bool {
        match record {
            Record::Intended { commitment: Commitment::Committed, .. } => {
                self.is(Break::ReleaseBeforeIntent) || self.is(Break::IntentAfterEffect)
            }
            Record::Intended { .. } => self.is(Break::IntentAfterEffect),
            Record::Started { .. }
            | Record::Led { .. }
            | Record::Entered { .. }
            | Record::Learned { .. }
            | Record::Acted { .. }
            | Record::Waiting { .. }
            | Record::Completed { .. }
            | Record::GateOpened { .. }
            | Record::Requested { .. }
            | Record::Returned { .. }
            | Record::Stopped { .. }
            | Record::Finished { .. } => false,
        }
    }

    async fn perform(&self, entry: &NewEntry) {
        let (Some(ports), Author::Leader(epoch)) = (self.ports, entry.author) else { return };
        let Record::Intended { action, .. } = &entry.record else { return };
        let stamp = Stamp { migration: entry.migration.clone(), epoch };
        // What came of it the next look will tell, as ever.
        match &**action {
            Action::Cloud(action) => drop(ports.cloud.act(action, &stamp).await),
            Action::Route(action) => drop(ports.router.act(action, Some(&stamp)).await),
            Action::Database(action) => {
                if let Some(database) = ports.database {
                    drop(database.act(action).await);
                }
            }
        }
    }

    fn spoilt(&self, mut entry: NewEntry) -> NewEntry {
        if let (Record::Intended { commitment, .. }, true) =
            (&mut entry.record, self.is(Break::CommitmentForgotten))
        {
            *commitment = Commitment::Revocable;
        }
        entry
    }

    async fn place(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        let stale = matches!(entry.author, Author::Leader(_)) && self.is(Break::EpochNotChecked);
        let placed = if stale {
            self.store.append_unfenced(entry.clone())
        } else {
            self.store.append(entry.clone()).await
        };
        match placed {
            Err(StoreError::Outrun(last)) if self.is(Break::AbortAndReleaseAccepted) => {
                self.store.append(NewEntry { after: last, ..entry }).await
            }
            placed => placed,
        }
    }
}

#[async_trait]
impl Store for Book<'_> {
    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        self.store.migrations().await
    }

    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        if self.is_too_early(&entry.record) {
            self.perform(&entry).await;
        }
        let seq = self.place(self.spoilt(entry)).await?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(seq, self.world.instant());
        Ok(seq)
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
        let here = self.world.instant();
        let end = here + until.duration_since(now);
        let lease = self.store.take_lease(migration, holder, here, end).await?;
        Ok(Lease { until, ..lease })
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let here = self.world.instant();
        let end = here + until.duration_since(now);
        let renewed = match self.store.renew_lease(lease, here, end).await {
            // It goes on as if it led.
            Err(_) if self.is(Break::LeaseNotWaitedOut) => lease.clone(),
            renewed => renewed?,
        };
        Ok(Lease { until, ..renewed })
    }

    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.store.drop_lease(lease).await
    }

    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError> {
        let held = self.store.lease(migration).await?;
        Ok(held.filter(|_| !self.is(Break::LeaseNotWaitedOut)))
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
