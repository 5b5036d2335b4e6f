//! The lab's security group: a TCP door on loopback before a server's private address.
//!
//! It decides about *new* connections only, as AWS does: tracked connections go on after their
//! actor was denied, so that only the server can end them. A denied connection is never answered.
//! It goes on to the server from the address of the client, so that the server sees who is there.
//! It reads no PostgreSQL message, unless a [`Front`] stands before the server, and knows nothing
//! about migrations. It lives in memory: when it
//! is dropped its port closes and every connection through it ends.

mod actor;
mod egress;
mod front;
mod instances;
mod pump;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use actor::connect_from;
use front::Greeted;

pub use actor::{Actor, connect_as};
pub use egress::Egress;
pub use front::Front;
pub use instances::Instances;

pub(crate) use instances::children;

/// How many denied connections are held open; later ones are closed at once.
pub const DENIED_HELD_MAX: usize = 1024;

/// What the firewall has decided about one actor so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub accepted: u64,
    pub denied: u64,
}

/// A connection that was let in and whose server side still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracked {
    pub actor: Actor,
    pub peer: SocketAddr,
    pub since: SystemTime,
}

/// A running firewall. Dropping it closes the port and everything behind it.
#[derive(Debug)]
pub struct Firewall {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    port: u16,
    instances: OnceLock<Instances>,
    front: OnceLock<Front>,
    state: Mutex<State>,
    gate: pump::Gate,
    denied_held: Semaphore,
    /// Raised by one to end all connections; the highest value also ends the port.
    severed: watch::Sender<u64>,
}

const CLOSED: u64 = u64::MAX;

/// After an accept that failed, so that a lack of descriptors does not take the processor too.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct State {
    allowed: BTreeSet<Actor>,
    counts: BTreeMap<Actor, Count>,
    tracked: BTreeMap<u64, Tracked>,
    next: u64,
}

impl Firewall {
    /// Opens a free port of 127.0.0.1 before the address of a server; nobody is allowed yet.
    pub async fn open(server: SocketAddr) -> io::Result<Self> {
        Self::open_at(server, 0).await
    }

    /// The same on a given port, for an endpoint that must keep its address.
    pub async fn open_at(server: SocketAddr, port: u16) -> io::Result<Self> {
        crate::process::raise_descriptor_limit();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            server,
            port,
            instances: OnceLock::new(),
            front: OnceLock::new(),
            state: Mutex::default(),
            gate: pump::Gate::new(),
            denied_held: Semaphore::new(DENIED_HELD_MAX),
            severed: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared })
    }

    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Knows connections of these servers from now on; the first call counts.
    pub fn know(&self, instances: &Instances) {
        self.shared.instances.get_or_init(|| instances.clone());
    }

    /// Ends TLS and checks tokens from now on; the first call counts.
    pub fn set_front(&self, front: Front) {
        self.shared.front.get_or_init(|| front);
    }

    /// Who may open connections from this moment on. [`Actor::Managed`] always may.
    pub fn set_allowed(&self, allowed: BTreeSet<Actor>) {
        self.shared.state().allowed = allowed;
    }

    pub fn allowed(&self) -> BTreeSet<Actor> {
        self.shared.state().allowed.clone()
    }

    pub fn counts(&self) -> BTreeMap<Actor, Count> {
        self.shared.state().counts.clone()
    }

    /// The connections that are let in and alive, oldest first.
    pub fn tracked(&self) -> Vec<Tracked> {
        self.shared.state().tracked.values().copied().collect()
    }

    /// The bytes that the server received and sent through here so far.
    pub fn bytes(&self) -> (u64, u64) {
        self.shared.gate.bytes()
    }

    /// Ends every connection, held ones too; new ones are still decided as before.
    pub fn sever_all(&self) {
        self.shared.severed.send_modify(|count| *count += 1);
    }

    /// The fault "nothing arrives": the bytes of these actors stand still, nothing is closed.
    /// An empty set lets everything flow again, with nothing lost.
    pub fn blackhole(&self, actors: BTreeSet<Actor>) {
        self.shared.gate.shut_for(actors);
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        self.shared.severed.send_replace(CLOSED);
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the newcomer and, when it may enter, tracks it under the returned key.
    fn admit(&self, actor: Actor, peer: SocketAddr) -> Option<u64> {
        let mut state = self.state();
        let admitted = actor == Actor::Managed || state.allowed.contains(&actor);
        let count = state.counts.entry(actor).or_default();
        if !admitted {
            count.denied += 1;
            return None;
        }
        count.accepted += 1;
        state.next += 1;
        let key = state.next;
        state.tracked.insert(key, Tracked { actor, peer, since: SystemTime::now() });
        Some(key)
    }

    async fn serve(&self, client: TcpStream, peer: SocketAddr) {
        let actor = match self.instances.get() {
            Some(instances) => instances.actor_of(peer, self.port),
            None => Actor::from_address(peer.ip()),
        };
        let Some(key) = self.admit(actor, peer) else {
            return self.hold_denied(client).await;
        };
        let tracked = Untrack { shared: self, key };
        if let Some(front) = self.front.get() {
            let _ = client.set_nodelay(true);
            // A client that is turned away or leaves is no concern of anybody else's.
            if let Ok(Some(greeted)) = front.greet(client, self.port).await {
                self.pass_on(greeted, actor, peer, tracked).await;
            }
            return;
        }
        // When the server is down the client sees its connection end, as at a closed port.
        if let Ok(server) = connect_from(seen_as(actor, peer.ip()), self.server).await {
            let _ = client.set_nodelay(true);
            pump::join(client, server, self.gate.of(actor), tracked).await;
        }
    }

    async fn pass_on(
        &self,
        greeted: Greeted,
        actor: Actor,
        peer: SocketAddr,
        tracked: Untrack<'_>,
    ) {
        let Greeted { client, startup, socket } = greeted;
        let server: io::Result<Box<dyn front::Talk>> = match socket {
            Some(socket) => front::dial(socket).await.map(|server| Box::new(server) as _),
            None => connect_from(seen_as(actor, peer.ip()), self.server)
                .await
                .map(|server| Box::new(server) as _),
        };
        let Ok(mut server) = server else { return };
        if server.write_all(&startup).await.is_ok() {
            pump::join(client, server, self.gate.of(actor), tracked).await;
        }
    }

    /// Neither reads nor answers: only the client's own end is looked for.
    async fn hold_denied(&self, client: TcpStream) {
        let Ok(_held) = self.denied_held.try_acquire() else { return };
        while let Ok(ready) = client.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // Forgets that bytes wait, so that the next wake-up means something new.
            let nothing = || -> io::Result<()> { Err(io::ErrorKind::WouldBlock.into()) };
            let _ = client.try_io(Interest::READABLE, nothing);
        }
    }
}

/// The address that the server sees: the client's own, or its actor's when that is known otherwise.
fn seen_as(actor: Actor, peer: IpAddr) -> IpAddr {
    if Actor::from_address(peer) == actor { peer } else { actor.address().into() }
}

/// Takes a connection off the list as soon as its server side has gone.
struct Untrack<'a> {
    shared: &'a Shared,
    key: u64,
}

impl Drop for Untrack<'_> {
    fn drop(&mut self) {
        self.shared.state().tracked.remove(&self.key);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut severed = shared.severed.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = severed.wait_for(|count| *count == CLOSED) => return,
        };
        // An error concerns one newcomer (it has gone) or a lack of descriptors: go on.
        let Ok((client, peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let mut severed = shared.severed.subscribe();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                () = shared.serve(client, peer) => {}
                _ = severed.changed() => {}
            }
        });
    }
}
