//! The router port: applications' connections held, pointed elsewhere and let go.
//!
//! Envoy is steered over its incremental discovery protocol, one cluster per service, found on
//! demand: withdrawing a cluster makes connections wait, telling it lets them through. Routes live
//! in the store; this crate tells them, keeps account of who follows, and never decides when.
//! The layers, inwards: [`EnvoyRouter`] → routes (store first, then proxies) → keeper (the one
//! task) → index → stream → subscription, the last three pure.

mod ads;
pub mod bootstrap;
mod decision;
mod envoy;
mod fault;
mod index;
mod keeper;
mod probe;
mod resource;
mod routes;
mod stream;
mod subscription;
mod urn;

pub use bootstrap::{BootstrapOptions, bootstrap};
pub use envoy::{EnvoyRouter, EnvoySettings};
