//! Two PgBouncers between the application and its database, and a balancer before them.
//!
//! Two, so that a hold is one only when both hold. The route is changed by files of theirs, as the
//! operator of a real pair would have it.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use landfall_lab::balancer::Balancer;
use landfall_lab::firewall::Actor;
use landfall_lab::pooler::{Pooler, PoolerConfig};
use landfall_lab::supervisor::{Access, Lab};
use landfall_lab::tools;

use crate::product::free_address;

/// The user of the admin consoles.
const OPERATOR: &str = "landfall";

/// Where Landfall finds that user's password.
const PASSWORD_VARIABLE: &str = "LANDFALL_PGBOUNCER_PASSWORD";

const PASSWORD: &str = "console";

/// How long server connections are lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// For a transaction.
    Transaction,
    /// For as long as a client stays.
    Session,
}

impl Pooling {
    const fn word(self) -> &'static str {
        match self {
            Self::Transaction => "transaction",
            Self::Session => "session",
        }
    }
}

/// Running nodes.
pub struct Pooled {
    /// The processes.
    pub nodes: Vec<Pooler>,
    balancer: Balancer,
}

impl Pooled {
    /// Starts two nodes that lead to the source, as the gateway of every security group.
    pub async fn start(dir: &Path, lab: &Lab, pooling: Pooling) -> Result<Self> {
        let source = lab.source();
        let mut nodes = Vec::new();
        for name in ["pooler-1", "pooler-2"] {
            let node = Pooler::start(config(dir, name, source, pooling)?).await;
            let node = node.context("start PgBouncer")?;
            lab.cloud().know(Actor::Gateway, node.pid());
            nodes.push(node);
        }
        let members = nodes.iter().map(Pooler::address).collect();
        let balancer = Balancer::open(members).await.context("open the balancer")?;
        Ok(Self { nodes, balancer })
    }

    /// Where the application connects.
    pub fn address(&self) -> SocketAddr {
        self.balancer.address()
    }

    /// What Landfall needs to be told of it besides its spec.
    pub fn environment() -> (String, String) {
        (PASSWORD_VARIABLE.to_owned(), PASSWORD.to_owned())
    }

    /// The lines of the spec.
    pub fn spec(&self, source: &Access) -> Vec<(&'static str, String)> {
        let node = |node: &Pooler| {
            let (at, file) = (node.address(), node.databases_file());
            let name = file.parent().and_then(Path::file_name).unwrap_or_default();
            format!(
                "{{ name = {:?}, host = \"{}\", port = {}, user = \"{OPERATOR}\", password = \
                 \"env:{PASSWORD_VARIABLE}\", file = {:?} }}",
                name.to_string_lossy(),
                at.ip(),
                at.port(),
                file
            )
        };
        let nodes: Vec<String> = self.nodes.iter().map(node).collect();
        vec![
            ("route", "router = \"pgbouncer\"".to_owned()),
            ("route.pgbouncer", format!("databases = {:?}", source.databases)),
            ("route.pgbouncer", format!("node = [{}]", nodes.join(", "))),
        ]
    }
}

fn config(dir: &Path, name: &str, source: &Access, pooling: Pooling) -> Result<PoolerConfig> {
    let lines = source.databases.iter().map(|database| {
        format!("{database} = host={} port={} dbname={database}\n", source.host, source.port)
    });
    Ok(PoolerConfig {
        program: tools::pgbouncer().context("find PgBouncer")?,
        dir: dir.join(name),
        listen: free_address()?,
        users: vec![
            (OPERATOR.to_owned(), PASSWORD.to_owned()),
            (source.user.clone(), source.password.clone()),
        ],
        databases: lines.collect(),
        pool_mode: pooling.word(),
        settings: vec!["default_pool_size = 20".to_owned()],
    })
}
