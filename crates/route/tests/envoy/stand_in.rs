//! A stand-in for a database: it says its name, echoes, counts who came, and answers the first
//! question that every PostgreSQL answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use landfall_core::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Longer than any hold of a test.
const ANSWER_BOUND: Duration = Duration::from_secs(60);

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A listening stand-in; it ends with its runtime.
pub(crate) struct StandIn {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl StandIn {
    /// Starts one that answers every message with its name.
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a stand-in");
        let address = listener.local_addr().expect("a bound address");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(name, stream));
            }
        });
        Self { address, accepted }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.address.ip().to_string(), self.address.port())
    }

    /// The same by name, for Envoy to resolve.
    pub(crate) fn named_endpoint(&self) -> Endpoint {
        Endpoint::new("localhost", self.address.port())
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

async fn serve(name: &'static str, mut stream: TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let answer = if buffer.starts_with(&SSL_REQUEST) && length == SSL_REQUEST.len() {
            "N"
        } else {
            name
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A client of one listener, as an application would be.
pub(crate) struct Client(TcpStream);

impl Client {
    /// Connects to Envoy, which accepts whether or not the service is held.
    pub(crate) async fn connect(listener: SocketAddr) -> Self {
        Self(TcpStream::connect(listener).await.expect("Envoy accepts"))
    }

    /// Says something and returns who answered; the error is how the connection ended.
    pub(crate) async fn ask(&mut self) -> Result<String, String> {
        self.0.write_all(b"who?").await.map_err(|error| error.to_string())?;
        // A name has one letter.
        let letter = timeout(ANSWER_BOUND, self.0.read_u8()).await;
        let letter = letter.map_err(|_| "no answer".to_owned())?;
        Ok(char::from(letter.map_err(|error| error.to_string())?).to_string())
    }
}
