//! A server of a test's own, on a state directory that goes with it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use landfall_api::{ApiProblem, Client, ClientError, Order, StartMove, Started};
use landfall_core::Code;
use landfall_server::{Config, Role, Server, XdsSecurity};
use tempfile::TempDir;

pub(crate) const SPEC: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
[route]
service = "orders"
[cutover]
quarantine_group = "sg-source"
"#;

pub(crate) fn config(state: &Path, role: Role) -> Config {
    Config {
        store: None,
        state: state.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        role,
        token: None,
        call_timeout: Config::CALL_TIMEOUT,
        hold_timeout: Config::HOLD_TIMEOUT,
        xds_security: XdsSecurity::Plain,
        evidence_key: None,
    }
}

/// A server that shows, and its client.
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) state: TempDir,
    server: Server,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let server = Server::start(config(state.path(), Role::Shows)).await.unwrap();
        Self { client: Client::new(&server.url()).unwrap(), state, server }
    }

    pub(crate) async fn start(&self) -> Started {
        let start = StartMove { spec_toml: SPEC.to_owned(), by: "ann".to_owned() };
        self.client.start(&start).await.unwrap()
    }

    /// The host and port of the API.
    pub(crate) fn address(&self) -> String {
        self.server.url().trim_start_matches("http://").to_owned()
    }

    pub(crate) async fn close(self) {
        self.server.stop().await;
    }
}

pub(crate) fn by(name: &str) -> Order {
    Order { by: name.to_owned(), ..Order::default() }
}

/// The problem that an answer is.
pub(crate) fn problem<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> ApiProblem {
    match answer {
        Err(ClientError::Problem(problem)) => *problem,
        Ok(answer) => panic!("not a problem: {answer:?}"),
        Err(error @ (ClientError::Unreachable { .. } | ClientError::Strange { .. })) => {
            panic!("no answer: {error}")
        }
    }
}

pub(crate) fn status_and_code(problem: &ApiProblem) -> (u16, Option<Code>) {
    (problem.status, problem.code)
}
