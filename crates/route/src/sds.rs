//! Certificates told to proxies, over the incremental secret discovery of the same control plane.
//!
//! A stream carries one secret of one proxy. Whose certificate it gets is decided by the enrolment
//! that its TLS connection showed, never by what it asks; over plain text nothing is told. A new
//! certificate goes out at half the life of the last, and at once to a proxy that comes back, so
//! nothing needs to be kept. Not in the index: a secret has no epoch and no hold, and no order
//! against routes.

mod account;
mod secret;
mod service;

pub use account::SecretView;
pub use secret::SecretName;
pub(crate) use service::{Sds, Secrets};
