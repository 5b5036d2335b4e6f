//! Several processes on one file, and processes that die.
//!
//! The other process is this test binary, told by its environment to write instead of to test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use landfall_core::journal::{Store, StoreError};
use landfall_core::{MigrationName, Seq};
use landfall_store::SqliteStore;

use crate::file::entry;

const STATE: &str = "STORE_TEST_STATE";
const COUNT: &str = "STORE_TEST_COUNT";

fn orders() -> MigrationName {
    MigrationName::new("orders")
}

/// Appends `count` entries wherever the journal ends, and says each position once it is told it.
async fn write_and_tell(state: &Path, count: u64) {
    let store = SqliteStore::open(state).unwrap();
    let mut last = Seq(0);
    for number in 0..count {
        last = loop {
            match store.append(entry(last.0, &format!("{} {number}", std::process::id()))).await {
                Ok(seq) => break seq,
                Err(StoreError::Outrun(ahead)) => last = ahead,
                Err(other) => panic!("{other}"),
            }
        };
        println!("written {last}");
    }
}

fn writer(test: &str, state: &Path, count: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(STATE, state)
        .env(COUNT, count.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Positions the child was told are written, until it ends.
fn told(stdout: ChildStdout) -> impl Iterator<Item = u64> {
    BufReader::new(stdout).lines().map_while(Result::ok).filter_map(|line| {
        line.split_once("written ").and_then(|(_, position)| position.trim().parse().ok())
    })
}

/// In the child: writes, and true.
async fn is_the_child() -> bool {
    let Some(state) = std::env::var_os(STATE) else { return false };
    let count = std::env::var(COUNT).unwrap().parse().unwrap();
    write_and_tell(Path::new(&state), count).await;
    true
}

#[tokio::test]
async fn several_processes_write_one_journal() {
    if is_the_child().await {
        return;
    }
    let state = tempfile::tempdir().unwrap();
    // None of them finds the file: they also race for making it.
    let mut children: Vec<Child> = (0..4)
        .map(|_| writer("processes::several_processes_write_one_journal", state.path(), 100))
        .collect();
    let mut positions: Vec<u64> =
        children.iter_mut().flat_map(|child| told(child.stdout.take().unwrap())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=400).collect::<Vec<_>>(), "each position was given to one writer");
    let store = SqliteStore::open(state.path()).unwrap();
    let entries = store.read(&orders(), Seq(0)).await.unwrap();
    assert_eq!(entries.len(), 400);
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    if is_the_child().await {
        return;
    }
    for round in 0..10 {
        let state = tempfile::tempdir().unwrap();
        let test = "processes::what_was_acknowledged_survives_kill_9";
        let mut child = writer(test, state.path(), u64::MAX);
        let mut told = told(child.stdout.take().unwrap());
        let before: Vec<u64> = told.by_ref().take(20 + round * 7).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = told.last().or(before.last().copied()).unwrap();

        let store = SqliteStore::open(state.path()).unwrap();
        let entries = store.read(&orders(), Seq(0)).await.unwrap();
        let found = u64::try_from(entries.len()).unwrap();
        // At most the one in flight is there beyond what was told.
        assert!((acknowledged..=acknowledged + 1).contains(&found), "{found} of {acknowledged}");
        assert_eq!(store.append(entry(found, "life goes on")).await, Ok(Seq(found + 1)));
    }
}
