//! Everything the cloud knows, behind one lock: look-ups with AWS's not-found errors and the
//! guards on states. Pure data: nothing here waits or touches a process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::cluster::{Cluster, ClusterStatus};
use super::endpoints::CustomEndpoint;
use super::event::{Event, Origin};
use super::global::GlobalCluster;
use super::group::{Group, GroupKind, UserValue, default_name};
use super::instance::{Instance, InstanceStatus};
use super::names::Identifier;
use super::proxies::Proxy;
use super::refusal::{Code, Refusal};
use super::security::SecurityGroups;
use super::snapshot::{Snapshot, SnapshotKind};
use super::standing::Standing;
use crate::catalogue::versions::Engine;

/// The state of the cloud.
#[derive(Debug, Default)]
pub struct World {
    pub instances: BTreeMap<Identifier, Instance>,
    pub clusters: BTreeMap<Identifier, Cluster>,
    pub groups: BTreeMap<(GroupKind, Identifier), Group>,
    pub snapshots: BTreeMap<(SnapshotKind, Identifier), Snapshot>,
    /// By ARN.
    pub tags: BTreeMap<String, BTreeMap<String, String>>,
    pub events: Vec<Event>,
    pub security: SecurityGroups,
    pub subnet_groups: BTreeSet<String>,
    pub endpoints: BTreeMap<Identifier, CustomEndpoint>,
    pub proxies: BTreeMap<Identifier, Proxy>,
    pub globals: BTreeMap<Identifier, GlobalCluster>,
    /// By name, as CloudWatch shows them.
    pub alarms: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    pub secrets: Vec<super::secrets::Secret>,
    /// How far the newest instant that can be restored lies behind.
    pub restorable_lag: Duration,
    /// What is shown and is not so.
    pub standing: Standing,
}

impl World {
    /// A world with the default groups of one major version and nothing else.
    pub fn new(major: u32, security: SecurityGroups) -> Self {
        let mut world = Self {
            security,
            subnet_groups: BTreeSet::from(["default".to_owned(), "lab-subnets".to_owned()]),
            ..Self::default()
        };
        let defaults = [
            (GroupKind::Instance, Engine::Postgres),
            (GroupKind::Instance, Engine::Aurora),
            (GroupKind::Cluster, Engine::Aurora),
        ];
        for (kind, engine) in defaults {
            let family = engine.family(major);
            let name = default_name(&family);
            let group = Group {
                kind,
                name: name.clone(),
                engine,
                description: format!("Default parameter group for {family}"),
                family,
                values: BTreeMap::new(),
            };
            world.groups.insert((kind, name), group);
        }
        world
    }

    /// The instance of that name.
    pub fn instance(&self, id: &Identifier) -> Result<&Instance, Refusal> {
        self.instances.get(id).ok_or_else(|| Refusal::no_instance(id.as_str()))
    }

    /// The same, to change it.
    pub fn instance_mut(&mut self, id: &Identifier) -> Result<&mut Instance, Refusal> {
        self.instances.get_mut(id).ok_or_else(|| Refusal::no_instance(id.as_str()))
    }

    /// The same, if it is `available`.
    pub fn available_instance(&mut self, id: &Identifier) -> Result<&mut Instance, Refusal> {
        let instance = self.instance_mut(id)?;
        if instance.status == InstanceStatus::Available {
            Ok(instance)
        } else {
            Err(busy_instance(instance))
        }
    }

    /// The cluster of that name.
    pub fn cluster(&self, id: &Identifier) -> Result<&Cluster, Refusal> {
        self.clusters.get(id).ok_or_else(|| Refusal::no_cluster(id.as_str()))
    }

    /// The same, to change it.
    pub fn cluster_mut(&mut self, id: &Identifier) -> Result<&mut Cluster, Refusal> {
        self.clusters.get_mut(id).ok_or_else(|| Refusal::no_cluster(id.as_str()))
    }

    /// The same, if it is `available`.
    pub fn available_cluster(&mut self, id: &Identifier) -> Result<&mut Cluster, Refusal> {
        let cluster = self.cluster_mut(id)?;
        if cluster.status == ClusterStatus::Available {
            Ok(cluster)
        } else {
            Err(Refusal::new(
                Code::InvalidClusterState,
                format!(
                    "DB cluster {id} is not in the available state: it is {}.",
                    cluster.status.word()
                ),
            ))
        }
    }

    /// The parameter group of that kind and name.
    pub fn group(&self, kind: GroupKind, name: &Identifier) -> Result<&Group, Refusal> {
        self.groups.get(&(kind, name.clone())).ok_or_else(|| no_group(kind, name))
    }

    /// The same, to change it.
    pub fn group_mut(&mut self, kind: GroupKind, name: &Identifier) -> Result<&mut Group, Refusal> {
        self.groups.get_mut(&(kind, name.clone())).ok_or_else(|| no_group(kind, name))
    }

    /// The group that a request names for an instance or cluster, or the default one.
    pub fn group_for(
        &self,
        kind: GroupKind,
        name: Option<&str>,
        family: &str,
    ) -> Result<Identifier, Refusal> {
        let Some(name) = name else { return Ok(default_name(family)) };
        let name = Identifier::lookup(name);
        let group = self.group(kind, &name)?;
        if group.family == family {
            Ok(name)
        } else {
            Err(Refusal::combination(format!(
                "The parameter group {name} with DBParameterGroupFamily {} can't be used for this \
                 instance. Use a parameter group with DBParameterGroupFamily {family}.",
                group.family
            )))
        }
    }

    /// Refuses a subnet group that does not exist; none means the default one.
    pub fn subnet_group(&self, name: Option<&str>) -> Result<String, Refusal> {
        let name = name.unwrap_or("default").to_ascii_lowercase();
        if self.subnet_groups.contains(&name) {
            Ok(name)
        } else {
            Err(Refusal::new(
                Code::SubnetGroupNotFound,
                format!("DB subnet group {name} does not exist."),
            ))
        }
    }

    /// The values that customers set for an instance: its own group's over its cluster's.
    pub fn user_values(&self, instance: &Instance) -> BTreeMap<String, UserValue> {
        let cluster = instance.cluster.as_ref().and_then(|id| self.clusters.get(id));
        let cluster_group = cluster
            .and_then(|cluster| self.group(GroupKind::Cluster, &cluster.parameter_group).ok());
        let own_group = self.group(GroupKind::Instance, &instance.parameter_group.name).ok();
        [cluster_group, own_group]
            .into_iter()
            .flatten()
            .flat_map(|group| group.values.clone())
            .collect()
    }

    /// The instances on which the values of a group are, or are to be, in force.
    pub fn users_of(&self, kind: GroupKind, name: &Identifier) -> Vec<Identifier> {
        self.instances
            .values()
            .filter(|instance| match kind {
                GroupKind::Instance => instance.parameter_group.name == *name,
                GroupKind::Cluster => instance
                    .cluster
                    .as_ref()
                    .and_then(|id| self.clusters.get(id))
                    .is_some_and(|cluster| cluster.parameter_group == *name),
            })
            .map(|instance| instance.id.clone())
            .collect()
    }

    /// Writes an event.
    pub fn note(
        &mut self,
        origin: Origin,
        source: &Identifier,
        category: &'static str,
        message: impl Into<String>,
    ) {
        let message = message.into();
        let at = Timestamp::now();
        self.events.push(Event { origin, source: source.clone(), category, message, at });
    }
}

/// The refusal for an instance in the wrong state.
pub fn busy_instance(instance: &Instance) -> Refusal {
    Refusal::new(
        Code::InvalidInstanceState,
        format!(
            "Instance {} is not in available state. It is {}.",
            instance.id,
            instance.status.word()
        ),
    )
}

fn no_group(kind: GroupKind, name: &Identifier) -> Refusal {
    let what = match kind {
        GroupKind::Instance => "DBParameterGroup",
        GroupKind::Cluster => "DBClusterParameterGroup",
    };
    Refusal::new(Code::ParameterGroupNotFound, format!("{what} not found: {name}"))
}
