//! Analyzing tables that have no statistics: what can be done in the time of one call.
//!
//! It helps the planner and is no promise: a table that the role may not analyze, that is locked or
//! takes too long, is passed over, and autovacuum comes to it. Only a server that cannot be reached
//! is a failure. Dying half-way leaves some tables analyzed.

use std::time::{Duration, Instant};

use landfall_core::{DatabaseName, Failure};
use tracing::debug;

use crate::call::Call;
use crate::quote::Identifier;

pub(crate) async fn tables(
    call: Call<'_>,
    database: &DatabaseName,
    tables: &[(String, String)],
    bound: Duration,
) -> Result<(), Failure> {
    let give_up = Instant::now() + bound.mul_f64(0.75);
    let place = call.place(database);
    let lease = call.connections.lend(&place).await.map_err(|error| call.failed(error))?;
    for (schema, table) in tables {
        let left = give_up.saturating_duration_since(Instant::now());
        let sql = format!("analyze {}.{}", Identifier(schema), Identifier(table));
        match tokio::time::timeout(left, lease.client.batch_execute(&sql)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%database, table, %error, "a table was not analyzed"),
            // Its connection is not kept: what runs there ends with the statement's own time.
            Err(_) => return Ok(()),
        }
    }
    call.connections.keep(&place, lease);
    Ok(())
}
