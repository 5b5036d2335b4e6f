//! Routes: where each service goes, with an epoch that only grows.
//!
//! The proxies are told what stands here; a row is never removed, so that an epoch cannot start
//! again under proxies that remember a higher one.

use landfall_core::journal::StoreError;
use landfall_core::port::router::{Route, Traffic};
use landfall_core::{Endpoint, ServiceName};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::fault::Fault;
use crate::schema;

const ONE: &str = "select service, host, port, traffic, epoch from routes where service = ?1";
const ALL: &str = "select service, host, port, traffic, epoch from routes order by service";
const UPSERT: &str = "insert into routes (service, host, port, traffic, epoch) \
     values (?1, ?2, ?3, ?4, ?5) on conflict (service) do update \
     set host = excluded.host, port = excluded.port, traffic = excluded.traffic, \
         epoch = excluded.epoch";

pub(crate) fn stored(
    connection: &Connection,
    fault: &Fault,
    service: &ServiceName,
) -> Result<Option<Route>, StoreError> {
    connection
        .prepare_cached(ONE)
        .and_then(|mut select| select.query_row(params![service.as_str()], from_row).optional())
        .map_err(|error| fault.medium("read", &error))
}

pub(crate) fn all(connection: &Connection, fault: &Fault) -> Result<Vec<Route>, StoreError> {
    let routes = || -> rusqlite::Result<Vec<Route>> {
        let mut statement = connection.prepare_cached(ALL)?;
        statement.query_map([], from_row)?.collect()
    };
    routes().map_err(|error| fault.medium("read", &error))
}

pub(crate) fn put(
    connection: &mut Connection,
    fault: &Fault,
    route: &Route,
) -> Result<(), StoreError> {
    let transaction = schema::begin(connection, fault)?;
    let before = stored(&transaction, fault, &route.service)?;
    if before.as_ref() == Some(route) {
        return Ok(());
    }
    let found = before.map_or(0, |before| before.epoch);
    if route.epoch != found + 1 {
        return Err(StoreError::RouteOutrun { service: route.service.clone(), found });
    }
    let writing = |error: rusqlite::Error| fault.medium("write", &error);
    transaction
        .execute(
            UPSERT,
            params![
                route.service.as_str(),
                route.endpoint.host,
                route.endpoint.port,
                word(route.traffic),
                route.epoch
            ],
        )
        .map_err(writing)?;
    transaction.commit().map_err(writing)
}

const fn word(traffic: Traffic) -> &'static str {
    match traffic {
        Traffic::Open => "open",
        Traffic::Held => "held",
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Route> {
    let host: String = row.get(1)?;
    // The table's check allows these two words only.
    let traffic = if row.get::<_, String>(3)? == "open" { Traffic::Open } else { Traffic::Held };
    Ok(Route {
        service: ServiceName::new(row.get::<_, String>(0)?),
        endpoint: Endpoint::new(host, row.get(2)?),
        traffic,
        epoch: row.get(4)?,
    })
}
