//! What stands before a server that takes tokens: it ends TLS, and checks the token of a role that
//! must have one.
//!
//! PostgreSQL itself cannot: RDS's has a module for it. A role that was granted `rds_iam` logs in
//! with a token and nothing else; its session goes on over the server's private socket, which asks
//! nobody for a password. Every other login is passed on as it came. It reads the first message of
//! a connection and no other; the server's own checks of passwords stay where they are.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsAcceptor;

use crate::account::Account;
use crate::server::Server;
use crate::token::Login;

const TLS_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const STARTUP_MAX: usize = 10_000;
const NEEDS_TOKEN: &str = "select exists (select from pg_roles r \
    where r.rolname = $1 and not r.rolsuper and pg_has_role(r.oid, 'rds_iam', 'member'))";

/// A way to talk: both directions in one.
pub(super) trait Talk: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Talk for T {}

/// A front of one server.
#[derive(Clone)]
pub struct Front {
    pub(crate) tls: Arc<ServerConfig>,
    pub(crate) account: Arc<Account>,
    pub(crate) server: Weak<Server>,
}

impl std::fmt::Debug for Front {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

/// A client whose first message was read.
pub(super) struct Greeted {
    pub(super) client: Box<dyn Talk>,
    /// For the server, word for word.
    pub(super) startup: Vec<u8>,
    /// The private socket, for whom a token has let in.
    pub(super) socket: Option<PathBuf>,
}

impl Front {
    /// Reads who comes, and lets in whoever needs a token and has one; nothing when the client is
    /// turned away or has gone.
    pub(super) async fn greet(&self, client: TcpStream, port: u16) -> io::Result<Option<Greeted>> {
        let mut client: Box<dyn Talk> = Box::new(client);
        let mut first = message(&mut client).await?;
        while code(&first) == Some(GSS_REQUEST) {
            client.write_all(b"N").await?;
            first = message(&mut client).await?;
        }
        let encrypted = code(&first) == Some(TLS_REQUEST);
        if encrypted {
            client.write_all(b"S").await?;
            client = Box::new(TlsAcceptor::from(Arc::clone(&self.tls)).accept(client).await?);
            first = message(&mut client).await?;
        }
        let Some(server) = self.server.upgrade() else { return Ok(None) };
        let user = user(&first).unwrap_or_default();
        let rows = server.query(NEEDS_TOKEN, &[&user]).await;
        let needs_token =
            rows.is_ok_and(|rows| rows.first().is_some_and(|row| row.try_get(0).unwrap_or(true)));
        let socket = if !needs_token {
            None
        } else if encrypted && self.has_token(&mut client, &user, port).await? {
            Some(server.socket())
        } else {
            let words = format!("PAM authentication failed for user \"{user}\"");
            client.write_all(&fatal("28000", &words)).await?;
            client.shutdown().await?;
            return Ok(None);
        };
        Ok(Some(Greeted { client, startup: first, socket }))
    }

    async fn has_token(
        &self,
        client: &mut Box<dyn Talk>,
        user: &str,
        port: u16,
    ) -> io::Result<bool> {
        // AuthenticationCleartextPassword.
        client.write_all(&[b'R', 0, 0, 0, 8, 0, 0, 0, 3]).await?;
        let mut tag = [0];
        client.read_exact(&mut tag).await?;
        let answer = message(client).await?;
        let text = answer.get(4..).unwrap_or_default();
        let token = String::from_utf8_lossy(text);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string();
        let login = Login { at: &at, user, now: Timestamp::now() };
        let admitted = self.account.log_in(token.trim_end_matches('\0'), &login);
        if let Err(why) = &admitted {
            tracing::info!(user, why, "a login token was refused");
        }
        Ok(tag == *b"p" && admitted.is_ok())
    }
}

/// Dials the private socket, where the server asks for no password of a role with `rds_iam`.
pub(super) async fn dial(socket: PathBuf) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}

/// A message that begins with its length, which counts itself.
async fn message(client: &mut Box<dyn Talk>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await?;
    let whole = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if !(4..=STARTUP_MAX).contains(&whole) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = length.to_vec();
    message.resize(whole, 0);
    client.read_exact(message.get_mut(4..).unwrap_or_default()).await?;
    Ok(message)
}

fn code(message: &[u8]) -> Option<u32> {
    let code = message.get(4..8)?;
    Some(u32::from_be_bytes(code.try_into().ok()?))
}

/// The member `user` of a startup message.
fn user(startup: &[u8]) -> Option<String> {
    let mut words = startup.get(8..)?.split(|byte| *byte == 0);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if name == b"user" {
            return String::from_utf8(value.to_vec()).ok();
        }
    }
    None
}

fn fatal(sqlstate: &str, words: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0M{words}\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap_or(u32::MAX);
    let mut message = vec![b'E'];
    message.extend(length.to_be_bytes());
    message.extend(fields.into_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_is_read_from_the_first_message() {
        let mut startup = vec![0, 0, 0, 0, 0, 3, 0, 0];
        startup.extend(b"database\0shop\0user\0ann\0\0");
        assert_eq!(user(&startup).as_deref(), Some("ann"));
        assert_eq!(code(&startup), Some(196_608));
        assert_eq!(user(&[0; 8]), None);
    }
}
