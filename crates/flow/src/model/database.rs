//! SQL access to the model's two servers.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::Lsn;
use landfall_core::action::{DatabaseAction, SessionsEnded};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{DatabaseName, Endpoint};
use landfall_core::port::Database;
use landfall_core::port::cloud::TAG_MIGRATION;
use landfall_core::port::database::{
    Answer, ExtensionView, MarkerView, Question, Said, ServerView, Session, SessionKind,
    SessionState, SettingView, SlotView, WriteCounters,
};
use landfall_core::port::way_back::{
    PublisherView, Room, Sequences, SubscriberView, Survey, WayBackName,
};
use serde_json::json;

use super::traffic::{APPLICATION, Client, Side};
use super::{Inner, Server, World};

const SYSTEM: u64 = 7_000_000_000_000_000_001;

fn unreachable(at: &Endpoint) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("connect to {at}"), "connection refused")
}

impl Inner {
    pub(super) fn reach(&self, at: &Endpoint) -> Result<(Side, &Server), Failure> {
        let side = self.side_at(at).ok_or_else(|| unreachable(at))?;
        let server = self.server(side).filter(|server| server.up);
        server.map(|server| (side, server)).ok_or_else(|| unreachable(at))
    }

    fn session(&self, client: &Client) -> Session {
        let open = client.open_until.is_some();
        Session {
            pid: client.pid,
            kind: SessionKind::Client,
            state: if open { SessionState::InTransaction } else { SessionState::Idle },
            database: Some(DatabaseName::new(APPLICATION)),
            user: Some("shop".to_owned()),
            application: "shop".to_owned(),
            client: Some(client.way.address().to_owned()),
            transaction_age: client
                .open_since
                .map_or(Duration::ZERO, |since| self.now.duration_since(since).unsigned_abs()),
            age: Some(self.now.duration_since(client.since).unsigned_abs()),
        }
    }

    pub(super) fn marker(&self, at: &Endpoint, token: &str) -> Result<MarkerView, Failure> {
        let (_, server) = self.reach(at)?;
        let flush_lsn = (!server.in_recovery).then_some(Lsn(server.wal));
        Ok(match &server.markers {
            None => MarkerView::NoTable,
            Some(rows) if rows.iter().any(|(known, _, _)| known == token) => {
                MarkerView::Visible { flush_lsn }
            }
            Some(_) => MarkerView::Absent,
        })
    }

    /// The model's catalogues: counters of its one application, and a table nobody analyzed.
    fn answer(&self, server: &Server, question: &str) -> Option<Answer> {
        let shop = Some(DatabaseName::new(APPLICATION));
        let writes = server.counted;
        let (database, value) = match question {
            "database_totals" => {
                let totals = json!({"name": APPLICATION, "since": null, "commits": writes,
                    "rollbacks": 0, "blocks_read": 0, "blocks_hit": writes, "temporary_bytes": 0,
                    "deadlocks": 0});
                (None, json!({"at": self.now, "databases": {"total": 1, "items": [totals]}}))
            }
            "statements" => {
                let insert = json!({"id": 7, "hash": "insert", "text": "insert into orders",
                    "calls": writes, "total_ms": writes});
                (shop, json!({"hidden": 0, "statements": {"total": 1, "items": [insert]}}))
            }
            "replica_conflicts" => (None, json!({"cancelled": 0})),
            "never_analyzed" if !server.analyzed => {
                let table = json!({"schema": "public", "name": "orders", "bytes": 8192});
                (shop, json!({"total": 1, "items": [table]}))
            }
            _ => return None,
        };
        Some(Answer { question: question.to_owned(), database, said: Said::Answer(value) })
    }

    fn sql(&mut self, action: &DatabaseAction) -> Result<SessionsEnded, Failure> {
        let now = self.now;
        match action {
            DatabaseAction::CreateMarkerTable { at } => {
                let server = self.primary(at, action)?;
                server.markers.get_or_insert_default();
            }
            DatabaseAction::DropMarkerTable { at } => self.primary(at, action)?.markers = None,
            DatabaseAction::WriteMarker { at, token } => {
                let server = self.primary(at, action)?;
                let Some(rows) = &mut server.markers else {
                    let detail = "there is no marker table";
                    return Err(Failure::new(FailureKind::NotFound, action.to_string(), detail));
                };
                server.wal += 120;
                let position = server.wal;
                if !rows.iter().any(|(known, _, _)| known == token) {
                    rows.push((token.clone(), position, now));
                }
            }
            DatabaseAction::Analyze { at, .. } => {
                self.primary(at, action)?.analyzed = true;
            }
            DatabaseAction::WayBack(action) => self.way_back(action)?,
            DatabaseAction::TerminateSessions { at, class } => {
                let (side, _) = self.reach(at)?;
                if self.fence_works() {
                    return Ok(self.traffic.cut(side, *class));
                }
            }
        }
        Ok(SessionsEnded::default())
    }

    fn primary(&mut self, at: &Endpoint, action: &DatabaseAction) -> Result<&mut Server, Failure> {
        let (side, server) = self.reach(at)?;
        if server.in_recovery {
            let detail = "the server is in recovery";
            return Err(Failure::new(FailureKind::WrongState, action.to_string(), detail));
        }
        self.server_mut(side).ok_or_else(|| unreachable(at))
    }
}

#[async_trait]
impl Database for World {
    async fn server(&self, at: &Endpoint) -> Result<ServerView, Failure> {
        self.call().await;
        let inner = self.lock();
        let (_, server) = inner.reach(at)?;
        let position = Lsn(server.wal);
        Ok(ServerView {
            version_num: 150_014,
            system_identifier: Some(SYSTEM),
            timeline: Some(1),
            in_recovery: server.in_recovery,
            started_at: server.started_at,
            now: inner.now,
            flush_lsn: (!server.in_recovery).then_some(position),
            replay_lsn: server.in_recovery.then_some(position),
            writable: !server.in_recovery,
        })
    }

    async fn databases(&self, at: &Endpoint) -> Result<Vec<DatabaseName>, Failure> {
        self.call().await;
        let inner = self.lock();
        inner.reach(at)?;
        Ok(inner.way_back.databases.clone())
    }

    async fn sessions(&self, at: &Endpoint) -> Result<Vec<Session>, Failure> {
        self.call().await;
        let inner = self.lock();
        let (side, _) = inner.reach(at)?;
        if !inner.fence_works() {
            return Ok(vec![]);
        }
        Ok(inner.traffic.on(side).map(|client| inner.session(client)).collect())
    }

    async fn prepared_transactions(&self, at: &Endpoint) -> Result<Vec<String>, Failure> {
        self.call().await;
        let inner = self.lock();
        let (side, _) = inner.reach(at)?;
        let prepared = inner.prepared.iter().filter(|_| side == Side::Source);
        Ok(prepared.cloned().collect())
    }

    async fn write_counters(&self, at: &Endpoint) -> Result<WriteCounters, Failure> {
        self.call().await;
        let inner = self.lock();
        let (_, server) = inner.reach(at)?;
        let seen = |counted| if inner.fence_works() { counted } else { 0 };
        let tables = |counted| BTreeMap::from([("public.orders".to_owned(), seen(counted))]);
        Ok(BTreeMap::from([
            (DatabaseName::new("postgres"), tables(server.counted_beside)),
            (DatabaseName::new(APPLICATION), tables(server.counted)),
        ]))
    }

    async fn slots(&self, at: &Endpoint) -> Result<Vec<SlotView>, Failure> {
        self.call().await;
        self.lock().reach(at)?;
        Ok(vec![])
    }

    async fn settings(&self, at: &Endpoint) -> Result<BTreeMap<String, SettingView>, Failure> {
        self.call().await;
        let inner = self.lock();
        let side = inner.reach(at)?.0;
        let takes = match side {
            Side::Source => inner.takes.0,
            Side::Target => inner.takes.1,
        };
        let setting = |value: &str| SettingView { value: value.to_owned(), pending_restart: false };
        // A server runs what its groups say; those that a move made are the target's.
        let worn = inner.groups.values().filter(|(group, _)| match side {
            Side::Source => !group.tags.contains_key(TAG_MIGRATION),
            Side::Target => group.tags.contains_key(TAG_MIGRATION),
        });
        let set = worn.flat_map(|(_, values)| values).filter_map(|parameter| {
            let value = parameter.value.as_deref().filter(|value| !value.contains('{'))?;
            Some((parameter.name.clone(), setting(value)))
        });
        let mut settings = BTreeMap::from([("work_mem".to_owned(), setting("65536"))]);
        settings.extend(set);
        settings.insert("max_connections".to_owned(), setting(&takes.to_string()));
        Ok(settings)
    }

    async fn extensions(&self, at: &Endpoint) -> Result<Vec<ExtensionView>, Failure> {
        self.call().await;
        self.lock().reach(at)?;
        Ok(vec![])
    }

    async fn marker(&self, at: &Endpoint, token: &str) -> Result<MarkerView, Failure> {
        self.call().await;
        self.lock().marker(at, token)
    }

    async fn smoke(
        &self,
        at: &Endpoint,
        sql: &str,
    ) -> Result<Result<Option<String>, String>, Failure> {
        self.call().await;
        self.lock().reach(at)?;
        Ok(if sql.contains("fail") {
            Err("42P01 relation does not exist".to_owned())
        } else if sql.contains("insert") {
            Err("25006 cannot write in a read-only transaction".to_owned())
        } else {
            // A query of the model is `select` and its value.
            Ok(sql.strip_prefix("select ").map(str::to_owned))
        })
    }

    async fn ask(&self, at: &Endpoint, asked: &[Question]) -> Result<Vec<Answer>, Failure> {
        self.call().await;
        let inner = self.lock();
        let (_, server) = inner.reach(at)?;
        Ok(asked.iter().filter_map(|question| inner.answer(server, question.name)).collect())
    }

    async fn markers(
        &self,
        at: &Endpoint,
        token: &str,
    ) -> Result<BTreeMap<DatabaseName, MarkerView>, Failure> {
        self.call().await;
        self.lock().markers(at, token)
    }

    async fn survey(&self, at: &Endpoint) -> Result<BTreeMap<DatabaseName, Survey>, Failure> {
        self.call().await;
        self.lock().survey(at)
    }

    async fn room(&self, at: &Endpoint) -> Result<Room, Failure> {
        self.call().await;
        self.lock().room(at)
    }

    async fn publisher(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, PublisherView>, Failure> {
        self.call().await;
        self.lock().publisher(at, name)
    }

    async fn subscriber(
        &self,
        at: &Endpoint,
        name: &WayBackName,
    ) -> Result<BTreeMap<DatabaseName, SubscriberView>, Failure> {
        self.call().await;
        self.lock().subscriber(at, name)
    }

    async fn reaches(&self, from: &Endpoint, to: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.call().await;
        self.lock().reaches(from, to)
    }

    async fn sequences(&self, at: &Endpoint) -> Result<Sequences, Failure> {
        self.call().await;
        self.lock().sequences(at)
    }

    async fn act(&self, action: &DatabaseAction) -> Result<SessionsEnded, Failure> {
        self.call().await;
        self.lock().sql(action)
    }
}
