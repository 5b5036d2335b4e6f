//! How to reach a server: who we are, what bounds a call, and what is believed about the peer.
//!
//! It only holds values. The password is asked for at each login, and no part of the options.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::DatabaseName;
use landfall_core::port::Passwords;

/// What [`crate::PostgresDatabase::new`] needs to know; the same for source and target.
#[derive(Debug, Clone)]
pub struct AccessOptions {
    /// The role to log in as.
    pub user: String,
    /// Where its password comes from, such as [`crate::StoredPassword`].
    pub passwords: Arc<dyn Passwords>,
    /// Where server-wide questions are asked, smoke tests run and the marker is written.
    pub first_database: DatabaseName,
    /// The bound of every call of the port, all its databases together.
    pub call_timeout: Duration,
    /// Whether a password is sent to a server that does not encrypt.
    pub encryption: Encryption,
    /// A PEM file of certificate authorities. With it TLS is required, and the server's
    /// certificate and host name are verified. Without it nothing about the server is verified:
    /// see the module `tls`.
    pub root_certificate: Option<PathBuf>,
}

/// Whether TLS is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// TLS when the server offers it.
    #[default]
    Preferred,
    /// Nothing is sent without TLS.
    Required,
}
