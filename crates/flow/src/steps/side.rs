//! Sides: which one loses the writes, and which one gets them; forward the source and the target,
//! rolling back the target and the source.
//!
//! The hold, the fence, its proofs and the release are the same either way, and ask here what they
//! are about.

use landfall_core::action::CloudAction;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::ids::{InstanceId, SecurityGroupId};
use landfall_core::port::cloud::{GroupMembership, ResourceState, Subject};
use landfall_core::status::Line;
use landfall_core::{Endpoint, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::source_endpoint;
use crate::step::Look;

/// Where writes went before the hold.
pub(super) fn origin(facts: &Facts) -> Option<&Endpoint> {
    loser(facts, facts.line)
}

/// Where writes go before the hold of a line.
pub(crate) fn loser(facts: &Facts, line: Line) -> Option<&Endpoint> {
    match line {
        Line::Migrate => source_endpoint(facts),
        Line::Reverse => facts.way_back.target.as_ref(),
    }
}

/// The side that the hold and the fence are about, in a word.
pub(super) const fn word(line: Line) -> &'static str {
    match line {
        Line::Migrate => "source",
        Line::Reverse => "target",
    }
}

/// What leads back to the origin, in words that fit behind a semicolon.
pub(super) const fn way_out(line: Line) -> &'static str {
    match line {
        Line::Migrate => "`landfall abort` opens the source",
        Line::Reverse => "`landfall abort` opens the target again",
    }
}

/// The side that is fenced, as AWS shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// The instance, or the cluster.
    pub subject: Subject,
    /// What takes the writes there, and is rebooted.
    pub writer: InstanceId,
    /// The security groups.
    pub groups: Vec<GroupMembership>,
    /// The worse of its states: of the cluster and of its writer.
    pub state: ResourceState,
}

impl Origin {
    /// Its identifier.
    pub(super) fn name(&self) -> String {
        named(&self.subject)
    }

    /// The groups it wears, in order.
    pub(super) fn worn(&self) -> Vec<SecurityGroupId> {
        self.groups.iter().map(|member| member.group.clone()).collect()
    }

    /// Puts these groups on it, in place of all others.
    pub(super) fn wear(&self, groups: Vec<SecurityGroupId>) -> CloudAction {
        match self.subject.clone() {
            Subject::Instance(instance) => {
                CloudAction::SetInstanceSecurityGroups { instance, groups }
            }
            Subject::Cluster(cluster) => CloudAction::SetClusterSecurityGroups { cluster, groups },
        }
    }
}

/// An identifier, whatever it names.
pub(super) fn named(subject: &Subject) -> String {
    match subject {
        Subject::Instance(id) => id.to_string(),
        Subject::Cluster(id) => id.to_string(),
    }
}

/// What the fence of this line is about.
pub(crate) fn subject(spec: &Spec, line: Line) -> Subject {
    match line {
        Line::Migrate => Subject::Instance(spec.source.instance.clone()),
        Line::Reverse => Subject::Cluster(spec.target.cluster.clone()),
    }
}

/// Looks at it; absent when somebody deleted it.
pub(super) async fn find(look: &Look<'_>) -> Result<Option<Origin>, Failure> {
    let cloud = look.ports.cloud;
    let subject = subject(look.spec, look.facts.line);
    Ok(match &subject {
        Subject::Instance(id) => cloud.instance(id).await?.map(|instance| Origin {
            writer: instance.id,
            groups: instance.security_groups,
            state: instance.state,
            subject,
        }),
        Subject::Cluster(id) => {
            let Some(cluster) = cloud.cluster(id).await? else { return Ok(None) };
            let writer = cluster.members.iter().find(|member| member.writer);
            let writer = writer.map_or_else(|| look.spec.writer(), |one| one.instance.clone());
            let instance = cloud.instance(&writer).await?.map(|instance| instance.state);
            let state = match cluster.state {
                ResourceState::Available => instance.unwrap_or(ResourceState::Available),
                other @ (ResourceState::Busy(_)
                | ResourceState::Failed(_)
                | ResourceState::Deleting) => other,
            };
            Some(Origin { subject, writer, groups: cluster.security_groups, state })
        }
    })
}

/// Looks at it where its absence is a failure.
pub(super) async fn origin_of(look: &Look<'_>) -> Result<Origin, Failure> {
    find(look).await?.ok_or_else(|| {
        let name = named(&subject(look.spec, look.facts.line));
        Failure::new(FailureKind::NotFound, format!("look at {name}"), "it does not exist")
    })
}
