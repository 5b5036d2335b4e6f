//! PgBouncer nodes with a router over them, and their operator.

use std::future::pending;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landfall_core::action::RouteAction;
use landfall_core::port::Clock;
use landfall_core::port::router::{ProxyView, Router as _};
use landfall_core::{Endpoint, ServiceName};
use landfall_lab::pooler::{Pooler, PoolerConfig, free_address};
use landfall_route::{
    DatabasesFile, Gateway, PgBouncerGateway, PgBouncerNodeSettings, PgBouncerSettings,
    ServiceRouter,
};
use tokio::time::{Instant, timeout};
use tokio_postgres::{Client, NoTls};

use crate::memory::MemoryStore;
use crate::wall_clock::WallClock;

pub(crate) const BOUND: Duration = Duration::from_secs(20);
pub(crate) const CALL: Duration = Duration::from_secs(2);
pub(crate) const OPERATOR: (&str, &str) = ("operator", "o");
pub(crate) const APPLICATION: (&str, &str) = ("postgres", "postgres");

pub(crate) struct Rig {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) nodes: Vec<Pooler>,
    pub(crate) reach: Reach,
    _folder: tempfile::TempDir,
}

/// How Landfall gets to the nodes.
pub(crate) struct Reach {
    pub(crate) root_certificate: Option<PathBuf>,
    /// How a node's file is written.
    pub(crate) file: fn(&Path) -> DatabasesFile,
}

impl Rig {
    /// As many nodes, each leading to an endpoint.
    pub(crate) async fn start(
        count: usize,
        leads_to: &Endpoint,
        pool_mode: &'static str,
        settings: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("open it to PgBouncer's user");
        let mut nodes = Vec::new();
        for number in 1..=count {
            let config = PoolerConfig {
                program: landfall_lab::tools::pgbouncer().expect("PgBouncer"),
                dir: folder.path().join(format!("node-{number}")),
                listen: free_address().expect("a free port"),
                users: [OPERATOR, APPLICATION].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
                databases: line(leads_to),
                pool_mode,
                settings: settings.iter().map(ToString::to_string).collect(),
            };
            nodes.push(Pooler::start(config).await.expect("start PgBouncer"));
        }
        let reach =
            Reach { root_certificate: None, file: |path| DatabasesFile::Here(path.to_owned()) };
        Self { store: Arc::default(), nodes, reach, _folder: folder }
    }

    pub(crate) fn node(&self, number: usize) -> &Pooler {
        self.nodes.get(number).expect("a node of the rig")
    }

    pub(crate) fn gateway(&self, service: &ServiceName) -> Arc<PgBouncerGateway> {
        let node = |(number, node): (usize, &Pooler)| PgBouncerNodeSettings {
            name: format!("node-{}", number + 1),
            host: node.address().ip().to_string(),
            port: node.address().port(),
            user: OPERATOR.0.to_owned(),
            password: Ok(Some(OPERATOR.1.to_owned())),
            root_certificate: self.reach.root_certificate.clone(),
            file: (self.reach.file)(&node.databases_file()),
        };
        let settings = PgBouncerSettings {
            service: service.clone(),
            databases: vec!["shop".to_owned()],
            template: "host={host} port={port} dbname={database}".to_owned(),
            nodes: self.nodes.iter().enumerate().map(node).collect(),
            call_timeout: CALL,
        };
        let clock: Arc<dyn Clock> = Arc::new(WallClock);
        Arc::new(PgBouncerGateway::new(settings, &clock))
    }

    pub(crate) fn router(&self, service: &ServiceName) -> ServiceRouter {
        let store = Arc::clone(&self.store);
        let gateway: Arc<dyn Gateway> = self.gateway(service);
        ServiceRouter::new(store, vec![gateway], CALL)
    }

    /// A console of a node, as its operator has it.
    pub(crate) async fn console(&self, node: usize) -> Client {
        connect(self.node(node).address(), "pgbouncer", OPERATOR).await.expect("the console")
    }

    /// The operator points a node by hand.
    pub(crate) async fn point_by_hand(&self, node: usize, endpoint: &Endpoint) {
        let text = format!("[databases]\n{}", line(endpoint));
        std::fs::write(self.node(node).databases_file(), text).expect("write the file");
        let console = self.console(node).await;
        console.simple_query("RELOAD").await.expect("reload");
        // Refused when it is not paused.
        let _ = console.simple_query("RESUME shop").await;
    }
}

fn line(endpoint: &Endpoint) -> String {
    format!("shop = host={} port={} dbname=shop\n", endpoint.host, endpoint.port)
}

/// A session through a node.
pub(crate) async fn connect(
    address: SocketAddr,
    database: &str,
    (user, password): (&str, &str),
) -> Result<Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host(address.ip().to_string()).port(address.port()).dbname(database);
    config.user(user).password(password);
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// One service's actions, each on the epoch that stands.
pub(crate) struct Steered {
    pub(crate) router: ServiceRouter,
    pub(crate) service: ServiceName,
}

impl Steered {
    async fn act(&self, make: impl FnOnce(u64) -> RouteAction) -> u64 {
        let view = self.router.view(&self.service).await.expect("a view");
        let epoch = view.route.map_or(0, |route| route.epoch) + 1;
        self.router.act(&make(epoch), None).await.expect("the action");
        epoch
    }

    pub(crate) async fn adopt(&self, endpoint: &Endpoint) -> u64 {
        let (service, endpoint) = (self.service.clone(), endpoint.clone());
        self.act(|epoch| RouteAction::Adopt { service, endpoint, epoch }).await
    }

    pub(crate) async fn hold(&self) -> u64 {
        self.act(|epoch| RouteAction::Hold { service: self.service.clone(), epoch }).await
    }

    pub(crate) async fn point(&self, endpoint: &Endpoint) -> u64 {
        let (service, endpoint) = (self.service.clone(), endpoint.clone());
        self.act(|epoch| RouteAction::Point { service, endpoint, epoch }).await
    }

    pub(crate) async fn release(&self) -> u64 {
        self.act(|epoch| RouteAction::Release { service: self.service.clone(), epoch }).await
    }

    pub(crate) async fn seen(&self) -> Vec<ProxyView> {
        self.router.view(&self.service).await.expect("a view").proxies
    }

    /// Until every node follows.
    pub(crate) async fn followed(&self, epoch: u64) {
        self.until(|nodes| nodes.iter().all(|node| node.follows(epoch))).await;
    }

    pub(crate) async fn until(&self, there: impl Fn(&[ProxyView]) -> bool) -> Vec<ProxyView> {
        let end = Instant::now() + BOUND;
        loop {
            let seen = self.seen().await;
            if there(&seen) {
                return seen;
            }
            assert!(Instant::now() < end, "not within {BOUND:?}: {seen:#?}");
            pause().await;
        }
    }
}

/// Between two looks.
pub(crate) async fn pause() {
    let _ = timeout(Duration::from_millis(10), pending::<()>()).await;
}
