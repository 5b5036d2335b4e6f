//! A route as Envoy's cluster: the only place that knows how Envoy spells it.
//!
//! A host that is an address becomes a static cluster, a name one that Envoy resolves by itself
//! and keeps resolving, so that a failover behind an Aurora endpoint needs no new epoch. Plain
//! TCP: the client's TLS passes through to the database.

use std::net::IpAddr;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily,
};
use envoy_types::pb::envoy::config::cluster::v3::{
    CircuitBreakers, Cluster, UpstreamConnectionOptions,
};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, TcpKeepalive};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint as EnvoyEndpoint, LbEndpoint, LocalityLbEndpoints,
};
use envoy_types::pb::google::protobuf::{Duration, UInt32Value};
use landfall_core::Endpoint;
use landfall_core::port::router::Route;

use crate::urn;

/// A database in the same region answers in milliseconds; retries are the listener's.
const CONNECT_TIMEOUT: Duration = Duration { seconds: 2, nanos: 0 };

/// The database limits its connections itself. Envoy's own default of 1,024 would refuse the rest
/// of those that waited through a hold and come through at once.
const NO_LIMIT: UInt32Value = UInt32Value { value: 1_000_000 };

/// Seconds without traffic before a peer is asked whether it lives, and between questions.
const KEEPALIVE_SECONDS: u32 = 30;

/// The cluster of a route.
pub(crate) fn cluster(route: &Route) -> Cluster {
    let kind = discovery(&route.endpoint.host);
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
            ..CircuitBreakers::default()
        }),
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
