//! A client that keeps the old address longer than it may, on real servers: it meets the fence,
//! writes nothing where nobody may, and goes on when it resolves anew.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_lab::firewall::{Actor, Firewall, connect_as};
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, Server, ServerConfig, StopMode};
use landfall_lab::tools;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::bench::{
    NAME, act, adopt, followed, gateway, hold, key, point, release, router, says, spec,
};
use crate::knot::{Knot, free_address};
use crate::memory::MemoryStore;
use crate::patience::{BOUND, pause};

const SOURCE: &str = "127.0.0.2";
const TARGET: &str = "127.0.0.3";

/// Of an attempt.
const PATIENCE: Duration = Duration::from_millis(500);

const END: &str = "select pg_terminate_backend(pid) from pg_stat_activity \
    where datname = 'shop' and backend_type = 'client backend' and pid <> pg_backend_pid()";

/// A database at an address of its own and the port that both sides share.
struct Side {
    server: Server,
    firewall: Firewall,
    address: SocketAddr,
    _way: JoinSet<()>,
    _folder: RunFolder,
}

impl Side {
    async fn start(ip: &str, port: u16) -> Self {
        let folder = RunFolder::create().expect("a folder");
        let (dir, sockets) = (folder.path().join("d"), folder.path().join("s"));
        let mut config = ServerConfig::new(dir, sockets, tools::postgres().expect("PostgreSQL"));
        config.run_as = RunAs::detect().expect("a user for the server");
        config.databases = vec!["shop".to_owned()];
        let server = Server::initialise(config).await.expect("make a server");
        let shop = server.connect("shop").await.expect("connect");
        let table = "create table written (seq int primary key); grant all on written to postgres";
        shop.batch_execute(table).await.expect("make the table");
        let firewall = Firewall::open(server.address()).await.expect("a door");
        firewall.set_allowed([Actor::Application].into());
        let address = SocketAddr::new(ip.parse().expect("an address"), port);
        let way = way(address, firewall.port()).await;
        Self { server, firewall, address, _way: way, _folder: folder }
    }

    fn endpoint(&self) -> landfall_core::Endpoint {
        landfall_core::Endpoint::new(self.address.ip().to_string(), self.address.port())
    }

    /// As a move does: nobody new, and nobody stays.
    async fn fence(&self) {
        self.firewall.set_allowed([].into());
        self.server.connect("shop").await.expect("connect").query(END, &[]).await.expect("end");
    }

    async fn rows(&self) -> Vec<i32> {
        let shop = self.server.connect("shop").await.expect("connect");
        let rows = shop.query("select seq from written order by 1", &[]).await.expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    fn turned_away(&self) -> u64 {
        self.firewall.counts().values().map(|count| count.denied).sum()
    }
}

/// From an address to the door of a server, which is on a port of its own.
async fn way(address: SocketAddr, door: u16) -> JoinSet<()> {
    let listener = TcpListener::bind(address).await.expect("bind the address");
    let mut way = JoinSet::new();
    way.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            connections.spawn(async move {
                if let Ok(mut server) = connect_as(Actor::Application, door).await {
                    // It ends when either side does.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    way
}

/// Writes one row after the other, and each again until it is acknowledged. It resolves once, and
/// anew only when it is told to, as a runtime that keeps names for ever.
struct Client {
    resolved: IpAddr,
    port: u16,
    session: Option<tokio_postgres::Client>,
    acknowledged: Vec<i32>,
    failed: usize,
}

impl Client {
    fn new(resolved: IpAddr, port: u16) -> Self {
        Self { resolved, port, session: None, acknowledged: Vec::new(), failed: 0 }
    }

    async fn write(&mut self) {
        let seq = i32::try_from(self.acknowledged.len()).expect("few");
        // A closed door does not answer: nobody waits there for long.
        match tokio::time::timeout(PATIENCE, self.insert(seq)).await {
            Ok(Ok(())) => self.acknowledged.push(seq),
            Ok(Err(_)) | Err(_) => {
                self.session = None;
                self.failed += 1;
            }
        }
    }

    /// Written twice it would fail the second time: a row that is there counts as acknowledged.
    async fn insert(&mut self, seq: i32) -> Result<(), tokio_postgres::Error> {
        if self.session.is_none() {
            let mut config = tokio_postgres::Config::new();
            config.host(self.resolved.to_string()).port(self.port).dbname("shop");
            config.user("postgres").password("postgres");
            let (session, connection) = config.connect(NoTls).await?;
            tokio::spawn(async move { drop(connection.await) });
            self.session = Some(session);
        }
        let session = self.session.as_ref().expect("a session");
        session.execute("insert into written values ($1)", &[&seq]).await.map(drop)
    }

    async fn writes(&mut self, more: usize) {
        let (wanted, end) = (self.acknowledged.len() + more, Instant::now() + BOUND);
        while self.acknowledged.len() < wanted {
            self.write().await;
            assert!(Instant::now() < end, "no {more} rows more, {} failures", self.failed);
            pause().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_a_stale_address_loses_nothing_and_goes_on_when_it_resolves_anew() {
    let port = free_address().port();
    let knot = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let (source, target) = (Side::start(SOURCE, port).await, Side::start(TARGET, port).await);
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, gateway(&spec(knot.address, port), key()));
    act(&router, adopt(source.endpoint())).await;
    followed(&router, 1).await;
    let mut client = Client::new(knot.address_of(NAME).await, port);
    client.writes(20).await;

    act(&router, hold(2)).await;
    followed(&router, 2).await;
    source.fence().await;
    let before = source.rows().await;
    act(&router, point(target.endpoint(), 3)).await;
    act(&router, release(4)).await;
    says(&router, "resolvers may have the record from before").await;
    // The release is over for everybody who keeps to the TTL. This client does not.
    followed(&router, 4).await;
    let failed = client.failed;
    for _ in 0..10 {
        client.write().await;
    }
    assert!(client.failed >= failed + 10, "{} failures", client.failed);
    assert!(source.turned_away() > 0, "it is the fence that it meets");
    assert_eq!(source.rows().await, before, "a row behind the fence");
    assert_eq!(target.rows().await, Vec::<i32>::new());

    client.resolved = knot.address_of(NAME).await;
    client.writes(20).await;
    let written = [source.rows().await, target.rows().await].concat();
    assert_eq!(written, client.acknowledged, "lost, or written twice");
    source.server.stop(StopMode::Immediate).await;
    target.server.stop(StopMode::Immediate).await;
}
