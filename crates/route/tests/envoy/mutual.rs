//! Two hops of real Envoys with mutual TLS between them, and the control plane behind its own:
//! held connections, renewed certificates, and everybody who must not get through.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::{Endpoint, FailureKind, ServiceName};
use landfall_route::bootstrap::{
    BootstrapOptions, Certificates, Folder, Hop, IDENTITY_FILE, Listen, TRUST_FILE, Xds, bootstrap,
    secret_files,
};
use landfall_route::pki::{Authority, Enrolment, Identity, Issued, Part};
use landfall_route::{EnvoyGateway, EnvoySettings, SecretName, SecretView, Wire};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::control::{ControlPlane, adopt, hold, point, release};
use crate::gateway::{Gateway, plain, program};
use crate::memory::MemoryStore;
use crate::patience::{self, eventually, stay_waiting};
use crate::stand_in::{Client, StandIn};
use crate::wall_clock::WallClock;
use crate::{Answers, all_answered_by, clients};

const DAY: Duration = Duration::from_hours(24);

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

fn client(name: &str) -> Identity {
    Identity::new(Part::Client, name).expect("a name")
}

fn gateways() -> Identity {
    Identity::new(Part::Gateway, "gateways").expect("a name")
}

/// A control plane that wants certificates, and what signs them.
struct Realm {
    store: Arc<MemoryStore>,
    authority: Arc<Authority>,
    lifetime: Duration,
    control: ControlPlane,
    folder: TempDir,
}

impl Realm {
    async fn start(lifetime: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::open(folder.path(), Timestamp::now()).expect("a root");
        let (authority, store) = (Arc::new(authority), Arc::new(MemoryStore::default()));
        let wire = Wire::Mutual { authority: Arc::clone(&authority), lifetime };
        let control = ControlPlane::over(wire, any(), &store).await;
        Self { store, authority, lifetime, control, folder }
    }

    /// The control plane is killed and another starts at its address.
    async fn restart(mut self) -> Self {
        let address = self.control.address();
        self.control.kill();
        let wire = Wire::Mutual { authority: Arc::clone(&self.authority), lifetime: self.lifetime };
        self.control = ControlPlane::over(wire, address, &self.store).await;
        self
    }

    fn enrolled(&self, identity: &Identity, node: &str) -> Xds {
        let enrolment = Enrolment::new(identity.clone(), node).expect("a name");
        let issued = self.authority.enrol(&enrolment, Timestamp::now()).expect("signed");
        let folder = self.folder.path().join(node);
        write(&folder, &issued, self.authority.root());
        let address = self.control.address();
        let endpoint = Endpoint::new(address.ip().to_string(), address.port());
        Xds { endpoint, enrolment: Some(Folder { path: folder }) }
    }

    fn gateway_options(&self) -> BootstrapOptions {
        let allowed = vec!["spiffe://landfall/client/web".to_owned()];
        BootstrapOptions {
            node_id: "gateway-1".to_owned(),
            cluster: "gateways".to_owned(),
            xds: Some(self.enrolled(&gateways(), "gateway-1")),
            admin: any(),
            listeners: vec![(ServiceName::new("orders"), Listen::Tcp(any()))],
            hold_timeout: Duration::from_secs(120),
            hop: Hop::Gateway {
                allowed: vec![(ServiceName::new("orders"), allowed)],
                certificates: Certificates::Told,
            },
        }
    }

    async fn gateway(&self) -> (Gateway, SocketAddr) {
        let gateway = Gateway::from_text(&bootstrap(&self.gateway_options())).await;
        let listener = gateway.listener("gateway").await;
        (gateway, listener)
    }

    fn sidecar_options(
        &self,
        node: &str,
        identity: &Identity,
        gateway: SocketAddr,
        certificates: Certificates,
    ) -> BootstrapOptions {
        let xds = matches!(certificates, Certificates::Told);
        BootstrapOptions {
            node_id: node.to_owned(),
            cluster: "web".to_owned(),
            xds: xds.then(|| self.enrolled(identity, node)),
            admin: any(),
            listeners: vec![(ServiceName::new("orders"), Listen::Tcp(any()))],
            hold_timeout: Duration::from_secs(120),
            hop: Hop::Sidecar {
                gateways: vec![Endpoint::new(gateway.ip().to_string(), gateway.port())],
                gateway_uri: "spiffe://landfall/gateway/".to_owned(),
                certificates,
            },
        }
    }

    /// A sidecar that shows this certificate, from files.
    async fn impostor(&self, issued: &Issued, roots: &str, gateway: SocketAddr) -> Gateway {
        let folder = self.folder.path().join("impostor");
        write(&folder, issued, roots);
        let certificates = Certificates::Files(Folder { path: folder });
        let options = self.sidecar_options("impostor-1", &client("web"), gateway, certificates);
        Gateway::from_text(&bootstrap(&options)).await
    }

    fn identities(&self) -> Vec<SecretView> {
        let views = self.control.gateway.certificates().into_iter();
        views.filter(|view| view.secret == SecretName::Identity).collect()
    }
}

/// A certificate, its key and the roots, with the two files that Envoy follows.
fn write(folder: &Path, issued: &Issued, roots: &str) {
    std::fs::create_dir_all(folder).expect("a folder");
    let place = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(path.with_extension("draft"), text).expect("written");
        std::fs::rename(path.with_extension("draft"), &path).expect("renamed");
        path
    };
    let certificate = place("certificate.pem", &issued.certificate);
    let key = place("key.pem", &issued.key);
    let roots = place("root.pem", roots);
    let (identity, trust) = secret_files(&certificate, &key, &roots);
    place(IDENTITY_FILE, &identity);
    place(TRUST_FILE, &trust);
}

/// Both hops, with `orders` at A.
struct Tunnel {
    realm: Realm,
    gateway: Gateway,
    sidecar: Gateway,
    orders: SocketAddr,
    a: StandIn,
    b: StandIn,
}

impl Tunnel {
    async fn start(lifetime: Duration) -> Self {
        let (a, b) = (StandIn::start("A").await, StandIn::start("B").await);
        let realm = Realm::start(lifetime).await;
        realm.control.act(adopt("orders", a.endpoint())).await;
        let (gateway, listener) = realm.gateway().await;
        let options = realm.sidecar_options("web-1", &client("web"), listener, Certificates::Told);
        let sidecar = Gateway::from_text(&bootstrap(&options)).await;
        let orders = sidecar.listener("orders").await;
        Self { realm, gateway, sidecar, orders, a, b }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hops_hold_through_a_restart_and_reach_the_target() {
    let tunnel = Tunnel::start(DAY).await;
    let mut established = Client::connect(tunnel.orders).await;
    assert_eq!(established.ask().await.as_deref(), Ok("A"));
    let Tunnel { realm, gateway, sidecar, orders, a, b } = tunnel;
    realm.control.followed("orders", 1).await;
    realm.control.act(hold("orders", 2)).await;
    realm.control.followed("orders", 2).await;
    let mut waiting = Answers::new();
    clients(orders, 20, &mut waiting);
    sidecar.has_connections("orders", 21).await;
    gateway.has_connections("orders", 21).await;
    stay_waiting("while held", &mut waiting).await;
    // Nobody but the gateway has to follow: a sidecar has no part in the route.
    let nodes: Vec<String> =
        realm.control.proxies("orders").await.into_iter().map(|proxy| proxy.node).collect();
    assert_eq!(nodes, ["gateway-1"]);

    // The next control plane finds a newer epoch in the store than the gateway has.
    realm.control.act(point("orders", b.endpoint(), 3)).await;
    let realm = realm.restart().await;
    realm.control.followed("orders", 3).await;
    stay_waiting("after a restart", &mut waiting).await;
    realm.control.act(release("orders", 4)).await;
    all_answered_by("B", 20, waiting).await;
    realm.control.followed("orders", 4).await;
    assert_eq!((a.accepted(), b.accepted()), (1, 20));
    assert_eq!(established.ask().await.as_deref(), Ok("A"), "established sessions go on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_under_load_without_an_error() {
    let lifetime = Duration::from_secs(8);
    let tunnel = Tunnel::start(lifetime).await;
    let mut established = Client::connect(tunnel.orders).await;
    let begin = Instant::now();
    let mut asked = 0;
    while begin.elapsed() < lifetime * 2 {
        assert_eq!(established.ask().await.as_deref(), Ok("A"), "an established session");
        let mut batch = JoinSet::new();
        for _ in 0..4 {
            batch.spawn(async move { Client::connect(tunnel.orders).await.ask().await });
        }
        while let Some(answer) = batch.join_next().await {
            assert_eq!(answer.expect("no panic").as_deref(), Ok("A"), "after {asked}");
            asked += 1;
        }
    }
    assert!(asked >= 100, "{asked} connections are no load");
    // Both outlived two certificates, so what they show now was told on the way and taken.
    let views = tunnel.realm.identities();
    let nodes: Vec<&str> = views.iter().map(|view| view.node.as_str()).collect();
    assert_eq!(nodes, ["gateway-1", "web-1"]);
    for view in &views {
        assert!(view.not_after > Timestamp::now() && view.connected, "{view:?}");
        assert_eq!(view.rejected, None);
    }
    eventually("the newest certificates are taken", async || {
        let views = tunnel.realm.identities();
        views.iter().all(|view| view.acknowledged.is_some()).then_some(())
    })
    .await;
}

/// What a connection through a sidecar ends with; nothing may have reached the database.
async fn refused(sidecar: &Gateway, database: &StandIn) {
    let orders = sidecar.listener("orders").await;
    let ended = timeout(patience::BOUND, Client::connect(orders).await.ask()).await;
    assert!(matches!(ended, Ok(Err(_))), "{ended:?}");
    assert_eq!(database.accepted(), 0, "the database was reached");
}

async fn logged(gateway: &Gateway, words: &[&str]) {
    eventually(&format!("the gateway's log says {words:?}"), async || {
        let log = gateway.log();
        log.lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_another_group_is_refused_and_named() {
    let a = StandIn::start("A").await;
    let realm = Realm::start(DAY).await;
    realm.control.act(adopt("orders", a.endpoint())).await;
    let (gateway, listener) = realm.gateway().await;
    let now = Timestamp::now();
    let issued = realm.authority.issue(&client("intruder"), "intruder-1", DAY, now);
    let root = realm.authority.root().to_owned();
    let sidecar = realm.impostor(&issued.expect("signed"), &root, listener).await;
    refused(&sidecar, &a).await;
    logged(&gateway, &["uri=spiffe://landfall/client/intruder", "rbac_access_denied"]).await;
    let stats = gateway.admin("/stats?filter=rbac.denied").await;
    assert!(stats.lines().any(|line| line.trim() == "orders.rbac.denied: 1"), "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_opens_no_database() {
    let a = StandIn::start("A").await;
    let realm = Realm::start(DAY).await;
    realm.control.act(adopt("orders", a.endpoint())).await;
    let (gateway, listener) = realm.gateway().await;
    let enrolment = Enrolment::new(client("web"), "web-1").expect("a name");
    let issued = realm.authority.enrol(&enrolment, Timestamp::now()).expect("signed");
    let root = realm.authority.root().to_owned();
    let sidecar = realm.impostor(&issued, &root, listener).await;
    refused(&sidecar, &a).await;
    logged(&gateway, &["/enrolled/client/web/web-1", "rbac_access_denied"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_is_refused_until_its_file_is_replaced() {
    let a = StandIn::start("A").await;
    let realm = Realm::start(DAY).await;
    realm.control.act(adopt("orders", a.endpoint())).await;
    let (gateway, listener) = realm.gateway().await;
    let (hour, now) = (Duration::from_hours(1), Timestamp::now());
    let expired = realm.authority.issue(&client("web"), "web-1", hour, now - 2 * hour);
    let root = realm.authority.root().to_owned();
    let sidecar = realm.impostor(&expired.expect("signed"), &root, listener).await;
    refused(&sidecar, &a).await;
    logged(&gateway, &["CERTIFICATE_VERIFY_FAILED", "expired"]).await;

    let renewed = realm.authority.issue(&client("web"), "web-1", DAY, now).expect("signed");
    write(&realm.folder.path().join("impostor"), &renewed, &root);
    let orders = sidecar.listener("orders").await;
    eventually("the replaced file is taken", async || {
        (Client::connect(orders).await.ask().await.as_deref() == Ok("A")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_authority_is_refused_at_both_doors() {
    let a = StandIn::start("A").await;
    let realm = Realm::start(DAY).await;
    realm.control.act(adopt("orders", a.endpoint())).await;
    let (gateway, listener) = realm.gateway().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let foreign = Authority::open(elsewhere.path(), Timestamp::now()).expect("a root");
    let issued = foreign.issue(&client("web"), "web-1", DAY, Timestamp::now()).expect("signed");
    let root = realm.authority.root().to_owned();
    let sidecar = realm.impostor(&issued, &root, listener).await;
    refused(&sidecar, &a).await;
    logged(&gateway, &["CERTIFICATE_VERIFY_FAILED"]).await;

    // The same at the control plane: a gateway of the other authority is never listed.
    let enrolment = Enrolment::new(gateways(), "gateway-9").expect("a name");
    let issued = foreign.enrol(&enrolment, Timestamp::now()).expect("signed");
    let mut options = realm.gateway_options();
    options.node_id = "gateway-9".to_owned();
    let folder = realm.folder.path().join("gateway-9");
    write(&folder, &issued, &root);
    if let Some(xds) = &mut options.xds {
        xds.enrolment = Some(Folder { path: folder });
    }
    let other = Gateway::from_text(&bootstrap(&options)).await;
    eventually("its handshakes fail", async || {
        let stats = other.admin("/stats?filter=control-plane.upstream_rq_pending_failure").await;
        let count = stats.lines().find_map(|line| line.trim().rsplit_once(": ")?.1.parse().ok());
        count.is_some_and(|count: u64| count > 0).then_some(())
    })
    .await;
    let listed = realm.control.proxies("orders").await;
    assert!(!listed.iter().any(|proxy| proxy.node == "gateway-9"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_speaks_for_its_own_node_only() {
    let a = StandIn::start("A").await;
    let realm = Realm::start(DAY).await;
    realm.control.act(adopt("orders", a.endpoint())).await;
    let mut options = realm.gateway_options();
    options.xds = Some(realm.enrolled(&gateways(), "gateway-2"));
    assert_eq!(options.node_id, "gateway-1", "it says that it is another");
    options.hop = Hop::One;
    let posing = Gateway::from_text(&bootstrap(&options)).await;
    let mut waiting = Answers::new();
    clients(posing.listener("orders").await, 1, &mut waiting);
    asked_in_vain(&posing).await;
    assert_eq!(realm.control.proxies("orders").await, []);
    stay_waiting("nobody tells it where orders is", &mut waiting).await;

    options.node_id = "gateway-2".to_owned();
    let honest = Gateway::from_text(&bootstrap(&options)).await;
    let mut client = Client::connect(honest.listener("orders").await).await;
    assert_eq!(client.ask().await.as_deref(), Ok("A"));
}

/// Waits until its streams were ended again and again.
async fn asked_in_vain(proxy: &Gateway) {
    eventually("its streams are ended", async || {
        let stats = proxy.admin("/stats?filter=control-plane.upstream_rq_total").await;
        let count = stats.lines().find_map(|line| line.trim().rsplit_once(": ")?.1.parse().ok());
        count.is_some_and(|count: u64| count > 2).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_stays_on_this_machine_and_carries_no_certificate() {
    let settings = EnvoySettings {
        listen: "0.0.0.0:0".parse().expect("an address"),
        wire: Wire::Plain,
        hold_timeout: DAY,
        call_timeout: Duration::from_secs(2),
    };
    let store = Arc::new(MemoryStore::default());
    let started = EnvoyGateway::start(settings, store, Arc::new(WallClock)).await;
    assert_eq!(started.err().map(|failure| failure.kind), Some(FailureKind::Invalid));

    let store = Arc::new(MemoryStore::default());
    let control = ControlPlane::start(&store).await;
    let realm = Realm::start(DAY).await;
    let mut options = realm.gateway_options();
    options.xds = Some(plain(control.address()));
    let gateway = Gateway::from_text(&bootstrap(&options)).await;
    asked_in_vain(&gateway).await;
    assert_eq!(control.gateway.certificates(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_itself_finds_every_bootstrap_valid() {
    let realm = Realm::start(DAY).await;
    let identity = client("web");
    let files = realm.folder.path().join("files");
    let issued = realm.authority.issue(&identity, "web-1", DAY, Timestamp::now()).expect("signed");
    write(&files, &issued, realm.authority.root());
    let own = || Certificates::Files(Folder { path: files.clone() });
    let (gateway, socket) = (any(), realm.folder.path().join(".s.PGSQL.5432"));
    let mut by_socket = realm.sidecar_options("web-1", &identity, gateway, own());
    by_socket.listeners = vec![(ServiceName::new("orders"), Listen::Unix(socket))];
    let mut many = realm.gateway_options();
    many.listeners.push((ServiceName::new("users"), Listen::Tcp(any())));
    let one_hop = BootstrapOptions { hop: Hop::One, ..realm.gateway_options() };
    let told = realm.sidecar_options("web-2", &identity, gateway, Certificates::Told);
    for (name, options) in
        [("socket", by_socket), ("gateway", many), ("one-hop", one_hop), ("sidecar", told)]
    {
        let file = realm.folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, bootstrap(&options)).expect("written");
        let checked = tokio::process::Command::new(program())
            .args(["--mode", "validate", "--config-path"])
            .arg(&file)
            .output()
            .await
            .expect("Envoy runs");
        let words = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success(), "{name}: {words}");
    }
}
