//! IAM roles of instances and clusters: stored and shown. Nothing assumes them.

use super::Cloud;
use super::names::Identifier;
use super::refusal::{Code, Refusal};

/// A role for a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub arn: String,
    /// Empty when none was named.
    pub feature: String,
}

/// What a role can be associated for, by the lab's account of AWS's.
pub const OF_POSTGRES: [&str; 3] = ["Lambda", "s3Export", "s3Import"];
/// The same for Aurora.
pub const OF_AURORA: [&str; 5] = ["Bedrock", "Comprehend", "Lambda", "s3Export", "s3Import"];

impl Cloud {
    /// `AddRoleToDBInstance`.
    pub fn add_instance_role(&self, id: &Identifier, role: Role) -> Result<(), Refusal> {
        let mut world = self.world();
        let roles = &mut world.available_instance(id)?.roles;
        add(roles, role, &OF_POSTGRES, Code::InstanceRoleAlreadyExists)
    }

    /// `AddRoleToDBCluster`.
    pub fn add_cluster_role(&self, id: &Identifier, role: Role) -> Result<(), Refusal> {
        let mut world = self.world();
        let roles = &mut world.available_cluster(id)?.roles;
        add(roles, role, &OF_AURORA, Code::ClusterRoleAlreadyExists)
    }

    /// `RemoveRoleFromDBInstance`.
    pub fn remove_instance_role(&self, id: &Identifier, role: &Role) -> Result<(), Refusal> {
        let mut world = self.world();
        remove(&mut world.available_instance(id)?.roles, role, Code::InstanceRoleNotFound)
    }

    /// `RemoveRoleFromDBCluster`.
    pub fn remove_cluster_role(&self, id: &Identifier, role: &Role) -> Result<(), Refusal> {
        let mut world = self.world();
        remove(&mut world.available_cluster(id)?.roles, role, Code::ClusterRoleNotFound)
    }
}

fn add(roles: &mut Vec<Role>, role: Role, known: &[&str], taken: Code) -> Result<(), Refusal> {
    if !role.feature.is_empty() && !known.contains(&role.feature.as_str()) {
        return Err(Refusal::value(format!("The feature-name {} isn't supported.", role.feature)));
    }
    if roles.contains(&role) {
        return Err(Refusal::new(taken, format!("Role {} is already associated.", role.arn)));
    }
    roles.push(role);
    Ok(())
}

fn remove(roles: &mut Vec<Role>, role: &Role, absent: Code) -> Result<(), Refusal> {
    let before = roles.len();
    roles.retain(|one| one != role);
    if roles.len() == before {
        return Err(Refusal::new(absent, format!("Role {} is not associated.", role.arn)));
    }
    Ok(())
}
