//! Routes: where each service goes, with an epoch that only grows.
//!
//! The proxies are told what stands here; a row is never removed, so that an epoch cannot start
//! again under proxies that remember a higher one.

use landfall_core::journal::StoreError;
use landfall_core::port::Stamp;
use landfall_core::port::router::{Passage, Route, Traffic};
use landfall_core::{Endpoint, ServiceName};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::fault::Fault;
use crate::{lease, schema};

const ONE: &str =
    "select service, host, port, traffic, epoch, passage from routes where service = ?1";
const ALL: &str =
    "select service, host, port, traffic, epoch, passage from routes order by service";
const UPSERT: &str = "insert into routes (service, host, port, traffic, epoch, passage) \
     values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (service) do update \
     set host = excluded.host, port = excluded.port, traffic = excluded.traffic, \
         epoch = excluded.epoch, passage = excluded.passage";

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
    by: Option<&Stamp>,
) -> Result<(), StoreError> {
    let transaction = schema::begin(connection, fault)?;
    if let Some(by) = by {
        lease::must_lead(&transaction, fault, &by.migration, by.epoch)?;
    }
    let before = stored(&transaction, fault, &route.service)?;
    if before.as_ref() == Some(route) {
        return Ok(());
    }
    let found = before.map_or(0, |before| before.epoch);
    if route.epoch != found + 1 {
        return Err(StoreError::RouteOutrun { service: route.service.clone(), found });
    }
    let writing = |error: rusqlite::Error| fault.medium("write", &error);
    let passage = passage_text(&route.passage)
        .map_err(|error| writing(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))?;
    transaction
        .execute(
            UPSERT,
            params![
                route.service.as_str(),
                route.endpoint.host,
                route.endpoint.port,
                word(route.traffic),
                route.epoch,
                passage
            ],
        )
        .map_err(writing)?;
    transaction.commit().map_err(writing)
}

/// The stored word.
pub(crate) const fn word(traffic: Traffic) -> &'static str {
    match traffic {
        Traffic::Open => "open",
        Traffic::Held => "held",
    }
}

/// What a stored word means; the table's check allows these two only.
pub(crate) fn traffic(word: &str) -> Traffic {
    if word == "open" { Traffic::Open } else { Traffic::Held }
}

/// Absent when there is nothing to say.
pub(crate) fn passage_text(passage: &Passage) -> serde_json::Result<Option<String>> {
    (!passage.is_plain()).then(|| serde_json::to_string(passage)).transpose()
}

/// A passage that cannot be read is an error: without its TLS a proxy would speak plain text.
pub(crate) fn passage(text: Option<&str>) -> serde_json::Result<Passage> {
    text.map_or_else(|| Ok(Passage::default()), serde_json::from_str)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Route> {
    let host: String = row.get(1)?;
    let passage = passage(row.get::<_, Option<String>>(5)?.as_deref()).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(error))
    })?;
    Ok(Route {
        service: ServiceName::new(row.get::<_, String>(0)?),
        endpoint: Endpoint::new(host, row.get(2)?),
        traffic: traffic(&row.get::<_, String>(3)?),
        epoch: row.get(4)?,
        passage,
    })
}
