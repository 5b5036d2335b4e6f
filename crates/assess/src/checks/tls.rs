//! TLS beneath the gateway: who speaks it to the database, and what a verifying client will see.

use landfall_core::finding::{Finding, Learnt};
use landfall_core::spec::{RouterKind, UpstreamTls};

use super::{Seen, page};

/// PostgreSQL 17 is the first that takes TLS without its own negotiation.
const DIRECT_SINCE: u32 = 17;

fn major(version: &str) -> Option<u32> {
    version.split(['.', '-']).next()?.parse().ok()
}

pub(super) fn by_whom(seen: &Seen<'_>) -> Vec<Finding> {
    let route = &seen.spec.route;
    let envoy = route.router.kinds().contains(&RouterKind::Envoy);
    let old = major(&seen.instance.engine_version).is_some_and(|major| major < DIRECT_SINCE);
    if !envoy {
        return vec![];
    }
    let (service, version) = (&route.service, &seen.instance.engine_version);
    let finding = match (route.upstream_tls, old) {
        (UpstreamTls::Direct, true) => {
            let what = format!("Envoy cannot speak TLS to PostgreSQL {version} by itself");
            Finding::warning(service, what)
                .why(
                    "Up to version 16 PostgreSQL negotiates TLS in its own protocol, which the \
                     public Envoy does not know: every connection would fail.",
                )
                .remedy("Leave route.upstream_tls at \"passthrough\", or put PgBouncer behind it.")
        }
        (UpstreamTls::Passthrough, true) => {
            let what = format!("Envoy cannot speak TLS to PostgreSQL {version} by itself");
            Finding::note(service, what)
                .why(
                    "The client's own TLS goes through it untouched; a client without TLS has \
                     none between the gateway and the database.",
                )
                .remedy(
                    "Let clients use sslmode=require or more, or put PgBouncer (server_tls_sslmode) \
                     behind the gateway.",
                )
        }
        (UpstreamTls::Passthrough, false) => {
            Finding::note(service, "the client's own TLS goes through Envoy untouched")
                .why("PostgreSQL 17 and newer also take TLS from Envoy itself.")
                .remedy("Set route.upstream_tls to \"direct\" when clients shall need none.")
        }
        (UpstreamTls::Direct, false) => return vec![],
    };
    vec![finding.learnt(Learnt::Inferred).see(page::TLS)]
}

/// Verifying clients compare a name; through a gateway it is the gateway's or the database's.
pub(super) fn verifying(seen: &Seen<'_>) -> Vec<Finding> {
    let ca = seen.instance.detail.ca.as_deref();
    let ca = ca.map(|ca| format!(" ({ca})")).unwrap_or_default();
    let what = format!("clients with sslmode=verify-full check the target's certificate{ca}");
    vec![
        Finding::note(&seen.spec.route.service, what)
            .learnt(Learnt::Inferred)
            .why(
                "An RDS certificate names the instance's endpoint, the target's the cluster's. A \
                 client that reaches the source by another name than the service must change it; \
                 through a tunnel it verifies whatever name its own connection string gives.",
            )
            .remedy(
                "Trust the Region's bundle of authorities, and verify by verify-ca, or by the \
                 cluster's name with hostaddr set to the gateway.",
            )
            .see(page::TLS),
    ]
}
