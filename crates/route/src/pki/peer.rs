//! What a certificate that somebody showed says. It was verified before; here it is only read.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Who showed it, and until when it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Its one URI.
    pub(crate) uri: String,
    /// When it ends.
    pub(crate) not_after: Timestamp,
}

impl Peer {
    /// Reads a certificate; a root has no URI.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
        let validity = certificate.tbs_certificate.validity;
        let not_after = Timestamp::try_from(validity.not_after.to_system_time())
            .map_err(|error| error.to_string())?;
        let names = certificate.tbs_certificate.get::<SubjectAltName>();
        let names = names.map_err(|error| error.to_string())?.map(|(_, names)| names.0);
        let mut uris = names.into_iter().flatten().filter_map(|name| {
            let GeneralName::UniformResourceIdentifier(uri) = name else { return None };
            Some(uri.to_string())
        });
        let uri = uris.next().unwrap_or_default();
        if uris.next().is_some() {
            return Err("the certificate has several URIs".to_owned());
        }
        Ok(Self { uri, not_after })
    }
}
