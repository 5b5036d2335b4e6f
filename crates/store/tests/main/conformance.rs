//! The suite that every store passes, on SQLite.

use std::sync::Mutex;

use async_trait::async_trait;
use landfall_core::conformance::store::{StoreFixture, Task, every_promise};
use landfall_store::SqliteStore;
use tempfile::TempDir;

/// A directory per fresh store; the latest is the one to reopen.
struct Directories(Mutex<Vec<TempDir>>);

#[async_trait]
impl StoreFixture for Directories {
    type Store = SqliteStore;

    async fn fresh(&self) -> SqliteStore {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path()).unwrap();
        self.0.lock().unwrap().push(directory);
        store
    }

    async fn reopen(&self) -> SqliteStore {
        SqliteStore::open(self.0.lock().unwrap().last().unwrap().path()).unwrap()
    }

    fn drive(&self, task: Task<'_>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(task);
    }
}

#[tokio::test]
async fn sqlite_keeps_every_promise() {
    every_promise(&Directories(Mutex::new(Vec::new()))).await;
}
