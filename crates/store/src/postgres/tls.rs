//! Encryption of the way to the shared store, which always proves who answers.
//!
//! The journal decides what is done to databases: a server that only claims to be the store could
//! hand out a lease twice. So there is no mode between plain text, which `sslmode=disable` asks
//! for, and a chain that leads to a known authority with a host name that matches.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

/// The connector, with the authorities of a file, or else the machine's.
pub(super) fn connector(roots: Option<&Path>) -> Result<MakeRustlsConnect, String> {
    let roots = match roots {
        Some(path) => of_file(path)
            .map_err(|why| format!("the root certificates in {}: {why}", path.display()))?,
        None => of_machine(),
    };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn of_file(path: &Path) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        store.add(certificate).map_err(|error| error.to_string())?;
    }
    if store.is_empty() { Err("the file holds no certificate".to_owned()) } else { Ok(store) }
}

/// A machine without any trusts nobody: the handshake then says that the issuer is unknown.
fn of_machine() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_useless_root_file_is_named() {
        let empty = tempfile::NamedTempFile::new().unwrap();
        for path in [empty.path(), Path::new("/nonexistent/roots.pem")] {
            let Err(why) = connector(Some(path)) else { panic!("{} was taken", path.display()) };
            assert!(why.contains(path.to_str().unwrap()), "{why}");
        }
        assert!(connector(None).is_ok());
    }
}
