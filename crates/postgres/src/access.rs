//! How to reach a server: who we are, what bounds a call, and what is believed about the peer.
//!
//! It only holds values. The password is a [`Secret`], so that printing the options is safe.

use std::path::PathBuf;
use std::time::Duration;

use landfall_core::DatabaseName;

use crate::secret::Secret;

/// What [`crate::PostgresDatabase::new`] needs to know; the same for source and target.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// The role to log in as.
    pub user: String,
    /// Its password, see [`Secret::resolve`].
    pub password: Secret<String>,
    /// Where server-wide questions are asked, smoke tests run and the marker is written.
    pub first_database: DatabaseName,
    /// The bound of every call of the port, all its databases together.
    pub call_timeout: Duration,
    /// A PEM file of certificate authorities. With it TLS is required, and the server's
    /// certificate and host name are verified. Without it TLS is used when the server offers it,
    /// and nothing about the server is verified: see the module `tls`.
    pub root_certificate: Option<PathBuf>,
}
