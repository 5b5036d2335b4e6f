//! Where a client of the workload connects, and its sessions.
//!
//! The TCP connection is opened here instead of in the driver, for two reasons: the lab's firewall
//! tells actors apart by their source address, and a connection held by the gateway must be able
//! to wait longer than any driver's patience. Sessions are plain TCP without TLS.
//!
//! A session dropped by us is not a cut; one that ended by itself says why, when the server did.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::{Client, Config, NoTls};

use super::entry::Code;

/// Longer than any hold the gateway is asked for.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the driver gets to say why a connection ended, once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A database as seen by one client. The password stays out of Debug.
#[derive(Clone)]
pub struct Endpoint {
    /// `host:port`
    pub address: String,
    pub user: String,
    pub password: String,
    pub database: String,
    /// The source address that the lab's firewall knows this actor by.
    pub bind: Option<IpAddr>,
    /// For the connection as a whole, authentication included.
    pub connect_timeout: Duration,
    /// For one transaction; a server that stays silent longer counts as gone.
    pub answer_timeout: Duration,
}

impl Endpoint {
    /// With no source address of its own, and patience beyond any hold.
    #[must_use]
    pub fn new(address: &str, user: &str, password: &str, database: &str) -> Self {
        Self {
            address: address.to_owned(),
            user: user.to_owned(),
            password: password.to_owned(),
            database: database.to_owned(),
            bind: None,
            connect_timeout: PATIENCE,
            answer_timeout: PATIENCE,
        }
    }

    #[must_use]
    pub fn bound_to(self, address: IpAddr) -> Self {
        Self { bind: Some(address), ..self }
    }

    #[must_use]
    pub fn waiting_at_most(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.address)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("bind", &self.bind)
            .finish_non_exhaustive()
    }
}

/// Whether a session outlived an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Lives,
    Cut,
}

/// An error on a session, reduced to what the ledger records.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) code: Code,
    pub(super) fate: Fate,
}

pub(super) struct Session {
    pub(super) client: Client,
    ended: JoinHandle<Code>,
    why: Option<Code>,
}

impl Session {
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, Code> {
        match timeout(endpoint.connect_timeout, Self::connect(endpoint)).await {
            Ok(connected) => connected,
            Err(_) => Err(Code::new("timeout")),
        }
    }

    async fn connect(endpoint: &Endpoint) -> Result<Self, Code> {
        let stream = dial(endpoint).await.map_err(|e| io_code(&e))?;
        let mut config = Config::new();
        config
            .user(&endpoint.user)
            .password(&endpoint.password)
            .dbname(&endpoint.database)
            .application_name("landfall-workload");
        let (client, connection) =
            config.connect_raw(stream, NoTls).await.map_err(|e| error_code(&e))?;
        let ended = tokio::spawn(async move {
            match connection.await {
                Ok(()) => Code::new("eof"),
                Err(error) => error_code(&error),
            }
        });
        Ok(Self { client, ended, why: None })
    }

    /// Resolves when the session ends without our doing, with the reason. Cancel safe.
    pub(super) async fn ended(&mut self) -> Code {
        if let Some(why) = &self.why {
            return why.clone();
        }
        let why = (&mut self.ended).await.unwrap_or_else(|_| Code::new("eof"));
        self.why = Some(why.clone());
        why
    }

    /// Says what an error means for the session. A closed connection only says that it is closed, so
    /// the driver's task is asked for the reason it saw.
    pub(super) async fn trouble(&mut self, error: &tokio_postgres::Error) -> Trouble {
        if let Some(said) = error.as_db_error() {
            let fatal = matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
            let fate = if fatal { Fate::Cut } else { Fate::Lives };
            return Trouble { code: Code::new(said.code().code()), fate };
        }
        let code = timeout(LAST_WORDS, self.ended()).await;
        Trouble { code: code.unwrap_or_else(|_| error_code(error)), fate: Fate::Cut }
    }
}

async fn dial(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(&endpoint.address).await? {
        match dial_address(address, endpoint.bind).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn dial_address(address: SocketAddr, bind: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(own) = bind {
        // Ports of connections just closed must be usable again: a writer that reconnects for every
        // transaction would run out of them within the minute that TCP keeps them.
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(own, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn error_code(error: &tokio_postgres::Error) -> Code {
    if let Some(sqlstate) = error.code() {
        return Code::new(sqlstate.code());
    }
    let cause = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    match cause {
        Some(io) => io_code(io),
        None if error.is_closed() => Code::new("eof"),
        None => Code::new(&error.to_string()),
    }
}

fn io_code(error: &io::Error) -> Code {
    use io::ErrorKind;
    let broken = [
        (ErrorKind::ConnectionRefused, "refused"),
        (ErrorKind::ConnectionReset, "eof"),
        (ErrorKind::ConnectionAborted, "eof"),
        (ErrorKind::BrokenPipe, "eof"),
        (ErrorKind::UnexpectedEof, "eof"),
        (ErrorKind::TimedOut, "timeout"),
    ];
    let word = broken.iter().find(|(kind, _)| *kind == error.kind()).map(|(_, word)| *word);
    word.map_or_else(|| Code::new(&error.kind().to_string()), Code::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_keeps_the_password_to_itself() {
        let endpoint = Endpoint::new("127.0.0.1:1", "app", "hunter2", "shop");
        let shown = format!("{endpoint:?}");
        assert!(shown.contains("app") && !shown.contains("hunter2"), "{shown}");
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_and_a_silent_one_times_out() {
        let listener =
            tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port for the test");
        let address = listener.local_addr().expect("its address").to_string();
        let silent = Endpoint::new(&address, "app", "", "shop")
            .bound_to(IpAddr::from([127, 0, 0, 2]))
            .waiting_at_most(Duration::from_millis(50));
        let code = Session::open(&silent).await.err();
        assert_eq!(code, Some(Code::new("timeout")));
        drop(listener);
        assert_eq!(Session::open(&silent).await.err(), Some(Code::new("refused")));
    }
}
