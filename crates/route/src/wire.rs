//! The connections of proxies, plain or in mutual TLS, and whose they are.
//!
//! A handshake runs in its own task and within a bound, so that a peer that stalls delays nobody.
//! A peer without an enrolment of ours is refused here, by name, and never reaches a service.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::pki::{Authority, Enrolment, Peer};

const HANDSHAKE_BOUND: Duration = Duration::from_secs(5);

/// After a refused `accept`, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// How proxies reach the control plane.
#[derive(Clone)]
pub enum Wire {
    /// Plain text, on this machine only.
    Plain,
    /// Plain text wherever: whoever reaches the port sees every route, and may pose as any proxy.
    PlainAnywhere,
    /// Mutual TLS with certificates of an authority; also tells certificates for traffic.
    Mutual {
        /// Who signs.
        authority: Arc<Authority>,
        /// How long a certificate for traffic lives.
        lifetime: Duration,
    },
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::PlainAnywhere => "PlainAnywhere",
            Self::Mutual { .. } => "Mutual",
        })
    }
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Whoever it says it is.
    Unknown,
    /// A proxy that proved its enrolment.
    Enrolled {
        /// Which.
        enrolment: Enrolment,
        /// When it ends.
        until: Timestamp,
    },
}

impl Caller {
    /// Whether it may speak as this node.
    pub(crate) fn may_be(&self, node: &str) -> bool {
        match self {
            Self::Unknown => true,
            Self::Enrolled { enrolment, .. } => enrolment.node == node,
        }
    }
}

/// A proxy's connection.
pub(crate) enum Connection {
    Plain(TcpStream),
    Mutual(Box<TlsStream<TcpStream>>, Caller),
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        match self {
            Self::Plain(_) => Caller::Unknown,
            Self::Mutual(_, caller) => caller.clone(),
        }
    }
}

/// Accepts until the stream is dropped; the address is free when the task has ended.
pub(crate) fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) -> (ReceiverStream<io::Result<Connection>>, JoinHandle<()>) {
    let (connections, incoming) = mpsc::channel(16);
    let task = tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = connections.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    tokio::spawn(greet(stream, from, tls.clone(), connections.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a proxy's connection could not be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    });
    (ReceiverStream::new(incoming), task)
}

async fn greet(
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<TlsAcceptor>,
    connections: mpsc::Sender<io::Result<Connection>>,
) {
    // Only costs latency when it fails.
    let _ = stream.set_nodelay(true);
    let connection = match tls {
        None => Connection::Plain(stream),
        Some(tls) => match tokio::time::timeout(HANDSHAKE_BOUND, handshake(stream, &tls)).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(why)) => {
                tracing::warn!(%from, why, "a proxy is not let in");
                return;
            }
            Err(_) => {
                tracing::warn!(%from, "a proxy did not finish its TLS handshake");
                return;
            }
        },
    };
    // The server that stops takes no more.
    let _ = connections.send(Ok(connection)).await;
}

async fn handshake(stream: TcpStream, tls: &TlsAcceptor) -> Result<Connection, String> {
    let stream = tls.accept(stream).await.map_err(|error| error.to_string())?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let peer = Peer::read(shown.ok_or("it showed no certificate")?)?;
    let enrolment = Enrolment::parse(&peer.uri)
        .ok_or_else(|| format!("its certificate is no enrolment but {:?}", peer.uri))?;
    let caller = Caller::Enrolled { enrolment, until: peer.not_after };
    Ok(Connection::Mutual(Box::new(stream), caller))
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Mutual(stream, _) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Mutual(stream, _) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Mutual(stream, _) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Mutual(stream, _) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
