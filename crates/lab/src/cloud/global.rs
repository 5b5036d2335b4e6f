//! Global Databases, and the pretended second Region that their other cluster is in.
//!
//! The second Region is a view of the same world: its clusters and instances are kept beside those
//! of the first, under names that must be unique over both, and each Region shows its own alone.
//! The second cluster's instance is a real standby of the first cluster's writer (DIFFERENCES.md).

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Cloud;
use super::cluster::Cluster;
use super::names::{Identifier, Resource, global_arn};
use super::refusal::{Code, Refusal};
use super::world::World;

/// One Global Database.
#[derive(Debug, Clone)]
pub struct GlobalCluster {
    pub name: Identifier,
    /// From when on it is there.
    pub ready: Timestamp,
    /// The cluster that writes.
    pub writer: Identifier,
    /// Those that follow.
    pub followers: Vec<Identifier>,
}

impl GlobalCluster {
    /// Its ARN, which names no Region.
    pub fn arn(&self) -> String {
        global_arn(&self.name)
    }

    /// `Status`.
    pub fn status(&self) -> &'static str {
        if Timestamp::now() < self.ready { "creating" } else { "available" }
    }
}

fn absent(name: &str) -> Refusal {
    Refusal::new(Code::GlobalClusterNotFound, format!("Global cluster {name} not found."))
}

impl World {
    /// The Global Database of that name.
    pub fn global(&self, name: &Identifier) -> Result<&GlobalCluster, Refusal> {
        self.globals.get(name).ok_or_else(|| absent(name.as_str()))
    }

    /// The cluster that a new cluster of a Global Database follows.
    pub fn leader(&self, global: &str) -> Result<&Cluster, Refusal> {
        let found = self.global(&Identifier::lookup(global))?;
        if found.status() != "available" {
            let message = format!("Global cluster {global} is {}.", found.status());
            return Err(Refusal::new(Code::InvalidGlobalClusterState, message));
        }
        self.cluster(&found.writer)
    }

    /// The writer of the cluster that a cluster follows, when it follows one.
    pub fn followed_by(&self, cluster: &Identifier) -> Option<&Identifier> {
        let global = self.globals.values().find(|one| one.followers.contains(cluster))?;
        self.clusters.get(&global.writer)?.members.first()
    }
}

impl Cloud {
    /// Makes one around a cluster that stands alone.
    pub fn create_global_cluster(
        &self,
        name: &str,
        source: &str,
        tags: BTreeMap<String, String>,
    ) -> Result<Identifier, Refusal> {
        let name = Identifier::create(name)?;
        let mut world = self.world();
        if world.globals.contains_key(&name) {
            let message = format!("Global cluster already exists: {name}");
            return Err(Refusal::new(Code::GlobalClusterAlreadyExists, message));
        }
        let writer = Identifier::lookup_or_arn(source, Resource::Cluster);
        let cluster = world.available_cluster(&writer)?;
        if cluster.replication_source.is_some() {
            let message = format!("DB cluster {writer} replicates from a DB instance.");
            return Err(Refusal::new(Code::InvalidClusterState, message));
        }
        if world.globals.values().any(|one| one.writer == writer) {
            let message = format!("DB cluster {writer} is in a global cluster already.");
            return Err(Refusal::new(Code::InvalidClusterState, message));
        }
        let now = Timestamp::now();
        let ready = now.saturating_add(self.delays().create_cluster).unwrap_or(now);
        let made = GlobalCluster { name: name.clone(), ready, writer, followers: Vec::new() };
        world.tags.insert(made.arn(), tags);
        world.globals.insert(name.clone(), made);
        Ok(name)
    }
}
