//! What the tests of the workload share: a seeded shop behind a firewall, and a gate that holds.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use landfall_lab::firewall::{Actor, Firewall, connect_as};
use landfall_lab::process::RunAs;
use landfall_lab::seed::{Size, seed};
use landfall_lab::server::{RunFolder, Server, ServerConfig};
use landfall_lab::tools;
use landfall_lab::workload::{Endpoint, Snapshot};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_postgres::{Client, Config, NoTls};

const OWNER: &str = "owner";
const PASSWORD: &str = "ownerpass";

/// A running server with the tiny shop in the database "shop".
pub(crate) struct Shop {
    pub(crate) server: Server,
    pub(crate) firewall: Firewall,
    folder: RunFolder,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let shop = Self::empty().await;
        seed(&mut shop.login("shop").await, Size::Tiny).await.unwrap();
        shop
    }

    pub(crate) async fn empty() -> Self {
        let folder = RunFolder::create().unwrap();
        let tools = tools::postgres().unwrap();
        let mut config = ServerConfig::new(folder.path().join("a"), folder.path().join("s"), tools);
        config.run_as = RunAs::detect().unwrap();
        config.master_user = OWNER.to_owned();
        config.master_password = PASSWORD.to_owned();
        config.databases = vec!["shop".to_owned()];
        let server = Server::initialise(config).await.unwrap();
        let firewall = Firewall::open(server.address()).await.unwrap();
        let allowed = [Actor::Landfall, Actor::Application, Actor::Gateway];
        firewall.set_allowed(BTreeSet::from(allowed));
        Self { server, firewall, folder }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A database of the server as the application sees it, without a gateway.
    pub(crate) fn application(&self, database: &str) -> Endpoint {
        self.landfall(database).bound_to(IpAddr::from([127, 0, 0, 2]))
    }

    /// The same from where the referee looks at it afterwards.
    pub(crate) fn landfall(&self, database: &str) -> Endpoint {
        endpoint(self.firewall.port(), database)
    }

    pub(crate) async fn login(&self, database: &str) -> Client {
        let stream = connect_as(Actor::Landfall, self.firewall.port()).await.unwrap();
        let mut config = Config::new();
        config.user(OWNER).password(PASSWORD).dbname(database);
        let (client, connection) = config.connect_raw(stream, NoTls).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        client
    }

    /// Runs a script as the lab itself, foreign keys and triggers aside: a fault of the mover.
    pub(crate) async fn plant(&self, database: &str, sql: &str) {
        let script = format!("set session_replication_role = replica; {sql}");
        self.server.run_script(database, &script).await.unwrap();
    }

    pub(crate) async fn count(&self, database: &str, sql: &str) -> u64 {
        let rows = self.server.query_in(database, sql, &[]).await.unwrap();
        u64::try_from(rows[0].get::<_, i64>(0)).unwrap()
    }

    /// The server has no session of the application any more.
    pub(crate) async fn quiet(&self) {
        eventually("the application's sessions to end", async || {
            let sql = "select count(*) from pg_stat_activity where usename = 'owner'";
            self.count("postgres", sql).await == 0
        })
        .await;
    }
}

fn endpoint(port: u16, database: &str) -> Endpoint {
    Endpoint::new(&format!("127.0.0.1:{port}"), OWNER, PASSWORD, database)
}

/// A stand-in for the gateway: while held, connections are accepted and wait.
pub(crate) struct Gate {
    pub(crate) port: u16,
    held: watch::Sender<bool>,
}

impl Gate {
    pub(crate) async fn before(firewall_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = watch::Sender::new(false);
        let watched = held.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, firewall_port, watched.clone()));
            }
        });
        Self { port, held }
    }

    pub(crate) fn endpoint(&self, database: &str) -> Endpoint {
        endpoint(self.port, database).bound_to(IpAddr::from([127, 0, 0, 2]))
    }

    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }
}

async fn pass(mut client: TcpStream, port: u16, mut held: watch::Receiver<bool>) {
    if held.wait_for(|held| !held).await.is_ok()
        && let Ok(mut server) = connect_as(Actor::Gateway, port).await
    {
        drop(copy_bidirectional(&mut client, &mut server).await);
    }
}

/// Polls until `condition` holds; fails by name after 30 seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while began.elapsed() < Duration::from_secs(30) {
        tick.tick().await;
        if condition().await {
            return;
        }
    }
    panic!("waited in vain for {what}");
}

/// Waits on a load's own view of itself, and shows that view when the wait is in vain.
pub(crate) async fn until(
    what: &str,
    look: impl Fn() -> Snapshot,
    condition: impl Fn(&Snapshot) -> bool,
) {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    while !condition(&look()) {
        tick.tick().await;
        assert!(began.elapsed() < Duration::from_secs(30), "waited for {what}: {:?}", look());
    }
}
