//! A server behind its firewall, with an application's role and tables, and bounded waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_core::{DatabaseName, Endpoint, Secret};
use landfall_lab::firewall::{Actor, Egress, Firewall, connect_as};
use landfall_lab::process::RunAs;
use landfall_lab::server::{Origin, RunFolder, Server, ServerConfig};
use landfall_lab::tools;
use landfall_postgres::{AccessOptions, Encryption, PostgresDatabase};
use tokio_postgres::{Client, Config, NoTls};

/// A second database, with a name that needs its quotes.
pub(crate) const OTHER: &str = "ledger \"two\"";

pub(crate) const BOUND: Duration = Duration::from_secs(10);

pub(crate) struct Bench {
    // Servers before the folder they live in.
    pub(crate) firewall: Firewall,
    pub(crate) server: Server,
    folder: RunFolder,
}

pub(crate) struct Standby {
    pub(crate) firewall: Firewall,
    pub(crate) server: Server,
    _egress: Egress,
}

impl Bench {
    /// A source with the databases "postgres", "shop" and [`OTHER`]; in each a table "orders" that
    /// the role "app" may use.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let folder = RunFolder::create().unwrap();
        let mut config = config(&folder, "source");
        change(&mut config);
        let server = Server::initialise(config).await.unwrap();
        let firewall = Firewall::open(server.address()).await.unwrap();
        firewall.set_allowed([Actor::Landfall, Actor::Application].into());
        let bench = Self { firewall, server, folder };
        bench.admin("create role app login password 'apppass'").await;
        for database in ["postgres", "shop", OTHER] {
            let owner = bench.login("owner", database).await.unwrap();
            let sql = "create table orders (id bigint generated always as identity primary key); \
                       grant select, insert on orders to app";
            owner.batch_execute(sql).await.unwrap();
        }
        bench
    }

    pub(crate) fn at(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.firewall.port())
    }

    /// The port as the master user.
    pub(crate) fn port(&self) -> PostgresDatabase {
        self.port_as("owner")
    }

    /// The port as a role whose password is its name and "pass".
    pub(crate) fn port_as(&self, user: &str) -> PostgresDatabase {
        PostgresDatabase::new(options(user)).unwrap()
    }

    /// Runs statements in "shop" as the lab's superuser.
    pub(crate) async fn admin(&self, sql: &str) {
        self.server.run_script("shop", sql).await.unwrap();
    }

    /// A session of an application.
    pub(crate) async fn login(
        &self,
        user: &str,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let stream = connect_as(Actor::Application, self.firewall.port()).await.unwrap();
        let mut config = Config::new();
        config.user(user).password(format!("{user}pass")).dbname(database);
        config.application_name("shop-front");
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// One new row in "orders" by a session that ends at once.
    pub(crate) async fn write_order(&self, database: &str) {
        let client = self.login("app", database).await.unwrap();
        client.execute("insert into orders default values", &[]).await.unwrap();
    }

    pub(crate) async fn standby(&self) -> Standby {
        let user = RunAs::detect().unwrap();
        let egress = Egress::open(
            self.folder.path().join("way"),
            Actor::Managed,
            self.firewall.port(),
            user.as_ref(),
        );
        let egress = egress.unwrap();
        let mut config = config(&self.folder, "replica");
        config.settings.clone_from(&self.server.config().settings);
        config.tools.clone_from(&self.server.config().tools);
        let origin = Origin { source: &self.server, egress: &egress, slot: "rds_replica" };
        let server = Server::clone_as_standby(config, origin).await.unwrap();
        let firewall = Firewall::open(server.address()).await.unwrap();
        firewall.set_allowed([Actor::Landfall].into());
        Standby { firewall, server, _egress: egress }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Standby {
    pub(crate) fn at(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.firewall.port())
    }
}

pub(crate) fn options(user: &str) -> AccessOptions {
    AccessOptions {
        user: user.to_owned(),
        passwords: Arc::new(Secret::new(format!("{user}pass"))),
        first_database: DatabaseName::new("shop"),
        call_timeout: BOUND,
        encryption: Encryption::Preferred,
        root_certificate: None,
    }
}

fn config(folder: &RunFolder, name: &str) -> ServerConfig {
    let tools = tools::postgres().unwrap();
    let socket_dir = folder.path().join(format!("{name}-s"));
    let mut config = ServerConfig::new(folder.path().join(name), socket_dir, tools);
    config.run_as = RunAs::detect().unwrap();
    config.master_user = "owner".to_owned();
    config.master_password = "ownerpass".to_owned();
    config.databases = vec!["shop".to_owned(), OTHER.to_owned()];
    config
}

/// The pid of a session's backend.
pub(crate) async fn pid(client: &Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0)
}

/// Polls until `condition` is `Ok`; fails with what it saw last after 20 seconds.
pub(crate) async fn eventually<T, E: std::fmt::Debug>(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    loop {
        tick.tick().await;
        match condition().await {
            Ok(value) => return value,
            Err(seen) => assert!(
                began.elapsed() < Duration::from_secs(20),
                "waited in vain for {what}: {seen:?}"
            ),
        }
    }
}
