//! The owner's smoke tests: one statement each, in a read-only transaction that is rolled back.
//!
//! It judges nothing but whether the statement succeeds; its rows are counted by nobody. The
//! extended protocol takes a single statement, so a test cannot leave its transaction and write.
//! A connection of its own has the settings an application would have, its search path above all.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use landfall_core::Failure;
use tokio_postgres::{Client, Error};

use crate::call::Call;
use crate::fault;

/// Runs one test. `Ok(Err(words))` is the server's verdict on the statement.
pub(crate) async fn run(
    call: Call<'_>,
    sql: &str,
    bound: Duration,
) -> Result<Result<(), String>, Failure> {
    let failed = |error: Error| call.failed(error);
    let connecting = call.connections.connect_as_owner(&call.first(), bound).await;
    let mut client = connecting.map_err(failed)?;
    match attempt(&mut client, sql).await {
        Ok(()) => Ok(Ok(())),
        Err(error) => match fault::verdict(&error) {
            Some(verdict) => Ok(Err(fault::words(verdict))),
            None => Err(failed(error)),
        },
    }
}

async fn attempt(client: &mut Client, sql: &str) -> Result<(), Error> {
    let transaction = client.build_transaction().read_only(true).start().await?;
    let no_parameter: [&str; 0] = [];
    let mut rows = pin!(transaction.query_raw(sql, no_parameter).await?);
    // Row by row, as a careless test may return a whole table.
    while rows.try_next().await?.is_some() {}
    transaction.rollback().await
}
