//! RDS Proxies: stored, shown, and healthy as far as the servers behind them are. Nobody listens at
//! their address: a connection through a proxy is not to be had in the lab (DIFFERENCES.md).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Cloud;
use super::instance::InstanceStatus;
use super::names::{Identifier, Resource, arn};
use super::refusal::{Code, Refusal};
use super::world::World;

/// `ConnectionPoolConfig`, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub most_percent: u32,
    pub idle_percent: u32,
    pub borrow_s: u32,
    pub filters: Vec<String>,
}

impl Default for Pool {
    fn default() -> Self {
        Self { most_percent: 100, idle_percent: 50, borrow_s: 120, filters: Vec::new() }
    }
}

/// A secret that a proxy logs in by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub secret: String,
    /// `DISABLED` or `REQUIRED`.
    pub iam: String,
}

/// What a target of a proxy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    Instance(Identifier),
    Cluster(Identifier),
}

/// One proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    pub name: Identifier,
    /// From when on it is there.
    pub ready: Timestamp,
    pub created: Timestamp,
    pub logins: Vec<Login>,
    pub role: String,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    /// `RequireTLS`.
    pub tls: Tls,
    pub idle_s: u32,
    pub pool: Pool,
    /// The one target, and from when on the proxy can say how it is.
    pub behind: Option<(Behind, Timestamp)>,
}

/// Whether clients must speak TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    Required,
    Optional,
}

impl Proxy {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(Resource::Proxy, self.name.as_str())
    }

    /// `Status`.
    pub fn status(&self) -> &'static str {
        if Timestamp::now() < self.ready { "creating" } else { "available" }
    }
}

/// `CreateDBProxy`, parsed.
#[derive(Debug, Clone)]
pub struct ProxyRequest {
    pub name: String,
    pub family: String,
    pub logins: Vec<Login>,
    pub role: String,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub tls: Tls,
    pub idle_s: u32,
    pub tags: BTreeMap<String, String>,
}

/// How a target is, as the proxy sees it: its name, its kind, its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub id: Identifier,
    pub kind: &'static str,
    pub port: Option<u16>,
    /// State and, when it is not reached, the reason.
    pub health: Option<(&'static str, Option<&'static str>)>,
}

fn absent(name: &Identifier) -> Refusal {
    Refusal::new(Code::ProxyNotFound, format!("DBProxy {name} not found."))
}

impl World {
    /// The proxy of that name.
    pub fn proxy(&self, name: &Identifier) -> Result<&Proxy, Refusal> {
        self.proxies.get(name).ok_or_else(|| absent(name))
    }

    fn ready_proxy(&mut self, name: &Identifier) -> Result<&mut Proxy, Refusal> {
        let proxy = self.proxies.get_mut(name).ok_or_else(|| absent(name))?;
        if proxy.status() == "available" {
            return Ok(proxy);
        }
        let message = format!("DBProxy {name} is {}.", proxy.status());
        Err(Refusal::new(Code::InvalidProxyState, message))
    }

    /// What a proxy leads to.
    pub fn targets_of(&self, proxy: &Proxy) -> Vec<Target> {
        let Some((behind, seen_from)) = &proxy.behind else { return vec![] };
        let health = |id: &Identifier| {
            let up =
                self.instances.get(id).is_some_and(|one| one.status == InstanceStatus::Available);
            match (Timestamp::now() < *seen_from, up) {
                (true, _) => ("REGISTERING", None),
                (false, true) => ("AVAILABLE", None),
                (false, false) => ("UNAVAILABLE", Some("UNREACHABLE")),
            }
        };
        let instance = |id: &Identifier| {
            let machine = self.instances.get(id).and_then(|one| one.machine.as_ref());
            Target {
                id: id.clone(),
                kind: "RDS_INSTANCE",
                port: machine.map(|machine| machine.port()),
                health: Some(health(id)),
            }
        };
        match behind {
            Behind::Instance(id) => vec![instance(id)],
            Behind::Cluster(id) => {
                let members = self.clusters.get(id).into_iter().flat_map(|one| &one.members);
                let tracked =
                    Target { id: id.clone(), kind: "TRACKED_CLUSTER", port: None, health: None };
                std::iter::once(tracked).chain(members.map(instance)).collect()
            }
        }
    }
}

impl Cloud {
    /// Makes a proxy that leads nowhere yet.
    pub fn create_proxy(&self, request: ProxyRequest) -> Result<Identifier, Refusal> {
        let name = Identifier::create(&request.name)?;
        let mut world = self.world();
        if world.proxies.contains_key(&name) {
            let message = format!("DBProxy {name} already exists.");
            return Err(Refusal::new(Code::ProxyAlreadyExists, message));
        }
        if request.family != "POSTGRESQL" {
            return Err(Refusal::value(format!("Invalid engine family: {}", request.family)));
        }
        if request.subnets.len() < 2 {
            return Err(Refusal::value("VpcSubnetIds must be in two Availability Zones at least."));
        }
        if request.logins.is_empty() {
            return Err(Refusal::value("Auth must name a secret."));
        }
        world.security.check(&request.security_groups)?;
        let created = Timestamp::now();
        let ready = created.saturating_add(self.delays().create_cluster).unwrap_or(created);
        let ProxyRequest { logins, role, subnets, security_groups, tls, idle_s, tags, .. } =
            request;
        let (pool, behind) = (Pool::default(), None);
        let proxy = Proxy {
            name: name.clone(),
            ready,
            created,
            logins,
            role,
            subnets,
            security_groups,
            tls,
            idle_s,
            pool,
            behind,
        };
        world.tags.insert(proxy.arn(), tags);
        world.proxies.insert(name.clone(), proxy);
        Ok(name)
    }

    /// Changes the one target group.
    pub fn set_proxy_pool(&self, name: &Identifier, pool: Pool) -> Result<(), Refusal> {
        if !(1..=100).contains(&pool.most_percent) || pool.idle_percent > pool.most_percent {
            return Err(Refusal::value("The percentages of the pool contradict one another."));
        }
        if pool.borrow_s > 300 {
            return Err(Refusal::value("ConnectionBorrowTimeout must be between 0 and 300."));
        }
        self.world().ready_proxy(name)?.pool = pool;
        Ok(())
    }

    /// Puts a proxy before a cluster or an instance; a cluster that replicates is refused.
    pub fn register_target(&self, name: &Identifier, behind: Behind) -> Result<(), Refusal> {
        let mut world = self.world();
        match &behind {
            Behind::Instance(id) => world.available_instance(id).map(drop)?,
            Behind::Cluster(id) => {
                if world.available_cluster(id)?.replication_source.is_some() {
                    let message = format!("DB cluster {id} replicates from a DB instance.");
                    return Err(Refusal::new(Code::InvalidClusterState, message));
                }
            }
        }
        let now = Timestamp::now();
        let seen_from = now.saturating_add(self.delays().modify).unwrap_or(now);
        let proxy = world.ready_proxy(name)?;
        if proxy.behind.is_some() {
            let message = format!("The proxy {name} is already associated with a target.");
            return Err(Refusal::new(Code::ProxyTargetAlreadyRegistered, message));
        }
        proxy.behind = Some((behind, seen_from));
        Ok(())
    }

    /// Removes a proxy.
    pub fn delete_proxy(&self, name: &Identifier) -> Result<Proxy, Refusal> {
        let mut world = self.world();
        let gone = world.proxies.remove(name).ok_or_else(|| absent(name))?;
        world.tags.remove(&gone.arn());
        Ok(gone)
    }
}
