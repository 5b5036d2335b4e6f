//! TLS to an admin console: required and verified when there is a root certificate, else none.
//!
//! There is no half: a console whose certificate does not lead to the roots, or is not for its
//! host, gets no password.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The connector for a node's certificate; the error is for a person.
pub(super) fn connector(roots: &Path) -> Result<MakeRustlsConnect, String> {
    let failed = |words: String| {
        format!("its root certificates in {} cannot be used: {words}", roots.display())
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
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(store).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_are_none_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        assert!(connector(&file).err().unwrap().contains("roots.pem"));
        std::fs::write(&file, "no certificate").unwrap();
        assert!(connector(&file).err().unwrap().contains("holds none"));
    }
}
