//! One HTTP call to a worker, bounded in time and size, each on a connection of its own: calls are
//! few, and a worker that was restarted in between is met as it is.
//!
//! With `https` the worker proves itself by the roots it was given with, or is told nothing. The
//! login travels in a header of each call and appears in no error.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use landfall_core::Secret;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The list of a worker with a thousand connectors.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

/// Who Landfall is to the worker.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name.
    pub user: String,
    /// Its password.
    pub password: Secret<String>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It cannot be asked as it is set: a person mends that.
    Wrong(String),
    /// It could not be reached, or the connection broke.
    Silent(String),
    /// It took longer than a call may.
    Late,
}

/// What a worker answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

pub(super) struct Http {
    host: String,
    port: u16,
    /// Before every path of the interface; empty or beginning with a slash.
    base: String,
    tls: Option<TlsConnector>,
    authorization: Option<HeaderValue>,
}

impl Http {
    /// The error is for a person.
    pub(super) fn new(
        url: &str,
        login: Option<&Login>,
        roots: Option<&Path>,
    ) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("the URL {url} is none: {error}"))?;
        let host = uri.host().ok_or_else(|| format!("the URL {url} names no host"))?.to_owned();
        let (tls, port) = match (uri.scheme_str(), roots) {
            (Some("http"), None) => (None, 80),
            (Some("https"), Some(roots)) => (Some(connector(roots)?), 443),
            _ => {
                return Err(format!(
                    "the URL {url} must be http without root certificates, or https with them"
                ));
            }
        };
        let authorization = login.map(authorization).transpose()?;
        let base = uri.path().trim_end_matches('/').to_owned();
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: uri.port_u16().unwrap_or(port), base, tls, authorization })
    }

    /// Asks once, within `bound`.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        bound: Duration,
    ) -> Result<Answer, Trouble> {
        let asked = self.connect_and_ask(method, path, body);
        tokio::time::timeout(bound, asked).await.map_err(|_| Trouble::Late)?
    }

    async fn connect_and_ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Trouble> {
        let request = self.request(method, path, body)?;
        let silent = |error: std::io::Error| Trouble::Silent(error.to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(silent)?;
        let Some(connector) = &self.tls else { return exchange(stream, request).await };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| Trouble::Wrong(format!("{} is no name: {error}", self.host)))?;
        // A certificate that proves nothing is not silence: asking again would not help.
        let stream = connector.connect(name, stream).await.map_err(|error| {
            let proves_nothing = error
                .get_ref()
                .is_some_and(|cause| cause.downcast_ref::<rustls::Error>().is_some());
            let words = format!("TLS: {error}");
            if proves_nothing { Trouble::Wrong(words) } else { Trouble::Silent(words) }
        })?;
        exchange(stream, request).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Request<Full<Bytes>>, Trouble> {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, format!("{host}:{}", self.port))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request
            .body(Full::new(Bytes::from(body.unwrap_or_default())))
            .map_err(|error| Trouble::Wrong(error.to_string()))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, Trouble> {
    let broke = |error: hyper::Error| Trouble::Silent(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let driving = Driving(tokio::spawn(async move { drop(connection.await) }));
    let response = sender.send_request(request).await.map_err(broke)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    drop(driving);
    let body = body.map_err(|error| Trouble::Silent(error.to_string()))?.to_bytes();
    Ok(Answer { status, body })
}

/// The connection ends when nobody waits for the answer any more.
struct Driving(tokio::task::JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn authorization(login: &Login) -> Result<HeaderValue, String> {
    let pair = format!("{}:{}", login.user, login.password.expose());
    let text = format!("Basic {}", BASE64.encode(pair.as_bytes()));
    let mut value = HeaderValue::from_str(&text).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

fn connector(roots: &Path) -> Result<TlsConnector, String> {
    let failed = |words: String| {
        format!("the root certificates in {} cannot be used: {words}", roots.display())
    };
    let mut store = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(roots).map_err(|error| failed(error.to_string()))?;
    for certificate in read {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        store.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(failed("the file holds none".to_owned()));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?;
    let config = builder.with_root_certificates(store).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
