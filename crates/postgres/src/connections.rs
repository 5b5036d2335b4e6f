//! Our connections: made on demand, lent to one user at a time, kept for the next one.
//!
//! A fence, a reboot or a promotion cuts them at any moment. A kept connection that turns out to be
//! broken is thrown away; a read is then asked once more on a new one, a write starts only on a
//! connection that has just answered. A call that is given up half-way drops its connection, and
//! the server's own statement timeout ends what still runs there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use landfall_core::port::Passwords;
use landfall_core::{DatabaseName, Endpoint, Failure, Secret};
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, Row};
use tokio_postgres_rustls::MakeRustlsConnect;
use tracing::debug;

use crate::access::AccessOptions;
use crate::trouble::Trouble;
use crate::{fault, tls};

/// What our sessions are called in `pg_stat_activity`.
pub(crate) const APPLICATION: &str = "landfall";

/// Kept connections of one server; beyond it, and there may be hundreds of databases, a connection
/// ends after its use, because each one counts against the server's limit.
const KEPT_PER_SERVER: usize = 16;

/// A kept connection is not used after this: its host name may mean another server by now, and its
/// role's settings may have changed.
const KEPT_FOR: Duration = Duration::from_secs(60);

const CONNECT_BOUND: Duration = Duration::from_secs(10);
const LOCK_BOUND: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// A database of a server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) at: Endpoint,
    pub(crate) database: DatabaseName,
}

pub(crate) struct Connections {
    config: Config,
    passwords: Arc<dyn Passwords>,
    first_database: DatabaseName,
    tls: MakeRustlsConnect,
    call_timeout: Duration,
    kept: Mutex<BTreeMap<Endpoint, Vec<Kept>>>,
}

struct Kept {
    database: DatabaseName,
    lease: Lease,
}

/// A connection in use, by one user at a time.
pub(crate) struct Lease {
    pub(crate) client: Client,
    since: Instant,
}

impl Lease {
    fn is_usable(&self) -> bool {
        !self.client.is_closed() && self.since.elapsed() < KEPT_FOR
    }
}

impl Connections {
    pub(crate) fn new(options: &AccessOptions) -> Result<Self, Failure> {
        let (tls, mode) = tls::connector(options.root_certificate.as_deref(), options.encryption)?;
        Ok(Self {
            config: config(options, mode),
            passwords: Arc::clone(&options.passwords),
            first_database: options.first_database.clone(),
            tls,
            call_timeout: options.call_timeout,
            kept: Mutex::default(),
        })
    }

    pub(crate) const fn first_database(&self) -> &DatabaseName {
        &self.first_database
    }

    /// The bound of a call.
    pub(crate) const fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// Whether a server's own connections are to be encrypted, as libpq says it.
    pub(crate) fn ssl_mode(&self) -> &'static str {
        let mode = self.config.get_ssl_mode();
        if mode == SslMode::Prefer { "prefer" } else { "require" }
    }

    /// Asks one read-only question, on a new connection when the kept one is broken.
    pub(crate) async fn ask(
        &self,
        place: &Place,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        if let Some(lease) = self.take(place) {
            match lease.client.query(sql, params).await {
                Err(error) if fault::is_broken(&error) => {
                    debug!(endpoint = %place.at, "kept connection is broken");
                }
                answer => {
                    self.keep(place, lease);
                    return Ok(answer?);
                }
            }
        }
        let lease = self.connect(place).await?;
        let answer = lease.client.query(sql, params).await;
        if !answer.as_ref().is_err_and(fault::is_broken) {
            self.keep(place, lease);
        }
        Ok(answer?)
    }

    /// A connection that answers, to write on. It is given back with [`Self::keep`].
    pub(crate) async fn lend(&self, place: &Place) -> Result<Lease, Trouble> {
        if let Some(lease) = self.take(place)
            && lease.client.check_connection().await.is_ok()
        {
            return Ok(lease);
        }
        self.connect(place).await
    }

    /// Takes a connection back for the next user, unless it is broken or there are enough.
    pub(crate) fn keep(&self, place: &Place, lease: Lease) {
        let mut kept = self.kept();
        let kept = kept.entry(place.at.clone()).or_default();
        kept.retain(|kept| kept.lease.is_usable());
        if lease.is_usable() && kept.len() < KEPT_PER_SERVER {
            kept.push(Kept { database: place.database.clone(), lease });
        }
    }

    /// A new connection with our bounds and the server's own names in front. Without JIT: over a
    /// large catalogue it compiles for longer than the question takes.
    async fn connect(&self, place: &Place) -> Result<Lease, Trouble> {
        let millis = |bound: Duration| bound.as_millis().max(1);
        let options = format!(
            "-c statement_timeout={} -c lock_timeout={} -c search_path=pg_catalog -c jit=off \
             -c timezone=UTC",
            millis(self.call_timeout),
            millis(LOCK_BOUND.min(self.call_timeout / 2)),
        );
        let client = self.connect_with(place, &options).await?;
        Ok(Lease { client, since: Instant::now() })
    }

    /// A new connection as an application would have it, for the owner's own statements.
    pub(crate) async fn connect_as_owner(
        &self,
        place: &Place,
        statement_timeout: Duration,
    ) -> Result<Client, Trouble> {
        let millis = statement_timeout.as_millis().max(1);
        self.connect_with(place, &format!("-c statement_timeout={millis}")).await
    }

    /// A refused password is read again once: it may have been rotated since.
    async fn connect_with(&self, place: &Place, options: &str) -> Result<Client, Trouble> {
        let mut config = self.config.clone();
        config
            .host(&place.at.host)
            .port(place.at.port)
            .dbname(place.database.as_str())
            .options(options);
        let password = self.passwords.current(&place.at).await?;
        let refusal = match self.log_in(&config, &password, place).await {
            Err(error) if fault::is_refused_login(&error) => error,
            ended => return Ok(ended?),
        };
        let fresh = self.passwords.renewed(&place.at).await?;
        if fresh == password {
            return Err(refusal.into());
        }
        debug!(endpoint = %place.at, "the password was refused, and there is another one");
        Ok(self.log_in(&config, &fresh, place).await?)
    }

    async fn log_in(
        &self,
        config: &Config,
        password: &Secret<String>,
        place: &Place,
    ) -> Result<Client, Error> {
        let mut config = config.clone();
        config.password(password.expose());
        let (client, connection) = config.connect(self.tls.clone()).await?;
        let endpoint = place.at.clone();
        // It ends with its client; when it ends earlier the client's next call fails.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(endpoint = %endpoint, %error, "connection ended");
            }
        });
        Ok(client)
    }

    fn take(&self, place: &Place) -> Option<Lease> {
        let mut kept = self.kept();
        let kept = kept.get_mut(&place.at)?;
        kept.retain(|kept| kept.lease.is_usable());
        let position = kept.iter().position(|kept| kept.database == place.database)?;
        Some(kept.swap_remove(position).lease)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Endpoint, Vec<Kept>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn config(options: &AccessOptions, mode: SslMode) -> Config {
    let mut config = Config::new();
    config
        .user(&options.user)
        .application_name(APPLICATION)
        .ssl_mode(mode)
        .connect_timeout(CONNECT_BOUND.min(options.call_timeout))
        .tcp_user_timeout(options.call_timeout)
        .keepalives(true)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES);
    config
}
