//! The file that an application's Envoy starts with: everything but where its services go.
//!
//! Listeners are static, because a change of a listener ends the connections it holds; clusters
//! are found on demand, one per service. The text is complete and commented, for a person to read
//! before it is run. Names are quoted, so that none can change the file's meaning.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use landfall_core::{Endpoint, ServiceName};

use crate::urn;

/// What differs between one Envoy and another.
#[derive(Debug, Clone)]
pub struct BootstrapOptions {
    /// Envoy's node id: how this proxy is listed; unique in the fleet.
    pub node_id: String,
    /// Envoy's node cluster: what this proxy is a part of.
    pub cluster: String,
    /// Where Landfall tells routes.
    pub xds: Endpoint,
    /// Envoy's own admin page; keep it on loopback.
    pub admin: SocketAddr,
    /// Services and where applications connect for them.
    pub listeners: Vec<(ServiceName, SocketAddr)>,
    /// How long a held connection waits; longer than the longest cutover.
    pub hold_timeout: Duration,
}

/// The static cluster for the control plane. No service can take its name: they have no slash.
const CONTROL_PLANE: &str = "landfall/control-plane";

/// The bootstrap file as text.
pub fn bootstrap(options: &BootstrapOptions) -> String {
    let mut text = head(options);
    text.push_str("static_resources:\n");
    if !options.listeners.is_empty() {
        text.push_str("  listeners:\n");
    }
    for (service, listen) in &options.listeners {
        let _ = write!(text, "{}", Listener { service, listen: *listen, options });
    }
    text.push_str(&control_plane(&options.xds));
    text
}

fn head(options: &BootstrapOptions) -> String {
    format!(
        r#"# Envoy in front of PostgreSQL, steered by Landfall.
# Applications connect here; Landfall says where each service goes, lets its new connections wait
# during a cutover, and lets them go on to the target. Established connections are never touched.

# How this proxy is listed by `landfall route status`.
node:
  id: {node_id}
  cluster: {cluster}

# For this machine only: it can stop the proxy.
admin:
  address:
    socket_address: {{ address: {admin_address}, port_value: {admin_port} }}

# Landfall, as the authority for the names of services. A cluster is asked for when its first
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
        node_id = Quoted(&options.node_id),
        cluster = Quoted(&options.cluster),
        admin_address = Quoted(&options.admin.ip().to_string()),
        admin_port = options.admin.port(),
        control_plane = Quoted(CONTROL_PLANE),
        authority = Quoted(urn::AUTHORITY),
    )
}

struct Listener<'a> {
    service: &'a ServiceName,
    listen: SocketAddr,
    options: &'a BootstrapOptions,
}

impl fmt::Display for Listener<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, listen, options } = self;
        write!(
            f,
            r#"  - name: {name}
    address:
      socket_address: {{ address: {address}, port_value: {port} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {service}
          cluster: {cluster}
          # A connection whose cluster is unknown or withdrawn waits, this long at most.
          on_demand:
            odcds_config: {{ ads: {{}}, resource_api_version: V3 }}
            timeout: {hold_timeout}
          # A database that refuses for a moment is tried again before the client hears of it.
          max_connect_attempts: 10
          backoff_options: {{ base_interval: 0.1s, max_interval: 1s }}
          # Idle sessions belong to the application's pool: Envoy's default would end them hourly.
          idle_timeout: 0s
"#,
            name = Quoted(&format!("{service} on {listen}")),
            address = Quoted(&listen.ip().to_string()),
            port = listen.port(),
            service = Quoted(service.as_str()),
            cluster = Quoted(&urn::of_service(service)),
            hold_timeout = Seconds(options.hold_timeout),
        )
    }
}

fn control_plane(xds: &Endpoint) -> String {
    let kind = if xds.host.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" };
    format!(
        r#"  clusters:
  - name: {name}
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
"#,
        name = Quoted(CONTROL_PLANE),
        address = Quoted(&xds.host),
        port = xds.port,
    )
}

/// A double-quoted YAML scalar in ASCII, whatever the text.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                other => write!(f, "\\U{:08X}", u32::from(other))?,
            }
        }
        f.write_char('"')
    }
}

/// A duration as protobuf's JSON spells it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            millis => write!(f, "{}.{millis:03}s", self.0.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> BootstrapOptions {
        BootstrapOptions {
            node_id: "orders-web-1".to_owned(),
            cluster: "orders-web".to_owned(),
            xds: Endpoint::new("127.0.0.1", 18_000),
            admin: "127.0.0.1:9901".parse().expect("an address"),
            listeners: vec![
                (ServiceName::new("orders"), "127.0.0.1:6432".parse().expect("an address")),
                (ServiceName::new("orders-ro"), "[::1]:6433".parse().expect("an address")),
            ],
            hold_timeout: Duration::from_secs(900),
        }
    }

    #[test]
    fn the_text_is_what_people_were_shown() {
        let shown = include_str!("bootstrap/example.yaml");
        assert_eq!(bootstrap(&options()), shown);
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let evil = "a\": b\n\\ é # {x}";
        assert_eq!(Quoted(evil).to_string(), r#""a\": b\U0000000A\\ \U000000E9 # {x}""#);
    }

    #[test]
    fn a_control_plane_with_a_name_is_resolved() {
        let named = BootstrapOptions { xds: Endpoint::new("landfall.local", 1), ..options() };
        assert!(bootstrap(&named).contains("type: STRICT_DNS"));
    }

    #[test]
    fn durations_keep_their_milliseconds() {
        assert_eq!(Seconds(Duration::from_millis(1_050)).to_string(), "1.050s");
        assert_eq!(Seconds(Duration::from_secs(60)).to_string(), "60s");
    }
}
