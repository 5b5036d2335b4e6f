//! What the way to the database costs: pgbench directly, through one Envoy, and through two with
//! mutual TLS between them. All three ways lead to the same server and are measured in turns, so
//! that a busy machine slows each of them; what counts are the ratios of one turn.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use jiff::Timestamp;
use landfall_core::action::RouteAction;
use landfall_core::port::Router as _;
use landfall_core::{Endpoint, ServiceName};
use landfall_e2e::database::{Database, PASSWORD, USER};
use landfall_e2e::product::free_address;
use landfall_lab::gateway::{Gateway as Envoy, GatewayConfig};
use landfall_lab::process::Program;
use landfall_lab::server::RunFolder;
use landfall_lab::tools::{self, PostgresTools};
use landfall_route::bootstrap::{
    BootstrapOptions, Certificates, Folder, Hop, IDENTITY_FILE, Listen, TRUST_FILE, Xds, bootstrap,
    secret_files,
};
use landfall_route::pki::{Authority, Enrolment, Identity, Part, TRUST_DOMAIN};
use landfall_route::{EnvoyGateway, EnvoySettings, Gateway, ServiceRouter, Wire};
use landfall_store::SqliteStore;
use serde_json::{Map, Value, json};

use crate::clock::SystemClock;

const BOUND: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_hours(24);
const SERVICE: &str = "bench";
const CLIENTS: usize = 8;
const PROTOCOLS: [&str; 2] = ["simple", "prepared"];

/// Every turn measures each protocol on each way; the ways take turns in being first.
pub(crate) async fn measure(turns: usize, seconds: u32) -> Result<Value> {
    ensure!(turns > 0 && seconds > 0, "nothing to measure");
    let rig = Rig::build().await?;
    rig.pgbench(rig.database.address(), &["--initialize", "--quiet"]).await?;
    let ways = rig.ways();
    let mut table = Map::new();
    for protocol in PROTOCOLS {
        // Unmeasured: caches, and the first connection that makes a proxy ask for the service.
        for (_, address) in &ways {
            rig.transactions_per_second(*address, protocol, 1).await?;
        }
        let mut measured: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
        for turn in 0..turns {
            for place in 0..ways.len() {
                let way = (turn + place) % ways.len();
                let (Some((name, address)), Some(figures)) = (ways.get(way), measured.get_mut(way))
                else {
                    bail!("no way {way}");
                };
                let rate = rig.transactions_per_second(*address, protocol, seconds).await;
                figures.push(rate.with_context(|| format!("{protocol}, {name}"))?);
            }
        }
        table.insert(protocol.to_owned(), row(&ways, &measured));
    }
    rig.end().await;
    Ok(json!({ "clients": CLIENTS, "turns": turns, "seconds": seconds, "pgbench_select": table }))
}

/// Medians of each way, and of its ratio to the direct way in the same turn.
fn row(ways: &[(&'static str, SocketAddr)], measured: &[Vec<f64>]) -> Value {
    let direct = measured.first().map(Vec::as_slice).unwrap_or_default();
    let rows = ways.iter().zip(measured).map(|((name, _), rates)| {
        let ratios: Vec<f64> = rates.iter().zip(direct).map(|(rate, base)| rate / base).collect();
        let added: Vec<f64> =
            rates.iter().zip(direct).map(|(rate, base)| latency(*rate) - latency(*base)).collect();
        let figures = json!({
            "transactions_per_second": rates.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
            "median_transactions_per_second": middle(rates).round(),
            "median_ratio_to_direct": rounded(middle(&ratios)),
            "median_added_latency_ms": rounded(middle(&added)),
        });
        ((*name).to_owned(), figures)
    });
    Value::Object(rows.collect())
}

/// Of one transaction, in milliseconds: every client always has one under way.
fn latency(rate: f64) -> f64 {
    8_000.0 / rate
}

fn middle(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// A database, and the ways to it.
struct Rig {
    database: Database,
    tools: PostgresTools,
    one: SocketAddr,
    two: SocketAddr,
    envoys: Vec<Envoy>,
    _routers: [ServiceRouter; 2],
    folder: RunFolder,
}

impl Rig {
    async fn build() -> Result<Self> {
        let folder = RunFolder::create().context("make a folder")?;
        let tools = tools::postgres()?;
        let database = Database::start(folder.path().join("database"), &tools, None).await?;
        let one = Control::start(folder.path(), "one", Wire::Plain, &database).await?;
        let authority = Authority::open(folder.path(), Timestamp::now())?;
        let authority = Arc::new(authority);
        let wire = Wire::Mutual { authority: Arc::clone(&authority), lifetime: DAY };
        let two = Control::start(folder.path(), "two", wire, &database).await?;

        let plain = one.options("one-1", "bench", Hop::One, None)?;
        let enrolled = Enrolled { authority: &authority, folder: folder.path() };
        let gateway = two.gateway(&enrolled)?;
        let sidecar = two.sidecar(&enrolled, address(&gateway)?)?;
        let mut envoys = Vec::new();
        let (first, second) = (address(&plain)?, address(&sidecar)?);
        for options in [plain, gateway, sidecar] {
            let dir = folder.path().join(&options.node_id);
            let config = GatewayConfig {
                envoy: tools::envoy()?,
                dir,
                bootstrap: bootstrap(&options),
                admin: options.admin,
            };
            let started = Envoy::start(config).await;
            envoys.push(started.with_context(|| format!("start {}", options.node_id))?);
        }
        let _routers = [one.router, two.router];
        Ok(Self { database, tools, one: first, two: second, envoys, _routers, folder })
    }

    fn ways(&self) -> [(&'static str, SocketAddr); 3] {
        [
            ("direct", self.database.address()),
            ("one_hop", self.one),
            ("two_hops_mutual_tls", self.two),
        ]
    }

    async fn transactions_per_second(
        &self,
        address: SocketAddr,
        protocol: &str,
        seconds: u32,
    ) -> Result<f64> {
        let (protocol, clients) = (format!("--protocol={protocol}"), format!("--client={CLIENTS}"));
        let time = format!("--time={seconds}");
        let arguments = ["--no-vacuum", "--select-only", "--jobs=2", &protocol, &clients, &time];
        let said = self.pgbench(address, &arguments).await?;
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        rate.filter(|rate| *rate > 0.0).ok_or_else(|| anyhow!("no rate in {said}"))
    }

    async fn pgbench(&self, address: SocketAddr, arguments: &[&str]) -> Result<String> {
        let log = self.folder.path().join("pgbench.log");
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let program = Program::new(self.tools.program("pgbench"), &log).args(arguments);
        let program = program.args(["--host", &host, "--port", &port, "--username", USER]);
        let program = program.arg("postgres").env("PGPASSWORD", PASSWORD);
        program.finish(BOUND).await?;
        let said = std::fs::read_to_string(&log).context("read what pgbench said")?;
        std::fs::remove_file(&log).context("forget what pgbench said")?;
        Ok(said)
    }

    async fn end(self) {
        for envoy in &self.envoys {
            envoy.stop().await;
        }
        self.database.stop().await;
    }
}

/// Signs what proxies show the control plane, and keeps it in a folder.
struct Enrolled<'a> {
    authority: &'a Authority,
    folder: &'a Path,
}

impl Enrolled<'_> {
    fn enrol(&self, identity: &Identity, node: &str) -> Result<Folder> {
        let enrolment = Enrolment::new(identity.clone(), node).map_err(|error| anyhow!(error))?;
        let issued = self.authority.enrol(&enrolment, Timestamp::now())?;
        let folder = self.folder.join(format!("{node}-enrolment"));
        std::fs::create_dir(&folder).context("make a folder for certificates")?;
        let place = |name: &str, text: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::write(&path, text).with_context(|| format!("write {name}"))?;
            Ok(path)
        };
        let certificate = place("certificate.pem", &issued.certificate)?;
        let key = place("key.pem", &issued.key)?;
        let roots = place("root.pem", self.authority.root())?;
        let (shown, trusted) = secret_files(&certificate, &key, &roots);
        place(IDENTITY_FILE, &shown)?;
        place(TRUST_FILE, &trusted)?;
        Ok(Folder { path: folder })
    }
}

/// A control plane with the service's route, open.
struct Control {
    router: ServiceRouter,
    address: SocketAddr,
}

impl Control {
    async fn start(folder: &Path, name: &str, wire: Wire, database: &Database) -> Result<Self> {
        let store = SqliteStore::open(&folder.join(format!("{name}-state")));
        let store = Arc::new(store.context("open a store")?);
        let settings = EnvoySettings {
            listen: free_address()?,
            wire,
            hold_timeout: BOUND,
            call_timeout: BOUND,
        };
        let gateway =
            EnvoyGateway::start(settings, Arc::clone(&store) as _, Arc::new(SystemClock)).await?;
        let address = gateway.address();
        let gateways: Vec<Arc<dyn Gateway>> = vec![Arc::new(gateway)];
        let router = ServiceRouter::new(store, gateways, BOUND);
        let service = ServiceName::new(SERVICE);
        let (host, port) = (database.address().ip().to_string(), database.address().port());
        let endpoint = Endpoint::new(host, port);
        router.act(&RouteAction::Adopt { service, endpoint, epoch: 1 }, None).await?;
        Ok(Self { router, address })
    }

    fn gateway(&self, enrolled: &Enrolled<'_>) -> Result<BootstrapOptions> {
        let gateways = identity(Part::Gateway, "gateways")?;
        let client = identity(Part::Client, "web")?.to_string();
        let hop = Hop::Gateway {
            allowed: vec![(ServiceName::new(SERVICE), vec![client])],
            certificates: Certificates::Told,
        };
        let enrolment = enrolled.enrol(&gateways, "gateway-1")?;
        self.options("gateway-1", "gateways", hop, Some(enrolment))
    }

    fn sidecar(&self, enrolled: &Enrolled<'_>, gateway: SocketAddr) -> Result<BootstrapOptions> {
        let web = identity(Part::Client, "web")?;
        let hop = Hop::Sidecar {
            gateways: vec![Endpoint::new(gateway.ip().to_string(), gateway.port())],
            gateway_uri: format!("spiffe://{TRUST_DOMAIN}/gateway/"),
            certificates: Certificates::Told,
        };
        let enrolment = enrolled.enrol(&web, "web-1")?;
        self.options("web-1", "web", hop, Some(enrolment))
    }

    fn options(
        &self,
        node: &str,
        cluster: &str,
        hop: Hop,
        enrolment: Option<Folder>,
    ) -> Result<BootstrapOptions> {
        let endpoint = Endpoint::new(self.address.ip().to_string(), self.address.port());
        Ok(BootstrapOptions {
            node_id: node.to_owned(),
            cluster: cluster.to_owned(),
            xds: Some(Xds { endpoint, enrolment }),
            admin: free_address()?,
            listeners: vec![(ServiceName::new(SERVICE), Listen::Tcp(free_address()?))],
            hold_timeout: BOUND,
            hop,
        })
    }
}

fn identity(part: Part, name: &str) -> Result<Identity> {
    Identity::new(part, name).map_err(|error| anyhow!(error))
}

/// Where a proxy listens for its service.
fn address(options: &BootstrapOptions) -> Result<SocketAddr> {
    match options.listeners.first() {
        Some((_, Listen::Tcp(address))) => Ok(*address),
        _ => bail!("{} has no address", options.node_id),
    }
}
