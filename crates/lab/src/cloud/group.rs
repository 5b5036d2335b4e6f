//! Parameter groups: what a customer set, apart from where it is in force.

use std::collections::BTreeMap;

use super::names::{Identifier, Resource, arn};
use crate::catalogue::parameters::Scope;
use crate::catalogue::versions::Engine;

/// The two kinds of group, each with actions of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKind {
    Instance,
    Cluster,
}

impl GroupKind {
    /// The kind of its ARN.
    pub const fn resource(self) -> Resource {
        match self {
            Self::Instance => Resource::ParameterGroup,
            Self::Cluster => Resource::ClusterParameterGroup,
        }
    }
}

/// When a value is to take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyMethod {
    Immediate,
    PendingReboot,
}

impl ApplyMethod {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::PendingReboot => "pending-reboot",
        }
    }
}

/// A value that a customer set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserValue {
    pub value: String,
    pub method: ApplyMethod,
}

/// One group.
#[derive(Debug, Clone)]
pub struct Group {
    pub kind: GroupKind,
    pub name: Identifier,
    pub engine: Engine,
    pub family: String,
    pub description: String,
    /// By the parameter's name in lower case.
    pub values: BTreeMap<String, UserValue>,
}

impl Group {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(self.kind.resource(), self.name.as_str())
    }

    /// The list its parameters come from.
    pub const fn scope(&self) -> Scope {
        match (self.kind, self.engine) {
            (GroupKind::Instance, Engine::Postgres) => Scope::Rds,
            (GroupKind::Instance, Engine::Aurora) => Scope::AuroraInstance,
            (GroupKind::Cluster, _) => Scope::AuroraCluster,
        }
    }

    /// Whether it is one of AWS's own, which nobody can change.
    pub fn is_default(&self) -> bool {
        self.name.as_str().starts_with("default.")
    }
}

/// The name of the default group of a family.
pub fn default_name(family: &str) -> Identifier {
    Identifier::lookup(&format!("default.{family}"))
}
