//! A network load balancer: one address before several, each connection to the next in turn.
//!
//! A member that refuses is left out for that connection. It looks at no byte. Dropping it closes
//! its port and every connection through it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A running balancer.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Balancer {
    /// Listens on a free port of loopback.
    pub async fn open(members: Vec<SocketAddr>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, members.into())).abort_handle();
        Ok(Self { address, accepting })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, members: Arc<[SocketAddr]>) {
    let turn = Arc::new(AtomicUsize::new(0));
    // Ends its tasks with itself.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // An error concerns one newcomer.
                let Ok((client, _)) = accepted else { continue };
                connections.spawn(pass(client, Arc::clone(&members), Arc::clone(&turn)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut client: TcpStream, members: Arc<[SocketAddr]>, turn: Arc<AtomicUsize>) {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for member in members.iter().cycle().skip(first % members.len().max(1)).take(members.len()) {
        if let Ok(mut server) = TcpStream::connect(member).await {
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            // However it ends, both sides are closed then.
            let _ = copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn member(says: u8) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_u8(says).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn members_take_turns_and_a_dead_one_is_left_out() {
        let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let dead = gone.local_addr().unwrap();
        drop(gone);
        let balancer = Balancer::open(vec![member(1).await, dead, member(2).await]).await.unwrap();
        let mut said = Vec::new();
        for _ in 0..6 {
            let mut stream = TcpStream::connect(balancer.address()).await.unwrap();
            said.push(stream.read_u8().await.unwrap());
        }
        assert_eq!(said, [1, 2, 2, 1, 2, 2]);
    }
}
