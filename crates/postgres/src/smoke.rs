//! The owner's smoke tests: one statement each, in a read-only transaction that is rolled back.
//!
//! It judges nothing but whether the statement succeeds, and returns its first value as the server
//! prints it. Preparing takes a single statement, so a test cannot leave its transaction and write.
//! A connection of its own has the settings an application would have, its search path above all.

use std::pin::pin;
use std::time::Duration;

use futures_util::TryStreamExt;
use landfall_core::Failure;
use tokio_postgres::{Client, Error, SimpleQueryMessage};

use crate::call::Call;
use crate::fault;

/// Runs one test. `Ok(Err(words))` is the server's verdict on the statement.
pub(crate) async fn run(
    call: Call<'_>,
    sql: &str,
    bound: Duration,
) -> Result<Result<Option<String>, String>, Failure> {
    let failed = |error: Error| call.failed(error);
    let connecting = call.connections.connect_as_owner(&call.first(), bound).await;
    let mut client = connecting.map_err(|trouble| call.failed(trouble))?;
    match attempt(&mut client, sql).await {
        Ok(value) => Ok(Ok(value)),
        Err(error) => match fault::verdict(&error) {
            Some(verdict) => Ok(Err(fault::words(verdict))),
            None => Err(failed(error)),
        },
    }
}

async fn attempt(client: &mut Client, sql: &str) -> Result<Option<String>, Error> {
    let transaction = client.build_transaction().read_only(true).start().await?;
    // Refuses more than one statement; what follows is then the same one.
    transaction.prepare(sql).await?;
    // As text, whatever its type: this protocol alone has the server print the values.
    let mut rows = pin!(transaction.client().simple_query_raw(sql).await?);
    let mut first = None;
    // Row by row, as a careless test may return a whole table.
    while let Some(message) = rows.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message
            && first.is_none()
        {
            first = Some(row.try_get(0).ok().flatten().map(str::to_owned));
        }
    }
    transaction.rollback().await?;
    Ok(first.flatten())
}
