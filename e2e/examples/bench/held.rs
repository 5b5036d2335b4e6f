//! What a cutover costs the connections that wait: hold to acknowledgement, and release to each
//! one's first result, through a real Envoy to a real PostgreSQL.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use landfall_core::action::RouteAction;
use landfall_core::port::Router as _;
use landfall_core::{Endpoint, ServiceName};
use landfall_e2e::product::free_address;
use landfall_lab::firewall::{Actor, Firewall};
use landfall_lab::gateway::{Gateway as Envoy, GatewayConfig};
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, Server, ServerConfig, StopMode};
use landfall_lab::tools;
use landfall_route::bootstrap::{BootstrapOptions, Hop, Listen, Xds, bootstrap};
use landfall_route::{EnvoyGateway, EnvoySettings, Gateway, ServiceRouter, Wire};
use landfall_store::SqliteStore;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::clock::SystemClock;
use crate::median;

const BOUND: Duration = Duration::from_secs(60);
const SERVICE: &str = "bench";

/// A database behind an Envoy behind a router.
struct Rig {
    server: Server,
    _firewall: Firewall,
    _folder: RunFolder,
    envoy: Envoy,
    router: ServiceRouter,
    listen: SocketAddr,
    admin: SocketAddr,
    epoch: u64,
}

/// One round: how long the hold took to be acknowledged, and what each waiting client saw.
struct Round {
    hold: Duration,
    first_results: Vec<Duration>,
}

/// The rounds for one number of waiting connections.
pub(crate) async fn measure(counts: &[usize], runs: usize) -> Result<Value> {
    let mut rig = Rig::build().await?;
    let mut table = Vec::new();
    for count in counts {
        let (mut holds, mut p50, mut p99) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..runs {
            let round = rig.round(*count).await.with_context(|| format!("{count} held"))?;
            holds.push(milliseconds(round.hold));
            let mut results: Vec<f64> = round.first_results.into_iter().map(milliseconds).collect();
            results.sort_by(f64::total_cmp);
            p50.push(quantile(&results, 50));
            p99.push(quantile(&results, 99));
        }
        table.push(json!({
            "held": count,
            "rounds": runs,
            "hold_to_acknowledgement_ms": median(&holds),
            "release_to_first_result_ms": { "p50": median(&p50), "p99": median(&p99) },
        }));
    }
    rig.end().await;
    Ok(Value::Array(table))
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn quantile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((sorted.len() * percent / 100).min(last)).copied().unwrap_or_default()
}

impl Rig {
    async fn build() -> Result<Self> {
        let folder = RunFolder::create().context("make a folder")?;
        let sockets = folder.path().join("s");
        let mut config = ServerConfig::new(folder.path().join("a"), sockets, tools::postgres()?);
        config.run_as = RunAs::detect().context("find a user for the server")?;
        config.settings.insert("max_connections".to_owned(), "700".to_owned());
        let server = Server::initialise(config).await.context("make a server")?;
        let firewall = Firewall::open(server.address()).await.context("open its door")?;
        firewall.set_allowed([Actor::Gateway].into_iter().collect());
        let store = SqliteStore::open(&folder.path().join("state")).context("open a store")?;
        let store = Arc::new(store);
        let settings = EnvoySettings {
            listen: free_address()?,
            hold_timeout: BOUND * 2,
            call_timeout: BOUND,
            wire: Wire::Plain,
        };
        let steered = Arc::new(
            EnvoyGateway::start(settings, Arc::clone(&store) as _, Arc::new(SystemClock)).await?,
        );
        let (listen, admin) = (free_address()?, free_address()?);
        let xds = steered.address();
        let text = bootstrap(&BootstrapOptions {
            node_id: "bench-1".to_owned(),
            cluster: "bench".to_owned(),
            xds: Some(Xds {
                endpoint: Endpoint::new(xds.ip().to_string(), xds.port()),
                enrolment: None,
            }),
            admin,
            listeners: vec![(ServiceName::new(SERVICE), Listen::Tcp(listen))],
            hold_timeout: BOUND * 2,
            hop: Hop::One,
        });
        let envoy = Envoy::start(GatewayConfig {
            envoy: tools::envoy()?,
            dir: folder.path().join("envoy"),
            bootstrap: text,
            admin,
        });
        let envoy = envoy.await.context("start Envoy")?;
        let gateways: Vec<Arc<dyn Gateway>> = vec![steered];
        let router = ServiceRouter::new(store, gateways, BOUND);
        let endpoint = Endpoint::new("127.0.0.1", firewall.port());
        let service = ServiceName::new(SERVICE);
        router.act(&RouteAction::Adopt { service, endpoint, epoch: 1 }, None).await?;
        let rig = Self {
            server,
            _firewall: firewall,
            _folder: folder,
            envoy,
            router,
            listen,
            admin,
            epoch: 1,
        };
        // The first connection makes the proxy ask for the service.
        first_result(rig.listen, rig.password()).await?;
        rig.followed().await?;
        Ok(rig)
    }

    fn password(&self) -> String {
        self.server.config().master_password.clone()
    }

    async fn end(self) {
        self.envoy.stop().await;
        self.server.stop(StopMode::Immediate).await;
    }

    async fn round(&mut self, count: usize) -> Result<Round> {
        let service = ServiceName::new(SERVICE);
        let begin = Instant::now();
        self.epoch += 1;
        self.router
            .act(&RouteAction::Hold { service: service.clone(), epoch: self.epoch }, None)
            .await?;
        self.followed().await?;
        let hold = begin.elapsed();
        let before = self.connections().await?;
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let (listen, password) = (self.listen, self.password());
            clients.spawn(async move { first_result(listen, password).await });
        }
        let waits = Instant::now() + BOUND;
        while self.connections().await? < before + count {
            ensure!(Instant::now() < waits, "not all clients arrived");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ensure!(clients.try_join_next().is_none(), "a client was not held");
        let released = Instant::now();
        self.epoch += 1;
        self.router.act(&RouteAction::Release { service, epoch: self.epoch }, None).await?;
        let mut first_results = Vec::new();
        while let Some(client) = clients.join_next().await {
            let at = client.context("a client ended badly")??;
            first_results.push(at.duration_since(released));
        }
        self.followed().await?;
        Ok(Round { hold, first_results })
    }

    async fn followed(&self) -> Result<()> {
        let service = ServiceName::new(SERVICE);
        let end = Instant::now() + BOUND;
        loop {
            let proxies = self.router.view(&service).await?.proxies;
            if proxies.iter().any(|one| one.subscribed && one.follows(self.epoch)) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "the proxy does not follow: {proxies:?}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many connections the listener has ever taken.
    async fn connections(&self) -> Result<usize> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.context("ask Envoy")?;
        let request = "GET /stats?filter=downstream_cx_total HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.context("ask Envoy")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.context("hear Envoy")?;
        let name = format!("tcp.{SERVICE}.downstream_cx_total: ");
        let count = answer.lines().find_map(|line| line.trim().strip_prefix(&name));
        count.and_then(|count| count.parse().ok()).ok_or_else(|| anyhow!("no count in {answer}"))
    }
}

/// Connects and asks one thing; when the answer came.
async fn first_result(listen: SocketAddr, password: String) -> Result<Instant> {
    let mut config = tokio_postgres::Config::new();
    config.host(listen.ip().to_string()).port(listen.port()).dbname("postgres");
    config.user("postgres").password(password);
    let asked = async {
        let (client, connection) = config.connect(NoTls).await.context("connect")?;
        let connection = tokio::spawn(connection);
        client.simple_query("select 1").await.context("ask")?;
        let at = Instant::now();
        drop(client);
        connection.await.context("disconnect")?.context("disconnect")?;
        anyhow::Ok(at)
    };
    match tokio::time::timeout(BOUND, asked).await {
        Ok(at) => at,
        Err(_) => bail!("no answer within {BOUND:?}"),
    }
}
