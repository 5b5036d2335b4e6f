//! The schema's version, looked at with every connection.
//!
//! The first server to come makes the schema, and a newer one what an older schema lacks, each in
//! one transaction under an advisory lock: others wait and find it made. A newer schema is never
//! touched.

use landfall_core::journal::StoreError;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::link::{Call, Told};

/// What each version lacks to be the next one, from nothing on.
const STEPS: [&str; 1] = [include_str!("schema.sql")];

/// The version of the schema this code writes.
pub(super) const VERSION: i32 = 1;

/// Of this program among all that use the database: "landfall" in ASCII.
const LOCK: i64 = 0x6c61_6e64_6661_6c6c;

/// Asked of the catalogue: a name that was not there a moment ago stays cached as such while the
/// lock is waited for.
const IS_THERE: &str = "select exists (select from pg_catalog.pg_tables \
     where schemaname = 'landfall_store' and tablename = 'version')";
const FOUND: &str = "select coalesce(max(number), 0) from landfall_store.version";
const LOCKED: &str = "select pg_advisory_xact_lock($1)";
const STORE: &str = "insert into landfall_store.version (number) values ($1) \
     on conflict (one) do update set number = excluded.number";

/// A look that needs a connection, and nothing more.
pub(super) struct Look;

impl Call for Look {
    type Answer = ();

    async fn ask(&self, client: &mut Client) -> Result<(), Told> {
        refuse_newer(version(client).await?)
    }
}

/// Makes the schema what this code writes.
pub(super) async fn prepare(client: &mut Client) -> Result<(), Told> {
    let found = version(client).await?;
    if found >= VERSION {
        return refuse_newer(found);
    }
    let transaction = client.transaction().await?;
    transaction.query_typed(LOCKED, &[(&LOCK, Type::INT8)]).await?;
    // Whoever had the lock before us may have made it.
    let found = in_transaction(&transaction).await?;
    refuse_newer(found)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        transaction.batch_execute(step).await?;
    }
    transaction.query_typed(STORE, &[(&VERSION, Type::INT4)]).await?;
    transaction.commit().await?;
    Ok(())
}

fn refuse_newer(found: i32) -> Result<(), Told> {
    if found > VERSION {
        let found = u16::try_from(found).unwrap_or(u16::MAX);
        return Err(StoreError::Newer(found).into());
    }
    Ok(())
}

async fn version(client: &Client) -> Result<i32, tokio_postgres::Error> {
    let there: bool = client.query_typed_one(IS_THERE, &[]).await?.get(0);
    if there { Ok(client.query_typed_one(FOUND, &[]).await?.get(0)) } else { Ok(0) }
}

async fn in_transaction(
    transaction: &tokio_postgres::Transaction<'_>,
) -> Result<i32, tokio_postgres::Error> {
    let there: bool = transaction.query_typed_one(IS_THERE, &[]).await?.get(0);
    if there { Ok(transaction.query_typed_one(FOUND, &[]).await?.get(0)) } else { Ok(0) }
}
