//! A stage: everything a move needs, brought up in order and taken down without a rest.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use clap::builder::PossibleValue;
use landfall_api::{Client, ClientError, MoveView, Order, StartMove};
use landfall_lab::account::Names;
use landfall_lab::gateway::Gateway;
use landfall_lab::process::Signal;
use landfall_lab::seed::{self, Size};
use landfall_lab::supervisor::{Access, Lab, LabConfig, Tls, root_certificate};
use landfall_lab::tools;
use tokio_postgres::NoTls;

use crate::database::{self, Database};
use crate::load::{Load, Strength};
use crate::mtls;
use crate::pooled::{Pooled, Pooling};
use crate::product::{CrashPoint, Product, free_address};
use crate::report::Report;
use crate::spec::{Fence, SpecText};

/// What stands between the application and its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Router {
    /// One Envoy, plain.
    #[default]
    Envoy,
    /// A sidecar and a gateway, mutual TLS between them and to Landfall.
    EnvoyMtls,
    /// Two PgBouncers behind a balancer.
    Pgbouncer(Pooling),
}

impl ValueEnum for Router {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Envoy, Self::EnvoyMtls, Self::Pgbouncer(Pooling::Transaction)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        // Session pooling is for tests: the demo shows what nobody sees an error of.
        let name = match self {
            Self::Envoy => "envoy",
            Self::EnvoyMtls => "envoy-mtls",
            Self::Pgbouncer(Pooling::Transaction) => "pgbouncer",
            Self::Pgbouncer(Pooling::Session) => return None,
        };
        Some(PossibleValue::new(name))
    }
}

/// What to bring up.
#[derive(Debug, Clone)]
pub struct StageConfig {
    /// How much data.
    pub size: Size,
    /// How much load.
    pub strength: Strength,
    /// Whether Landfall gets SQL access.
    pub access: bool,
    /// The fence.
    pub fence: Fence,
    /// The way to the database.
    pub router: Router,
    /// Where the journal is.
    pub store: Store,
    /// As whom Landfall logs in, with access.
    pub login: Login,
}

/// Where the journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Store {
    /// A file in the state directory.
    #[default]
    File,
    /// A PostgreSQL of its own, for several servers.
    Shared,
}

/// As whom Landfall logs in to the databases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// As the master user.
    #[default]
    Master,
    /// As the role that `landfall export grants` makes, by a token of IAM signed with this key.
    Token(String),
    /// As that role, by a password in a file.
    File(String),
}

impl Default for StageConfig {
    fn default() -> Self {
        Self {
            size: Size::Tiny,
            strength: Strength::default(),
            access: true,
            fence: Fence::Terminate,
            router: Router::default(),
            store: Store::default(),
            login: Login::default(),
        }
    }
}

/// A lab, a gateway, the product and a load.
pub struct Stage {
    /// The lab.
    pub lab: Box<Lab>,
    /// The product.
    pub product: Product,
    /// The spec that `run` uses.
    pub spec: SpecText,
    /// Where the application connects.
    pub gateway: SocketAddr,
    /// Envoy's admin.
    pub admin: SocketAddr,
    load: Option<Load>,
    dir: PathBuf,
    /// The application's own Envoy, with two hops.
    sidecar: Option<Gateway>,
    /// The shared store.
    pub store: Option<Database>,
    /// PgBouncers, when the way is theirs.
    pub pooled: Option<Pooled>,
    /// Held for its drop: the folder goes with it.
    _folder: tempfile::TempDir,
}

/// What a shop's owner set by hand: what Aurora takes as it is, what it splits between cluster and
/// instance, what it works out by itself, and what it does not have.
const PARAMETERS: [(&str, &str); 8] = [
    ("autovacuum_vacuum_scale_factor", "0.05"),
    ("checkpoint_timeout", "600"),
    ("default_statistics_target", "200"),
    ("idle_in_transaction_session_timeout", "600000"),
    ("log_min_duration_statement", "1000"),
    ("pg_stat_statements.track", "top"),
    ("random_page_cost", "1.1"),
    ("work_mem", "16384"),
];

/// How a move is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Followed {
    /// The move at its end or stop.
    pub view: MoveView,
    /// How often the orchestrator died on the way.
    pub crashes: u32,
}

impl Stage {
    /// Brings everything up: lab, data, orchestrator, gateway, route, load.
    pub async fn set(config: StageConfig, crash: Option<CrashPoint>) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        // PostgreSQL runs as another user and must get to its data.
        open_to_all(folder.path())?;
        let dir = folder.path().to_owned();
        let lab = Box::pin(Lab::up(laboratory(&config, &dir))).await.context("bring up the lab")?;
        let lab = Box::new(lab);
        let source = lab.source().clone();
        fill(&source, config.size).await?;
        count_statements(&lab, &source).await?;
        let mut environment: Vec<(String, String)> =
            lab.environment().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        environment.push(("LANDFALL_PASSWORD".to_owned(), source.password.clone()));
        environment.push(("LANDFALL_CALL_TIMEOUT".to_owned(), "1s".to_owned()));
        environment.push(Pooled::environment());
        if config.router == Router::EnvoyMtls {
            environment.extend(mtls::environment());
        }
        let store = match config.store {
            Store::File => None,
            Store::Shared => Some(shared_store(&dir, &mut environment).await?),
        };
        let mut product = Product::new(&dir, environment)?;
        let (mut gateway, admin) = (free_address()?, free_address()?);
        let mut pooled = None;
        let sidecar = match config.router {
            Router::Pgbouncer(pooling) => {
                let nodes = Pooled::start(&dir, &lab, pooling).await?;
                gateway = nodes.address();
                pooled = Some(nodes);
                product.serve(crash).await?;
                None
            }
            Router::Envoy => {
                let bootstrap = bootstrap(&product, gateway, admin)?;
                lab.start_gateway(bootstrap, admin).await.context("start Envoy")?;
                product.serve(crash).await?;
                None
            }
            Router::EnvoyMtls => {
                // Proxies get their certificates from it.
                product.serve(crash).await?;
                let hops = mtls::Hops { application: gateway, admin, dir: &dir };
                Some(hops.start(&product, &lab).await?)
            }
        };
        let mut spec = SpecText::new(&source.instance);
        spec.fence = config.fence;
        if config.access {
            let database = source.databases.first().cloned().unwrap_or_default();
            spec.access = Some((source.user.clone(), database));
        }
        log_in(&config.login, &mut spec, &product, &lab).await?;
        spec.extra.extend(pooled.iter().flat_map(|nodes| nodes.spec(&source)));
        let endpoint = format!("{}:{}", source.host, source.port);
        product.succeed(["route", "add", "shop", &endpoint]).context("add the route")?;
        let load = Load::start(&dir, gateway, &source, config.strength)?;
        load.go_on_for(50, Duration::from_secs(30)).await.context("see the load run")?;
        Ok(Self {
            lab,
            product,
            spec,
            gateway,
            admin,
            load: Some(load),
            dir,
            sidecar,
            store,
            pooled,
            _folder: folder,
        })
    }

    /// The stage's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The load, while it runs.
    pub fn load(&self) -> Result<&Load> {
        self.load.as_ref().context("the load was judged already")
    }

    /// Writes the spec to a file, as a person has it.
    pub fn spec_file(&self) -> Result<PathBuf> {
        let path = self.dir.join("shop.toml");
        std::fs::write(&path, self.spec.text()).context("write the spec")?;
        Ok(path)
    }

    /// Starts the move through the API; an orchestrator that dies over it is started again.
    pub async fn start(&mut self) -> Result<u32> {
        let order = StartMove { spec_toml: self.spec.text(), by: "stage".to_owned() };
        let mut crashes = 0;
        loop {
            let client = self.product.client()?;
            match client.start(&order).await {
                Ok(_) => return Ok(crashes),
                Err(error) => {
                    if !self.revive().await? {
                        return Err(error).context("start the move");
                    }
                    crashes += 1;
                }
            }
        }
    }

    /// Starts a dead orchestrator again; false when it was alive.
    pub async fn revive(&mut self) -> Result<bool> {
        // A killed process is seen a moment after its connections broke.
        let end = tokio::time::Instant::now() + Duration::from_secs(2);
        while self.product.exited().is_none() {
            let answers = match self.product.client() {
                Ok(client) => client.health().await.is_ok(),
                Err(_) => false,
            };
            if answers || tokio::time::Instant::now() > end {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.product.serve(None).await?;
        Ok(true)
    }

    /// Follows the move until `until` says so, starting a dead orchestrator again.
    pub async fn follow(
        &mut self,
        bound: Duration,
        mut until: impl FnMut(&MoveView) -> bool,
    ) -> Result<Followed> {
        let name = self.spec.name.as_str().into();
        let end = tokio::time::Instant::now() + bound;
        let mut crashes = 0;
        let mut last = None;
        loop {
            let client = self.product.client()?;
            match client.one(&name).await {
                Ok(view) if until(&view) => return Ok(Followed { view, crashes }),
                Ok(view) => last = Some(view),
                // A server that is gone is started again; one that says something else is wrong.
                Err(ClientError::Unreachable { .. }) => crashes += u32::from(self.revive().await?),
                Err(error) => return Err(error).context("look at the move"),
            }
            if tokio::time::Instant::now() > end {
                let status = last.map(|view| view.status);
                bail!(
                    "the move did not get there within {bound:?}: {status:#?}\n{}",
                    self.product.log()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Starts the move and follows it to its end, or to a stop.
    pub async fn run(&mut self, bound: Duration) -> Result<Followed> {
        let mut crashes = self.start().await?;
        let followed = self.follow(bound, crate::report::is_over).await?;
        crashes += followed.crashes;
        Ok(Followed { crashes, ..followed })
    }

    /// Gives an order of a person.
    pub async fn order(&self, verb: &str, gate: Option<&str>) -> Result<()> {
        let client: Client = self.product.client()?;
        let gate = gate.map(str::to_owned);
        let order = Order { by: "stage".to_owned(), gate, ..Order::default() };
        let name = self.spec.name.as_str().into();
        client.order(&name, verb, &order).await.context("give an order")?;
        Ok(())
    }

    /// Ends the load, judges the move, and takes everything down.
    pub async fn close(mut self, followed: &Followed) -> Result<Report> {
        let load = self.load.take().context("the load was judged already")?;
        let report = Report::make(&self, followed, load).await;
        self.down().await?;
        report
    }

    /// Takes everything down.
    pub async fn down(mut self) -> Result<()> {
        self.product.stop(Signal::Terminate).await;
        if let Some(sidecar) = &self.sidecar {
            sidecar.stop().await;
        }
        self.lab.down().await;
        ensure!(!self.dir.join("lab").exists(), "the lab left files behind");
        Ok(())
    }
}

/// What the lab is made from.
fn laboratory(config: &StageConfig, dir: &Path) -> LabConfig {
    let mut laboratory = LabConfig::new(dir.join("lab"));
    // Landfall's calls are held against the policy that it ships, filled as for this move.
    laboratory.names = Some(Names {
        source: laboratory.source.identifier.clone(),
        target: "shop-aurora".to_owned(),
        database_user: "*".to_owned(),
    });
    if let Login::Token(key) = &config.login {
        laboratory.secret_key.clone_from(key);
        laboratory.tls = Tls::Offered;
    }
    let values = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
    laboratory.source.parameters.extend(values);
    laboratory
}

/// A server for the journal, and what Landfall must know to find it.
async fn shared_store(dir: &Path, environment: &mut Vec<(String, String)>) -> Result<Database> {
    let store = Database::start(dir.join("store"), &tools::postgres()?, None).await?;
    let url = format!("postgres://{}@{}/postgres?sslmode=disable", database::USER, store.address());
    let word = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    environment.push(word("LANDFALL_STORE", &url));
    environment.push(word("LANDFALL_STORE_PASSWORD_FROM", "env:STORE_PASSWORD"));
    environment.push(word("STORE_PASSWORD", database::PASSWORD));
    Ok(store)
}

/// The file that `landfall envoy bootstrap` prints.
fn bootstrap(product: &Product, gateway: SocketAddr, admin: SocketAddr) -> Result<String> {
    product.succeed([
        "envoy",
        "bootstrap",
        "--node",
        "gateway-1",
        "--xds",
        &product.xds.to_string(),
        "--admin",
        &admin.to_string(),
        "--listen",
        &format!("shop={gateway}"),
    ])
}

/// Connects past the gateway, as the operator.
pub async fn connect(access: &Access, database: &str) -> Result<tokio_postgres::Client> {
    let mut config = tokio_postgres::Config::new();
    config.host(&access.host).port(access.port).user(&access.user).password(&access.password);
    config.dbname(database).connect_timeout(Duration::from_secs(5));
    let (client, connection) = config.connect(NoTls).await.context("connect to the server")?;
    tokio::spawn(connection);
    Ok(client)
}

/// The file of a role's password, beside the lab.
#[must_use]
pub fn password_file(dir: &Path) -> PathBuf {
    dir.join("password")
}

/// Has Landfall log in as a role with the shipped grants, and nothing but them and what the smoke
/// test reads.
async fn log_in(login: &Login, spec: &mut SpecText, product: &Product, lab: &Lab) -> Result<()> {
    let path = |path: PathBuf| path.display().to_string();
    let dir = lab.dir().parent().context("the lab's folder is in the stage's")?;
    spec.login = match login {
        Login::Master => return Ok(()),
        Login::Token(_) => {
            let root = path(root_certificate(lab.dir()));
            vec!["auth = \"iam\"".to_owned(), format!("root_certificate = {root:?}")]
        }
        Login::File(password) => {
            std::fs::write(password_file(dir), password).context("write the password")?;
            vec![format!("password = {:?}", format!("file:{}", path(password_file(dir))))]
        }
    };
    let database = lab.source().databases.first().context("a database")?.clone();
    spec.access = Some(("landfall".to_owned(), database.clone()));
    let file = dir.join("rights.toml");
    std::fs::write(&file, spec.text()).context("write the spec")?;
    let mut sql = product.succeed(["export", "grants", &path(file)])?;
    sql.push_str("\ngrant select on orders to landfall;\n");
    if let Login::File(password) = login {
        sql = format!("{sql}alter role landfall password '{password}';\n");
    }
    let master = connect(lab.source(), &database).await?;
    master.batch_execute(&sql).await.context("grant what the documentation says")
}

async fn fill(source: &Access, size: Size) -> Result<()> {
    let database = source.databases.first().context("the source has no database")?;
    let mut client = connect(source, database).await?;
    seed::seed(&mut client, size).await.context("seed the shop")?;
    Ok(())
}

/// The library is preloaded as on RDS; its extension is the owner's to make, and needs the rights
/// of RDS's own administrator.
async fn count_statements(lab: &Lab, source: &Access) -> Result<()> {
    let database = source.databases.first().context("the source has no database")?;
    let sql = "create extension if not exists pg_stat_statements schema public";
    lab.sql(&source.instance, database, sql).await.context("count statements")?;
    Ok(())
}

fn open_to_all(folder: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        .context("open the folder to the servers' user")
}
