//! Certificates for the way between an application and its database: who proxies are.
//!
//! Landfall's own small authority, for shops without one. It signs two kinds: long enrolments, with
//! which a proxy may ask the control plane and nothing else, and short certificates for traffic,
//! which the control plane hands out and renews. The root's key never leaves its file.

mod authority;
mod identity;
mod peer;
mod server;

pub use authority::{Authority, Issued};
pub use identity::{CONTROL_PLANE_PATH, Enrolment, Identity, Part, TRUST_DOMAIN};
pub(crate) use peer::Peer;
pub(crate) use server::acceptor;
