//! What stands around the instances of the account: pending maintenance, quotas, replicas that the
//! lab has no servers for.
//!
//! Most of it a lab cannot bring about by itself, so it is pretended on demand: it is shown, and
//! has no effect. What is counted (instances, clusters, groups) is counted really.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Cloud;
use super::group::GroupKind;
use super::names::{Identifier, REGION, Resource, arn};
use super::refusal::Refusal;
use super::snapshot::SnapshotKind;
use super::world::World;

/// Something that the lab shows and that is not so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "pretend")]
pub enum Pretence {
    /// A pending maintenance action of an instance.
    Maintenance {
        instance: String,
        /// Such as `system-update` or `db-upgrade`.
        action: String,
        /// CurrentApplyDate.
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// A read replica of an instance: a name in this Region, an ARN in another.
    Replica { instance: String, replica: String },
    /// The limit of an account's quota.
    Quota { name: String, max: u64 },
    /// The version that an instance says it runs, such as `17.6-R2`.
    Version { instance: String, version: String },
    /// The engine that an instance says it is, such as `mysql`.
    Engine { instance: String, engine: String },
    /// A value that waits for the maintenance window, such as `EngineVersion` and `15.18`.
    Pending { instance: String, name: PendingName, value: String },
    /// None of all that any more.
    Nothing,
}

/// What can wait for a maintenance window and is not the lab's to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PendingName {
    EngineVersion,
    #[serde(rename = "CACertificateIdentifier")]
    Certificate,
}

impl PendingName {
    /// The member of an answer.
    pub const fn element(self) -> &'static str {
        match self {
            Self::EngineVersion => "EngineVersion",
            Self::Certificate => "CACertificateIdentifier",
        }
    }
}

/// A pending maintenance action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maintenance {
    pub action: String,
    pub at: Option<Timestamp>,
}

/// What an instance shows that is not so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appearance {
    pub maintenance: Vec<Maintenance>,
    pub replicas: Vec<String>,
    pub version: Option<String>,
    pub engine: Option<String>,
    pub pending: BTreeMap<PendingName, String>,
}

/// All that is pretended.
#[derive(Debug, Default)]
pub struct Standing {
    instances: BTreeMap<Identifier, Appearance>,
    limits: BTreeMap<String, u64>,
}

impl Standing {
    /// What an instance shows.
    pub fn of(&self, id: &Identifier) -> Option<&Appearance> {
        self.instances.get(id)
    }

    /// The instances that have maintenance pending, by ARN.
    pub fn maintenance(&self) -> impl Iterator<Item = (String, &[Maintenance])> {
        let all = self.instances.iter().map(|(id, shown)| (id, shown.maintenance.as_slice()));
        all.filter(|(_, actions)| !actions.is_empty())
            .map(|(id, actions)| (arn(Resource::Instance, id.as_str()), actions))
    }
}

impl Cloud {
    /// Shows something that is not so.
    pub fn pretend(&self, pretence: Pretence) -> Result<(), Refusal> {
        let mut world = self.world();
        let (instance, change) = match pretence {
            Pretence::Nothing => {
                world.standing = Standing::default();
                return Ok(());
            }
            Pretence::Quota { name, max } => {
                if !QUOTAS.iter().any(|(known, ..)| *known == name) {
                    return Err(Refusal::value(format!("The lab has no quota {name}.")));
                }
                world.standing.limits.insert(name, max);
                return Ok(());
            }
            Pretence::Maintenance { instance, action, at } => {
                (instance, Change::Maintenance(Maintenance { action, at }))
            }
            Pretence::Replica { instance, replica } => (instance, Change::Replica(replica)),
            Pretence::Version { instance, version } => (instance, Change::Version(version)),
            Pretence::Engine { instance, engine } => (instance, Change::Engine(engine)),
            Pretence::Pending { instance, name, value } => (instance, Change::Pending(name, value)),
        };
        let id = world.instance(&Identifier::lookup(&instance))?.id.clone();
        change.apply(world.standing.instances.entry(id).or_default());
        Ok(())
    }
}

enum Change {
    Maintenance(Maintenance),
    Replica(String),
    Version(String),
    Engine(String),
    Pending(PendingName, String),
}

impl Change {
    fn apply(self, shown: &mut Appearance) {
        match self {
            Self::Maintenance(action) => shown.maintenance.push(action),
            Self::Replica(replica) => shown.replicas.push(replica),
            Self::Version(version) => shown.version = Some(version),
            Self::Engine(engine) => shown.engine = Some(engine),
            Self::Pending(name, value) => {
                shown.pending.insert(name, value);
            }
        }
    }
}

/// One quota of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub name: &'static str,
    pub used: u64,
    pub max: u64,
}

/// How something is counted.
type Counted = fn(&World) -> usize;

/// The quotas of a new account, as far as the lab can count what they limit.
const QUOTAS: [(&str, u64, Counted); 6] = [
    ("DBInstances", 40, |world| {
        world.instances.values().filter(|one| one.region == REGION).count()
    }),
    ("DBClusters", 40, |world| world.clusters.values().filter(|one| one.region == REGION).count()),
    ("DBParameterGroups", 50, |world| customers(world, GroupKind::Instance)),
    ("DBClusterParameterGroups", 50, |world| customers(world, GroupKind::Cluster)),
    ("AllocatedStorage", 100_000, |world| {
        let sizes = world.instances.values().filter(|one| one.cluster.is_none());
        sizes.map(|one| usize::try_from(one.storage_gib).unwrap_or(usize::MAX)).sum()
    }),
    ("ManualSnapshots", 100, |world| {
        world.snapshots.keys().filter(|(kind, _)| *kind == SnapshotKind::Instance).count()
    }),
];

fn customers(world: &World, kind: GroupKind) -> usize {
    world.groups.values().filter(|group| group.kind == kind && !group.is_default()).count()
}

/// Every quota as it stands.
pub fn quotas(world: &World) -> impl Iterator<Item = Quota> + '_ {
    QUOTAS.into_iter().map(|(name, max, count)| Quota {
        name,
        used: u64::try_from(count(world)).unwrap_or(u64::MAX),
        max: world.standing.limits.get(name).copied().unwrap_or(max),
    })
}
