//! What a server is started with. The binary fills it in from the command line.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use landfall_core::spec::SecretReference;
use landfall_store::PostgresAddress;

/// Whether a server moves anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It answers, and writes requests into journals; nothing more.
    Shows,
    /// It drives every unfinished move and tells the gateway's proxies their routes.
    Drives {
        /// Where proxies connect; port 0 picks a free one.
        xds: SocketAddr,
    },
}

/// How the gateways' proxies reach this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XdsSecurity {
    /// Plain text; refused beyond this machine.
    #[default]
    Plain,
    /// Plain text wherever, because somebody said so.
    PlainAnywhere,
    /// Mutual TLS with certificates of the authority in the state directory.
    Mutual {
        /// How long a certificate for traffic lives.
        lifetime: Duration,
    },
}

/// What a client must say to be heard, when only one is meant to be.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token that nobody guesses.
    pub fn random() -> std::io::Result<Self> {
        let mut bytes = [0_u8; 24];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The token itself, for the client that is meant.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A server's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of what belongs to this machine: the store, unless there is a shared one,
    /// keys and certificates.
    pub state: PathBuf,
    /// The store that several servers share; absent = a file in the directory.
    pub store: Option<PostgresAddress>,
    /// Where the API answers; port 0 picks a free one.
    pub listen: SocketAddr,
    /// What it does.
    pub role: Role,
    /// Hears nobody without it. A server that belongs to one command has one, because the
    /// machine may have other users; `serve` has none.
    pub token: Option<Token>,
    /// The longest any call to AWS, a database or the gateway may take, retries included.
    pub call_timeout: Duration,
    /// How long a connection waits at the gateway, as its Envoys were told.
    pub hold_timeout: Duration,
    /// How proxies reach it.
    pub xds_security: XdsSecurity,
    /// The key that signs bundles; absent = one in the state directory.
    pub evidence_key: Option<SecretReference>,
}

impl Config {
    /// The longest call, unless told otherwise: a lease is twice as long, so a successor of a
    /// killed server waits about three times this.
    pub const CALL_TIMEOUT: Duration = Duration::from_secs(15);
    /// The least that a call to a shared store may take: a new connection of a slow machine too.
    pub const STORE_TIMEOUT: Duration = Duration::from_secs(5);
    /// As `landfall envoy bootstrap` writes it, unless told otherwise.
    pub const HOLD_TIMEOUT: Duration = Duration::from_hours(1);
    /// A certificate for traffic, unless told otherwise; renewed at half of it.
    pub const CERTIFICATE_LIFETIME: Duration = Duration::from_hours(24);
}
