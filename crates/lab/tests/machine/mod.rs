//! What the tests of the machines share: short folders, sessions as an actor, bounded waits.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use landfall_lab::firewall::{Actor, Firewall, connect_as};
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, ServerConfig};
use landfall_lab::tools;
use tokio_postgres::{Client, Config, NoTls};

pub(crate) struct Bench {
    folder: RunFolder,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: RunFolder::create().unwrap() }
    }

    pub(crate) fn user(&self) -> Option<RunAs> {
        RunAs::detect().unwrap()
    }

    pub(crate) fn short(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server "name" with a database "shop" and a master user "owner".
    pub(crate) fn config(&self, name: &str) -> ServerConfig {
        let tools = tools::postgres().unwrap();
        let socket_dir = self.short(&format!("{name}-s"));
        let mut config = ServerConfig::new(self.short(name), socket_dir, tools);
        config.run_as = self.user();
        config.master_user = "owner".to_owned();
        config.master_password = "ownerpass".to_owned();
        config.databases = vec!["shop".to_owned()];
        config
    }
}

/// Logs in to "shop"; each role's password is its name and "pass".
pub(crate) async fn login(
    actor: Actor,
    firewall: &Firewall,
    user: &str,
) -> Result<Client, tokio_postgres::Error> {
    let stream = connect_as(actor, firewall.port()).await.unwrap();
    let mut config = Config::new();
    config.user(user).password(format!("{user}pass")).dbname("shop");
    let (client, connection) = config.connect_raw(stream, NoTls).await?;
    tokio::spawn(async move { drop(connection.await) });
    Ok(client)
}

/// Inserts 1, 2, 3 … one by one until the session ends; the last acknowledged number.
pub(crate) async fn write_until_cut(session: Client) -> i64 {
    let mut acknowledged = 0;
    loop {
        let next = acknowledged + 1;
        if session.execute("insert into t values ($1)", &[&next]).await.is_err() {
            return acknowledged;
        }
        acknowledged = next;
    }
}

/// Polls until `condition` holds; fails by name after 20 seconds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    while began.elapsed() < Duration::from_secs(20) {
        tick.tick().await;
        if condition().await {
            return;
        }
    }
    panic!("waited in vain for {what}");
}
