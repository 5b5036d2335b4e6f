//! Encryption of our connections, and what it proves about the peer.
//!
//! Without a root certificate a connection is encrypted when the server offers TLS and plain when
//! it does not, unless encryption is required. The handshake's signature is verified, so the peer holds the key of the
//! certificate it shows; neither the issuer nor the validity dates nor the host name are looked
//! at. This stops people who listen and nobody who answers in the server's place: such a peer may
//! even ask for the password in clear text. With a root certificate TLS is required, the chain
//! must lead to one of the file's authorities, and the host name must match.

use std::path::Path;
use std::sync::Arc;

use landfall_core::{Failure, FailureKind};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::access::Encryption;

/// The connector and the mode that goes with it.
pub(crate) fn connector(
    root_certificate: Option<&Path>,
    encryption: Encryption,
) -> Result<(MakeRustlsConnect, SslMode), Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            Failure::new(FailureKind::Invalid, "prepare TLS connections", error.to_string())
        })?;
    let (config, mode) = match root_certificate {
        Some(path) => {
            let config = builder.with_root_certificates(roots(path)?).with_no_client_auth();
            (config, SslMode::Require)
        }
        None => {
            let verifier = Arc::new(AnyCertificate { provider });
            let config = builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth();
            let mode = match encryption {
                Encryption::Preferred => SslMode::Prefer,
                Encryption::Required => SslMode::Require,
            };
            (config, mode)
        }
    };
    Ok((MakeRustlsConnect::new(config), mode))
}

fn roots(path: &Path) -> Result<RootCertStore, Failure> {
    let refused = |detail: String| {
        let what = format!("read the root certificates in {}", path.display());
        Failure::new(FailureKind::Denied, what, detail)
    };
    let mut store = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        store.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(refused("the file holds no certificate".to_owned()));
    }
    Ok(store)
}

/// Takes any certificate, but only from a peer that holds its key.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_roots_tls_is_preferred_unless_it_is_required() {
        let mode = |encryption| connector(None, encryption).map(|(_, mode)| mode).unwrap();
        assert_eq!(mode(Encryption::Preferred), SslMode::Prefer);
        assert_eq!(mode(Encryption::Required), SslMode::Require);
    }

    #[test]
    fn a_useless_root_file_is_named() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        for path in [empty.path(), Path::new("/nonexistent/roots.pem")] {
            let Err(failure) = connector(Some(path), Encryption::Preferred) else {
                panic!("{} was taken", path.display())
            };
            assert_eq!(failure.kind, FailureKind::Denied);
            assert!(failure.what.contains(path.to_str().unwrap()), "{failure}");
        }
    }
}
