//! Copies bytes both ways between a client and a server until the server side ends.
//!
//! It does not look at the bytes. Each direction holds at most one small buffer, so a slow reader
//! slows its writer and nothing else. The end of one direction is passed on as a half-close; after
//! the server's end the client's last bytes are read away for a moment, because closing over
//! unread bytes would take the server's last message from the client.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::Actor;

const BUFFER_BYTES: usize = 16 * 1024;
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The set of actors whose bytes stand still at the moment, and how many have gone through.
#[derive(Debug)]
pub(super) struct Gate(watch::Sender<BTreeSet<Actor>>, Arc<Traffic>);

/// Bytes that went through, as the server sees them.
#[derive(Debug, Default)]
struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(BTreeSet::new()), Arc::default())
    }

    pub(super) fn shut_for(&self, actors: BTreeSet<Actor>) {
        self.0.send_replace(actors);
    }

    pub(super) fn of(&self, actor: Actor) -> Passage {
        Passage { actor, shut: self.0.subscribe(), traffic: Arc::clone(&self.1) }
    }

    /// The bytes that the server received and sent so far.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.1.received), read(&self.1.sent))
    }
}

/// One connection's view of the gate.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    actor: Actor,
    shut: watch::Receiver<BTreeSet<Actor>>,
    traffic: Arc<Traffic>,
}

impl Passage {
    async fn opened(&mut self) {
        let actor = self.actor;
        // The gate is gone only together with the connection.
        let _ = self.shut.wait_for(|shut| !shut.contains(&actor)).await;
    }
}

/// Joins the two until the server has ended; `while_alive` is dropped at that moment.
pub(super) async fn join<C, S, W>(client: C, server: S, passage: Passage, while_alive: W)
where
    C: AsyncRead + AsyncWrite + Send,
    S: AsyncRead + AsyncWrite + Send,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let inward_passage = passage.clone();
    let inward = async {
        let traffic = Arc::clone(&inward_passage.traffic);
        match copy(&mut from_client, &mut to_server, (inward_passage, &traffic.received)).await {
            Copied::ReaderBroke => {}
            // A half-closed client may still wait for answers, and a server that takes nothing
            // more may have last words: the server's end decides.
            Copied::ToTheEnd | Copied::WriterBroke => std::future::pending().await,
        }
    };
    let traffic = Arc::clone(&passage.traffic);
    let outward = copy(&mut from_server, &mut to_client, (passage, &traffic.sent));
    tokio::select! {
        () = inward => return,
        _ = outward => {}
    }
    drop(while_alive);
    // Fails when the client has gone, and then nobody waits for it.
    let _ = to_client.shutdown().await;
    let mut rest = [0; 1024];
    let read_away = async { while from_client.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
    let _ = tokio::time::timeout(LAST_WORDS, read_away).await;
}

/// How one direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copied {
    ToTheEnd,
    ReaderBroke,
    WriterBroke,
}

/// Copies one direction to its end and passes the end on.
async fn copy<R, W>(
    from: &mut R,
    to: &mut W,
    (mut passage, counted): (Passage, &AtomicU64),
) -> Copied
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let Ok(count) = from.read(&mut buffer).await else { return Copied::ReaderBroke };
        passage.opened().await;
        let passed_on = match buffer.get(..count) {
            None | Some([]) => return end(to).await,
            Some(bytes) => to.write_all(bytes).await,
        };
        counted.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        if passed_on.is_err() {
            return Copied::WriterBroke;
        }
    }
}

async fn end<W: AsyncWrite + Unpin>(to: &mut W) -> Copied {
    match to.shutdown().await {
        Ok(()) => Copied::ToTheEnd,
        Err(_) => Copied::WriterBroke,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn a_half_close_is_passed_on_and_answers_still_come() {
        let gate = Gate::new();
        let (mut client, client_end) = duplex(64);
        let (mut server, server_end) = duplex(64);
        let passage = gate.of(Actor::Application);
        let joined = tokio::spawn(async move { join(client_end, server_end, passage, ()).await });
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        server.read_to_string(&mut heard).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!((heard.as_str(), answer.as_str()), ("question", "answer"));
        assert_eq!(gate.bytes(), (8, 6), "received and sent, as the server sees it");
        drop(client);
        joined.await.unwrap();
    }

    #[tokio::test]
    async fn a_shut_gate_keeps_the_bytes_and_loses_none() {
        let gate = Gate::new();
        let (mut client, client_end) = duplex(64);
        let (mut server, server_end) = duplex(64);
        let (shut, other) = (gate.of(Actor::Managed), Actor::Application);
        let joined = tokio::spawn(async move { join(client_end, server_end, shut, ()).await });
        gate.shut_for(BTreeSet::from([Actor::Managed, other]));
        client.write_all(b"wal").await.unwrap();
        let mut heard = [0; 3];
        let early = tokio::time::timeout(Duration::from_millis(50), server.read(&mut heard)).await;
        assert!(early.is_err(), "bytes went through a shut gate");
        gate.shut_for(BTreeSet::from([other]));
        server.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"wal");
        drop((server, client));
        joined.await.unwrap();
    }
}
