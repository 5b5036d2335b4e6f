//! One question to a database, asked the way a client's first bytes ask it: do you speak TLS?
//!
//! Any PostgreSQL answers it before it knows who asks, so the way is tried without credentials
//! and without starting a session. It proves a listening PostgreSQL at the end of the path, not
//! that a login would succeed. Nothing is left behind.

pub(crate) mod direct;

use std::io;
use std::time::Duration;

use landfall_core::Endpoint;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An SSLRequest: its length of eight bytes, then the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Asks within `bound`; the error is why the way is closed, for a person.
pub(crate) async fn probe(endpoint: &Endpoint, bound: Duration) -> Result<(), String> {
    match tokio::time::timeout(bound, ask(endpoint)).await {
        Ok(Ok(answer)) => judge(endpoint, answer),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(format!("{endpoint} closes the connection without an answer"))
        }
        Ok(Err(error)) => Err(format!("{endpoint}: {error}")),
        Err(_) => Err(format!("{endpoint} did not answer within {bound:?}")),
    }
}

async fn ask(endpoint: &Endpoint) -> io::Result<u8> {
    let mut stream = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await
}

fn judge(endpoint: &Endpoint, answer: u8) -> Result<(), String> {
    match answer {
        b'S' | b'N' => Ok(()),
        b'E' => Err(format!("{endpoint} answers with an error before any login")),
        _ => Err(format!("{endpoint} is not PostgreSQL: it answered byte {answer}")),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const BOUND: Duration = Duration::from_secs(5);

    async fn server(answer: &'static [u8]) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let mut asked = [0; 8];
            stream.read_exact(&mut asked).await.expect("read");
            assert_eq!(asked, SSL_REQUEST);
            stream.write_all(answer).await.expect("write");
        });
        Endpoint::new("127.0.0.1", port)
    }

    #[tokio::test]
    async fn a_database_with_or_without_tls_is_there() {
        for answer in [b"S", b"N"] {
            assert_eq!(probe(&server(answer).await, BOUND).await, Ok(()));
        }
        let by_name = Endpoint::new("localhost", server(b"N").await.port);
        assert_eq!(probe(&by_name, BOUND).await, Ok(()));
    }

    #[tokio::test]
    async fn anything_else_is_closed_and_says_why() {
        let table: [(&[u8], &str); 3] =
            [(b"E", "error"), (b"HTTP/1.1", "not PostgreSQL"), (b"", "without an answer")];
        for (answer, words) in table {
            let closed = probe(&server(answer).await, BOUND).await.expect_err("closed");
            assert!(closed.contains(words), "{closed}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        drop(listener);
        let closed = probe(&Endpoint::new("127.0.0.1", port), BOUND).await.expect_err("closed");
        assert!(closed.contains("refused"), "{closed}");
    }

    #[tokio::test]
    async fn silence_is_bounded() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let port = listener.local_addr().expect("address").port();
        let bound = Duration::from_millis(50);
        let closed = probe(&Endpoint::new("127.0.0.1", port), bound).await.expect_err("closed");
        assert!(closed.contains("50ms"), "{closed}");
    }
}
