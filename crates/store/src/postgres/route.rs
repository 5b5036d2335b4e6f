//! Routes: where each service goes, with an epoch that only grows.
//!
//! One statement looks at the leader's lease and at the epoch that stands, and writes. A row is
//! never removed, so that an epoch cannot start again under proxies that remember a higher one.

use landfall_core::journal::StoreError;
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::{Endpoint, ServiceName};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::fault::Fault;
use super::link::{Call, Told, number, stored};
use crate::route::{passage, passage_text, traffic, word};

const READ: &str = "select service, host, port, traffic, epoch, passage \
     from landfall_store.routes where $1 is null or service = $1 order by service";
const PUT: &str = "with lead as materialized ( \
         select from landfall_store.leases \
         where migration = $7 and epoch = $8 and until > 0 for no key update \
     ) \
     insert into landfall_store.routes as stored (service, host, port, traffic, epoch, passage) \
     select $1, $2, $3, $4, $5, $6 \
     where ($7 is null or exists (select from lead)) \
         and ($5 = 1 or ($5 > 1 and exists ( \
             select from landfall_store.routes where service = $1))) \
     on conflict (service) do update \
     set host = excluded.host, port = excluded.port, traffic = excluded.traffic, \
         epoch = excluded.epoch, passage = excluded.passage \
     where stored.epoch = excluded.epoch - 1";
const LEADS: &str = "select from landfall_store.leases \
     where migration = $1 and epoch = $2 and until > 0";

pub(super) struct Stored<'a> {
    /// One, or all of them.
    pub(super) service: Option<&'a ServiceName>,
    pub(super) fault: &'a Fault,
}

impl Call for Stored<'_> {
    type Answer = Vec<Route>;

    async fn ask(&self, client: &mut Client) -> Result<Vec<Route>, Told> {
        read(client, self.service, self.fault).await
    }
}

async fn read(
    client: &Client,
    service: Option<&ServiceName>,
    fault: &Fault,
) -> Result<Vec<Route>, Told> {
    let service = service.map(ServiceName::as_str);
    let rows = client.query_typed(READ, &[(&service, Type::TEXT)]).await?;
    let routes: Result<Vec<Route>, StoreError> =
        rows.iter().map(|row| from_row(row, fault)).collect();
    Ok(routes?)
}

fn from_row(row: &Row, fault: &Fault) -> Result<Route, StoreError> {
    let service: String = row.get(0);
    let damaged = |why: String| fault.damaged(&format!("the route of {service}: {why}"));
    let port: i32 = row.get(2);
    let port = u16::try_from(port).map_err(|error| damaged(error.to_string()))?;
    let passage = passage(row.get(5)).map_err(|error| damaged(error.to_string()))?;
    Ok(Route {
        endpoint: Endpoint::new(row.get::<_, String>(1), port),
        traffic: traffic(row.get(3)),
        epoch: number(row.get(4)),
        service: ServiceName::new(service),
        passage,
    })
}

pub(super) struct Put<'a> {
    pub(super) route: &'a Route,
    pub(super) by: Option<&'a Stamp>,
    pub(super) fault: &'a Fault,
}

impl Put<'_> {
    /// Nothing was written: because another leads, because it stands already, or because the
    /// stored epoch is not the one before.
    async fn why_not(&self, client: &Client) -> Result<(), Told> {
        if let Some(by) = self.by {
            let (migration, epoch) = (by.migration.as_str(), stored(by.epoch.0));
            let leads = client
                .query_typed_opt(LEADS, &[(&migration, Type::TEXT), (&epoch, Type::INT8)])
                .await?;
            if leads.is_none() {
                return Err(StoreError::EpochLost(by.epoch).into());
            }
        }
        let service = &self.route.service;
        let found = read(client, Some(service), self.fault).await?;
        match found.first() {
            Some(route) if route == self.route => Ok(()),
            other => {
                let found = other.map_or(0, |route| route.epoch);
                Err(StoreError::RouteOutrun { service: service.clone(), found }.into())
            }
        }
    }
}

impl Call for Put<'_> {
    type Answer = ();

    async fn ask(&self, client: &mut Client) -> Result<(), Told> {
        let Route { service, endpoint, traffic, epoch, passage } = self.route;
        let passage = passage_text(passage)
            .map_err(|error| self.fault.damaged(&format!("a passage has no text ({error})")))?;
        let migration = self.by.map(|by| by.migration.as_str());
        let leader = self.by.map(|by| stored(by.epoch.0));
        let written = client
            .execute_typed(
                PUT,
                &[
                    (&service.as_str(), Type::TEXT),
                    (&endpoint.host, Type::TEXT),
                    (&i32::from(endpoint.port), Type::INT4),
                    (&word(*traffic), Type::TEXT),
                    (&stored(*epoch), Type::INT8),
                    (&passage, Type::TEXT),
                    (&migration, Type::TEXT),
                    (&leader, Type::INT8),
                ],
            )
            .await?;
        if written == 1 { Ok(()) } else { self.why_not(client).await }
    }
}
