//! TLS: taken when it is offered, required and verified when a root certificate is given.
//!
//! PostgreSQL offers no TLS on a Unix socket, so these tests start a lab server's data directory
//! once more, on a loopback port of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use landfall_core::port::Database;
use landfall_core::{Endpoint, Failure, FailureKind};
use landfall_lab::process::{Program, RunAs, Running, Signal};
use landfall_lab::server::StopMode;
use landfall_postgres::PostgresDatabase;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::bench::{Bench, eventually, options};

/// A server on TCP that takes only what its access file says.
struct Listening {
    at: Endpoint,
    authority: PathBuf,
    process: Running,
    bench: Bench,
}

impl Listening {
    async fn start(ssl: &str, access: &str) -> Self {
        let bench = Bench::new().await;
        bench.server.stop(StopMode::Fast).await;
        let authority = certificates(&bench);
        let access_file = bench.path("access.conf");
        std::fs::write(&access_file, access).unwrap();
        let config = bench.server.config();
        let user = RunAs::detect().unwrap();
        own(&access_file, user.as_ref());
        let port = free_port();
        let process = Program::new(config.tools.program("postgres"), bench.server.log())
            .arg("-D")
            .arg(config.data())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={port}")])
            .args(["-c", &format!("ssl={ssl}")])
            .args(["-c", &format!("ssl_cert_file={}", bench.path("server.crt").display())])
            .args(["-c", &format!("ssl_key_file={}", bench.path("server.key").display())])
            .args(["-c", &format!("hba_file={}", access_file.display())])
            .run_as(user)
            .when_we_die(Signal::Quit)
            .start()
            .await
            .unwrap();
        let at = Endpoint::new("localhost", port);
        let server = Self { at, authority, process, bench };
        server.wait_until_open().await;
        server
    }

    async fn wait_until_open(&self) {
        eventually("the server to answer", async || {
            assert!(self.process.is_running(), "{}", self.process.log_tail());
            let answer = self.look(None, "127.0.0.1").await;
            let up = answer.as_ref().map_or_else(|f| f.kind != FailureKind::Unavailable, |()| true);
            if up { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    fn port(&self, root: Option<&Path>) -> PostgresDatabase {
        let mut options = options("owner");
        options.root_certificate = root.map(Path::to_owned);
        PostgresDatabase::new(options).unwrap()
    }

    async fn look(&self, root: Option<&Path>, host: &str) -> Result<(), Failure> {
        let at = Endpoint::new(host, self.at.port);
        self.port(root).server(&at).await.map(drop)
    }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn own(path: &Path, user: Option<&RunAs>) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    if let Some(user) = user {
        user.own(path).unwrap();
    }
}

/// An authority, and a certificate of its own for the host name "localhost".
fn certificates(bench: &Bench) -> PathBuf {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &authority).unwrap();
    let user = RunAs::detect().unwrap();
    for (name, text) in [("server.crt", server.pem()), ("server.key", key.serialize_pem())] {
        std::fs::write(bench.path(name), text).unwrap();
        own(&bench.path(name), user.as_ref());
    }
    let path = bench.path("authority.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    path
}

const TLS_ONLY: &str = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
const PLAIN_ONLY: &str = "hostnossl all all 127.0.0.1/32 scram-sha-256\n";

#[tokio::test]
async fn tls_is_taken_when_offered_and_verified_when_asked() {
    let server = Listening::start("on", TLS_ONLY).await;
    // Offered: taken from anybody, whatever its name.
    server.look(None, "localhost").await.unwrap();
    server.look(None, "127.0.0.1").await.unwrap();

    // Verified: the authority and the name must be right.
    server.look(Some(&server.authority), "localhost").await.unwrap();
    let wrong_name = server.look(Some(&server.authority), "127.0.0.1").await.unwrap_err();
    assert_eq!(wrong_name.kind, FailureKind::Denied, "{wrong_name}");
    assert!(wrong_name.detail.contains("certificate"), "{wrong_name}");

    let stranger = server.bench.path("stranger.pem");
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let other = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(&stranger, other.pem()).unwrap();
    let untrusted = server.look(Some(&stranger), "localhost").await.unwrap_err();
    assert_eq!(untrusted.kind, FailureKind::Denied, "{untrusted}");

    // A smoke test and an act go the same way; the server says that it is TLS.
    let port = server.port(None);
    let sql =
        "select 1 / (count(*) filter (where ssl)) from pg_stat_ssl where pid = pg_backend_pid()";
    assert!(matches!(port.smoke(&server.at, sql).await, Ok(Ok(_))));
}

#[tokio::test]
async fn plain_is_taken_when_there_is_no_tls_and_refused_when_it_is_required() {
    let server = Listening::start("off", PLAIN_ONLY).await;
    server.look(None, "localhost").await.unwrap();
    let refused = server.look(Some(&server.authority), "localhost").await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied, "{refused}");
    assert!(refused.detail.contains("TLS"), "{refused}");
}
