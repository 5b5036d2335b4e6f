//! Where clients connect, who may, and where it goes from there.
//!
//! Only the hop before the database waits for a cluster; a sidecar's gateway is always known, so a
//! sidecar holds nobody and has nothing to be told during a cutover. A gateway decides at a
//! client's first bytes, before it opens anything towards the database.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use landfall_core::ServiceName;

use super::yaml::{Quoted, Seconds};
use super::{BootstrapOptions, CONTROL_PLANE, Certificates, Hop, Listen, discovery, tls};
use crate::urn;

/// All listeners.
pub(super) fn listeners(options: &BootstrapOptions) -> String {
    let mut text = String::new();
    match &options.hop {
        Hop::One => {
            for (service, listen) in &options.listeners {
                text.push_str(&opening(&format!("{service} on {}", shown(listen)), listen));
                text.push_str("    filter_chains:\n    - filters:\n");
                text.push_str(&to_database(service, options, ""));
            }
        }
        Hop::Sidecar { .. } => {
            for (service, listen) in &options.listeners {
                text.push_str(&opening(&format!("{service} on {}", shown(listen)), listen));
                text.push_str("    filter_chains:\n    - filters:\n");
                text.push_str(&to_gateway(service));
            }
        }
        Hop::Gateway { allowed, certificates } => {
            let mut by_address: BTreeMap<&Listen, Vec<&ServiceName>> = BTreeMap::new();
            for (service, listen) in &options.listeners {
                by_address.entry(listen).or_default().push(service);
            }
            for (listen, services) in by_address {
                text.push_str(&opening(&format!("gateway on {}", shown(listen)), listen));
                text.push_str(GATEWAY_LISTENER);
                for service in services {
                    let allowed = allowed.iter().find(|(name, _)| name == service);
                    let allowed = allowed.map(|(_, uris)| uris.as_slice()).unwrap_or_default();
                    text.push_str(&chain(service, allowed, certificates, options));
                }
            }
        }
    }
    text
}

fn shown(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => address.to_string(),
        Listen::Unix(path) => path.display().to_string(),
    }
}

fn opening(name: &str, listen: &Listen) -> String {
    let address = match listen {
        Listen::Tcp(address) => format!(
            "socket_address: {{ address: {}, port_value: {} }}",
            Quoted(&address.ip().to_string()),
            address.port()
        ),
        // As PostgreSQL's own: who may enter the folder may connect. The mode is 0777.
        Listen::Unix(path) => {
            format!("pipe: {{ path: {}, mode: 511 }}", Quoted(&path.display().to_string()))
        }
    };
    format!("  - name: {}\n    address:\n      {address}\n", Quoted(name))
}

/// The hop before the database: waits for a cluster that is unknown or withdrawn.
fn to_database(service: &ServiceName, options: &BootstrapOptions, more: &str) -> String {
    format!(
        r#"      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {service}
          cluster: {cluster}
{waiting}{more}          # A connection whose cluster is unknown or withdrawn waits, this long at most.
          on_demand:
            odcds_config: {{ ads: {{}}, resource_api_version: V3 }}
            timeout: {hold_timeout}
{PATIENCE}"#,
        service = Quoted(service.as_str()),
        cluster = Quoted(&urn::of_service(service)),
        waiting = options.xds.as_ref().map(|_| waiting(service)).unwrap_or_default(),
        hold_timeout = Seconds(options.hold_timeout),
    )
}

/// What Landfall is told of connections that wait.
fn waiting(service: &ServiceName) -> String {
    format!(
        r#"          # Landfall is told which connections wait: once a second, while they do, and only those.
          access_log_options: {{ access_log_flush_interval: 1s }}
          access_log:
          - name: envoy.access_loggers.tcp_grpc
            filter:
              extension_filter:
                name: envoy.access_loggers.extension_filters.cel
                typed_config:
                  "@type": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter
                  expression: "!has(upstream.address)"
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig
              common_config:
                log_name: {service}
                transport_api_version: V3
                buffer_flush_interval: 0.2s
                grpc_service:
                  envoy_grpc: {{ cluster_name: {control_plane}, authority: {authority} }}
"#,
        service = Quoted(service.as_str()),
        control_plane = Quoted(CONTROL_PLANE),
        authority = Quoted(urn::AUTHORITY),
    )
}

const PATIENCE: &str = "          # A database that refuses for a moment is tried again before \
the client hears of it.
          max_connect_attempts: 10
          backoff_options: { base_interval: 0.1s, max_interval: 1s }
          # Idle sessions belong to the application's pool: Envoy's default would end them hourly.
          idle_timeout: 0s
";

fn to_gateway(service: &ServiceName) -> String {
    format!(
        r#"      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {service}
          cluster: {cluster}
          # A gateway that refuses for a moment is tried again before the client hears of it.
          max_connect_attempts: 10
          backoff_options: {{ base_interval: 0.1s, max_interval: 1s }}
          # Idle sessions belong to the application's pool: Envoy's default would end them hourly.
          # A held connection is idle here too, for as long as the gateway holds it.
          idle_timeout: 0s
"#,
        service = Quoted(service.as_str()),
        cluster = Quoted(&gateway_cluster(service)),
    )
}

fn gateway_cluster(service: &ServiceName) -> String {
    format!("gateway/{service}")
}

const GATEWAY_LISTENER: &str = concat!(
    r#"    # A sidecar whose machine is gone is noticed: keepalive, with Linux's numbers for its times.
    socket_options:
    - { level: 1, name: 9, int_value: 1 }
    - { level: 6, name: 4, int_value: 30 }
    - { level: 6, name: 5, int_value: 30 }
    - { level: 6, name: 6, int_value: 4 }
    # The service is read from the TLS hello, before anything is decided.
    listener_filters:
    - name: envoy.filters.listener.tls_inspector
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector
    # One line when a connection ends: who it was, and why it was not let in if it was not.
    access_log:
    - name: envoy.access_loggers.stderr
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog
        log_format:
          text_format_source:
"#,
    r#"            inline_string: "gateway: client=%DOWNSTREAM_REMOTE_ADDRESS%"#,
    " uri=%DOWNSTREAM_PEER_URI_SAN% node=%DOWNSTREAM_PEER_SUBJECT%",
    " service=%REQUESTED_SERVER_NAME% refused=%CONNECTION_TERMINATION_DETAILS%",
    r#" tls=%DOWNSTREAM_TRANSPORT_FAILURE_REASON% flags=%RESPONSE_FLAGS% for=%DURATION%ms\n"
    filter_chains:
"#
);

/// A service at a gateway: its name in the hello, its certificate check, its clients, its cluster.
fn chain(
    service: &ServiceName,
    allowed: &[String],
    certificates: &Certificates,
    options: &BootstrapOptions,
) -> String {
    let mut text = format!(
        "    - filter_chain_match: {{ server_names: [{}] }}\n{}      filters:\n",
        Quoted(service.as_str()),
        tls::downstream(certificates),
    );
    let _ = write!(
        text,
        r#"      # Who may reach this service, by the URI of the certificate; nobody else.
      - name: envoy.filters.network.rbac
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC
          stat_prefix: {prefix}
          rules:
            action: ALLOW
"#,
        prefix = Quoted(&format!("{service}.")),
    );
    if !allowed.is_empty() {
        let policy = Quoted(&format!("clients of {service}")).to_string();
        let _ = write!(
            text,
            r"            policies:
              {policy}:
                permissions: [{{ any: true }}]
                principals:
"
        );
    }
    for uri in allowed {
        let uri = Quoted(uri);
        let _ = writeln!(
            text,
            "                - authenticated: {{ principal_name: {{ exact: {uri} }} }}"
        );
    }
    let late = "          # Nothing is opened towards the database before the client may reach \
it: a client of\n          # PostgreSQL speaks first, and what it says first is what the check \
above waits for.\n          upstream_connect_mode: ON_DOWNSTREAM_DATA\n          \
max_early_data_bytes: 65536\n";
    text.push_str(&to_database(service, options, late));
    text
}

/// A sidecar's clusters, one per service: the same gateways, another name in the hello.
pub(super) fn gateways(options: &BootstrapOptions) -> String {
    let Hop::Sidecar { gateways, gateway_uri, certificates } = &options.hop else {
        return String::new();
    };
    let mut text = String::new();
    let kind = gateways.first().map_or("STATIC", discovery);
    let endpoints: String = gateways
        .iter()
        .map(|gateway| {
            format!(
                "        - endpoint:
            address:
              socket_address: {{ address: {}, port_value: {} }}
",
                Quoted(&gateway.host),
                gateway.port
            )
        })
        .collect();
    for (service, _) in &options.listeners {
        let _ = write!(
            text,
            r"  - name: {name}
    type: {kind}
    connect_timeout: 5s
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
{endpoints}    # The gateway and the database limit connections themselves.
    circuit_breakers:
      thresholds: [{{ max_connections: 1000000, max_pending_requests: 1000000 }}]
    upstream_connection_options:
      tcp_keepalive: {{ keepalive_probes: 4, keepalive_time: 30, keepalive_interval: 30 }}
{tls}",
            name = Quoted(&gateway_cluster(service)),
            tls = tls::upstream(service, gateway_uri, certificates),
        );
    }
    text
}
