//! What the file is like, and what happens when it is newer, damaged, foreign or out of room.

use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use jiff::Timestamp;
use landfall_core::journal::{Author, NewEntry, Record, Store, StoreError};
use landfall_core::port::router::{Passage, Route, Traffic};
use landfall_core::{Endpoint, MigrationName, Seq, ServiceName};
use landfall_store::{FILE_NAME, SqliteStore};
use rusqlite::Connection;

pub(crate) fn entry(after: u64, why: &str) -> NewEntry {
    NewEntry {
        migration: MigrationName::new("orders"),
        after: Seq(after),
        author: Author::Person,
        at: Timestamp::UNIX_EPOCH,
        step: None,
        record: Record::Waiting { why: why.to_owned(), deadline: None },
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn medium(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Medium { .. }), "not the medium: {error:?}");
    error.to_string()
}

async fn entries(store: &SqliteStore) -> usize {
    store.read(&MigrationName::new("orders"), Seq(0)).await.unwrap().len()
}

#[tokio::test]
async fn only_the_owner_reads_the_directory_and_its_files() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state/landfall");
    let store = SqliteStore::open(&state).unwrap();
    store.append(entry(0, "a first record, so that the log exists")).await.unwrap();
    assert_eq!(mode(&state), 0o700);
    let files: Vec<_> = state.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 2, "the file and its log: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn the_file_is_set_up_to_survive() {
    let state = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(state.path()).unwrap());
    let connection = Connection::open(state.path().join(FILE_NAME)).unwrap();
    let journal: String =
        connection.query_row("pragma journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(journal, "wal");
    let loose = "select count(*) from pragma_table_list \
         where schema = 'main' and type = 'table' and not strict and name not like 'sqlite%'";
    let loose: i64 = connection.query_row(loose, [], |row| row.get(0)).unwrap();
    assert_eq!(loose, 0, "every table is strict");
}

#[tokio::test]
async fn the_journal_cannot_be_rewritten_by_hand() {
    let state = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(state.path()).unwrap();
    store.append(entry(0, "the truth")).await.unwrap();
    let by_hand = Connection::open(state.path().join(FILE_NAME)).unwrap();
    for sql in ["update entries set at = 'never'", "delete from entries"] {
        let error = by_hand.execute(sql, []).unwrap_err();
        assert!(error.to_string().contains("append-only"), "{sql}: {error}");
    }
    assert_eq!(entries(&store).await, 1);
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(state.path()).unwrap();
    let newer = Connection::open(state.path().join(FILE_NAME)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(SqliteStore::open(state.path()).unwrap_err(), StoreError::Newer(99));
    // A store that was open when the newer program came must stop too.
    assert_eq!(store.append(entry(0, "late")).await, Err(StoreError::Newer(99)));
    assert_eq!(entries(&store).await, 0);
}

#[tokio::test]
async fn a_file_of_the_first_version_gets_what_it_lacks() {
    let state = tempfile::tempdir().unwrap();
    let route = Route {
        service: ServiceName::new("orders"),
        endpoint: Endpoint::new("source", 5432),
        traffic: Traffic::Held,
        epoch: 1,
        passage: Passage::default(),
    };
    SqliteStore::open(state.path()).unwrap().put_route(&route, None).await.unwrap();
    let first = Connection::open(state.path().join(FILE_NAME)).unwrap();
    first.execute_batch("alter table routes drop column passage; drop table samples").unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    drop(first);
    let store = SqliteStore::open(state.path()).unwrap();
    assert_eq!(store.route(&route.service).await.unwrap(), Some(route.clone()));
    let sessions_per_proxy = std::num::NonZeroU32::new(90);
    let passage = Passage { sessions_per_proxy, tls: None };
    let next = Route { epoch: 2, passage, ..route };
    store.put_route(&next, None).await.unwrap();
    assert_eq!(store.routes().await.unwrap(), [next]);
}

#[tokio::test]
async fn a_newer_record_is_not_guessed_at() {
    let state = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(state.path()).unwrap();
    let insert = "insert into entries \
         values ('orders', 1, 0, '2026-01-01T00:00:00Z', null, '{\"record\":\"leapt\"}', 9)";
    Connection::open(state.path().join(FILE_NAME)).unwrap().execute(insert, []).unwrap();
    let read = store.read(&MigrationName::new("orders"), Seq(0)).await;
    assert_eq!(read, Err(StoreError::Newer(9)));
}

#[tokio::test]
async fn a_gap_or_a_broken_record_is_told_not_skipped() {
    for (row, told) in [
        (
            "('orders', 2, 0, '2026-01-01T00:00:00Z', null, '{\"record\":\"led\",\"holder\":\"x\"}', 1)",
            "entry 1 of orders is missing",
        ),
        (
            "('orders', 1, 0, '2026-01-01T00:00:00Z', null, '{}', 1)",
            "entry 1 of orders has no record",
        ),
        ("('orders', 1, 0, 'tomorrow', null, '{}', 1)", "entry 1 of orders has no time"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(state.path()).unwrap();
        let by_hand = Connection::open(state.path().join(FILE_NAME)).unwrap();
        by_hand.execute(&format!("insert into entries values {row}"), []).unwrap();
        let error = store.read(&MigrationName::new("orders"), Seq(0)).await.unwrap_err();
        assert!(medium(&error).contains(told), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_told_with_its_name() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(state.path().join(FILE_NAME), "this is a letter, not a journal ".repeat(99))
        .unwrap();
    let error = SqliteStore::open(state.path()).unwrap_err();
    let told = medium(&error);
    assert!(told.contains(FILE_NAME) && told.contains("restore it from a backup"), "{told}");
}

#[tokio::test]
async fn damage_in_the_middle_is_told_when_it_is_read() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join(FILE_NAME);
    let store = SqliteStore::open(state.path()).unwrap();
    for after in 0..50 {
        store.append(entry(after, &"x".repeat(2_000))).await.unwrap();
    }
    drop(store);
    let pages = path.metadata().unwrap().len() / 4096;
    assert!(pages > 10, "the log was folded into the file when it was closed: {pages} pages");
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for page in 6..pages {
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0xFF; 4096]).unwrap();
    }
    drop(file);
    let store = SqliteStore::open(state.path()).unwrap();
    let error = store.read(&MigrationName::new("orders"), Seq(0)).await.unwrap_err();
    assert!(medium(&error).contains("damaged"), "{error}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("taken"), "a file").unwrap();
    let error = SqliteStore::open(&home.path().join("taken/state")).unwrap_err();
    assert!(medium(&error).contains("state directory"), "{error}");
    std::fs::create_dir(home.path().join(FILE_NAME)).unwrap();
    let error = SqliteStore::open(home.path()).unwrap_err();
    assert!(medium(&error).contains("check who owns"), "{error}");
}
