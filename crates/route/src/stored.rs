//! Routes in the store, which has the truth; every call to it is bounded.

use std::sync::Arc;
use std::time::Duration;

use landfall_core::journal::{Store, StoreError};
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::{Failure, ServiceName};

use crate::fault;

/// The stored routes; clones share the store.
#[derive(Clone)]
pub(crate) struct Stored {
    store: Arc<dyn Store>,
    bound: Duration,
}

impl Stored {
    pub(crate) fn new(store: Arc<dyn Store>, bound: Duration) -> Self {
        Self { store, bound }
    }

    /// The route of a service, or that nobody has adopted it.
    pub(crate) async fn route(&self, service: &ServiceName) -> Result<Option<Route>, Failure> {
        self.bounded(&format!("read the route of {service}"), self.store.route(service)).await
    }

    /// Every route.
    pub(crate) async fn routes(&self) -> Result<Vec<Route>, Failure> {
        self.bounded("read the routes", self.store.routes()).await
    }

    /// Stores a route; refused when the stored one is as new, or when another leads the move.
    pub(crate) async fn put(
        &self,
        what: &str,
        route: &Route,
        by: Option<&Stamp>,
    ) -> Result<(), Failure> {
        self.bounded(what, self.store.put_route(route, by)).await
    }

    async fn bounded<T>(
        &self,
        what: &str,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.bound, call).await {
            Ok(answer) => answer.map_err(|error| fault::of_store(what, &error)),
            Err(_) => Err(fault::of_time(what, self.bound)),
        }
    }
}
