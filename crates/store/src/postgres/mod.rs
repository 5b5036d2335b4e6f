//! The shared store: the same journal, leases, routes and samples in a PostgreSQL database.
//!
//! Several servers use one, so every promise is kept by a single statement, which PostgreSQL makes
//! whole or not at all: no transaction stays open between two messages. A call is bounded in time.
//! When its connection dies it is given a second time on a new one, which is safe because every
//! write names the state it follows, and finds itself when the first one was done after all.

mod address;
mod fault;
mod journal;
mod lease;
mod link;
mod route;
mod sample;
mod schema;
mod tls;

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::journal::{Entry, Lease, NewEntry, Store, StoreError};
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::{MigrationName, Sample, Seq, Series, ServiceName};

pub use address::{PostgresAddress, PostgresAddressError};
use link::Link;

/// Journal, leases and routes in the schema `landfall_store` of a database.
pub struct PostgresStore {
    link: Link,
    marks: Marks,
}

impl PostgresStore {
    /// Connects, and makes or completes the schema.
    pub async fn open(address: PostgresAddress) -> Result<Self, StoreError> {
        let link = Link::new(address)?;
        let marks = Marks::new().map_err(|error| link.fault().local("open", &error.to_string()))?;
        link.call("open", &schema::Look).await?;
        Ok(Self { link, marks })
    }
}

/// Gives every write a name that no other write has, of this process or another.
struct Marks {
    process: String,
    next: AtomicU64,
}

impl Marks {
    fn new() -> std::io::Result<Self> {
        use std::io::Read as _;
        let mut bytes = [0_u8; 12];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let process = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { process, next: AtomicU64::new(0) })
    }

    fn next(&self) -> String {
        format!("{}-{}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        self.link.call("read", &journal::Migrations).await
    }

    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        let append = journal::Append::new(&entry, self.marks.next(), self.link.fault())?;
        self.link.call("write", &append).await
    }

    async fn read(&self, migration: &MigrationName, after: Seq) -> Result<Vec<Entry>, StoreError> {
        let fault = self.link.fault();
        self.link.call("read", &journal::Read { migration, after, fault }).await
    }

    async fn take_lease(
        &self,
        migration: &MigrationName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let mark = self.marks.next();
        self.link.call("write", &lease::Take { migration, holder, now, until, mark }).await
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.link.call("write", &lease::Renew { lease, now, until }).await
    }

    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.link.call("write", &lease::GiveBack { lease }).await
    }

    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError> {
        self.link.call("read", &lease::Stored { migration }).await
    }

    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError> {
        let fault = self.link.fault();
        let mut found =
            self.link.call("read", &route::Stored { service: Some(service), fault }).await?;
        Ok(found.pop())
    }

    async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        let fault = self.link.fault();
        self.link.call("read", &route::Stored { service: None, fault }).await
    }

    async fn put_samples(
        &self,
        migration: &MigrationName,
        series: Series,
        samples: &[Sample],
    ) -> Result<(), StoreError> {
        if samples.is_empty() {
            return Ok(());
        }
        let fault = self.link.fault();
        self.link.call("write", &sample::Put { migration, series, samples, fault }).await
    }

    async fn samples(
        &self,
        migration: &MigrationName,
        series: Series,
    ) -> Result<Vec<Sample>, StoreError> {
        let fault = self.link.fault();
        self.link.call("read", &sample::Stored { migration, series, fault }).await
    }

    async fn put_route(&self, route: &Route, by: Option<&Stamp>) -> Result<(), StoreError> {
        let fault = self.link.fault();
        self.link.call("write", &route::Put { route, by, fault }).await
    }
}
