//! A route as Envoy's cluster: the only place that knows how Envoy spells it.
//!
//! A host that is an address becomes a static cluster, a name one that Envoy resolves by itself
//! and keeps resolving, so that a failover behind an Aurora endpoint needs no new epoch. Plain
//! TCP, through which the client's TLS passes, unless the route asks for direct TLS. Rendering is
//! pure and happens once for each change, however many proxies are told.

use std::net::IpAddr;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily,
};
use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, UpstreamConnectionOptions,
};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType;
use envoy_types::pb::envoy::config::core::v3::{
    Address, DataSource, SocketAddress, TcpKeepalive, TransportSocket,
};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint as EnvoyEndpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::tls_parameters::TlsProtocol;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, TlsParameters,
    UpstreamTlsContext,
};
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::google::protobuf::{Any, Duration, UInt32Value};
use landfall_core::Endpoint;
use landfall_core::port::router::{DirectTls, Route};
use prost::Message as _;

use crate::urn;

/// A database in the same region answers in milliseconds; retries are the listener's.
const CONNECT_TIMEOUT: Duration = Duration { seconds: 2, nanos: 0 };

/// The database limits its connections itself. Envoy's own default of 1,024 would refuse the rest
/// of those that waited through a hold and come through at once.
const NO_LIMIT: UInt32Value = UInt32Value { value: 1_000_000 };

/// Seconds without traffic before a peer is asked whether it lives, and between questions.
const KEEPALIVE_SECONDS: u32 = 30;

const UPSTREAM_TLS: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";

/// PostgreSQL's name in a TLS hello; a server refuses direct TLS without it.
const ALPN: &str = "postgresql";

/// A route and its cluster in bytes, made once and shared by every stream that is told.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) route: Route,
    pub(crate) cluster: Vec<u8>,
}

impl Rendered {
    pub(crate) fn new(route: Route) -> Self {
        let cluster = cluster(&route).encode_to_vec();
        Self { route, cluster }
    }
}

/// The bytes follow from the route.
impl PartialEq for Rendered {
    fn eq(&self, other: &Self) -> bool {
        self.route == other.route
    }
}

impl Eq for Rendered {}

/// The cluster of a route.
fn cluster(route: &Route) -> Cluster {
    let kind = discovery(&route.endpoint.host);
    let limit = route.passage.sessions_per_proxy.map(|sessions| Thresholds {
        max_connections: Some(UInt32Value { value: sessions.get() }),
        ..Thresholds::default()
    });
    Cluster {
        name: urn::of_service(&route.service),
        // What an operator looks for in Envoy's statistics.
        alt_stat_name: route.service.as_str().to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(kind.into())),
        connect_timeout: Some(CONNECT_TIMEOUT),
        // RDS names have IPv4 addresses always, and others only in dual-stack networks.
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        load_assignment: Some(assignment(route)),
        circuit_breakers: Some(CircuitBreakers {
            thresholds: vec![Thresholds {
                max_connections: Some(NO_LIMIT),
                max_pending_requests: Some(NO_LIMIT),
                ..Thresholds::default()
            }],
            // Above the limit of a cluster Envoy drops a connection; above a host's, it waits.
            per_host_thresholds: limit.into_iter().collect(),
        }),
        transport_socket: route.passage.tls.as_ref().map(|tls| direct_tls(tls, &route.endpoint)),
        upstream_connection_options: Some(UpstreamConnectionOptions {
            tcp_keepalive: Some(TcpKeepalive {
                keepalive_probes: Some(UInt32Value { value: 4 }),
                keepalive_time: Some(UInt32Value { value: KEEPALIVE_SECONDS }),
                keepalive_interval: Some(UInt32Value { value: KEEPALIVE_SECONDS }),
            }),
            ..UpstreamConnectionOptions::default()
        }),
        ..Cluster::default()
    }
}

fn discovery(host: &str) -> DiscoveryType {
    if host.parse::<IpAddr>().is_ok() { DiscoveryType::Static } else { DiscoveryType::StrictDns }
}

fn assignment(route: &Route) -> ClusterLoadAssignment {
    let endpoint = LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(EnvoyEndpoint {
            address: Some(address(&route.endpoint)),
            ..EnvoyEndpoint::default()
        })),
        ..LbEndpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: urn::of_service(&route.service),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![endpoint],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

fn address(endpoint: &Endpoint) -> Address {
    Address {
        address: Some(AddressKind::SocketAddress(SocketAddress {
            address: endpoint.host.clone(),
            port_specifier: Some(PortSpecifier::PortValue(endpoint.port.into())),
            ..SocketAddress::default()
        })),
    }
}

/// TLS from the first byte, to a server that proves the name or address of the endpoint.
fn direct_tls(tls: &DirectTls, endpoint: &Endpoint) -> TransportSocket {
    let is_address = endpoint.host.parse::<IpAddr>().is_ok();
    let san_type = if is_address { SanType::IpAddress } else { SanType::Dns };
    let name = StringMatcher {
        match_pattern: Some(MatchPattern::Exact(endpoint.host.clone())),
        ignore_case: false,
    };
    let roots = DataSource {
        specifier: Some(Specifier::Filename(tls.roots.clone())),
        ..DataSource::default()
    };
    let trust = CertificateValidationContext {
        trusted_ca: Some(roots),
        match_typed_subject_alt_names: vec![SubjectAltNameMatcher {
            san_type: san_type.into(),
            matcher: Some(name),
            ..SubjectAltNameMatcher::default()
        }],
        ..CertificateValidationContext::default()
    };
    let context = UpstreamTlsContext {
        // An address is no server name (RFC 6066).
        sni: if is_address { String::new() } else { endpoint.host.clone() },
        common_tls_context: Some(CommonTlsContext {
            // Envoy's own default for what it connects to ends at 1.2.
            tls_params: Some(TlsParameters {
                tls_minimum_protocol_version: TlsProtocol::TlSv12.into(),
                tls_maximum_protocol_version: TlsProtocol::TlSv13.into(),
                ..TlsParameters::default()
            }),
            alpn_protocols: vec![ALPN.to_owned()],
            validation_context_type: Some(ValidationContextType::ValidationContext(trust)),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(ConfigType::TypedConfig(Any {
            type_url: UPSTREAM_TLS.to_owned(),
            value: context.encode_to_vec(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_static_and_a_name_is_resolved_by_envoy() {
        assert_eq!(discovery("127.0.0.1"), DiscoveryType::Static);
        assert_eq!(discovery("::1"), DiscoveryType::Static);
        assert_eq!(discovery("localhost"), DiscoveryType::StrictDns);
        assert_eq!(
            discovery("orders.cluster-abc.eu-west-1.rds.amazonaws.com"),
            DiscoveryType::StrictDns
        );
    }
}
