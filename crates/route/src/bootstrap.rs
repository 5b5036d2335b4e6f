//! The file that an Envoy starts with: everything but where its services go.
//!
//! Listeners are static, because a change of a listener ends the connections it holds; clusters
//! are found on demand, one per service. The text is complete and commented, for a person to read
//! before it is run. Names are quoted, so that none can change the file's meaning. Certificates are
//! never in it: they are told, or stand in files that Envoy watches.

mod listener;
mod tls;
mod yaml;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use landfall_core::{Endpoint, ServiceName};

pub use tls::{Folder, IDENTITY_FILE, TRUST_FILE, secret_files};
use yaml::Quoted;

use crate::{urn, waiting};

/// What differs between one Envoy and another.
#[derive(Debug, Clone)]
pub struct BootstrapOptions {
    /// Envoy's node id: how this proxy is listed; unique in the fleet.
    pub node_id: String,
    /// Envoy's node cluster: what this proxy is a part of.
    pub cluster: String,
    /// Where Landfall tells routes and certificates; not needed by a sidecar with files.
    pub xds: Option<Xds>,
    /// Envoy's own admin page; keep it on loopback.
    pub admin: SocketAddr,
    /// Services and where clients connect for them.
    pub listeners: Vec<(ServiceName, Listen)>,
    /// How long a held connection waits; longer than the longest cutover.
    pub hold_timeout: Duration,
    /// Its place between application and database.
    pub hop: Hop,
}

/// The control plane, as a proxy reaches it.
#[derive(Debug, Clone)]
pub struct Xds {
    /// Its address.
    pub endpoint: Endpoint,
    /// The folder with the proxy's enrolment; absent = plain text, for loopback only.
    pub enrolment: Option<Folder>,
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listen {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket; PostgreSQL's clients look for `.s.PGSQL.5432` in a folder.
    Unix(PathBuf),
}

/// Where a proxy stands.
#[derive(Debug, Clone)]
pub enum Hop {
    /// Application, this, database.
    One,
    /// Beside the application: to a gateway, by mutual TLS.
    Sidecar {
        /// The gateways.
        gateways: Vec<Endpoint>,
        /// How the URI of a gateway's certificate begins.
        gateway_uri: String,
        /// Where its own certificate comes from.
        certificates: Certificates,
    },
    /// In front of databases: takes mutual TLS from sidecars.
    Gateway {
        /// The URIs of those that may reach a service.
        allowed: Vec<(ServiceName, Vec<String>)>,
        /// Where its own certificate comes from.
        certificates: Certificates,
    },
}

/// Where a certificate for traffic comes from.
#[derive(Debug, Clone)]
pub enum Certificates {
    /// Landfall tells it, and renews it.
    Told,
    /// Files, which Envoy watches; the folder holds what [`secret_files`] says.
    Files(Folder),
}

/// The static cluster for the control plane. No service can take its name: they have no slash.
const CONTROL_PLANE: &str = "landfall/control-plane";

/// The bootstrap file as text.
pub fn bootstrap(options: &BootstrapOptions) -> String {
    let mut text = head(options);
    if let (Some(_), Hop::One | Hop::Gateway { .. }) = (&options.xds, &options.hop) {
        text.push_str(&authority());
    }
    text.push_str("static_resources:\n");
    if !options.listeners.is_empty() {
        text.push_str("  listeners:\n");
    }
    text.push_str(&listener::listeners(options));
    let clusters =
        listener::gateways(options) + &options.xds.as_ref().map(control_plane).unwrap_or_default();
    if !clusters.is_empty() {
        text.push_str("  clusters:\n");
        text.push_str(&clusters);
    }
    text
}

fn head(options: &BootstrapOptions) -> String {
    let what = match &options.hop {
        Hop::One => {
            "# Envoy in front of PostgreSQL, steered by Landfall.
# Applications connect here; Landfall says where each service goes, lets its new connections wait
# during a cutover, and lets them go on to the target. Established connections are never touched."
        }
        Hop::Sidecar { .. } => {
            "# Envoy beside an application, on its way to the gateway in front of PostgreSQL.
# The application connects here, in plain text or with PostgreSQL's own TLS; mutual TLS takes it to
# the gateway, which holds it during a cutover. Nothing here ever changes but its certificate."
        }
        Hop::Gateway { .. } => {
            "# Envoy in front of PostgreSQL, steered by Landfall: the gateway that sidecars connect to.
# It lets in who shows a certificate that may reach the service; Landfall says where each service
# goes, lets its new connections wait during a cutover, and lets them go on to the target.
# Established connections are never touched."
        }
    };
    format!(
        r"{what}

# How this proxy is listed by `landfall route status`.
node:
  id: {node_id}
  cluster: {cluster}
{reports}
# For this machine only: it can stop the proxy.
admin:
  address:
    socket_address: {{ address: {admin_address}, port_value: {admin_port} }}

",
        node_id = Quoted(&options.node_id),
        cluster = Quoted(&options.cluster),
        reports = match (&options.xds, &options.hop) {
            (Some(_), Hop::One | Hop::Gateway { .. }) => format!(
                "  # It says who waits at it (see the access log below).\n  metadata: {{ {}: true }}\n",
                Quoted(waiting::REPORTS)
            ),
            (None, _) | (Some(_), Hop::Sidecar { .. }) => String::new(),
        },
        admin_address = Quoted(&options.admin.ip().to_string()),
        admin_port = options.admin.port(),
    )
}

fn authority() -> String {
    format!(
        r#"# Landfall, as the authority for the names of services. A cluster is asked for when its first
# connection comes, and only then.
config_sources:
- authorities:
  - name: {authority}
  resource_api_version: V3
  # A held service is answered with silence. By default Envoy would take that for an absence after
  # 15 seconds and end the connections that wait.
  initial_fetch_timeout: 0s
  api_config_source:
    api_type: AGGREGATED_DELTA_GRPC
    transport_api_version: V3
    grpc_services:
    - envoy_grpc:
        cluster_name: {control_plane}
        authority: {authority}
        # Back within two seconds after a restart of Landfall, instead of half a minute.
        retry_policy:
          retry_back_off: {{ base_interval: 0.2s, max_interval: 2s }}

"#,
        control_plane = Quoted(CONTROL_PLANE),
        authority = Quoted(urn::AUTHORITY),
    )
}

/// The way an endpoint is found.
fn discovery(endpoint: &Endpoint) -> &'static str {
    if endpoint.host.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" }
}

fn control_plane(xds: &Xds) -> String {
    let Xds { endpoint, enrolment } = xds;
    let tls = enrolment.as_ref().map(tls::to_control_plane).unwrap_or_default();
    format!(
        r#"  - name: {name}
    type: {kind}
    connect_timeout: 1s
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint:
            address:
              socket_address: {{ address: {address}, port_value: {port} }}
    # gRPC is HTTP/2. The pings notice a Landfall whose machine is gone.
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config:
          http2_protocol_options:
            connection_keepalive: {{ interval: 5s, timeout: 5s }}
    upstream_connection_options:
      tcp_keepalive: {{ keepalive_probes: 4, keepalive_time: 30, keepalive_interval: 30 }}
{tls}"#,
        name = Quoted(CONTROL_PLANE),
        kind = discovery(endpoint),
        address = Quoted(&endpoint.host),
        port = endpoint.port,
    )
}

#[cfg(test)]
mod tests;
