//! A source with a physical replica, a worker that reads the source, and writers that keep a list
//! of what was acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_cdc::{ConsumerSet, KafkaConnect, KafkaConnectSettings};
use landfall_core::ids::ConsumerName;
use landfall_core::port::Consumers as _;
use landfall_core::port::consumers::ConsumerView;
use landfall_core::{Endpoint, Lsn};
use landfall_e2e::captured::{Verdict, Write, judge};
use landfall_lab::consumers::{Consumers, Feed, Mode, Record};
use landfall_lab::firewall::{Actor, Egress, Firewall};
use landfall_lab::process::RunAs;
use landfall_lab::server::{Origin, RunFolder, Server, ServerConfig};
use landfall_lab::tools;

const DATABASE: &str = "shop";
const SLOT: &str = "warehouse";
const PREFIX: &str = "shop";
const CONNECTOR: &str = "shop-cdc";
const KEYS: i64 = 4;
const BOUND: Duration = Duration::from_secs(90);

pub(super) struct Rig {
    // Whoever connects before whom it connects to, and everything before the folder.
    pub(super) consumers: Consumers,
    pub(super) port: ConsumerSet,
    pub(super) source: Side,
    pub(super) target: Side,
    _egress: Egress,
    _folder: RunFolder,
}

/// A server behind its firewall.
pub(super) struct Side {
    firewall: Firewall,
    server: Arc<Server>,
}

pub(super) fn name() -> ConsumerName {
    ConsumerName::new("warehouse")
}

impl Rig {
    pub(super) async fn set() -> Self {
        let folder = RunFolder::create().unwrap();
        let tools = tools::connect().expect("`cargo xtask setup` says why it is missing");
        let dir = folder.path().join("connect");
        let started = Consumers::start(tools, &dir, Mode::Standalone);
        let (consumers, source) = tokio::join!(started, Side::source(&folder));
        let consumers = consumers.expect("start the worker");
        let user = RunAs::detect().unwrap();
        let way = folder.path().join("way");
        let egress = Egress::open(way, Actor::Managed, source.firewall.port(), user.as_ref());
        let egress = egress.unwrap();
        let target = Side::replica(&folder, &source, &egress).await;
        source.make_slot().await;
        let feed = Feed {
            server: ([127, 0, 0, 1], source.firewall.port()).into(),
            database: DATABASE.to_owned(),
            user: "owner".to_owned(),
            password: "ownerpass".to_owned(),
            slot: SLOT.to_owned(),
            publication: "cdc".to_owned(),
            prefix: PREFIX.to_owned(),
        };
        consumers.worker.create(CONNECTOR, &feed.settings()).await.expect("create the connector");
        let adapter = KafkaConnect::new(KafkaConnectSettings {
            url: consumers.worker.url(),
            connector: CONNECTOR.to_owned(),
            login: Ok(None),
            root_certificate: None,
            call_within: Duration::from_secs(30),
        });
        let port = ConsumerSet::default().with(name(), adapter);
        Self { consumers, port, source, target, _egress: egress, _folder: folder }
    }

    /// What the consumer says of itself, once `wanted` finds it so.
    pub(super) async fn sees(
        &self,
        what: &str,
        wanted: impl Fn(&ConsumerView) -> bool,
    ) -> ConsumerView {
        let deadline = Instant::now() + BOUND;
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let seen = self.port.view(&name()).await.unwrap().unwrap();
            if wanted(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}: {seen:?}");
        }
    }

    /// Held against everything that arrived.
    pub(super) async fn judge(&self, acknowledged: &[Write]) -> Verdict {
        let records = self.consumers.read(&format!("{PREFIX}.public.counters")).await.unwrap();
        judge(acknowledged, &records, ("id", "n"))
    }

    /// The contents of the markers that arrived, in their order.
    pub(super) async fn markers(&self) -> Vec<String> {
        let records = self.consumers.read(&format!("{PREFIX}.message")).await.unwrap();
        let prefix = |record: &Record| {
            record.json().pointer("/message/prefix").and_then(|it| Some(it.as_str()?.to_owned()))
        };
        records.iter().filter_map(prefix).collect()
    }
}

impl Side {
    async fn source(folder: &RunFolder) -> Self {
        let mut config = config(folder, "source");
        config.settings.insert("wal_level".to_owned(), "logical".to_owned());
        let side = Self::before(Server::initialise(config).await.unwrap()).await;
        let script = "create table counters (id bigint primary key, n bigint not null); \
                      grant select on counters to owner; create publication cdc for table counters";
        side.server.run_script(DATABASE, script).await.unwrap();
        let rows = format!("insert into counters select id, 0 from generate_series(1, {KEYS}) id");
        side.server.run_script(DATABASE, &rows).await.unwrap();
        side
    }

    async fn replica(folder: &RunFolder, source: &Self, egress: &Egress) -> Self {
        let mut config = config(folder, "target");
        config.settings.clone_from(&source.server.config().settings);
        let origin = Origin { source: &source.server, egress, slot: "rds_replica" };
        Self::before(Server::clone_as_standby(config, origin).await.unwrap()).await
    }

    async fn before(server: Server) -> Self {
        let firewall = Firewall::open(server.address()).await.unwrap();
        firewall.set_allowed([Actor::Consumer].into());
        Self { firewall, server: Arc::new(server) }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.firewall.port())
    }

    /// Adds one to every key `rounds` times; returns what was acknowledged.
    pub(super) async fn write(&self, rounds: usize) -> Vec<Write> {
        let mut writers = tokio::task::JoinSet::new();
        for key in 1..=KEYS {
            let server = Arc::clone(&self.server);
            writers.spawn(async move {
                let client = server.connect(DATABASE).await.unwrap();
                let sql = "update counters set n = n + 1 where id = $1 returning n";
                let mut acknowledged = Vec::new();
                for _ in 0..rounds {
                    let row = client.query_one(sql, &[&key]).await.unwrap();
                    acknowledged.push((key, row.get(0)));
                }
                acknowledged
            });
        }
        writers.join_all().await.into_iter().flatten().collect()
    }

    /// The slot under its name; where it begins.
    pub(super) async fn make_slot(&self) -> Lsn {
        let sql = "select lsn::text from pg_create_logical_replication_slot($1, 'pgoutput')";
        self.lsn(sql, &[&SLOT]).await
    }

    /// A message in the changes, which no fence refuses; the position behind it.
    pub(super) async fn marker(&self, prefix: &str) -> Lsn {
        let sql = "select pg_logical_emit_message(true, $1, 'x')::text";
        self.lsn(sql, &[&prefix]).await
    }

    /// Writes messages until the slot has confirmed a marker: without a heartbeat a connector
    /// confirms a transaction when the next one comes.
    pub(super) async fn confirms(&self, marker: Lsn) {
        let sql = "select confirmed_flush_lsn::text from pg_replication_slots where slot_name = $1";
        let deadline = Instant::now() + BOUND;
        let mut tick = tokio::time::interval(Duration::from_millis(300));
        loop {
            tick.tick().await;
            let confirmed = self.lsn(sql, &[&SLOT]).await;
            if confirmed >= marker {
                return;
            }
            assert!(Instant::now() < deadline, "{confirmed} confirmed, marker {marker}");
            self.marker("landfall.follow").await;
        }
    }

    /// Waits until everything before `position` is replayed, then makes it a server of its own.
    pub(super) async fn promote(&self, position: Lsn) {
        let deadline = Instant::now() + BOUND;
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        let sql = "select pg_last_wal_replay_lsn()::text";
        while self.lsn(sql, &[]).await < position {
            tick.tick().await;
            assert!(Instant::now() < deadline, "the replica does not reach {position}");
        }
        self.server.promote().await.unwrap();
        while self.server.is_in_recovery().await.unwrap() {
            tick.tick().await;
            assert!(Instant::now() < deadline, "the replica does not become writable");
        }
    }

    pub(super) async fn slot_is_active(&self) -> bool {
        let sql = "select active from pg_replication_slots where slot_name = $1";
        self.server.query(sql, &[&SLOT]).await.unwrap()[0].get(0)
    }

    async fn lsn(&self, sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]) -> Lsn {
        let rows = self.server.query_in(DATABASE, sql, params).await.unwrap();
        rows[0].get::<_, String>(0).parse().unwrap()
    }
}

fn config(folder: &RunFolder, name: &str) -> ServerConfig {
    let socket_dir = folder.path().join(format!("{name}-s"));
    let tools = tools::postgres().unwrap();
    let mut config = ServerConfig::new(folder.path().join(name), socket_dir, tools);
    config.run_as = RunAs::detect().unwrap();
    config.master_user = "owner".to_owned();
    config.master_password = "ownerpass".to_owned();
    config.databases = vec![DATABASE.to_owned()];
    config
}
