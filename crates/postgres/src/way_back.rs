//! The way back on real servers: publications and slots on the side that takes writes,
//! subscriptions on the fenced one.
//!
//! Every database is visited for itself, a few at a time, and every statement may be repeated:
//! what stands already is left as it is, so that a call that died half-way is completed by the
//! next one. What is made carries our comment; what does not is neither used nor dropped. A
//! database that is dropped meanwhile is left out, as it would be a moment later.

mod fingerprint;
mod publish;
mod sequences;
mod state;
mod subscribe;
mod survey;
mod tables;

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::StreamExt as _;
use futures_util::stream;
use landfall_core::action::WayBackAction;
use landfall_core::port::database::MarkerView;
use landfall_core::{DatabaseName, Failure, FailureKind};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row};

use crate::call::Call;
use crate::connections::{Connections, Lease, Place};
use crate::trouble::Trouble;
use crate::{marker, reads};

pub(crate) use sequences::view as sequences;
pub(crate) use state::{publisher, room, subscriber};
pub(crate) use subscribe::reaches;
pub(crate) use survey::survey;

/// Databases that are visited at the same time: each costs the server a session.
const AT_ONCE: usize = 4;

/// What makes an object ours. Stored in servers: never reworded.
pub(crate) const OURS: &str = "made by Landfall";

/// One database of a call; its failures name it.
#[derive(Clone)]
pub(crate) struct Visit<'a> {
    pub(crate) call: Call<'a>,
    pub(crate) place: Place,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(call: Call<'a>, database: &DatabaseName) -> Self {
        Self { call, place: call.place(database) }
    }

    pub(crate) fn database(&self) -> &DatabaseName {
        &self.place.database
    }

    pub(crate) fn failed(&self, trouble: impl Into<Trouble>) -> Failure {
        let mut failure = self.call.failed(trouble);
        failure.detail = format!("database {}: {}", self.database(), failure.detail);
        failure
    }

    pub(crate) fn failure(&self, kind: FailureKind, detail: &str) -> Failure {
        let detail = format!("database {}: {detail}", self.database());
        Failure::new(kind, self.call.what, detail)
    }

    /// A connection of this database to write on.
    pub(crate) async fn lend(&self) -> Result<Lease, Failure> {
        self.call.connections.lend(&self.place).await.map_err(|trouble| self.failed(trouble))
    }

    pub(crate) fn keep(&self, lease: Lease) {
        self.call.connections.keep(&self.place, lease);
    }

    /// Asks one read-only question.
    pub(crate) async fn ask(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Failure> {
        let asked = self.call.connections.ask(&self.place, sql, params).await;
        asked.map_err(|trouble| self.failed(trouble))
    }

    /// Asks one read-only question that has exactly one row for an answer.
    pub(crate) async fn ask_one<T>(
        &self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
        read: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let rows = self.ask(sql, params).await?;
        let none = || self.failure(FailureKind::Unknown, "the answer has no row");
        read(rows.first().ok_or_else(none)?).map_err(|error| self.failed(error))
    }

    /// Runs one statement on a connection that was lent.
    pub(crate) async fn run(&self, client: &Client, sql: &str) -> Result<(), Failure> {
        client.batch_execute(sql).await.map_err(|error| self.failed(error))
    }
}

/// Visits every database, a few at a time; what each visit gave, by database.
pub(crate) async fn everywhere<'a, T, F>(
    call: Call<'a>,
    visit: impl Fn(Visit<'a>) -> F,
) -> Result<BTreeMap<DatabaseName, T>, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let databases = reads::databases(call).await?;
    in_each(call, databases, visit).await
}

/// The same in some databases.
pub(crate) async fn in_each<'a, T, F>(
    call: Call<'a>,
    databases: Vec<DatabaseName>,
    visit: impl Fn(Visit<'a>) -> F,
) -> Result<BTreeMap<DatabaseName, T>, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let visits = databases.into_iter().map(|database| {
        let visiting = visit(Visit::new(call, &database));
        async move { (database, visiting.await) }
    });
    let mut visits = stream::iter(visits).buffer_unordered(AT_ONCE);
    let mut found = BTreeMap::new();
    while let Some((database, answer)) = visits.next().await {
        match answer {
            Ok(answer) => drop(found.insert(database, answer)),
            Err(failure) if is_gone(&failure) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// 3D000 is the answer to a login in a database that was dropped since it was listed.
fn is_gone(failure: &Failure) -> bool {
    failure.kind == FailureKind::NotFound && failure.detail.contains("3D000")
}

/// The first row's columns as a type of ours, in one go.
fn only<T>(
    visit: &Visit<'_>,
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Option<T>, Failure> {
    rows.first().map(read).transpose().map_err(|error| visit.failed(error))
}

pub(crate) async fn markers(
    call: Call<'_>,
    token: &str,
) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure> {
    everywhere(call, |visit| async move { marker::view_in(&visit, token).await }).await
}

pub(crate) async fn act(connections: &Connections, action: &WayBackAction) -> Result<(), Failure> {
    let what = action.to_string();
    let on = |at| Call { connections, at, what: &what };
    match action {
        WayBackAction::Publish { at, name, without_identity } => {
            publish::publish(on(at), name, *without_identity).await
        }
        WayBackAction::Unpublish { at, name } => publish::unpublish(on(at), name).await,
        WayBackAction::Subscribe { at, publisher, name } => {
            subscribe::subscribe(on(at), on(publisher), name).await
        }
        WayBackAction::SetApply { at, name, apply } => {
            subscribe::set_apply(on(at), name, *apply).await
        }
        WayBackAction::Unsubscribe { at, name } => subscribe::unsubscribe(on(at), name).await,
        WayBackAction::SetSequences { at, values } => sequences::set(on(at), values).await,
        WayBackAction::WriteMarkers { at, token } => {
            everywhere(on(at), |visit| async move { marker::write_in(&visit, token).await })
                .await
                .map(drop)
        }
    }
}
