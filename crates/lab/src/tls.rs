//! The certificates of a lab that offers TLS: an authority of its own, and one certificate for all.
//!
//! The authority's certificate is what a client trusts; its key is forgotten once it has signed.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// What servers show, and what clients trust.
pub(crate) struct Certificates {
    pub(crate) server: Arc<ServerConfig>,
    /// The authority, in PEM.
    pub(crate) root: String,
}

/// Makes both.
pub(crate) fn certificates() -> Result<Certificates, String> {
    make().map_err(|error| error.to_string())
}

fn make() -> Result<Certificates, Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the lab's authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let key = KeyPair::generate()?;
    let shown = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![shown.der().clone()], private)?;
    Ok(Certificates { server: Arc::new(config), root: authority.pem() })
}
