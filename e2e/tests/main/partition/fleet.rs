//! Four Envoys of one service: the stage's own and one more that Landfall reaches, and two behind a
//! line that can be cut. Each has a load with a ledger of its own, and somebody who reads at its
//! admin page, again and again, which epoch it routes by.
//!
//! The line is a firewall of the lab before the control plane's port: cut, its bytes stand still
//! and newcomers are not answered, as when a router between two networks drops everything; healed,
//! what stood still arrives late.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_e2e::Stage;
use landfall_e2e::load::{Load, Strength};
use landfall_e2e::product::free_address;
use landfall_lab::firewall::{Actor, Firewall};
use landfall_lab::gateway::{Gateway, GatewayConfig};
use landfall_lab::tools;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::world::goes_on;

/// Those behind the line.
pub(super) const CUT_OFF: [&str; 2] = ["gateway-3", "gateway-4"];

/// Longer than Envoy takes to give up a silent line and to try again.
const BOUND: Duration = Duration::from_secs(60);

const LOOK: Duration = Duration::from_millis(20);

/// So much that every writer has written.
const MORE: u64 = 20;

pub(super) struct Fleet {
    pub(super) stage: Stage,
    /// Beside the stage's own: one that is reached, and those behind the line.
    proxies: Vec<Proxy>,
    line: Firewall,
}

/// An Envoy with its load.
struct Proxy {
    node: &'static str,
    envoy: Gateway,
    load: Load,
    epochs: Epochs,
}

impl Fleet {
    /// Starts them beside the stage's own, and sees each load run. `patience` is that of the clients
    /// behind the line.
    pub(super) async fn of(stage: Stage, patience: Option<Duration>) -> Self {
        let line = Firewall::open(stage.product.xds).await.expect("a line");
        line.set_allowed(Actor::ALL.into());
        let behind = SocketAddr::from(([127, 0, 0, 1], line.port()));
        let mut proxies = vec![Proxy::start(&stage, "gateway-2", stage.product.xds, None).await];
        for node in CUT_OFF {
            proxies.push(Proxy::start(&stage, node, behind, patience).await);
        }
        Self { stage, proxies, line }
    }

    /// From here on no byte passes between Landfall and those behind the line.
    pub(super) fn cut(&self) {
        self.line.blackhole(Actor::ALL.into());
        self.line.set_allowed(BTreeSet::new());
    }

    /// The line is whole again.
    pub(super) fn heal(&self) {
        self.line.set_allowed(Actor::ALL.into());
        self.line.blackhole(BTreeSet::new());
    }

    /// The epoch of the stored route.
    pub(super) async fn epoch(&self) -> u64 {
        let routes = self.stage.product.client().expect("a client").routes().await;
        let routes = routes.expect("the routes");
        routes[0].view.route.as_ref().expect("a route").epoch
    }

    fn cut_off(&self) -> impl Iterator<Item = &Proxy> {
        self.proxies.iter().filter(|proxy| CUT_OFF.contains(&proxy.node))
    }

    /// Writes that were acknowledged to clients of those behind the line.
    pub(super) fn written_through_cut_off(&self) -> u64 {
        self.cut_off().map(|proxy| proxy.load.acknowledged()).sum()
    }

    /// Clients of the others are answered.
    pub(super) async fn connected_go_on(&self) {
        goes_on(&self.stage).await;
        self.proxies[0].load.go_on_for(MORE, BOUND).await.expect("gateway-2");
    }

    /// Clients of those behind the line are answered.
    pub(super) async fn cut_off_go_on(&self) {
        for proxy in self.cut_off() {
            let goes_on = proxy.load.go_on_for(MORE, BOUND).await;
            goes_on.unwrap_or_else(|error| panic!("{}: {error:#}", proxy.node));
        }
    }

    /// Everybody's clients are answered.
    pub(super) async fn all_go_on(&self) {
        self.connected_go_on().await;
        self.cut_off_go_on().await;
    }

    /// Waits until every proxy has acknowledged the stored route.
    pub(super) async fn followed(&self) {
        let client = self.stage.product.client().expect("a client");
        let end = Instant::now() + BOUND;
        loop {
            let view = client.routes().await.expect("the routes").swap_remove(0).view;
            let epoch = view.route.as_ref().expect("a route").epoch;
            let follows = |node: &str| {
                view.proxies.iter().any(|proxy| proxy.node == node && proxy.follows(epoch))
            };
            if view.proxies.len() == 4 && CUT_OFF.iter().all(|node| follows(node)) {
                return;
            }
            assert!(Instant::now() < end, "not everybody follows: {view:#?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// By which epochs those behind the line have routed, each.
    pub(super) fn seen(&self) -> Vec<Vec<u64>> {
        self.cut_off().map(|proxy| proxy.epochs.seen()).collect()
    }

    /// Those behind the line have routed by these epochs, in this order, and by no other.
    pub(super) async fn heard(&self, expected: &[u64]) {
        let newest = *expected.last().expect("epochs");
        for proxy in self.cut_off() {
            proxy.epochs.reach(newest, BOUND).await;
            assert_eq!(proxy.epochs.seen(), expected, "{}", proxy.node);
        }
    }

    /// Ends the loads of all but the stage's own and holds their ledgers against the servers; no
    /// proxy ever went back to an older epoch.
    pub(super) async fn judge(self, deciding: &str, other: Option<&str>) -> Stage {
        let Self { stage, proxies, line } = self;
        let deciding = stage.lab.access(deciding).expect("the deciding server");
        let other = other.map(|other| stage.lab.access(other).expect("the other server"));
        for proxy in proxies {
            let Proxy { node, envoy, load, epochs } = proxy;
            let seen = epochs.seen();
            assert!(seen.is_sorted(), "{node} went back: {seen:?}");
            let (summary, verdict) = load.judge(&deciding, other.as_ref()).await.expect("judge");
            assert!(verdict.is_clean() && summary.tally.all.acknowledged > 0, "{node}: {verdict}");
            assert_eq!(verdict.stranded, 0, "{node} wrote to the wrong side: {verdict}");
            assert!(envoy.is_running(), "{node} died");
            envoy.stop().await;
        }
        drop(line);
        stage
    }
}

impl Proxy {
    async fn start(
        stage: &Stage,
        node: &'static str,
        xds: SocketAddr,
        patience: Option<Duration>,
    ) -> Self {
        let (listen, admin) = (free_address().expect("one"), free_address().expect("another"));
        let arguments = [
            "envoy".to_owned(),
            "bootstrap".to_owned(),
            format!("--node={node}"),
            format!("--xds={xds}"),
            format!("--admin={admin}"),
            format!("--listen=shop={listen}"),
        ];
        let bootstrap = stage.product.succeed(arguments).expect("a bootstrap");
        let (envoy, dir) = (tools::envoy().expect("Envoy"), stage.dir().join(node));
        let config = GatewayConfig { envoy, dir: dir.clone(), bootstrap, admin };
        let envoy = Gateway::start(config).await.expect("start Envoy");
        let strength = Strength { persistent: 2, reconnecting: 2, rate: Some(20.0), patience };
        let load = Load::start(&dir, listen, stage.lab.source(), strength).expect("start a load");
        load.go_on_for(MORE, BOUND).await.expect("see the load run");
        Self { node, envoy, load, epochs: Epochs::of(admin) }
    }
}

/// Every epoch that an Envoy was seen to route by, in order, each once.
pub(crate) struct Epochs {
    seen: Arc<Mutex<Vec<u64>>>,
    looking: AbortHandle,
}

impl Epochs {
    /// Begins to look at the admin page of an Envoy with one service.
    pub(crate) fn of(admin: SocketAddr) -> Self {
        let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
        let looked = Arc::clone(&seen);
        let looking = tokio::spawn(async move {
            let mut tick = tokio::time::interval(LOOK);
            loop {
                tick.tick().await;
                let Some(epoch) = epoch_at(admin).await else { continue };
                let mut seen = looked.lock().unwrap_or_else(PoisonError::into_inner);
                if seen.last() != Some(&epoch) {
                    seen.push(epoch);
                }
            }
        });
        Self { seen, looking: looking.abort_handle() }
    }

    /// Waits until it routes by this epoch.
    pub(crate) async fn reach(&self, epoch: u64, bound: Duration) {
        let end = Instant::now() + bound;
        while self.seen().last() != Some(&epoch) {
            assert!(Instant::now() < end, "it routes by {:?}, not by {epoch}", self.seen());
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(crate) fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Epochs {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// The version of the service's cluster, which is the route's epoch; none while it is withdrawn.
async fn epoch_at(admin: SocketAddr) -> Option<u64> {
    let mut stream = TcpStream::connect(admin).await.ok()?;
    let request = "GET /config_dump?resource=dynamic_active_clusters HTTP/1.1\r\nhost: envoy\r\n\
                   connection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (_, version) = answer.split_once("\"version_info\": \"")?;
    version.split('"').next()?.parse().ok()
}
