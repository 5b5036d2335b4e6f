//! Where the shared store is, and how one gets in.
//!
//! A URL as PostgreSQL's own clients take it, without a password: that is named by where it is
//! found, and read again for each connection, so that it may be changed under a running server.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// What a store's URL must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostgresAddressError {
    /// Not a URL of PostgreSQL. Its text may hold a password, so it is not repeated.
    #[error(
        "it is not a URL such as postgres://landfall@db.example:5432/landfall (of its parameters \
         sslmode and connect_timeout are the ones to use)"
    )]
    NotAUrl,
    /// A literal password.
    #[error(
        "it holds a password: take it out of the URL, and name with --store-password where it is"
    )]
    Password,
    /// No host.
    #[error("it names no host")]
    Host,
    /// No user or no database.
    #[error("it names no user or no database")]
    Names,
}

/// Finds the password, or says why there is none.
pub(super) type Password = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// Where the shared store is.
#[derive(Clone)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) place: String,
    pub(super) password: Option<Password>,
    pub(super) root_certificate: Option<PathBuf>,
    pub(super) bound: Duration,
}

impl PostgresAddress {
    /// Whether a text means a shared store, and no directory.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads the URL. `bound` is the longest that one call may take, a second try included.
    pub fn parse(url: &str, bound: Duration) -> Result<Self, PostgresAddressError> {
        if !Self::is_one(url) {
            return Err(PostgresAddressError::NotAUrl);
        }
        let mut config: Config = url.parse().map_err(|_| PostgresAddressError::NotAUrl)?;
        if config.get_password().is_some() {
            return Err(PostgresAddressError::Password);
        }
        if config.get_hosts().is_empty() {
            return Err(PostgresAddressError::Host);
        }
        let (Some(_), Some(database)) = (config.get_user(), config.get_dbname()) else {
            return Err(PostgresAddressError::Names);
        };
        let place = format!("the database {database} on {}", hosts(&config));
        // Half of the time is for the second try.
        let half = bound / 2;
        config.connect_timeout(half).keepalives_idle(half.max(Duration::from_secs(1)));
        // After a failover of the store, the server that was the primary is no store any more.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.application_name("landfall");
        config.options(settings(half));
        if config.get_ssl_mode() != SslMode::Disable {
            config.ssl_mode(SslMode::Require);
        }
        Ok(Self { config, place, password: None, root_certificate: None, bound })
    }

    /// What finds the password, asked for each connection; it may be changed meanwhile.
    #[must_use]
    pub fn with_password(
        mut self,
        find: impl Fn() -> Result<String, String> + Send + Sync + 'static,
    ) -> Self {
        self.password = Some(Arc::new(find));
        self
    }

    /// The authorities that the server's certificate must lead to; without them the machine's own.
    #[must_use]
    pub fn with_root_certificate(mut self, path: Option<PathBuf>) -> Self {
        self.root_certificate = path;
        self
    }
}

/// Without the user, and never with a password.
impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({})", self.place)
    }
}

/// Where it is, for people.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// What is told is on the disk, and a statement whose caller gave up ends by itself.
fn settings(within: Duration) -> String {
    let bound = within.as_millis();
    format!(
        "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed \
         -c default_transaction_read_only=off -c statement_timeout={bound} \
         -c lock_timeout={bound} -c idle_in_transaction_session_timeout={bound}"
    )
}

fn hosts(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
    let named = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(at)),
        Host::Unix(path) => path.display().to_string(),
    });
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<PostgresAddress, PostgresAddressError> {
        PostgresAddress::parse(url, Duration::from_secs(10))
    }

    #[test]
    fn an_address_names_its_place_without_the_user() {
        let address = parse("postgres://landfall@one.example,two.example:5433/moves").unwrap();
        let told = "the database moves on one.example:5432, two.example:5433";
        assert_eq!(address.to_string(), told);
        assert_eq!(format!("{address:?}"), format!("PostgresAddress({told})"));
        assert_eq!(address.config.get_ssl_mode(), SslMode::Require, "nothing was said");
        let plain = parse("postgresql://landfall@localhost/moves?sslmode=disable").unwrap();
        assert_eq!(plain.config.get_ssl_mode(), SslMode::Disable);
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        for url in [
            "postgres://landfall:hunter2@db/moves",
            "postgres://landfall@db/moves?password=hunter2",
        ] {
            let refused = parse(url).unwrap_err();
            assert_eq!(refused, PostgresAddressError::Password);
            assert!(!refused.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (url, expected) in [
            ("/var/lib/landfall", PostgresAddressError::NotAUrl),
            ("mysql://landfall@db/moves", PostgresAddressError::NotAUrl),
            ("postgres://landfall@db/moves?sslmode=hunter2", PostgresAddressError::NotAUrl),
            ("postgres:///moves?user=landfall", PostgresAddressError::Host),
            ("postgres://db/moves", PostgresAddressError::Names),
            ("postgres://landfall@db", PostgresAddressError::Names),
        ] {
            assert_eq!(parse(url).unwrap_err(), expected, "{url}");
        }
    }
}
