//! PgBouncer as a gateway: nodes that are paused, pointed and resumed through their admin console.
//!
//! `PAUSE` takes no server connection away from a transaction and gives no new one out, so with
//! transaction pooling clients wait between two statements and see no error. A node is paused when
//! it says so; nobody waits for the end of `PAUSE`, which idle sessions of session pooling would
//! hold up for ever. While a service is held the node's file goes on leading to where it led: a
//! node that restarts in a hold forgets it, and must find the fence then, not a target that may
//! not be written to yet. So a route that points elsewhere is staged by nothing but the store; the
//! file, RELOAD and RESUME are the release. Dying half-way leaves nodes paused, and the next tell
//! finishes.

mod console;
mod file;
mod node;
mod shown;
mod tls;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use landfall_core::port::Clock;
use landfall_core::port::router::{ProxyView, Route, RouterAbility, Sessions};
use landfall_core::{Endpoint, Failure, FailureKind, ServiceName};

use crate::gateway::Gateway;
use crate::probe;

use node::Node;

/// What a gateway of PgBouncers is made from.
#[derive(Debug, Clone)]
pub struct PgBouncerSettings {
    /// The service whose databases these are; routes of others do not concern them.
    pub service: ServiceName,
    /// The databases, as PgBouncer names them.
    pub databases: Vec<String>,
    /// A line of `[databases]` after `name =`.
    pub template: String,
    /// The processes.
    pub nodes: Vec<PgBouncerNodeSettings>,
    /// Bound of each call to a node, and of a probe.
    pub call_timeout: Duration,
}

/// One process.
#[derive(Clone)]
pub struct PgBouncerNodeSettings {
    /// Its name in messages.
    pub name: String,
    /// Host of its admin console, or the folder of its Unix socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// One of its `admin_users`.
    pub user: String,
    /// That user's password, or why it cannot be had: then the node is shown with these words.
    pub password: Result<Option<String>, String>,
    /// PEM certificates to trust: with it the console is spoken to over TLS, and verified.
    pub root_certificate: Option<PathBuf>,
    /// The included file with `[databases]`.
    pub file: DatabasesFile,
}

/// How the file that a node includes is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabasesFile {
    /// It is in reach.
    Here(PathBuf),
    /// By a program of the operator's that reads the content; the node is elsewhere.
    Through(Vec<String>),
}

impl std::fmt::Debug for PgBouncerNodeSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgBouncerNodeSettings")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("root_certificate", &self.root_certificate)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// Several PgBouncers in front of one service.
pub struct PgBouncerGateway {
    service: ServiceName,
    nodes: Vec<Node>,
    call_timeout: Duration,
}

impl PgBouncerGateway {
    /// Connects to nobody yet.
    pub fn new(settings: PgBouncerSettings, clock: &Arc<dyn Clock>) -> Self {
        let PgBouncerSettings { service, databases, template, nodes, call_timeout } = settings;
        let shared = Arc::new(node::Pooled { databases, template });
        let nodes = nodes.into_iter();
        let nodes = nodes.map(|one| Node::new(one, &shared, Arc::clone(clock), call_timeout));
        Self { service, nodes: nodes.collect(), call_timeout }
    }
}

#[async_trait]
impl Gateway for PgBouncerGateway {
    /// What the nodes that answer are set to; one that does not is named by the look.
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        let asked = join_all(self.nodes.iter().map(Node::ability)).await;
        let silent = asked.iter().find_map(|one| one.as_ref().err()).cloned();
        let answered: Vec<_> = asked.into_iter().flatten().collect();
        if answered.is_empty() {
            let why = silent.unwrap_or_else(|| "there is no node".to_owned());
            let what = format!("ask the PgBouncers of {} what they can do", self.service);
            return Err(Failure::new(FailureKind::Unavailable, what, why));
        }
        Ok(RouterAbility {
            holds: true,
            holds_at_most: answered.iter().filter_map(|one| one.patience).min(),
            sessions: answered.iter().map(|one| one.sessions).min().unwrap_or(Sessions::Cut),
        })
    }

    /// Nodes in parallel; what goes wrong with one is its own, and the look tells it.
    async fn tell(&self, route: &Route) -> Result<(), Failure> {
        if route.service == self.service {
            join_all(self.nodes.iter().map(|node| node.tell(route))).await;
        }
        Ok(())
    }

    async fn nodes(
        &self,
        service: &ServiceName,
        route: Option<&Route>,
    ) -> Result<Vec<ProxyView>, Failure> {
        if *service != self.service {
            return Ok(Vec::new());
        }
        Ok(join_all(self.nodes.iter().map(|node| node.look(route))).await)
    }

    /// From where Landfall is: a PgBouncer cannot be asked to try a way.
    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        Ok(probe::probe(endpoint, self.call_timeout).await)
    }
}
