//! Purpose: the target is a production database: its groups, its protection.
//! Reads: the cluster's groups and deletion protection.
//! Changes: production security groups, deletion protection on.
//! Undo: refused; the target is the database.
//! If it dies here: some of it is set; the next start sets the rest.

use landfall_core::action::CloudAction;
use landfall_core::failure::Failure;
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::cloud::Cluster;
use landfall_core::{Facts, Spec};

use super::{Membership, groups_are, target};
use crate::step::{Look, Plan, Step};

/// Production settings of the target.
pub struct FinishTarget;

impl Step for FinishTarget {
    const ID: &'static str = "verify.finish_target";
    const TITLE: &'static str = "Give the target its production settings";
    type Seen = Cluster;

    async fn observe(&self, look: &Look<'_>) -> Result<Cluster, Failure> {
        target(look).await
    }

    fn plan(&self, spec: &Spec, facts: &Facts, cluster: &Cluster) -> Plan {
        let wanted = production(spec, facts);
        match groups_are(&cluster.security_groups, &wanted) {
            Membership::Different => Plan::act(CloudAction::SetClusterSecurityGroups {
                cluster: cluster.id.clone(),
                groups: wanted,
            }),
            Membership::Changing => Plan::wait(
                spec,
                format!("the production groups to be in force on {}", cluster.id),
                "",
            ),
            Membership::InForce if !cluster.deletion_protected => {
                Plan::act(CloudAction::ProtectCluster { cluster: cluster.id.clone() })
            }
            Membership::InForce => Plan::Done,
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Cluster) -> Plan {
        Plan::Done
    }
}

/// The groups asked for, or the ones the source had.
fn production(spec: &Spec, facts: &Facts) -> Vec<SecurityGroupId> {
    spec.target.security_groups.clone().or_else(|| facts.groups_were.clone()).unwrap_or_default()
}
