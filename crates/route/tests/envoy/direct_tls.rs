//! Direct TLS from Envoy to real servers: the one that speaks it is reached and verified, the one
//! that does not is refused with words that say so before anything is held.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use landfall_core::Endpoint;
use landfall_core::port::Router as _;
use landfall_core::port::router::{DirectTls, Passage};
use landfall_lab::process::RunAs;
use landfall_lab::server::RunFolder;
use landfall_lab::tools;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_postgres::NoTls;

use crate::control::{ControlPlane, adopt, hold, point, release};
use crate::gateway::Gateway;
use crate::memory::MemoryStore;
use crate::patience::eventually;

/// A server with a certificate for `localhost` and its address; it ends with the test's thread.
struct Server {
    child: Child,
    address: SocketAddr,
    folder: RunFolder,
}

impl Server {
    /// From a folder of programs; the authority signs its certificate for these names.
    async fn start(programs: &Path, authority: &Authority, names: &[&str]) -> Self {
        let folder = RunFolder::create().expect("a folder");
        let run_as = RunAs::detect().expect("a user for the server");
        let key = KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &authority.0))
            .expect("a certificate");
        let place = |name: &str| folder.path().join(name);
        fs::write(place("server.crt"), certificate.pem()).expect("write the certificate");
        write_key(&place("server.key"), &key.serialize_pem());
        if let Some(user) = &run_as {
            for name in ["server.crt", "server.key", "."] {
                user.own(&place(name)).expect("hand it over");
            }
        }
        let made = as_user(run_as.as_ref(), &programs.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-N", "--no-locale", "-E", "UTF8", "-D"])
            .arg(place("data"))
            .stdout(Stdio::null())
            .status()
            .expect("run initdb");
        assert!(made.success(), "initdb failed");
        // Where `localhost` leads.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let log = fs::File::create(place("log")).expect("a log");
        let child = as_user(run_as.as_ref(), &programs.join("postgres"))
            .arg("-D")
            .arg(place("data"))
            .args(["-p", &address.port().to_string(), "-h", &address.ip().to_string()])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "ssl=on"])
            .arg("-c")
            .arg(format!("ssl_cert_file={}", place("server.crt").display()))
            .arg("-c")
            .arg(format!("ssl_key_file={}", place("server.key").display()))
            .args(["-c", "log_connections=on"])
            .stderr(log)
            .spawn()
            .expect("start PostgreSQL");
        let server = Self { child, address, folder };
        eventually("PostgreSQL answers", async || ask(server.address).await.ok()).await;
        server
    }

    fn at(&self, host: &str) -> Endpoint {
        Endpoint::new(host, self.address.port())
    }

    fn endpoint(&self) -> Endpoint {
        self.at(&self.address.ip().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            crate::gateway::tell(&format!("PostgreSQL's log:\n{log}"));
        }
    }
}

fn write_key(path: &Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.expect("create the key").write_all(text.as_bytes()).expect("write the key");
}

/// The kernel ends it with the thread that starts it.
fn as_user(user: Option<&RunAs>, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
        command.arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Its own, or a certificate would look as if it had signed itself.
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority"))
    }

    /// The file of those that proxies trust.
    fn passage(&self, folder: &Path) -> Passage {
        let file = folder.join("roots.pem");
        fs::write(&file, self.0.pem()).expect("write the roots");
        let roots = file.display().to_string();
        Passage { tls: Some(DirectTls { roots }), sessions_per_proxy: None }
    }
}

/// Whether the session's way to the server is TLS, as the server sees it.
async fn ask(through: SocketAddr) -> Result<String, String> {
    let mut config = tokio_postgres::Config::new();
    config.host(through.ip().to_string()).port(through.port()).dbname("postgres");
    config.user("postgres").ssl_mode(tokio_postgres::config::SslMode::Disable);
    let said = |error: tokio_postgres::Error| format!("{error:?}");
    let (client, connection) = config.connect(NoTls).await.map_err(said)?;
    tokio::spawn(connection);
    let sql = "select coalesce(version, 'plain') from pg_stat_ssl where pid = pg_backend_pid()";
    let row = client.query_one(sql, &[]).await.map_err(said)?;
    Ok(row.get(0))
}

/// Programs of a server that speaks direct TLS: fetched by `cargo xtask setup`, or the machine's.
fn speaking() -> Option<PathBuf> {
    if let Ok(own) = tools::postgres()
        && own.major() >= 17
    {
        return own.program("postgres").parent().map(Path::to_path_buf);
    }
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = folders.map(|folder| folder.join(".tools/postgresql18/bin"));
    places.find(|folder| folder.join("postgres").is_file())
}

fn silent() -> Option<PathBuf> {
    let own = tools::postgres().expect("PostgreSQL");
    (own.major() < 17).then(|| own.program("postgres").parent().expect("a folder").to_path_buf())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_it_is_reached_through_a_hold() {
    let Some(programs) = speaking() else {
        crate::gateway::tell("not run: neither setup nor the machine has PostgreSQL 17 or later");
        return;
    };
    let (authority, stranger) = (Authority::new(), Authority::new());
    let here = Server::start(&programs, &authority, &["localhost", "127.0.0.1"]).await;
    let there = Server::start(&programs, &authority, &["localhost"]).await;
    let foreign = Server::start(&programs, &stranger, &["localhost"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let control = ControlPlane::start(&Arc::new(MemoryStore::default())).await;
    let control = control.with_passage(authority.passage(folder.path()));
    let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
    let orders = gateway.listener("orders").await;

    control.act(adopt("orders", here.endpoint())).await;
    assert_eq!(ask(orders).await.as_deref(), Ok("TLSv1.3"), "verified by its address");
    assert_eq!(control.router.probe(&here.endpoint()).await, Ok(Ok(())));
    control.act(hold("orders", 2)).await;
    control.followed("orders", 2).await;
    let held = tokio::spawn(ask(orders));
    control.act(point("orders", there.at("localhost"), 3)).await;
    assert_eq!(control.router.probe(&there.at("localhost")).await, Ok(Ok(())));
    control.act(release("orders", 4)).await;
    let answer = held.await.expect("the client ends");
    assert_eq!(answer.as_deref(), Ok("TLSv1.3"), "verified by its name");

    // One whose certificate is for another name, and one that nobody vouches for.
    let by_address = control.router.probe(&there.endpoint()).await.expect("it is tried");
    let closed = by_address.expect_err("its certificate has no address");
    assert!(closed.contains("is for another name"), "{closed}");
    for (number, endpoint) in [(1, there.endpoint()), (2, foreign.at("localhost"))] {
        control.act(hold("orders", 2 + 3 * number)).await;
        control.act(point("orders", endpoint.clone(), 3 + 3 * number)).await;
        control.act(release("orders", 4 + 3 * number)).await;
        control.followed("orders", 4 + 3 * number).await;
        let refused = ask(orders).await.expect_err("it is not verified");
        assert!(!refused.contains("password"), "{endpoint}: {refused}");
    }
    let failed = gateway.admin("/stats?filter=cluster.orders.ssl.fail_verify").await;
    assert!(failed.contains("fail_verify_san") && failed.contains("fail_verify_error"), "{failed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_speak_it_is_named_before_anything_is_held() {
    let Some(programs) = silent() else {
        crate::gateway::tell("not run: this machine's PostgreSQL speaks direct TLS");
        return;
    };
    let authority = Authority::new();
    let server = Server::start(&programs, &authority, &["localhost", "127.0.0.1"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let control = ControlPlane::start(&Arc::new(MemoryStore::default())).await;
    assert_eq!(control.router.probe(&server.endpoint()).await, Ok(Ok(())), "without direct TLS");
    let control = control.with_passage(authority.passage(folder.path()));
    let probed = control.router.probe(&server.endpoint()).await.expect("it is tried");
    let closed = probed.expect_err("it takes a TLS hello for nonsense");
    assert!(closed.contains("PostgreSQL 17 and later do"), "{closed}");
    // Whoever goes on all the same: no client gets through, and none in plain text.
    let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
    control.act(adopt("orders", server.endpoint())).await;
    let refused = ask(gateway.listener("orders").await).await;
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_without_the_file_of_roots_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("not-there.pem").display().to_string();
    let passage = Passage { tls: Some(DirectTls { roots }), sessions_per_proxy: None };
    let control = ControlPlane::start(&Arc::new(MemoryStore::default())).await;
    let control = control.with_passage(passage);
    let gateway = Gateway::start("gateway-1", control.address(), &["orders"]).await;
    control.act(adopt("orders", Endpoint::new("127.0.0.1", 1))).await;
    let orders = gateway.listener("orders").await;
    let client = tokio::spawn(ask(orders));
    let words = eventually("the proxy refuses", async || {
        control.proxies("orders").await.first().and_then(|proxy| proxy.rejected.clone())
    })
    .await;
    assert!(words.contains("not-there.pem"), "{words}");
    client.abort();
}
