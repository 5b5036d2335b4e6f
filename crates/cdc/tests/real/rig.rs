//! Two servers behind their firewalls, a worker with a connector that reads the first, and a slot
//! of the same name on the second.

use std::time::{Duration, Instant};

use landfall_cdc::{ConsumerSet, KafkaConnect, KafkaConnectSettings};
use landfall_core::ids::ConsumerName;
use landfall_core::port::Consumers as _;
use landfall_core::{Endpoint, Lsn};
use landfall_lab::consumers::{Consumers, Feed, Mode};
use landfall_lab::firewall::{Actor, Firewall};
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, Server, ServerConfig};
use landfall_lab::tools;

pub(crate) const SLOT: &str = "warehouse";
pub(crate) const CONNECTOR: &str = "shop-cdc";
pub(crate) const PASSWORD: &str = "hunter2";

/// One server with a table, a publication and a slot.
pub(crate) struct Side {
    firewall: Firewall,
    pub(crate) server: Server,
}

pub(crate) struct Rig {
    // Whoever connects before whom it connects to, and everything before the folder.
    pub(crate) consumers: Consumers,
    pub(crate) source: Side,
    pub(crate) target: Side,
    pub(crate) begins: Lsn,
    _folder: RunFolder,
}

impl Rig {
    pub(crate) async fn set(mode: Mode) -> Self {
        let folder = RunFolder::create().unwrap();
        let tools = tools::connect().expect("`cargo xtask setup` says why it is missing");
        let dir = folder.path().join("connect");
        let (consumers, source, target) = tokio::join!(
            Consumers::start(tools, &dir, mode),
            Side::set(&folder, "source"),
            Side::set(&folder, "target"),
        );
        let consumers = consumers.expect("start the worker");
        source.slot().await;
        let begins = target.slot().await;
        let rig = Self { consumers, source, target, begins, _folder: folder };
        let settings = rig.feed().settings();
        rig.consumers.worker.create(CONNECTOR, &settings).await.expect("create the connector");
        rig.source.write(1).await;
        rig
    }

    pub(crate) fn feed(&self) -> Feed {
        Feed {
            server: self.source.address(),
            database: "shop".to_owned(),
            user: "owner".to_owned(),
            password: PASSWORD.to_owned(),
            slot: SLOT.to_owned(),
            publication: "cdc".to_owned(),
            prefix: "shop".to_owned(),
        }
    }

    pub(crate) fn settings(&self, url: String) -> KafkaConnectSettings {
        KafkaConnectSettings {
            url,
            connector: CONNECTOR.to_owned(),
            login: Ok(None),
            root_certificate: None,
            call_within: Duration::from_secs(60),
        }
    }

    pub(crate) fn port(&self) -> ConsumerSet {
        let adapter = KafkaConnect::new(self.settings(self.consumers.worker.url()));
        ConsumerSet::default().with(name(), adapter)
    }

    /// Waits until an offset is stored.
    pub(crate) async fn has_an_offset(&self) {
        let port = self.port();
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        loop {
            tick.tick().await;
            let seen = port.view(&name()).await.unwrap().unwrap();
            if seen.position.is_some() {
                return;
            }
            assert!(Instant::now() < deadline, "no offset: {seen:?}");
        }
    }
}

pub(crate) fn name() -> ConsumerName {
    ConsumerName::new("warehouse")
}

impl Side {
    async fn set(folder: &RunFolder, name: &str) -> Self {
        let mut config = ServerConfig::new(
            folder.path().join(name),
            folder.path().join(format!("{name}-socket")),
            tools::postgres().unwrap(),
        );
        config.run_as = RunAs::detect().unwrap();
        config.master_user = "owner".to_owned();
        config.master_password = PASSWORD.to_owned();
        config.databases = vec!["shop".to_owned()];
        config.settings.insert("wal_level".to_owned(), "logical".to_owned());
        let server = Server::initialise(config).await.unwrap();
        let firewall = Firewall::open(server.address()).await.unwrap();
        firewall.set_allowed([Actor::Consumer].into());
        let script = "create table orders (id bigint primary key); \
                      grant select on orders to owner; create publication cdc for table orders";
        server.run_script("shop", script).await.unwrap();
        Self { firewall, server }
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.firewall.port()).into()
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.firewall.port())
    }

    pub(crate) async fn write(&self, id: i64) {
        self.server.query_in("shop", "insert into orders values ($1)", &[&id]).await.unwrap();
    }

    async fn slot(&self) -> Lsn {
        let sql = "select lsn::text from pg_create_logical_replication_slot($1, 'pgoutput')";
        let rows = self.server.query_in("shop", sql, &[&SLOT]).await.unwrap();
        rows[0].get::<_, String>(0).parse().unwrap()
    }
}
