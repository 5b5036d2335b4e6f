//! Analyzing tables that have no statistics: what can be done in the time of one call.
//!
//! It helps the planner and is no promise: a table that the role may not analyze, that is locked or
//! takes too long, is passed over, and autovacuum comes to it. Only a server that cannot be reached
//! is a failure. Dying half-way leaves some tables analyzed.

use std::time::{Duration, Instant};

use landfall_core::{DatabaseName, Failure};
use tracing::debug;

use crate::call::Call;

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
        let sql = format!("analyze {}.{}", quoted(schema), quoted(table));
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

/// An identifier as SQL takes it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn any_name_stays_a_name() {
        for (name, expected) in
            [("orders", "\"orders\""), ("a\"; drop", "\"a\"\"; drop\""), ("ü.x\n", "\"ü.x\n\"")]
        {
            assert_eq!(quoted(name), expected);
        }
    }
}
