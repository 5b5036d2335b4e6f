//! TLS in a bootstrap: who shows what to whom, and where certificates are looked for.
//!
//! Every certificate is a secret that Envoy follows, told or in files, so that a new one is taken
//! without a restart. Sessions are never resumed: each connection proves its certificate anew, so
//! that one that ran out opens no further connection.

use std::path::{Path, PathBuf};

use landfall_core::ServiceName;

use super::yaml::Quoted;
use super::{CONTROL_PLANE, Certificates};
use crate::pki::{CONTROL_PLANE_PATH, TRUST_DOMAIN};
use crate::sds::SecretName;
use crate::urn;

/// A folder on the proxy's machine with [`IDENTITY_FILE`] and [`TRUST_FILE`].
#[derive(Debug, Clone)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
}

/// The secret with a certificate and its key.
pub const IDENTITY_FILE: &str = "identity.yaml";

/// The secret with the roots to trust.
pub const TRUST_FILE: &str = "trust.yaml";

/// The two secrets over PEM files, as text: they are read again when a file in their folder is
/// replaced by a rename.
pub fn secret_files(certificate: &Path, key: &Path, roots: &Path) -> (String, String) {
    let quoted = |path: &Path| Quoted(&path.display().to_string()).to_string();
    let folder = |path: &Path| quoted(path.parent().unwrap_or_else(|| Path::new("/")));
    let head = |name: SecretName| {
        format!(
            r#"resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: {}
"#,
            Quoted(name.word())
        )
    };
    let identity = format!(
        "{}  tls_certificate:
    certificate_chain: {{ filename: {} }}
    private_key: {{ filename: {} }}
    watched_directory: {{ path: {} }}
",
        head(SecretName::Identity),
        quoted(certificate),
        quoted(key),
        folder(certificate),
    );
    let trust = format!(
        "{}  validation_context:
    trusted_ca: {{ filename: {} }}
    watched_directory: {{ path: {} }}
",
        head(SecretName::Trust),
        quoted(roots),
        folder(roots),
    );
    (identity, trust)
}

/// A secret by its name, `indent` spaces in.
fn secret(name: SecretName, certificates: &Certificates, indent: usize) -> String {
    let source = match certificates {
        Certificates::Files(folder) => {
            let file = match name {
                SecretName::Identity => IDENTITY_FILE,
                SecretName::Trust => TRUST_FILE,
            };
            let folder = &folder.path;
            format!(
                "path_config_source:
    path: {}
    watched_directory: {{ path: {} }}",
                Quoted(&folder.join(file).display().to_string()),
                Quoted(&folder.display().to_string()),
            )
        }
        Certificates::Told => format!(
            "api_config_source:
    api_type: DELTA_GRPC
    transport_api_version: V3
    grpc_services:
    - envoy_grpc:
        cluster_name: {}
        authority: {}
        retry_policy:
          retry_back_off: {{ base_interval: 0.2s, max_interval: 2s }}",
            Quoted(CONTROL_PLANE),
            Quoted(urn::AUTHORITY),
        ),
    };
    let text = format!(
        "name: {}\nsds_config:\n  resource_api_version: V3\n  {source}",
        Quoted(name.word())
    );
    text.replace('\n', &format!("\n{}", " ".repeat(indent)))
}

/// The gateway's end: its certificate, and a demand for the client's.
pub(super) fn downstream(certificates: &Certificates) -> String {
    format!(
        r#"      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: true
          # Each connection proves its certificate anew.
          disable_stateless_session_resumption: true
          disable_stateful_session_resumption: true
          common_tls_context:
            tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
            tls_certificate_sds_secret_configs:
            - {identity}
            validation_context_sds_secret_config:
              {trust}
"#,
        identity = secret(SecretName::Identity, certificates, 14),
        trust = secret(SecretName::Trust, certificates, 14),
    )
}

/// The sidecar's end: its certificate, and who the other must be.
pub(super) fn upstream(
    service: &ServiceName,
    gateway_uri: &str,
    certificates: &Certificates,
) -> String {
    let matcher = format!("prefix: {}", Quoted(gateway_uri));
    let sni = format!(
        "          # How the gateway knows which service is meant.\n          sni: {}\n",
        Quoted(service.as_str())
    );
    client(&sni, &matcher, certificates)
}

/// Towards the control plane, with the enrolment.
pub(super) fn to_control_plane(enrolment: &Folder) -> String {
    let uri = format!("spiffe://{TRUST_DOMAIN}/{CONTROL_PLANE_PATH}");
    let matcher = format!("exact: {}", Quoted(&uri));
    client("", &matcher, &Certificates::Files(enrolment.clone()))
}

fn client(sni: &str, matcher: &str, certificates: &Certificates) -> String {
    format!(
        r#"    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
{sni}        # Each connection proves its certificate anew.
        max_session_keys: 0
        common_tls_context:
          tls_params: {{ tls_minimum_protocol_version: TLSv1_3, tls_maximum_protocol_version: TLSv1_3 }}
          tls_certificate_sds_secret_configs:
          - {identity}
          combined_validation_context:
            default_validation_context:
              match_typed_subject_alt_names:
              - {{ san_type: URI, matcher: {{ {matcher} }} }}
            validation_context_sds_secret_config:
              {trust}
"#,
        sni = sni.replace("          ", "        "),
        identity = secret(SecretName::Identity, certificates, 12),
        trust = secret(SecretName::Trust, certificates, 14),
    )
}
