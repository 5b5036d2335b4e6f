//! The way to a server: the one that was named, or one of this command's own.
//!
//! A server of our own lives as long as the command, on a free loopback port, on the state
//! directory of the user. It drives moves only when the command is one that does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use landfall_api::Client;
use landfall_api::core::spec::SecretReference;
use landfall_server::{Config, PostgresAddress, Role, Server, Token, XdsSecurity, read_secret};

use crate::arguments::{Common, Times};
use crate::exit::Exit;
use crate::stop::Stop;

/// A client, and the server behind it when that is ours.
pub(crate) struct Door {
    pub(crate) client: Client,
    own: Option<Server>,
}

impl Door {
    /// Opens the way. `role` is what a server of our own does.
    pub(crate) async fn open(common: &Common, role: Role, times: Times) -> Result<Self, Stop> {
        if let Some(url) = &common.server {
            return Ok(Self { client: Client::new(url)?, own: None });
        }
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let token = Token::random().map_err(|error| {
            Stop::Failed(Exit::Unreachable, format!("Could not read /dev/urandom: {error}."))
        })?;
        let config = config(common, role, listen, times)?;
        let server = Server::start(Config { token: Some(token.clone()), ..config }).await?;
        let client = Client::new(&server.url())?.with_token(token.expose());
        Ok(Self { client, own: Some(server) })
    }

    /// For a command that only asks.
    pub(crate) async fn ask(common: &Common) -> Result<Self, Stop> {
        let times = Times {
            call: Config::CALL_TIMEOUT,
            hold: Config::HOLD_TIMEOUT,
            xds: XdsSecurity::Plain,
        };
        Self::open(common, Role::Shows, times).await
    }

    /// Whether the server ends with this command.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Ends our own server between two actions.
    pub(crate) async fn close(self) {
        if let Some(server) = self.own {
            server.stop().await;
        }
    }
}

/// A server's configuration from the command line.
pub(crate) fn config(
    common: &Common,
    role: Role,
    listen: SocketAddr,
    times: Times,
) -> Result<Config, Stop> {
    let Times { call: call_timeout, hold: hold_timeout, xds: xds_security } = times;
    let evidence_key = evidence_key(common)?;
    let store = store(common, call_timeout)?;
    Ok(Config {
        state: state(common)?,
        store,
        listen,
        role,
        token: None,
        call_timeout,
        hold_timeout,
        xds_security,
        evidence_key,
    })
}

/// The company's own key, when one is named.
fn evidence_key(common: &Common) -> Result<Option<SecretReference>, Stop> {
    let Some(text) = &common.evidence_key else { return Ok(None) };
    let reference = SecretReference::try_from(text.clone()).map_err(|_| {
        // The text may be a key: it is not repeated.
        Stop::mistake(
            "--evidence-key takes file:PATH or env:VARIABLE of an Ed25519 key in PEM, never the \
             key itself.",
        )
    })?;
    Ok(Some(reference))
}

/// The store that several servers share, when one is named.
fn store(common: &Common, call: Duration) -> Result<Option<PostgresAddress>, Stop> {
    let Some(url) = &common.store else { return Ok(None) };
    let address = PostgresAddress::parse(url, call.max(Config::STORE_TIMEOUT))
        .map_err(|why| Stop::mistake(format!("--store: {why}.")))?
        .with_root_certificate(common.store_roots.clone());
    let Some(text) = &common.store_password else { return Ok(Some(address)) };
    let reference = SecretReference::try_from(text.clone()).map_err(|_| {
        // The text may be the password: it is not repeated.
        Stop::mistake("--store-password takes file:PATH or env:VARIABLE, never the password.")
    })?;
    let find = move || match read_secret(&reference) {
        Ok(secret) => Ok(secret.expose().clone()),
        Err(failure) => Err(failure.detail),
    };
    Ok(Some(address.with_password(find)))
}

/// The state directory: what was named, or the user's.
pub(crate) fn state(common: &Common) -> Result<PathBuf, Stop> {
    if let Some(directory) = &common.state {
        return Ok(directory.clone());
    }
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".local").join("state")));
    let home = home.filter(|home| home.is_absolute()).ok_or_else(|| {
        Stop::mistake("Neither XDG_STATE_HOME nor HOME is set: name a directory with --state DIR.")
    })?;
    Ok(home.join("landfall"))
}
