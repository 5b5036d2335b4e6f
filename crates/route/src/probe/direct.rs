//! The same question for direct TLS: does a TLS hello without any word before it get an answer?
//!
//! It is asked as a proxy will ask: PostgreSQL's name among the protocols, the host's name in the
//! hello, and the certificate must be for that name. Whether it comes from somebody to trust is
//! for the proxies to say: the file of those is on their machines. Nothing is sent inside.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::Endpoint;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme, version,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// PostgreSQL's name among a hello's protocols.
const ALPN: &[u8] = b"postgresql";

const TOO_OLD: &str = "PostgreSQL 17 and later do; write route.upstream_tls = \"passthrough\"";

/// Tries a handshake within `bound`; the error is why the way is closed, for a person.
pub(crate) async fn probe(endpoint: &Endpoint, bound: Duration) -> Result<(), String> {
    match tokio::time::timeout(bound, greet(endpoint)).await {
        Ok(Ok(Some(protocol))) if protocol == ALPN => Ok(()),
        Ok(Ok(_)) => Err(format!("{endpoint} speaks TLS, and not for PostgreSQL")),
        Ok(Err(error)) => Err(words(endpoint, &error)),
        Err(_) => Err(format!("{endpoint} did not answer a TLS hello within {bound:?}")),
    }
}

/// The protocol that the server chose.
async fn greet(endpoint: &Endpoint) -> io::Result<Option<Vec<u8>>> {
    let name = ServerName::try_from(endpoint.host.clone()).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config().map_err(io::Error::other)?));
    let stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    let stream = connector.connect(name, stream).await?;
    Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
}

fn config() -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(NameOnly(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

fn words(endpoint: &Endpoint, error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<Error>());
    match (cause, error.kind()) {
        (Some(Error::InvalidCertificate(why)), _) if is_about_the_name(why) => {
            format!("the certificate of {endpoint} is for another name")
        }
        // A server that waits for PostgreSQL's own first words takes a hello for nonsense.
        (_, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
        | (Some(Error::InvalidMessage(_)), _) => {
            format!("{endpoint} does not speak TLS before it is asked to: {TOO_OLD}")
        }
        _ => format!("{endpoint}: {error}"),
    }
}

fn is_about_the_name(why: &CertificateError) -> bool {
    matches!(
        why,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    )
}

/// Takes a certificate of anybody's that is for the name.
#[derive(Debug)]
struct NameOnly(Arc<CryptoProvider>);

impl ServerCertVerifier for NameOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
