//! A real Envoy with a bootstrap of ours, on free ports, that cannot outlive the test.
//!
//! The kernel kills it when the thread that forked it ends, which is the test's own thread.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall_core::{Endpoint, ServiceName};
use landfall_route::bootstrap::{BootstrapOptions, Hop, Listen, Xds, bootstrap};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::patience::eventually;

/// Becomes the program only when the test that asked for it is still there.
const GUARD: &str = r#"test "$PPID" = "$0" || exit 125; exec "$@""#;

pub(crate) struct Gateway {
    child: Child,
    admin: SocketAddr,
    folder: TempDir,
}

impl Gateway {
    /// Starts Envoy with one listener per service and waits until it serves.
    pub(crate) async fn start(node: &str, xds: SocketAddr, services: &[&str]) -> Self {
        Self::with_hold_timeout(node, xds, services, Duration::from_secs(120)).await
    }

    pub(crate) async fn with_hold_timeout(
        node: &str,
        xds: SocketAddr,
        services: &[&str],
        hold_timeout: Duration,
    ) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let text = bootstrap(&BootstrapOptions {
            node_id: node.to_owned(),
            cluster: "tests".to_owned(),
            xds: Some(plain(xds)),
            admin: any,
            listeners: services
                .iter()
                .map(|name| (ServiceName::new(*name), Listen::Tcp(any)))
                .collect(),
            hold_timeout,
            hop: Hop::One,
        });
        Self::from_text(&text).await
    }

    /// Starts Envoy from any bootstrap that names free ports.
    pub(crate) async fn from_text(text: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for Envoy");
        std::fs::write(folder.path().join("envoy.yaml"), text).expect("write the bootstrap");
        let child = spawn(folder.path());
        let admin_file = folder.path().join("admin.txt");
        let admin = eventually("Envoy writes its admin address", async || {
            std::fs::read_to_string(&admin_file).ok()?.trim().parse().ok()
        })
        .await;
        let gateway = Self { child, admin, folder };
        eventually("Envoy is ready", async || {
            gateway.admin("/ready").await.contains("LIVE").then_some(())
        })
        .await;
        gateway
    }

    /// Where a service's applications connect.
    pub(crate) async fn listener(&self, service: &str) -> SocketAddr {
        let prefix = format!("{service} on 127.0.0.1:0::");
        eventually("Envoy lists the listener", async || {
            let listed = self.admin("/listeners").await;
            listed.lines().find_map(|line| line.strip_prefix(&prefix)?.trim().parse().ok())
        })
        .await
    }

    /// Waits until this many connections of a service are at Envoy, held or established.
    pub(crate) async fn has_connections(&self, service: &str, count: usize) {
        let name = format!("tcp.{service}.downstream_cx_total: {count}");
        eventually(&name, async || {
            let stats = self.admin("/stats?filter=downstream_cx_total").await;
            stats.lines().any(|line| line.trim() == name).then_some(())
        })
        .await;
    }

    /// What Envoy said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("envoy.log")).unwrap_or_default()
    }

    pub(crate) async fn admin(&self, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nHost: envoy\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.admin).await {
            let asked = stream.write_all(request.as_bytes()).await;
            let _ = asked.and(stream.read_to_string(&mut answer).await);
        }
        answer
    }
}

pub(crate) fn plain(xds: SocketAddr) -> Xds {
    Xds { endpoint: Endpoint::new(xds.ip().to_string(), xds.port()), enrolment: None }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            tell(&format!("Envoy's log:\n{}", self.log()));
        }
    }
}

/// For whoever reads the test's output.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn spawn(folder: &Path) -> Child {
    // Envoy's own log file is written late; its errors are written at once.
    let log = std::fs::File::create(folder.join("envoy.log")).expect("create the log");
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "sh", "-c", GUARD])
        .arg(std::process::id().to_string())
        .arg(program())
        .args(["--disable-hot-restart", "--concurrency", "2", "--config-path"])
        .arg(folder.join("envoy.yaml"))
        .arg("--admin-address-path")
        .arg(folder.join("admin.txt"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("start Envoy under setpriv (util-linux)")
}

pub(crate) fn program() -> PathBuf {
    let tools = |folder: &Path| folder.join(".tools/envoy/bin/envoy");
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(tools);
    let installed = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> =
        std::env::split_paths(&installed).map(|folder| folder.join("envoy")).collect();
    found
        .chain(on_path)
        .find(|program| program.is_file())
        .expect("Envoy is not here; run `cargo xtask setup`")
}
