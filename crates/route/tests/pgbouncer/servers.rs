//! Real PostgreSQL servers behind doors that close as security groups do.

use std::collections::BTreeSet;
use std::time::Duration;

use landfall_core::Endpoint;
use landfall_lab::firewall::{Actor, Firewall, Instances};
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, Server, ServerConfig, StopMode};
use landfall_lab::tools;
use tokio::time::Instant;

use crate::rig::{BOUND, Rig, pause};

/// Ends what the fence ends at once: sessions that do nothing.
const END_IDLE: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
    where datname = 'shop' and backend_type = 'client backend' and state = 'idle' \
    and usename <> 'rdsadmin'";

const LEFT: &str = "select coalesce(string_agg(state || ' ' || query, '; '), '') \
    from pg_stat_activity where datname = 'shop' and backend_type = 'client backend' \
    and usename <> 'rdsadmin'";

pub(crate) struct Database {
    server: Server,
    firewall: Firewall,
    _folder: RunFolder,
}

impl Database {
    pub(crate) async fn start() -> Self {
        let folder = RunFolder::create().expect("a folder");
        let (dir, sockets) = (folder.path().join("d"), folder.path().join("s"));
        let mut config = ServerConfig::new(dir, sockets, tools::postgres().expect("PostgreSQL"));
        config.run_as = RunAs::detect().expect("a user for the server");
        config.databases = vec!["shop".to_owned()];
        let server = Server::initialise(config).await.expect("make a server");
        let shop = server.connect("shop").await.expect("connect");
        shop.batch_execute(
            "create table written (client int not null, seq int not null); \
             grant all on written to postgres",
        )
        .await
        .expect("make the table");
        let firewall = Firewall::open(server.address()).await.expect("a door");
        Self { server, firewall, _folder: folder }
    }

    /// Knows the nodes' connections, and lets them in.
    pub(crate) fn know(&self, rig: &Rig) {
        let instances = Instances::default();
        for node in &rig.nodes {
            instances.add(Actor::Gateway, node.pid());
        }
        self.firewall.know(&instances);
        self.open();
    }

    pub(crate) fn open(&self) {
        self.firewall.set_allowed(BTreeSet::from([Actor::Gateway]));
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.firewall.port())
    }

    /// Connections of nodes that were let in so far.
    pub(crate) fn let_in(&self) -> u64 {
        self.firewall.counts().get(&Actor::Gateway).map_or(0, |count| count.accepted)
    }

    pub(crate) fn turned_away(&self) -> u64 {
        self.firewall.counts().get(&Actor::Gateway).map_or(0, |count| count.denied)
    }

    /// The fence as a move puts it up: nobody new, idle sessions ended, the others waited for.
    pub(crate) async fn fence(&self, grace: Duration) {
        self.firewall.set_allowed(BTreeSet::new());
        let end = Instant::now() + grace;
        loop {
            self.server.query(END_IDLE, &[]).await.expect("end idle sessions");
            let rows = self.server.query(LEFT, &[]).await.expect("who is left");
            let left: String = rows.first().expect("a row").get(0);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "not gone within {grace:?}: {left}");
            pause().await;
        }
    }

    pub(crate) async fn rows(&self) -> i64 {
        let shop = self.server.connect("shop").await.expect("connect");
        shop.query_one("select count(*) from written", &[]).await.expect("count").get(0)
    }

    pub(crate) async fn until_rows(&self, wanted: i64) {
        let end = Instant::now() + BOUND;
        while self.rows().await < wanted {
            assert!(Instant::now() < end, "no {wanted} rows within {BOUND:?}");
            pause().await;
        }
    }

    pub(crate) async fn stop(self) {
        self.server.stop(StopMode::Immediate).await;
    }
}
