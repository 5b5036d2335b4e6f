//! A way out for a server whose client library cannot choose its source address.
//!
//! libpq connects to a Unix socket in a private folder; from there the connection goes on to
//! another instance's firewall, from the loopback address of a given actor. It decides nothing
//! and holds nothing: the firewall at the other end does. Dropping it ends its connections, and
//! the socket's folder is its creator's to remove.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::{Actor, connect_as, pump};
use crate::process::RunAs;
use crate::server::SOCKET_NAME;

/// A running way out. libpq's `host` is [`Egress::folder`].
#[derive(Debug)]
pub struct Egress {
    folder: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    actor: Actor,
    /// The port of 127.0.0.1 to go on to; it may change while connections live.
    port: watch::Sender<u16>,
    gate: pump::Gate,
    closed: watch::Sender<u64>,
}

impl Egress {
    /// Listens in `folder`, which it makes, and which only `user` (or we ourselves) can enter.
    pub fn open(
        folder: impl AsRef<Path>,
        actor: Actor,
        port: u16,
        user: Option<&RunAs>,
    ) -> io::Result<Self> {
        let folder = folder.as_ref().to_owned();
        crate::server::make_private_folder(&folder, user)?;
        let socket = folder.join(SOCKET_NAME);
        // A socket file of an earlier run would make the bind fail.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        if let Some(user) = user {
            user.own(&socket)?;
        }
        let (port, closed) = (watch::Sender::new(port), watch::Sender::new(0));
        let shared = Arc::new(Shared { actor, port, gate: pump::Gate::new(), closed });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { folder, shared })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// New connections go to this port from here on.
    pub fn redirect(&self, port: u16) {
        self.shared.port.send_replace(port);
    }

    /// Ends every connection; the server may dial again.
    pub fn sever_all(&self) {
        self.shared.closed.send_modify(|count| *count += 1);
    }

    /// The fault "replica stall": all bytes stand still until [`Egress::flow`].
    pub fn stall(&self) {
        self.shared.gate.shut_for(BTreeSet::from([self.shared.actor]));
    }

    /// Ends a stall; what stood still arrives.
    pub fn flow(&self) {
        self.shared.gate.shut_for(BTreeSet::new());
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.shared.closed.send_replace(super::CLOSED);
    }
}

async fn accept(listener: UnixListener, shared: Arc<Shared>) {
    let mut closed = shared.closed.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closed.wait_for(|count| *count == super::CLOSED) => return,
        };
        let Ok((client, _)) = accepted else {
            tokio::time::sleep(super::ACCEPT_PAUSE).await;
            continue;
        };
        let mut closed = shared.closed.subscribe();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                () = shared.serve(client) => {}
                _ = closed.changed() => {}
            }
        });
    }
}

impl Shared {
    async fn serve(&self, client: UnixStream) {
        let port = *self.port.borrow();
        if let Ok(server) = connect_as(self.actor, port).await {
            pump::join(client, server, self.gate.of(self.actor), ()).await;
        }
    }
}
