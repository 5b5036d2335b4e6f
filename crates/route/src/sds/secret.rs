//! A secret as Envoy spells it.

use envoy_types::pb::envoy::config::core::v3::DataSource;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::secret::Type;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, TlsCertificate,
};

use crate::pki::{Authority, Issued};

/// The secrets of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecretName {
    /// Its own certificate with the key.
    Identity,
    /// The roots it trusts.
    Trust,
}

impl SecretName {
    /// As a bootstrap names it; no folder or file is meant.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Identity => "landfall/identity",
            Self::Trust => "landfall/trust",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::Identity, Self::Trust].into_iter().find(|name| name.word() == word)
    }
}

/// A certificate with its key.
pub(super) fn identity(issued: &Issued) -> Secret {
    let certificate = TlsCertificate {
        certificate_chain: Some(inline(&issued.certificate)),
        private_key: Some(inline(&issued.key)),
        ..TlsCertificate::default()
    };
    named(SecretName::Identity, Type::TlsCertificate(certificate))
}

/// The root.
pub(super) fn trust(authority: &Authority) -> Secret {
    let context = CertificateValidationContext {
        trusted_ca: Some(inline(authority.root())),
        ..CertificateValidationContext::default()
    };
    named(SecretName::Trust, Type::ValidationContext(context))
}

fn named(name: SecretName, of: Type) -> Secret {
    Secret { name: name.word().to_owned(), r#type: Some(of) }
}

fn inline(text: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(text.as_bytes().to_vec())),
        ..DataSource::default()
    }
}
