//! The control plane's own end of TLS: its certificate, renewed as it goes, and who may come in.
//!
//! Nobody gets past the handshake without a certificate of the authority. Whose it is decides what
//! may be asked, and that is decided by those who answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::port::Clock;
use landfall_core::{Failure, FailureKind};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;

/// Takes TLS connections of enrolled proxies.
pub(crate) fn acceptor(
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    lifetime: Duration,
) -> Result<TlsAcceptor, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(FailureKind::Unknown, "set up TLS for proxies", error.to_string())
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.root_der().clone()).map_err(|error| failed(&error))?;
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| failed(&error))?;
    let own = Own { authority, clock, lifetime, made: Mutex::default() };
    // A certificate that cannot be made is better known now than at the first handshake.
    own.current()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| failed(&error))?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(own));
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The control plane's certificate, made anew at half its life.
struct Own {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    made: Mutex<Option<(Arc<CertifiedKey>, Timestamp)>>,
}

impl Own {
    fn current(&self) -> Result<Arc<CertifiedKey>, Failure> {
        let now = self.clock.now();
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((key, renew_at)) = made.as_ref()
            && now < *renew_at
        {
            return Ok(Arc::clone(key));
        }
        let issued = self.authority.control_plane(self.lifetime, now)?;
        let invalid = |error: &dyn std::error::Error| {
            let what = "use the certificate of the control plane";
            Failure::new(FailureKind::Unknown, what, error.to_string())
        };
        let chain = CertificateDer::from_pem_slice(issued.certificate.as_bytes())
            .map_err(|error| invalid(&error))?;
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())
            .map_err(|error| invalid(&error))?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|error| invalid(&error))?;
        let key = Arc::new(CertifiedKey::new(vec![chain], key));
        *made = Some((Arc::clone(&key), now + self.lifetime / 2));
        Ok(key)
    }
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.current() {
            Ok(key) => Some(key),
            Err(failure) => {
                tracing::error!(%failure, "proxies cannot be let in");
                None
            }
        }
    }
}
