//! The seeded schema: a small shop generated on the server to a requested size.
//!
//! It holds one of each kind of object that a move has to carry: identity columns and sequences, an
//! enum, jsonb, foreign keys, a view, indexes of four kinds, a table without primary key, and
//! the `workload_ledger` that the workload writes to. It is not a benchmark: rows are arithmetic
//! over a series, the same for the same size.
//!
//! Everything happens in one transaction. Dying half-way leaves an empty database, and seeding one
//! that has the tables already is refused before anything is written.

mod size;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;
use tokio_postgres::Client;

pub use self::size::{Size, SizeError};

const SCHEMA: &str = include_str!("schema.sql");
const FILL: &str = include_str!("fill.sql");
const FINISH: &str = include_str!("finish.sql");

const ALREADY_THERE: &str = "select to_regclass('workload_ledger') is not null";
const MEASURE: &str = "\
    select coalesce(sum(pg_total_relation_size(oid)), 0)::bigint, \
           pg_database_size(current_database()) \
    from pg_class \
    where relkind = 'r' and relnamespace = current_schema()::regnamespace";

/// Customers and products that exist in every size: the workload orders among these.
pub const CUSTOMERS_ALWAYS: i64 = 1_000;
/// See [`CUSTOMERS_ALWAYS`].
pub const PRODUCTS_ALWAYS: i32 = 500;

/// What seeding left behind, for `lab up` and the tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedReport {
    pub size: Size,
    pub orders: u64,
    /// Tables with their indexes and TOAST, as measured on the server.
    pub table_bytes: u64,
    /// The whole database, catalogues included.
    pub database_bytes: u64,
    pub took: Duration,
}

#[derive(Debug, ThisError)]
pub enum Error {
    #[error("seed the database, it already holds a workload_ledger table")]
    AlreadySeeded,
    #[error("{doing} on the server to be seeded")]
    Server {
        doing: &'static str,
        #[source]
        source: tokio_postgres::Error,
    },
}

/// Creates and fills the schema in the session's current schema, as the session's user, who then
/// owns all of it. Called once per database, by `lab up` and the tests.
pub async fn seed(client: &mut Client, size: Size) -> Result<SeedReport, Error> {
    let started = Instant::now();
    let rows = size.rows();
    let transaction = client.transaction().await.map_err(at("begin seeding"))?;
    let row = transaction.query_one(ALREADY_THERE, &[]).await.map_err(at("look for the schema"))?;
    let seeded: bool = row.get(0);
    if seeded {
        return Err(Error::AlreadySeeded);
    }
    transaction.batch_execute(SCHEMA).await.map_err(at("create the schema"))?;
    transaction.batch_execute(&rows.fill(FILL)).await.map_err(at("fill the tables"))?;
    transaction.batch_execute(FINISH).await.map_err(at("build the indexes"))?;
    transaction.commit().await.map_err(at("commit the seed"))?;

    let row = client.query_one(MEASURE, &[]).await.map_err(at("measure the tables"))?;
    let (tables, database): (i64, i64) = (row.get(0), row.get(1));
    Ok(SeedReport {
        size,
        orders: rows.orders,
        table_bytes: tables.unsigned_abs(),
        database_bytes: database.unsigned_abs(),
        took: started.elapsed(),
    })
}

fn at(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Error {
    move |source| Error::Server { doing, source }
}
