//! The port itself: each call with its bound, and each action with its words.
//!
//! It adds nothing else. A call that exceeds the bound is given up: what it was doing may still
//! happen, until the server's own statement timeout, which is the same bound.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::action::{DatabaseAction, SessionsEnded};
use landfall_core::port::Database;
use landfall_core::port::database::{
    Answer, ExtensionView, MarkerView, Question, ServerView, Session, SettingView, SlotView,
    WriteCounters,
};
use landfall_core::port::way_back::{
    PublisherView, Room, Sequences, SubscriberView, Survey, WayBackName,
};
use landfall_core::{DatabaseName, Endpoint, Failure, FailureKind};

use crate::access::AccessOptions;
use crate::call::Call;
use crate::connections::Connections;
use crate::{analyze, marker, questions, reads, server, sessions, smoke, way_back};

/// SQL access to servers; shared freely, for source and target alike.
pub struct PostgresDatabase {
    connections: Connections,
    call_timeout: Duration,
}

impl PostgresDatabase {
    /// Connects to nothing yet; fails when the root certificates cannot be read.
    pub fn new(options: AccessOptions) -> Result<Self, Failure> {
        let connections = Connections::new(&options)?;
        Ok(Self { connections, call_timeout: options.call_timeout })
    }

    pub(crate) fn call<'a>(&'a self, at: &'a Endpoint, what: &'a str) -> Call<'a> {
        Call { connections: &self.connections, at, what }
    }

    pub(crate) async fn bounded<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, Failure>> + Send,
    ) -> Result<T, Failure> {
        tokio::time::timeout(self.call_timeout, work).await.unwrap_or_else(|_| {
            let detail = format!("no answer within {:?}", self.call_timeout);
            Err(Failure::new(FailureKind::TimedOut, what, detail))
        })
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDatabase").finish_non_exhaustive()
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn server(&self, at: &Endpoint) -> Result<ServerView, Failure> {
        let what = format!("look at the server {at}");
        self.bounded(&what, server::view(self.call(at, &what))).await
    }

    async fn databases(&self, at: &Endpoint) -> Result<Vec<DatabaseName>, Failure> {
        let what = format!("list the databases of {at}");
        self.bounded(&what, reads::databases(self.call(at, &what))).await
    }

    async fn sessions(&self, at: &Endpoint) -> Result<Vec<Session>, Failure> {
        let what = format!("look at the sessions of {at}");
        self.bounded(&what, sessions::view(self.call(at, &what))).await
    }

    async fn prepared_transactions(&self, at: &Endpoint) -> Result<Vec<String>, Failure> {
        let what = format!("list the prepared transactions of {at}");
        self.bounded(&what, reads::prepared(self.call(at, &what))).await
    }

    async fn write_counters(&self, at: &Endpoint) -> Result<WriteCounters, Failure> {
        let what = format!("count the writes on {at}");
        self.bounded(&what, reads::write_counters(self.call(at, &what))).await
    }

    async fn slots(&self, at: &Endpoint) -> Result<Vec<SlotView>, Failure> {
        let what = format!("list the replication slots of {at}");
        self.bounded(&what, reads::slots(self.call(at, &what))).await
    }

    async fn settings(&self, at: &Endpoint) -> Result<BTreeMap<String, SettingView>, Failure> {
        let what = format!("read the settings of {at}");
        self.bounded(&what, reads::settings(self.call(at, &what))).await
    }

    async fn extensions(&self, at: &Endpoint) -> Result<Vec<ExtensionView>, Failure> {
        let what = format!("list the extensions on {at}");
        self.bounded(&what, reads::extensions(self.call(at, &what))).await
    }

    async fn marker(&self, at: &Endpoint, token: &str) -> Result<MarkerView, Failure> {
        let what = format!("look for the marker on {at}");
        self.bounded(&what, marker::view(self.call(at, &what), token)).await
    }

    async fn smoke(
        &self,
        at: &Endpoint,
        sql: &str,
    ) -> Result<Result<Option<String>, String>, Failure> {
        let what = format!("run a smoke test on {at}");
        // The statement's own time ends first, so that a slow test is the test's failure.
        let bound = self.call_timeout.mul_f64(0.75);
        self.bounded(&what, smoke::run(self.call(at, &what), sql, bound)).await
    }

    async fn ask(&self, at: &Endpoint, questions: &[Question]) -> Result<Vec<Answer>, Failure> {
        let what = format!("ask the catalogues of {at}");
        questions::ask(self.call(at, &what), questions).await
    }

    async fn markers(
        &self,
        at: &Endpoint,
        token: &str,
    ) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure> {
        let what = format!("read the markers of {at}");
        self.bounded(&what, way_back::markers(self.call(at, &what), token)).await
    }

    async fn survey(&self, at: &Endpoint) -> Result<BTreeMap<DatabaseName, Survey>, Failure> {
        let what = format!("read the tables of {at}");
        self.bounded(&what, way_back::survey(self.call(at, &what))).await
    }

    async fn room(&self, at: &Endpoint) -> Result<Room, Failure> {
        let what = format!("read room for a way back of {at}");
        self.bounded(&what, way_back::room(self.call(at, &what))).await
    }

    async fn publisher(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure> {
        let what = format!("read publications of {at}");
        self.bounded(&what, way_back::publisher(self.call(at, &what), name)).await
    }

    async fn subscriber(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure> {
        let what = format!("read subscriptions of {at}");
        self.bounded(&what, way_back::subscriber(self.call(at, &what), name)).await
    }

    async fn reaches(&self, from: &Endpoint, to: &Endpoint) -> Result<Result<(), String>, Failure> {
        let what = format!("read the way between the servers of {from}");
        self.bounded(&what, way_back::reaches(self.call(from, &what), to)).await
    }

    async fn sequences(&self, at: &Endpoint) -> Result<Sequences, Failure> {
        let what = format!("read sequences of {at}");
        self.bounded(&what, way_back::sequences(self.call(at, &what))).await
    }

    async fn act(&self, action: &DatabaseAction) -> Result<SessionsEnded, Failure> {
        let what = action.to_string();
        match action {
            DatabaseAction::CreateMarkerTable { at } => {
                self.bounded(&what, marker::create(self.call(at, &what))).await?;
            }
            DatabaseAction::DropMarkerTable { at } => {
                self.bounded(&what, marker::drop(self.call(at, &what))).await?;
            }
            DatabaseAction::WriteMarker { at, token } => {
                self.bounded(&what, marker::write(self.call(at, &what), token)).await?;
            }
            DatabaseAction::Analyze { at, database, tables } => {
                analyze::tables(self.call(at, &what), database, tables, self.call_timeout).await?;
            }
            DatabaseAction::WayBack(action) => {
                self.bounded(&what, way_back::act(&self.connections, action)).await?;
            }
            DatabaseAction::TerminateSessions { at, class } => {
                let end = sessions::terminate(self.call(at, &what), *class);
                return self.bounded(&what, end).await;
            }
        }
        Ok(SessionsEnded::default())
    }
}
