//! A worker behind TLS that asks who one is: with the right roots and login it is used, with
//! others nothing is sent that could be kept.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_cdc::{Adapter as _, KafkaConnect, KafkaConnectSettings, Login};
use landfall_core::{FailureKind, Secret};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// `landfall:hunter2`.
const EXPECTED: &str = "authorization: Basic bGFuZGZhbGw6aHVudGVyMg==";

struct Worker {
    address: SocketAddr,
    roots: PathBuf,
    heads: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Worker {
    /// Answers "no connectors" to whoever shows the login.
    async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, ca.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { break };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let (status, body) =
                    if head.contains(EXPECTED) { ("200 OK", "{}") } else { ("401 No", "") };
                kept.lock().unwrap().push(head);
                let length = body.len();
                let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        Self { address, roots, heads, _folder: folder }
    }

    fn adapter(&self, password: &str, roots: PathBuf) -> KafkaConnect {
        let password = Secret::new(password.to_owned());
        KafkaConnect::new(KafkaConnectSettings {
            url: format!("https://{}/connect/", self.address),
            connector: "shop-cdc".to_owned(),
            login: Ok(Some(Login { user: "landfall".to_owned(), password })),
            root_certificate: Some(roots),
            call_within: Duration::from_secs(10),
        })
    }
}

#[tokio::test]
async fn a_worker_proves_itself_and_is_shown_the_login() {
    let worker = Worker::start().await;
    let known = worker.adapter("hunter2", worker.roots.clone());
    assert_eq!(known.view().await, Ok(None), "the worker has no connectors");
    let head = worker.heads.lock().unwrap().pop().unwrap();
    assert!(head.starts_with("GET /connect/connectors?expand="), "{head}");

    let wrong = worker.adapter("hunter3", worker.roots.clone());
    let refused = wrong.view().await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied, "{refused}");
    assert!(!refused.to_string().contains("hunter3"), "{refused}");

    let other = Worker::start().await;
    let astray = worker.adapter("hunter2", other.roots.clone());
    let refused = astray.view().await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Invalid, "{refused}");
    assert!(refused.detail.contains("root_certificate"), "{refused}");
    assert_eq!(
        worker.heads.lock().unwrap().len(),
        1,
        "a worker that proves nothing is told nothing"
    );
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_by_the_first_call() {
    let settings = |url: &str, login| KafkaConnectSettings {
        url: url.to_owned(),
        connector: "shop-cdc".to_owned(),
        login,
        root_certificate: None,
        call_within: Duration::from_secs(10),
    };
    let told = |url: &'static str, login| async move {
        KafkaConnect::new(settings(url, login)).view().await.unwrap_err()
    };
    let unset = Err("the environment variable CONNECT_PASSWORD is not set".to_owned());
    let failure = told("http://127.0.0.1:1", unset).await;
    assert!(failure.detail.contains("CONNECT_PASSWORD is not set"), "{failure}");
    assert_eq!(told("https://127.0.0.1:1", Ok(None)).await.kind, FailureKind::Invalid);
    assert_eq!(told("http://127.0.0.1:1", Ok(None)).await.kind, FailureKind::Unavailable);
}
