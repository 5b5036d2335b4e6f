//! A node's admin console: the database `pgbouncer`, which speaks only the simple protocol.
//!
//! One connection is kept and used by one caller at a time; one that broke is made again, once.
//! Every call is bounded, and what goes wrong is words for a person, without the password. With a
//! root certificate it is spoken to over TLS or not at all.

use std::error::Error as _;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::DbError;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage, SimpleQueryRow};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{PgBouncerNodeSettings, tls};

/// The console's own database.
const DATABASE: &str = "pgbouncer";

/// Why a node could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It could not be reached, or did not answer.
    Silent(String),
    /// It answered, and this is what it said.
    Refused(String),
}

impl Trouble {
    pub(super) fn words(self) -> String {
        match self {
            Self::Silent(words) | Self::Refused(words) => words,
        }
    }
}

/// A row by the names of its columns, which differ from version to version.
#[derive(Debug)]
pub(super) struct Row(SimpleQueryRow);

impl Row {
    /// Nothing when the column is empty, or this version has no such column.
    pub(super) fn get(&self, column: &str) -> Option<&str> {
        self.0.try_get(column).ok().flatten()
    }
}

/// A command that was given and not waited for.
pub(super) type Begun = JoinHandle<Option<String>>;

pub(super) struct Console {
    way: Result<(Config, Option<MakeRustlsConnect>), String>,
    place: String,
    bound: Duration,
    kept: Mutex<Option<Client>>,
}

impl Console {
    pub(super) fn new(node: &PgBouncerNodeSettings, bound: Duration) -> Self {
        let place = format!("{}:{}", node.host, node.port);
        Self { way: way(node, bound), place, bound, kept: Mutex::default() }
    }

    /// Runs one command and returns its rows.
    pub(super) async fn ask(&self, command: &str) -> Result<Vec<Row>, Trouble> {
        let mut kept = self.kept.lock().await;
        let begun = Instant::now();
        if let Some(client) = kept.take()
            && !client.is_closed()
        {
            match self.run(&client, command).await {
                // It ended since the last call. Time is not spent on it twice.
                Err(Trouble::Silent(_)) if begun.elapsed() < self.bound => {}
                answer => {
                    *kept = Some(client);
                    return answer;
                }
            }
        }
        let client = self.connect().await?;
        let answer = self.run(&client, command).await;
        if !matches!(answer, Err(Trouble::Silent(_))) {
            *kept = Some(client);
        }
        answer
    }

    /// Gives a command that may wait for clients, on a connection of its own, and returns at
    /// once. The end of that connection takes nothing back. The task has what was said in the
    /// end, which may be never.
    pub(super) async fn begin(&self, command: String) -> Result<Begun, Trouble> {
        let client = self.connect().await?;
        let bound = self.bound;
        Ok(tokio::spawn(async move {
            let answer = tokio::time::timeout(bound, client.simple_query(&command)).await.ok()?;
            Some(words_of(answer.err()?.as_db_error()?))
        }))
    }

    async fn run(&self, client: &Client, command: &str) -> Result<Vec<Row>, Trouble> {
        let answer = tokio::time::timeout(self.bound, client.simple_query(command)).await;
        let messages = answer.map_err(|_| self.late())?.map_err(|error| self.failed(&error))?;
        let mut rows = Vec::new();
        for message in messages {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push(Row(row));
            }
        }
        Ok(rows)
    }

    async fn connect(&self) -> Result<Client, Trouble> {
        let (config, tls) = self.way.as_ref().map_err(|why| Trouble::Refused(why.clone()))?;
        let connected = async {
            match tls {
                Some(tls) => config.connect(tls.clone()).await.map(|(client, connection)| {
                    kept_up(connection);
                    client
                }),
                None => config.connect(NoTls).await.map(|(client, connection)| {
                    kept_up(connection);
                    client
                }),
            }
        };
        let connected = tokio::time::timeout(self.bound, connected).await;
        connected.map_err(|_| self.late())?.map_err(|error| self.failed(&error))
    }

    fn late(&self) -> Trouble {
        Trouble::Silent(format!("no answer from {} within {:?}", self.place, self.bound))
    }

    fn failed(&self, error: &Error) -> Trouble {
        if let Some(said) = error.as_db_error() {
            return Trouble::Refused(words_of(said));
        }
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Trouble::Silent(format!("no answer from {}: {cause}", self.place))
    }
}

fn way(
    node: &PgBouncerNodeSettings,
    bound: Duration,
) -> Result<(Config, Option<MakeRustlsConnect>), String> {
    let mut config = Config::new();
    config.host(&node.host).port(node.port).user(&node.user).dbname(DATABASE);
    config.application_name("landfall").connect_timeout(bound);
    if let Some(password) = node.password.clone()? {
        config.password(password);
    }
    let tls = node.root_certificate.as_deref().map(tls::connector).transpose()?;
    config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
    Ok((config, tls))
}

/// It ends with its client; when it ends earlier the client's next call fails.
fn kept_up(connection: impl Future<Output = Result<(), Error>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to an admin console ended");
        }
    });
}

fn words_of(said: &DbError) -> String {
    format!("it says: {}", said.message())
}

/// A name as the console reads it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
