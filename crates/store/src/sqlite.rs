//! The store as one file: opening it, and the trait's calls, each one lock and one transaction.
//!
//! The directory is made for its owner alone, and so is the file: specs name hosts and groups. A
//! call never awaits while it holds the connection.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::journal::{Entry, Lease, NewEntry, Store, StoreError};
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::{MigrationName, Sample, Seq, Series, ServiceName};
use rusqlite::Connection;

use crate::fault::Fault;
use crate::sample::{self, Place};
use crate::{journal, lease, route, schema};

/// The file's name in the state directory.
pub const FILE_NAME: &str = "landfall.db";

/// Journal, leases and routes in `landfall.db` of a state directory.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Mutex<Connection>,
    fault: Fault,
}

impl SqliteStore {
    /// Opens the store in a directory; makes both when they are not there.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let file = directory.join(FILE_NAME);
        let fault = Fault::new(&file);
        make(directory, &file).map_err(|error| fault.io("open", &error))?;
        let connection = Mutex::new(schema::connect(&file, &fault)?);
        Ok(Self { connection, fault })
    }

    /// A panic while the lock was held left no transaction open: dropping one rolls it back.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(directory: &Path, file: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut create = OpenOptions::new();
    create.read(true).write(true).mode(0o600);
    match create.create_new(true).open(file) {
        // The name must survive a power cut as the records in it do.
        Ok(_) => File::open(directory)?.sync_all(),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        journal::migrations(&self.connection(), &self.fault)
    }

    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        journal::append(&mut self.connection(), &self.fault, &entry)
    }

    async fn read(&self, migration: &MigrationName, after: Seq) -> Result<Vec<Entry>, StoreError> {
        journal::read(&self.connection(), &self.fault, migration, after)
    }

    async fn take_lease(
        &self,
        migration: &MigrationName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        let wanted = lease::Wanted { migration, holder, now, until };
        lease::take(&mut self.connection(), &self.fault, &wanted)
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        _: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        lease::renew(&mut self.connection(), &self.fault, lease, until)
    }

    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        lease::give_back(&mut self.connection(), &self.fault, lease)
    }

    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError> {
        lease::stored(&self.connection(), &self.fault, migration)
    }

    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError> {
        route::stored(&self.connection(), &self.fault, service)
    }

    async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        route::all(&self.connection(), &self.fault)
    }

    async fn put_samples(
        &self,
        migration: &MigrationName,
        series: Series,
        samples: &[Sample],
    ) -> Result<(), StoreError> {
        let place = Place { migration, series };
        sample::put(&mut self.connection(), &self.fault, place, samples)
    }

    async fn samples(
        &self,
        migration: &MigrationName,
        series: Series,
    ) -> Result<Vec<Sample>, StoreError> {
        sample::all(&self.connection(), &self.fault, Place { migration, series })
    }

    async fn put_route(&self, route: &Route, by: Option<&Stamp>) -> Result<(), StoreError> {
        route::put(&mut self.connection(), &self.fault, route, by)
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::journal::{Author, Record, StoreTrouble};

    use super::*;

    fn entry(after: Seq) -> NewEntry {
        NewEntry {
            migration: MigrationName::new("orders"),
            after,
            author: Author::Person,
            at: Timestamp::UNIX_EPOCH,
            step: None,
            record: Record::Led { holder: "x".repeat(3_000) },
        }
    }

    async fn fill(store: &SqliteStore) -> (Seq, StoreError) {
        let mut last = Seq(0);
        loop {
            match store.append(entry(last)).await {
                Ok(seq) => last = seq,
                Err(error) => return (last, error),
            }
            assert!(last < Seq(10_000), "the limit is not felt");
        }
    }

    fn pragma(store: &SqliteStore, name: &str, value: i64) {
        let set = |_: &rusqlite::Row<'_>| Ok(());
        store.connection().pragma_update_and_check(None, name, value, set).unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_leaves_whole_records() {
        let state = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(state.path()).unwrap();
        pragma(&store, "max_page_count", 40);
        let (last, error) = fill(&store).await;
        assert!(
            error.trouble() == StoreTrouble::Full && error.to_string().contains("free space"),
            "{error}"
        );
        assert!(last > Seq(5), "some fitted: {last}");

        let migration = MigrationName::new("orders");
        let entries = store.read(&migration, Seq(0)).await.unwrap();
        assert_eq!(entries.last().map(|entry| entry.seq), Some(last), "nothing half-written");
        let held = store.take_lease(&migration, "one", Timestamp::UNIX_EPOCH, Timestamp::MAX).await;
        assert!(held.is_err() || store.lease(&migration).await.unwrap() == held.ok());

        pragma(&store, "max_page_count", 100_000);
        assert_eq!(store.append(entry(last)).await, Ok(last.next()), "room again, on it goes");
    }

    #[tokio::test]
    async fn a_read_only_file_is_told() {
        let state = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(state.path()).unwrap();
        store.connection().pragma_update(None, "query_only", "on").unwrap();
        let error = store.append(entry(Seq(0))).await.unwrap_err();
        assert_eq!(error.trouble(), StoreTrouble::Forbidden, "{error}");
        assert_eq!(store.read(&MigrationName::new("orders"), Seq(0)).await, Ok(vec![]));
    }

    #[tokio::test]
    async fn commits_reach_the_disk_before_they_are_told() {
        let state = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(state.path()).unwrap();
        let full = 2;
        let found: i64 =
            store.connection().pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        assert_eq!(found, full);
    }
}
