//! What the tests of the machines share: short folders, sessions as an actor, bounded waits.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use landfall_lab::firewall::{Actor, Firewall, connect_as};
use landfall_lab::gateway::{Gateway, GatewayConfig};
use landfall_lab::process::{Program, RunAs};
use landfall_lab::server::{RunFolder, Server, ServerConfig};
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

    /// The run folders of another process.
    pub(crate) fn run_folders_of(&self, owner: u32) -> Vec<PathBuf> {
        let parent = self.folder.path().parent().unwrap();
        let prefix = format!("landfall-{owner}-");
        let entries = std::fs::read_dir(parent).unwrap().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .map(|entry| entry.path())
            .collect()
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
    login_at(actor, firewall.port(), user).await
}

/// The same through any door on loopback, such as the gateway's.
pub(crate) async fn login_at(
    actor: Actor,
    port: u16,
    user: &str,
) -> Result<Client, tokio_postgres::Error> {
    let stream = connect_as(actor, port).await.unwrap();
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

/// A firewall before the server that lets these actors in.
pub(crate) async fn open(server: &Server, allowed: impl IntoIterator<Item = Actor>) -> Firewall {
    let firewall = Firewall::open(server.address()).await.unwrap();
    firewall.set_allowed(allowed.into_iter().collect());
    firewall
}

/// A port that was free a moment ago, for a program that must be told its port.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A static TCP proxy, as plain as it gets.
pub(crate) fn envoy_bootstrap(admin: u16, listener: u16, upstream: u16) -> String {
    let address =
        |port: u16| format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    let (admin, listener, upstream) = (address(admin), address(listener), address(upstream));
    format!(
        "admin: {{address: {admin}}}\n\
         static_resources:\n  \
           listeners:\n  \
           - name: pg\n    \
             address: {listener}\n    \
             filter_chains:\n    \
             - filters:\n      \
               - name: envoy.filters.network.tcp_proxy\n        \
                 typed_config:\n          \
                   \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy\n          \
                   stat_prefix: pg\n          \
                   cluster: pg\n  \
           clusters:\n  \
           - name: pg\n    \
             type: STATIC\n    \
             connect_timeout: 1s\n    \
             load_assignment: {{cluster_name: pg, endpoints: [{{lb_endpoints: \
         [{{endpoint: {{address: {upstream}}}}}]}}]}}\n"
    )
}

/// Starts a server, Envoy and a program that ignores signals, reports their pids, and waits.
pub(crate) async fn be_the_doomed_parent(report: &Path) {
    let bench = Bench::new();
    let server = Server::initialise(bench.config("a")).await.unwrap();
    let firewall = open(&server, [Actor::Application]).await;
    let session = login(Actor::Application, &firewall, "owner").await.unwrap();
    let (admin, listener) = (free_port(), free_port());
    let gateway = Gateway::start(GatewayConfig {
        envoy: tools::envoy().unwrap(),
        dir: bench.short("envoy"),
        bootstrap: envoy_bootstrap(admin, listener, firewall.port()),
        admin: ([127, 0, 0, 1], admin).into(),
    })
    .await
    .unwrap();
    let script = "trap '' TERM INT QUIT HUP; while true; do read line < /dev/zero; done";
    let deaf = Program::new("/bin/sh", bench.short("deaf.log")).args(["-c", script]);
    let deaf = deaf.start().await.unwrap();
    let postmaster = server.pid().unwrap();
    let mut pids = vec![postmaster, gateway.pid(), deaf.pid()];
    pids.extend(children(postmaster));
    let text: Vec<String> = pids.iter().map(ToString::to_string).collect();
    let draft = report.with_extension("draft");
    std::fs::write(&draft, text.join(" ")).unwrap();
    std::fs::rename(draft, report).unwrap();
    std::future::pending::<()>().await;
    drop(session);
}

pub(crate) fn read_pids(report: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(report).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// A zombie that waits for init is no process any more.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}
