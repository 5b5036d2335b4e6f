//! The one task that owns the index; everybody else sends it commands.
//!
//! One owner means one order: a message reaches a stream's queue before the command that caused it
//! is answered, and no older message can follow a newer one. A queue is pushed to instead of a
//! value being watched, because a watcher may skip the hold between two releases. The task never
//! waits for a proxy: one that does not read its queue loses its stream and reports its versions
//! when it is back. It ends when it is told to, or with its last handle.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use landfall_core::ServiceName;
use landfall_core::port::Clock;
use landfall_core::port::router::{ProxyView, Route};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use crate::index::{Addressed, Index, StreamId};
use crate::stream::{Message, Said};

/// Commands that may wait for the task.
const QUEUE: usize = 1_024;

/// Messages that may wait for one proxy; a route's change is one message.
pub(crate) const OUTBOX: usize = 1_024;

enum Command {
    Connect {
        node: String,
        said: Said,
        outbox: mpsc::Sender<Message>,
        id: oneshot::Sender<StreamId>,
    },
    Hear {
        id: StreamId,
        said: Said,
    },
    Disconnect {
        id: StreamId,
    },
    Apply {
        routes: Vec<Route>,
        told: oneshot::Sender<()>,
    },
    Proxies {
        service: ServiceName,
        reply: oneshot::Sender<Vec<ProxyView>>,
    },
    Waiting {
        reply: oneshot::Sender<BTreeSet<ServiceName>>,
    },
}

/// The task has ended, with the process or with its runtime.
#[derive(Debug, thiserror::Error)]
#[error("the control plane has stopped")]
pub(crate) struct Stopped;

/// A handle on the task.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    commands: mpsc::Sender<Command>,
    connected: watch::Receiver<usize>,
    task: AbortHandle,
}

impl Keeper {
    /// Starts the task with the routes that the store has.
    pub(crate) fn start(routes: Vec<Route>, clock: Arc<dyn Clock>) -> Self {
        let (commands, inbox) = mpsc::channel(QUEUE);
        let (count, connected) = watch::channel(0);
        let mut index = Index::default();
        // Nobody is connected yet, so nothing is due to anybody.
        index.apply(routes);
        let task = Task { index, outboxes: HashMap::new(), clock, count };
        let task = tokio::spawn(task.run(inbox)).abort_handle();
        Self { commands, connected, task }
    }

    /// Ends the task whoever still has a handle, and with it every stream's queue.
    pub(crate) fn end(&self) {
        self.task.abort();
    }

    /// How many streams are up, to be watched.
    pub(crate) fn connected(&self) -> watch::Receiver<usize> {
        self.connected.clone()
    }

    /// A stream with its first request, in one: a proxy that is listed before what it asks for
    /// would look as if it asked for nothing.
    pub(crate) async fn connect(
        &self,
        node: String,
        said: Said,
        outbox: mpsc::Sender<Message>,
    ) -> Result<StreamId, Stopped> {
        self.ask(|id| Command::Connect { node, said, outbox, id }).await
    }

    pub(crate) async fn hear(&self, id: StreamId, said: Said) -> Result<(), Stopped> {
        self.commands.send(Command::Hear { id, said }).await.map_err(|_| Stopped)
    }

    pub(crate) async fn disconnect(&self, id: StreamId) -> Result<(), Stopped> {
        self.commands.send(Command::Disconnect { id }).await.map_err(|_| Stopped)
    }

    /// Takes over routes; when it returns, every stream has been told.
    pub(crate) async fn apply(&self, routes: Vec<Route>) -> Result<(), Stopped> {
        self.ask(|told| Command::Apply { routes, told }).await
    }

    pub(crate) async fn proxies(&self, service: ServiceName) -> Result<Vec<ProxyView>, Stopped> {
        self.ask(|reply| Command::Proxies { service, reply }).await
    }

    pub(crate) async fn waiting(&self) -> Result<BTreeSet<ServiceName>, Stopped> {
        self.ask(|reply| Command::Waiting { reply }).await
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.commands.send(command(sender)).await.map_err(|_| Stopped)?;
        receiver.await.map_err(|_| Stopped)
    }
}

struct Task {
    index: Index,
    outboxes: HashMap<StreamId, mpsc::Sender<Message>>,
    clock: Arc<dyn Clock>,
    count: watch::Sender<usize>,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        while let Some(command) = inbox.recv().await {
            self.obey(command);
        }
    }

    /// A caller that no longer waits for its answer is no error.
    fn obey(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Connect { node, said, outbox, id } => {
                let stream = self.index.connect(node, now);
                self.outboxes.insert(stream, outbox);
                let messages = self.index.hear(stream, said, now);
                self.deliver(messages);
                let _ = id.send(stream);
            }
            Command::Hear { id, said } => {
                let messages = self.index.hear(id, said, now);
                self.deliver(messages);
            }
            Command::Disconnect { id } => {
                self.outboxes.remove(&id);
                self.index.disconnect(id, now);
            }
            Command::Apply { routes, told } => {
                let messages = self.index.apply(routes);
                self.deliver(messages);
                let _ = told.send(());
            }
            Command::Proxies { service, reply } => {
                let _ = reply.send(self.index.proxies(&service, now));
            }
            Command::Waiting { reply } => {
                let _ = reply.send(self.index.waiting());
            }
        }
        self.count.send_if_modified(|count| {
            let changed = *count != self.outboxes.len();
            *count = self.outboxes.len();
            changed
        });
    }

    fn deliver(&mut self, messages: Vec<Addressed>) {
        for (id, message) in messages {
            let Some(outbox) = self.outboxes.get(&id) else { continue };
            if let Err(error) = outbox.try_send(message) {
                // Without its queue the stream ends, and Envoy opens another.
                tracing::warn!(stream = ?id, %error, "a proxy cannot be told");
                self.outboxes.remove(&id);
                self.index.disconnect(id, self.clock.now());
            }
        }
    }
}
