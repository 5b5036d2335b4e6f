//! A store of routes in memory, with the promise that matters here: epochs grow by one.
//!
//! It outlives the control planes that are killed on top of it, as the file on disk does. The
//! journal and the leases are none of this crate's business.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::journal::{Entry, Lease, NewEntry, Store, StoreError, StoreTrouble};
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::{MigrationName, Sample, Seq, Series, ServiceName};

#[derive(Default)]
pub(crate) struct MemoryStore {
    routes: Mutex<BTreeMap<ServiceName, Route>>,
    trouble: Mutex<Trouble>,
}

/// What the store does instead of its work.
#[derive(Clone, Default)]
pub(crate) enum Trouble {
    #[default]
    None,
    Fails(StoreError),
    Hangs,
}

impl MemoryStore {
    /// From here on every call behaves like this.
    pub(crate) fn get_into(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    async fn look<T>(
        &self,
        look: impl FnOnce(&mut BTreeMap<ServiceName, Route>) -> T + Send,
    ) -> Result<T, StoreError> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match trouble {
            Trouble::None => {}
            Trouble::Fails(error) => return Err(error),
            Trouble::Hangs => std::future::pending().await,
        }
        Ok(look(&mut self.routes.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// A medium that refuses.
pub(crate) fn broken(told: &str) -> StoreError {
    let (what, told) = ("read the store".to_owned(), told.to_owned());
    StoreError::Medium { what, told, trouble: StoreTrouble::Other }
}

fn not_kept<T>() -> Result<T, StoreError> {
    Err(broken("this store keeps routes only"))
}

#[async_trait]
impl Store for MemoryStore {
    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError> {
        self.look(|routes| routes.get(service).cloned()).await
    }

    async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        self.look(|routes| routes.values().cloned().collect()).await
    }

    async fn put_route(&self, route: &Route, _: Option<&Stamp>) -> Result<(), StoreError> {
        self.look(|routes| {
            let stored = routes.get(&route.service);
            let found = stored.map_or(0, |stored| stored.epoch);
            if stored == Some(route) {
                return Ok(());
            }
            if route.epoch != found + 1 {
                return Err(StoreError::RouteOutrun { service: route.service.clone(), found });
            }
            routes.insert(route.service.clone(), route.clone());
            Ok(())
        })
        .await?
    }

    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        not_kept()
    }

    async fn append(&self, _: NewEntry) -> Result<Seq, StoreError> {
        not_kept()
    }

    async fn read(&self, _: &MigrationName, _: Seq) -> Result<Vec<Entry>, StoreError> {
        not_kept()
    }

    async fn take_lease(
        &self,
        _: &MigrationName,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Lease, StoreError> {
        not_kept()
    }

    async fn renew_lease(
        &self,
        _: &Lease,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Lease, StoreError> {
        not_kept()
    }

    async fn drop_lease(&self, _: &Lease) -> Result<(), StoreError> {
        not_kept()
    }

    async fn put_samples(
        &self,
        _: &MigrationName,
        _: Series,
        _: &[Sample],
    ) -> Result<(), StoreError> {
        not_kept()
    }

    async fn samples(&self, _: &MigrationName, _: Series) -> Result<Vec<Sample>, StoreError> {
        not_kept()
    }

    async fn lease(&self, _: &MigrationName) -> Result<Option<Lease>, StoreError> {
        not_kept()
    }
}
