//! A side of a move: a stand-in for a database, at an address of its own and the port that both
//! sides share, which can be fenced.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use landfall_core::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

pub(crate) struct Side {
    address: SocketAddr,
    answered: Arc<AtomicUsize>,
    /// Dropping it closes the listener and every connection.
    serving: Option<JoinSet<()>>,
}

impl Side {
    /// Answers with one letter at an address of this machine.
    pub(crate) async fn start(name: u8, ip: &str, port: u16) -> Self {
        let address = SocketAddr::new(ip.parse().expect("an address"), port);
        let listener = TcpListener::bind(address).await.expect("bind a side");
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(name, stream, Arc::clone(&count)));
            }
        });
        Self { address, answered, serving: Some(serving) }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.address.ip().to_string(), self.address.port())
    }

    /// Nobody gets in any more, and nobody stays.
    pub(crate) async fn fence(&mut self) {
        if let Some(mut serving) = self.serving.take() {
            serving.shutdown().await;
        }
    }

    /// Questions answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }
}

async fn serve(name: u8, mut stream: TcpStream, answered: Arc<AtomicUsize>) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let greeting = buffer.starts_with(&SSL_REQUEST) && length == SSL_REQUEST.len();
        if !greeting {
            answered.fetch_add(1, Ordering::SeqCst);
        }
        if stream.write_all(&[if greeting { b'N' } else { name }]).await.is_err() {
            return;
        }
    }
}

/// What an application does with an address it resolved: who answers there.
pub(crate) async fn ask(ip: IpAddr, port: u16) -> Result<u8, String> {
    let mut stream = TcpStream::connect((ip, port)).await.map_err(|error| error.to_string())?;
    stream.write_all(b"who?").await.map_err(|error| error.to_string())?;
    stream.read_u8().await.map_err(|error| error.to_string())
}
