//! Two databases, A and B, and an Envoy before them that a router in this process steers: no
//! cloud, no move, only the way that clients take. Every server listens at a port of its own, which
//! is how a client tells by which it was answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::action::RouteAction;
use landfall_core::port::{Clock, Router as _};
use landfall_core::{Endpoint, ServiceName};
use landfall_e2e::database::{Certificate, Database};
use landfall_e2e::product::free_address;
use landfall_lab::gateway::{Gateway as Envoy, GatewayConfig};
use landfall_lab::server::RunFolder;
use landfall_lab::tools::{self, PostgresTools};
use landfall_route::bootstrap::{BootstrapOptions, Hop, Listen, Xds, bootstrap};
use landfall_route::pki::{Authority, Identity, Part};
use landfall_route::{EnvoyGateway, EnvoySettings, Gateway, ServiceRouter, Wire};
use landfall_store::SqliteStore;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Of every wait.
pub(super) const BOUND: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);
const SERVICE: &str = "orders";

struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

pub(super) struct Rig {
    pub(super) a: Database,
    pub(super) b: Database,
    pub(super) tools: PostgresTools,
    /// Where clients connect.
    pub(super) listen: SocketAddr,
    envoy: Envoy,
    router: ServiceRouter,
    admin: SocketAddr,
    epoch: u64,
    folder: RunFolder,
}

impl Rig {
    /// The service goes to A.
    pub(super) async fn set() -> Self {
        let folder = RunFolder::create().expect("a folder");
        let tools = tools::postgres().expect("PostgreSQL");
        let (a, b) = databases(&folder, &tools).await;
        let store = SqliteStore::open(&folder.path().join("state")).expect("a store");
        let store = Arc::new(store);
        let settings = EnvoySettings {
            listen: free_address().expect("an address"),
            wire: Wire::Plain,
            hold_timeout: BOUND * 2,
            call_timeout: BOUND,
        };
        let steered = EnvoyGateway::start(settings, Arc::clone(&store) as _, Arc::new(WallClock));
        let steered = steered.await.expect("a control plane");
        let (listen, admin) = (free_address().expect("one"), free_address().expect("another"));
        let dir = folder.path().join("envoy");
        let envoy = start_envoy(dir, options(steered.address(), listen, admin)).await;
        let gateways: Vec<Arc<dyn Gateway>> = vec![Arc::new(steered)];
        let router = ServiceRouter::new(store, gateways, BOUND);
        let mut rig = Self { a, b, tools, listen, envoy, router, admin, epoch: 0, folder };
        let endpoint = endpoint(&rig.a);
        rig.act(|service, epoch| RouteAction::Adopt { service, endpoint, epoch }).await;
        // The first connection makes Envoy ask for the service.
        assert_eq!(super::ask(listen).await, Ok(rig.a.address().port()));
        rig.followed().await;
        rig
    }

    /// A path in the rig's folder, which goes with it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns when Envoy has acknowledged that new connections wait.
    pub(super) async fn hold(&mut self) {
        self.act(|service, epoch| RouteAction::Hold { service, epoch }).await;
        self.followed().await;
    }

    /// Held traffic goes on, to B.
    pub(super) async fn release_to_b(&mut self) {
        let endpoint = endpoint(&self.b);
        self.act(|service, epoch| RouteAction::Point { service, endpoint, epoch }).await;
        self.act(|service, epoch| RouteAction::Release { service, epoch }).await;
    }

    async fn act(&mut self, action: impl FnOnce(ServiceName, u64) -> RouteAction) {
        self.epoch += 1;
        let action = action(ServiceName::new(SERVICE), self.epoch);
        self.router.act(&action, None).await.expect("the router acts");
    }

    async fn followed(&self) {
        let end = Instant::now() + BOUND;
        loop {
            let view = self.router.view(&ServiceName::new(SERVICE)).await.expect("a view");
            if view.proxies.iter().any(|proxy| proxy.subscribed && proxy.follows(self.epoch)) {
                return;
            }
            assert!(Instant::now() < end, "Envoy does not follow {}: {view:?}", self.epoch);
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many connections Envoy has ever taken.
    pub(super) async fn taken(&self) -> usize {
        let mut stream = TcpStream::connect(self.admin).await.expect("Envoy's admin page");
        let request = "GET /stats?filter=downstream_cx_total HTTP/1.1\r\nhost: envoy\r\n\
                       connection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("asked");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        let name = format!("tcp.{SERVICE}.downstream_cx_total: ");
        let count = answer.lines().find_map(|line| line.trim().strip_prefix(&name));
        count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
    }

    /// Waits until Envoy has taken this many connections.
    pub(super) async fn takes(&self, count: usize) {
        let end = Instant::now() + BOUND;
        loop {
            let taken = self.taken().await;
            if taken >= count {
                return;
            }
            assert!(Instant::now() < end, "{taken} of {count} connections came");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Takes everything down.
    pub(super) async fn end(self) {
        assert!(self.envoy.is_running(), "Envoy ended: {}", self.envoy.log().display());
        self.envoy.stop().await;
        tokio::join!(self.a.stop(), self.b.stop());
    }
}

/// Both offer TLS, as managed databases do.
async fn databases(folder: &RunFolder, tools: &PostgresTools) -> (Database, Database) {
    let state = folder.path().join("authority");
    std::fs::create_dir(&state).expect("a folder");
    let now = Timestamp::now();
    let authority = Authority::open(&state, now).expect("an authority");
    let identity = Identity::new(Part::Gateway, "database").expect("a name");
    let day = Duration::from_hours(24);
    let issued = authority.issue(&identity, "database", day, now).expect("a certificate");
    let tls = Certificate { certificate: &issued.certificate, key: &issued.key };
    let start = |name: &str| Database::start(folder.path().join(name), tools, Some(tls));
    let (a, b) = tokio::join!(start("a"), start("b"));
    (a.expect("server A"), b.expect("server B"))
}

fn endpoint(database: &Database) -> Endpoint {
    Endpoint::new(database.address().ip().to_string(), database.address().port())
}

fn options(xds: SocketAddr, listen: SocketAddr, admin: SocketAddr) -> BootstrapOptions {
    let endpoint = Endpoint::new(xds.ip().to_string(), xds.port());
    BootstrapOptions {
        node_id: "clients-1".to_owned(),
        cluster: "clients".to_owned(),
        xds: Some(Xds { endpoint, enrolment: None }),
        admin,
        listeners: vec![(ServiceName::new(SERVICE), Listen::Tcp(listen))],
        hold_timeout: BOUND * 2,
        hop: Hop::One,
    }
}

async fn start_envoy(dir: PathBuf, options: BootstrapOptions) -> Envoy {
    let envoy = tools::envoy().expect("Envoy");
    let (bootstrap, admin) = (bootstrap(&options), options.admin);
    Envoy::start(GatewayConfig { envoy, dir, bootstrap, admin }).await.expect("Envoy starts")
}
