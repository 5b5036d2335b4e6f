//! The file's schema: how a connection is set up, and what a file of another version is told.
//!
//! The version stands in `user_version`. An empty file gets the schema, and an older one what it
//! lacks, in one transaction: a process that dies meanwhile leaves the file as it was. A newer file
//! is never touched; every write looks again, because a newer program may have opened the file
//! meanwhile.

use std::path::Path;
use std::time::{Duration, Instant};

use landfall_core::journal::StoreError;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::fault::Fault;

/// The version of the schema this code writes.
pub(crate) const VERSION: u16 = 3;

/// How long a call waits for another process's transaction.
const BUSY_FOR: Duration = Duration::from_secs(10);

const CREATE: &str = include_str!("schema.sql");

/// From version 1 to 2: routes say how proxies take connections to the database, as JSON; absent =
/// without any setting.
const ADD_PASSAGE: &str = "alter table routes add column passage text";

/// From version 2 to 3: measurements of moves.
const ADD_SAMPLES: &str = include_str!("samples.sql");

/// What each version lacks to be the next one, from an empty file on.
const STEPS: [&str; VERSION as usize] = [CREATE, ADD_PASSAGE, ADD_SAMPLES];

/// Opens the file, which exists, and makes the schema when it is empty.
pub(crate) fn connect(file: &Path, fault: &Fault) -> Result<Connection, StoreError> {
    let mut connection = Connection::open(file).map_err(|error| fault.medium("open", &error))?;
    prepare(&mut connection, fault)?;
    Ok(connection)
}

fn prepare(connection: &mut Connection, fault: &Fault) -> Result<(), StoreError> {
    let opening = |error: rusqlite::Error| fault.medium("open", &error);
    connection.busy_timeout(BUSY_FOR).map_err(opening)?;
    refuse_newer(connection, fault)?;
    write_ahead(connection).map_err(opening)?;
    connection.pragma_update(None, "synchronous", "full").map_err(opening)?;
    connection.pragma_update(None, "foreign_keys", "on").map_err(opening)?;
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(opening)?;
    let found = version(&transaction).map_err(opening)?;
    for step in STEPS.iter().skip(usize::from(found)) {
        transaction.execute_batch(step).map_err(opening)?;
    }
    if found != VERSION {
        transaction.pragma_update(None, "user_version", VERSION).map_err(opening)?;
    }
    transaction.commit().map_err(opening)
}

/// Switches to the write-ahead log. SQLite does not wait for others here, so this does.
fn write_ahead(connection: &Connection) -> Result<(), rusqlite::Error> {
    let give_up = Instant::now() + BUSY_FOR;
    loop {
        let switched = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        match switched {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < give_up =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

/// Starts a transaction that holds the write lock from its first moment.
pub(crate) fn begin<'a>(
    connection: &'a mut Connection,
    fault: &Fault,
) -> Result<Transaction<'a>, StoreError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| fault.medium("write", &error))?;
    refuse_newer(&transaction, fault)?;
    Ok(transaction)
}

fn refuse_newer(connection: &Connection, fault: &Fault) -> Result<(), StoreError> {
    let found = version(connection).map_err(|error| fault.medium("open", &error))?;
    if found > VERSION { Err(StoreError::Newer(found)) } else { Ok(()) }
}

fn version(connection: &Connection) -> Result<u16, rusqlite::Error> {
    connection.query_row("pragma user_version", [], |row| row.get(0))
}
