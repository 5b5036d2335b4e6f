//! Purpose: the target is a production database: its groups, its protection, its settings.
//! Reads: the cluster, the source as far as the spec leaves a setting to it.
//! Changes: production security groups, deletion protection, backup retention, IAM authentication,
//!   log exports, the range of capacity.
//! Undo: refused; the target is the database.
//! If it dies here: some of it is set; the next start sets the rest.

use landfall_core::action::{CloudAction, ClusterSettings};
use landfall_core::failure::Failure;
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::cloud::{Cluster, EngineVersion, Instance, ResourceState};
use landfall_core::{Facts, Spec};
use serde::{Deserialize, Serialize};

use super::{Membership, groups_are, target};
use crate::step::{Look, Plan, Step};

/// Production settings of the target.
pub struct FinishTarget;

/// The target, and what it may take over.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    cluster: Cluster,
    /// Absent when nothing is left to it, or when it is gone.
    source: Option<Instance>,
    /// What Aurora can send to CloudWatch; looked up when the source sends anything.
    log_types: Vec<String>,
}

impl Step for FinishTarget {
    const ID: &'static str = "verify.finish_target";
    const TITLE: &'static str = "Give the target its production settings";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cluster = target(look).await?;
        // Nobody waits for the production groups longer than they take: the rest is read then.
        let wanted = production(look.spec, look.facts);
        if groups_are(&cluster.security_groups, &wanted) != Membership::InForce {
            return Ok(Seen { cluster, source: None, log_types: vec![] });
        }
        let asked = &look.spec.target;
        let source = if asked.iam_auth.is_none() || asked.log_exports.is_none() {
            look.ports.cloud.instance(&look.spec.source.instance).await?
        } else {
            None
        };
        let exports = source.as_ref().is_some_and(|one| !one.detail.log_exports.is_empty());
        let log_types = if exports && asked.log_exports.is_none() {
            offer(look).await?.log_types
        } else {
            vec![]
        };
        Ok(Seen { cluster, source, log_types })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let cluster = &seen.cluster;
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
            Membership::InForce => settle(spec, facts, seen),
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The groups asked for, or the ones the source had.
fn production(spec: &Spec, facts: &Facts) -> Vec<SecurityGroupId> {
    spec.target.security_groups.clone().or_else(|| facts.groups_were.clone()).unwrap_or_default()
}

/// What the version of Aurora that the target runs offers.
pub(super) async fn offer(look: &Look<'_>) -> Result<EngineVersion, Failure> {
    let nothing = EngineVersion {
        version: String::new(),
        family: String::new(),
        log_types: vec![],
        features: vec![],
    };
    let (Some(source), Some(target)) = (&look.facts.source, &look.facts.target) else {
        return Ok(nothing);
    };
    let versions = look.ports.cloud.aurora_versions(&source.engine_version).await?;
    let ours = versions.into_iter().find(|offer| offer.version == target.engine_version);
    Ok(ours.unwrap_or(nothing))
}

/// The rest, once clients can reach the target.
fn settle(spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
    let cluster = &seen.cluster;
    if spec.target.deletion_protection != Some(false) && !cluster.deletion_protected {
        return Plan::act(CloudAction::ProtectCluster { cluster: cluster.id.clone() });
    }
    let settings = differences(spec, seen);
    let cluster_id = cluster.id.clone();
    let order = CloudAction::SetClusterSettings { cluster: cluster_id, settings: settings.clone() };
    // What was refused, or had no effect, is told and left to a person.
    if settings == ClusterSettings::default() || facts.warnings.contains_key(&order.to_string()) {
        return Plan::Done;
    }
    match cluster.state {
        // AWS refuses a change of a cluster that is being changed.
        ResourceState::Busy(_) => {
            let why = format!("cluster {} to be available for: {settings}", cluster.id);
            Plan::wait(spec, why, cluster.state.to_string())
        }
        ResourceState::Available | ResourceState::Failed(_) | ResourceState::Deleting => {
            Plan::act(order)
        }
    }
}

/// What the cluster is not yet.
fn differences(spec: &Spec, seen: &Seen) -> ClusterSettings {
    let (asked, have) = (&spec.target, &seen.cluster);
    let source = seen.source.as_ref().map(|source| &source.detail);
    let iam_auth = asked.iam_auth.or_else(|| source.map(|source| source.iam_auth));
    let (logs_on, logs_off) = logs(spec, seen);
    ClusterSettings {
        backup_retention_days: Some(asked.backup_retention_days)
            .filter(|days| *days != have.backup_retention_days),
        iam_auth: iam_auth.filter(|on| *on != have.detail.iam_auth),
        logs_on,
        logs_off,
        serverless: asked.serverless.filter(|range| Some(*range) != have.detail.serverless),
    }
}

/// The exports to switch on and off. What nobody asked for is never switched off.
fn logs(spec: &Spec, seen: &Seen) -> (Vec<String>, Vec<String>) {
    let have = &seen.cluster.detail.log_exports;
    let missing = |wanted: &mut dyn Iterator<Item = &String>| -> Vec<String> {
        wanted.filter(|log| !have.contains(log)).cloned().collect()
    };
    match (&spec.target.log_exports, &seen.source) {
        (Some(asked), _) => {
            let off = have.iter().filter(|log| !asked.contains(*log)).cloned().collect();
            (missing(&mut asked.iter()), off)
        }
        (None, Some(source)) => {
            let carried = &source.detail.log_exports;
            (missing(&mut carried.iter().filter(|log| seen.log_types.contains(log))), vec![])
        }
        (None, None) => (vec![], vec![]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{World, example_spec};

    fn seen(change: impl FnOnce(&mut Seen)) -> Seen {
        let (source, cluster) = World::example_pair();
        let mut seen = Seen { cluster, source: Some(source), log_types: vec![] };
        change(&mut seen);
        seen
    }

    fn ordered(spec: &Spec, seen: &Seen) -> String {
        let facts = Facts { groups_were: Some(vec!["sg-app".into()]), ..Facts::default() };
        let plan = FinishTarget.plan(spec, &facts, seen);
        if let Plan::Do(actions) = &plan {
            return actions.iter().map(ToString::to_string).collect();
        }
        format!("{plan:?}")
    }

    #[test]
    fn groups_come_first_then_protection_then_all_settings_in_one_order() {
        let mut spec = example_spec();
        spec.target.backup_retention_days = 14;
        spec.target.iam_auth = Some(true);
        spec.target.log_exports = Some(["postgresql".to_owned()].into());
        let mut seen = seen(|seen| seen.cluster.detail.log_exports = vec!["instance".to_owned()]);
        assert_eq!(ordered(&spec, &seen), "ModifyDBCluster orders-aurora: security groups sg-app");
        seen.cluster.security_groups[0].group = "sg-app".into();
        assert_eq!(ordered(&spec, &seen), "ModifyDBCluster orders-aurora: deletion protection on");
        seen.cluster.deletion_protected = true;
        assert_eq!(
            ordered(&spec, &seen),
            "ModifyDBCluster orders-aurora: backup retention 14 days, IAM authentication on, \
             log export postgresql on, log export instance off"
        );
        seen.cluster.state = ResourceState::Busy("modifying".to_owned());
        assert!(ordered(&spec, &seen).starts_with("Wait("));
    }

    #[test]
    fn what_the_spec_leaves_open_is_carried_from_the_source_and_nothing_is_switched_off() {
        let mut spec = example_spec();
        spec.target.deletion_protection = Some(false);
        let mut seen = seen(|seen| {
            seen.cluster.security_groups[0].group = "sg-app".into();
            seen.cluster.detail.log_exports = vec!["instance".to_owned()];
            seen.log_types = vec!["postgresql".to_owned()];
            let source = &mut seen.source.as_mut().unwrap().detail;
            source.log_exports = vec!["postgresql".to_owned(), "upgrade".to_owned()];
            source.iam_auth = true;
        });
        assert_eq!(
            ordered(&spec, &seen),
            "ModifyDBCluster orders-aurora: IAM authentication on, log export postgresql on"
        );
        seen.cluster.detail.iam_auth = true;
        seen.cluster.detail.log_exports.push("postgresql".to_owned());
        assert_eq!(ordered(&spec, &seen), "Done");
        seen.source = None;
        assert_eq!(ordered(&spec, &seen), "Done", "a source that is gone leaves nothing to carry");
    }
}
