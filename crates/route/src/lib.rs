//! The router port: applications' connections held, pointed elsewhere and let go.
//!
//! Routes live in the store; this crate tells them, keeps account of who follows, and never decides
//! when. [`ServiceRouter`] is core's port: it stores a route, then tells each [`Gateway`] of the
//! service. Envoy is steered over its incremental discovery protocol, one cluster per service, found
//! on demand: withdrawing a cluster makes connections wait, telling it lets them through. Its
//! layers, inwards: [`EnvoyGateway`] → routes → keeper (the one task) → index → stream →
//! subscription, the last three pure.

mod ads;
pub mod bootstrap;
mod command;
mod decision;
mod dns;
mod envoy;
mod fault;
mod gateway;
mod index;
mod keeper;
mod pgbouncer;
pub mod pki;
mod probe;
mod resource;
mod router;
mod routes;
mod sds;
mod stored;
mod stream;
mod subscription;
mod urn;
mod waiting;
mod wire;

pub use command::CommandGateway;
pub use dns::{DnsGateway, DnsMemory, DnsSurroundings, DnsWrites};
pub use envoy::{EnvoyGateway, EnvoySettings};
pub use gateway::Gateway;
pub use pgbouncer::{DatabasesFile, PgBouncerGateway, PgBouncerNodeSettings, PgBouncerSettings};
pub use router::ServiceRouter;
pub use sds::{SecretName, SecretView};
pub use wire::Wire;
