//! One call of the port: on which server, and what it is in words for a failure.

use landfall_core::{DatabaseName, Endpoint, Failure};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use crate::connections::{Connections, Lease, Place};
use crate::fault;
use crate::trouble::Trouble;

#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) connections: &'a Connections,
    pub(crate) at: &'a Endpoint,
    /// Fits after "could not".
    pub(crate) what: &'a str,
}

impl Call<'_> {
    /// A database of the call's server.
    pub(crate) fn place(&self, database: &DatabaseName) -> Place {
        Place { at: self.at.clone(), database: database.clone() }
    }

    /// The place for what concerns the whole server.
    pub(crate) fn first(&self) -> Place {
        self.place(self.connections.first_database())
    }

    pub(crate) fn failed(&self, trouble: impl Into<Trouble>) -> Failure {
        match trouble.into() {
            Trouble::Server(error) => fault::failure(self.what, &error),
            Trouble::Password(failure) => failure,
        }
    }

    /// Asks in the first database, for those who look at the server's refusal themselves.
    pub(crate) async fn try_ask(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        self.connections.ask(&self.first(), sql, params).await
    }

    /// Asks in the first database.
    pub(crate) async fn ask<T>(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Failure> {
        let rows = self.try_ask(sql, params).await.map_err(|error| self.failed(error))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    /// Asks without parameters in one database.
    pub(crate) async fn ask_in<T>(
        &self,
        place: &Place,
        sql: &'static str,
        read: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Failure> {
        let rows = self.connections.ask(place, sql, &[]).await;
        let rows = rows.map_err(|error| self.failed(error))?;
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| self.failed(error))
    }

    /// A connection to the first database to write on; dropping it gives up what it was doing.
    pub(crate) async fn lend(&self) -> Result<Lease, Failure> {
        self.connections.lend(&self.first()).await.map_err(|error| self.failed(error))
    }

    /// Takes back what [`Self::lend`] gave.
    pub(crate) fn keep(&self, lease: Lease) {
        self.connections.keep(&self.first(), lease);
    }
}
