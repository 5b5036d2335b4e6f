//! The one connection to the shared store, opened again when it has died.
//!
//! A call has a bound. A half of it is for the first try, and what is left for a second one on a
//! new connection; a call that is given twice must therefore know itself. A connection that did
//! not answer is closed, and its server ends the statement by its own bound.

use std::time::Duration;

use landfall_core::journal::StoreError;
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::PostgresAddress;
use super::fault::{Fault, is_lost};
use super::{schema, tls};

/// Why a try came to nothing.
pub(super) enum Told {
    /// The store's own refusal, which another try would meet again.
    Refused(StoreError),
    /// PostgreSQL's.
    Sql(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Told {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Told {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// Something asked of the store, which may be asked twice.
pub(super) trait Call: Sync {
    type Answer: Send;

    /// Asks once.
    fn ask(&self, client: &mut Client) -> impl Future<Output = Result<Self::Answer, Told>> + Send;
}

/// A connection and the task that pumps it.
struct Up {
    client: Client,
    pump: AbortHandle,
}

impl Drop for Up {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

pub(super) struct Link {
    address: PostgresAddress,
    tls: Option<MakeRustlsConnect>,
    fault: Fault,
    up: Mutex<Option<Up>>,
}

impl Link {
    pub(super) fn new(address: PostgresAddress) -> Result<Self, StoreError> {
        let fault = Fault::new(address.place.clone());
        let plain = address.config.get_ssl_mode() == SslMode::Disable;
        let connector = || tls::connector(address.root_certificate.as_deref());
        let tls = (!plain).then(connector).transpose();
        let tls = tls.map_err(|why| fault.local("open", &why))?;
        Ok(Self { address, tls, fault, up: Mutex::default() })
    }

    pub(super) const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Asks, within the bound; `what` is for the words of an error.
    pub(super) async fn call<C: Call>(
        &self,
        what: &str,
        call: &C,
    ) -> Result<C::Answer, StoreError> {
        let end = Instant::now() + self.address.bound;
        let half = self.address.bound / 2;
        let Ok(mut up) = timeout_at(end, self.up.lock()).await else {
            return Err(self.silence(what));
        };
        let first = match timeout(half, self.once(&mut up, call)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Told::Refused(error))) => return Err(error),
            Ok(Err(Told::Sql(error))) if !is_lost(&error) => {
                return Err(self.fault.medium(what, &error));
            }
            Ok(Err(Told::Sql(error))) => self.fault.medium(what, &error),
            Err(_) => self.silence(what),
        };
        *up = None;
        match timeout_at(end, self.once(&mut up, call)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Told::Refused(error))) => Err(error),
            Ok(Err(Told::Sql(error))) => {
                *up = None;
                Err(self.fault.medium(what, &error))
            }
            Err(_) => {
                *up = None;
                Err(first)
            }
        }
    }

    fn silence(&self, what: &str) -> StoreError {
        self.fault.silent(what, format!("no answer within {:?}", self.address.bound))
    }

    async fn once<C: Call>(&self, up: &mut Option<Up>, call: &C) -> Result<C::Answer, Told> {
        let open = up.take().filter(|up| !up.client.is_closed());
        let up = up.insert(match open {
            Some(open) => open,
            None => self.connect().await?,
        });
        call.ask(&mut up.client).await
    }

    async fn connect(&self) -> Result<Up, Told> {
        let config = self.login()?;
        let mut up = match &self.tls {
            Some(tls) => {
                let (client, connection) = config.connect(tls.clone()).await?;
                Up { client, pump: tokio::spawn(pump(connection)).abort_handle() }
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                Up { client, pump: tokio::spawn(pump(connection)).abort_handle() }
            }
        };
        schema::prepare(&mut up.client).await?;
        Ok(up)
    }

    /// With the password as it is at this moment.
    fn login(&self) -> Result<Config, StoreError> {
        let mut config = self.address.config.clone();
        if let Some(find) = &self.address.password {
            config.password(find().map_err(|why| self.fault.local("open", &why))?);
        }
        Ok(config)
    }
}

/// Ends with the connection; what it has to say, the call that met it says.
async fn pump<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let _ = connection.await;
}

/// A number as PostgreSQL has it.
pub(super) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as we have it; the tables' checks keep them from being negative.
pub(super) fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

/// Nanoseconds since 1970, which reach from 1678 to 2262: earlier and later is cut there.
pub(super) fn nanoseconds(at: jiff::Timestamp) -> i64 {
    let nanosecond = at.as_nanosecond();
    i64::try_from(nanosecond).unwrap_or(if nanosecond < 0 { i64::MIN } else { i64::MAX })
}

/// How long from one instant to another, in nanoseconds.
pub(super) fn length(from: jiff::Timestamp, to: jiff::Timestamp) -> i64 {
    let length: Duration = to.duration_since(from).try_into().unwrap_or_default();
    i64::try_from(length.as_nanos()).unwrap_or(i64::MAX)
}
