//! A store in memory, with the same contract as the real ones, and a crash at any write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::ids::{Epoch, MigrationName, Seq, ServiceName};
use landfall_core::journal::{Author, Entry, Lease, NewEntry, RECORD_VERSION, Store, StoreError};
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::sample::{self, Sample, Series};

/// A lease that was given back ended here, and is nobody's to renew.
const GIVEN_BACK: Timestamp = Timestamp::UNIX_EPOCH;

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<MigrationName, Vec<Entry>>,
    leases: BTreeMap<MigrationName, Lease>,
    routes: BTreeMap<ServiceName, Route>,
    samples: BTreeMap<(MigrationName, Series), Vec<Sample>>,
}

/// A journal in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

impl MemoryStore {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no method panics while it holds the store")
    }

    /// Looks at the newest entry of a move.
    pub fn last<T>(&self, name: &MigrationName, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        self.lock().entries.get(name).and_then(|entries| entries.last().map(look))
    }

    /// Appends at the right position whatever epoch leads: what a store must never do.
    pub(crate) fn append_unfenced(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        let Author::Leader(epoch) = entry.author else {
            return Err(StoreError::EpochLost(Epoch(0)));
        };
        self.lock().place(entry, epoch)
    }

    /// Loses what was written after a position, as a standby does that took over and lagged behind.
    pub fn forget_after(&self, name: &MigrationName, last: Seq) {
        if let Some(entries) = self.lock().entries.get_mut(name) {
            entries.retain(|entry| entry.seq <= last);
        }
    }

    /// Everything written about a move.
    pub fn entries(&self, name: &MigrationName) -> Vec<Entry> {
        self.lock().entries.get(name).cloned().unwrap_or_default()
    }
}

impl Inner {
    fn place(&mut self, entry: NewEntry, epoch: Epoch) -> Result<Seq, StoreError> {
        let entries = self.entries.entry(entry.migration.clone()).or_default();
        let last = entries.last().map_or(Seq(0), |entry| entry.seq);
        if last != entry.after {
            return Err(StoreError::Outrun(last));
        }
        let seq = last.next();
        entries.push(Entry {
            migration: entry.migration,
            seq,
            epoch,
            at: entry.at,
            step: entry.step,
            record: entry.record,
            version: RECORD_VERSION,
        });
        Ok(seq)
    }

    fn fenced(&self, migration: &MigrationName, epoch: Epoch) -> Result<(), StoreError> {
        match self.leases.get(migration) {
            Some(lease) if lease.epoch == epoch && lease.until != GIVEN_BACK => Ok(()),
            _ => Err(StoreError::EpochLost(epoch)),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        Ok(self.lock().entries.keys().cloned().collect())
    }

    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        let mut inner = self.lock();
        let led = inner.leases.get(&entry.migration).map_or(Epoch(0), |lease| lease.epoch);
        let epoch = match entry.author {
            Author::Leader(epoch) => {
                inner.fenced(&entry.migration, epoch)?;
                epoch
            }
            Author::Person => led,
        };
        inner.place(entry, epoch)
    }
    async fn read(&self, migration: &MigrationName, after: Seq) -> Result<Vec<Entry>, StoreError> {
        let inner = self.lock();
        let entries = inner.entries.get(migration).map(Vec::as_slice).unwrap_or_default();
        let from = entries.partition_point(|entry| entry.seq <= after);
        Ok(entries.get(from..).unwrap_or_default().to_vec())
    }

    async fn take_lease(
        &self,
        migration: &MigrationName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let mut inner = self.lock();
        let previous = inner.leases.get(migration);
        if let Some(lease) = previous.filter(|lease| lease.until > now) {
            let (holder, until) = (lease.holder.clone(), lease.until);
            return Err(StoreError::LeaseHeld { holder, until });
        }
        let epoch = Epoch(previous.map_or(0, |lease| lease.epoch.0) + 1);
        let lease = Lease { migration: migration.clone(), epoch, holder: holder.to_owned(), until };
        inner.leases.insert(migration.clone(), lease.clone());
        Ok(lease)
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        _: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let mut inner = self.lock();
        inner.fenced(&lease.migration, lease.epoch)?;
        let renewed = Lease { until, ..lease.clone() };
        inner.leases.insert(lease.migration.clone(), renewed.clone());
        Ok(renewed)
    }

    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(held) = inner.leases.get_mut(&lease.migration)
            && held.epoch == lease.epoch
        {
            held.until = GIVEN_BACK;
        }
        Ok(())
    }

    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError> {
        Ok(self.lock().leases.get(migration).cloned())
    }

    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError> {
        Ok(self.lock().routes.get(service).cloned())
    }

    async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        Ok(self.lock().routes.values().cloned().collect())
    }

    async fn put_samples(
        &self,
        migration: &MigrationName,
        series: Series,
        samples: &[Sample],
    ) -> Result<(), StoreError> {
        let mut inner = self.lock();
        sample::add(inner.samples.entry((migration.clone(), series)).or_default(), samples);
        Ok(())
    }

    async fn samples(
        &self,
        migration: &MigrationName,
        series: Series,
    ) -> Result<Vec<Sample>, StoreError> {
        let found = self.lock().samples.get(&(migration.clone(), series)).cloned();
        Ok(found.unwrap_or_default())
    }

    async fn put_route(&self, route: &Route, by: Option<&Stamp>) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if let Some(by) = by {
            inner.fenced(&by.migration, by.epoch)?;
        }
        let standing = inner.routes.get(&route.service);
        if standing == Some(route) {
            return Ok(());
        }
        let found = standing.map_or(0, |standing| standing.epoch);
        if route.epoch != found + 1 {
            return Err(StoreError::RouteOutrun { service: route.service.clone(), found });
        }
        inner.routes.insert(route.service.clone(), route.clone());
        Ok(())
    }
}
