//! A release to a target with fewer places than there are connections waiting: with a limit of
//! sessions per proxy they take turns and none is refused; without, PostgreSQL refuses the rest.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use landfall_core::Endpoint;
use landfall_core::port::router::Passage;
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, Server, ServerConfig, StopMode};
use landfall_lab::tools;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::control::{ControlPlane, adopt, hold, release};
use crate::gateway::Gateway;
use crate::memory::MemoryStore;
use crate::patience::{eventually, results, stay_waiting};

/// What the server takes, its three for superusers included.
const PLACES: &str = "100";
const CONNECTIONS: usize = 300;
/// Less than the places: a backend that ends is counted a moment longer than its connection.
const LIMIT: u32 = 80;

/// One short session: its one query's answer, or the code that it was refused with.
async fn session(through: SocketAddr, password: String) -> Result<(), SqlState> {
    let mut config = tokio_postgres::Config::new();
    config.host(through.ip().to_string()).port(through.port()).dbname("postgres");
    config.user("postgres").password(password);
    // Anything but an answer of the server's, such as a connection cut, fails the test.
    let refused =
        |error: tokio_postgres::Error| error.code().cloned().expect("an answer or a refusal");
    let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
    let connection = tokio::spawn(connection);
    client.simple_query("select count(*) from generate_series(1, 20000)").await.map_err(refused)?;
    drop(client);
    connection.await.expect("the connection ends").map_err(refused)
}

struct Rig {
    server: Server,
    control: ControlPlane,
    _gateway: Gateway,
    through: SocketAddr,
    _folder: RunFolder,
}

impl Rig {
    async fn start(passage: Passage) -> Self {
        let folder = RunFolder::create().expect("a folder");
        let (dir, sockets) = (folder.path().join("d"), folder.path().join("s"));
        let mut config = ServerConfig::new(dir, sockets, tools::postgres().expect("PostgreSQL"));
        config.run_as = RunAs::detect().expect("a user for the server");
        config.settings.insert("max_connections".to_owned(), PLACES.to_owned());
        let server = Server::initialise(config).await.expect("make a server");
        let control = ControlPlane::start(&Arc::new(MemoryStore::default())).await;
        let control = control.with_passage(passage);
        let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
        let through = gateway.listener("orders").await;
        let endpoint = Endpoint::new(server.address().ip().to_string(), server.address().port());
        control.act(adopt("orders", endpoint)).await;
        let rig = Self { server, control, _gateway: gateway, through, _folder: folder };
        assert_eq!(session(rig.through, rig.password()).await, Ok(()), "before the hold");
        rig
    }

    fn password(&self) -> String {
        self.server.config().master_password.clone()
    }

    /// Holds, lets so many wait, releases: how many were answered, and what the others were told.
    async fn herd(self) -> (usize, Vec<SqlState>) {
        self.control.followed("orders", 1).await;
        self.control.act(hold("orders", 2)).await;
        self.control.followed("orders", 2).await;
        let mut sessions = JoinSet::new();
        for _ in 0..CONNECTIONS {
            sessions.spawn(session(self.through, self.password()));
        }
        eventually("all of them wait", async || {
            let proxies = self.control.proxies("orders").await;
            let waiting = proxies.first().and_then(|proxy| proxy.waiting)?;
            (waiting.connections == CONNECTIONS as u64).then_some(())
        })
        .await;
        stay_waiting("while held", &mut sessions).await;
        self.control.act(release("orders", 3)).await;
        let ended = results("each session has its answer", sessions).await;
        self.server.stop(StopMode::Immediate).await;
        let answered = ended.iter().filter(|one| one.is_ok()).count();
        (answered, ended.into_iter().filter_map(Result::err).collect())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_limit_they_take_turns_and_none_is_refused() {
    let passage = Passage { sessions_per_proxy: NonZeroU32::new(LIMIT), tls: None };
    let (answered, refused) = Rig::start(passage).await.herd().await;
    assert_eq!((answered, refused), (CONNECTIONS, Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_the_server_refuses_those_for_whom_it_has_no_room() {
    let (answered, refused) = Rig::start(Passage::default()).await.herd().await;
    assert!(!refused.is_empty(), "{answered} were answered");
    assert!(refused.iter().all(|code| *code == SqlState::TOO_MANY_CONNECTIONS), "{refused:?}");
}
