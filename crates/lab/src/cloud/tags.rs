//! Tags, by the ARN of what they are on.

use std::collections::BTreeMap;

use super::Cloud;
use super::group::GroupKind;
use super::names::{Resource, parse_arn};
use super::refusal::{Code, Refusal};
use super::snapshot::SnapshotKind;
use super::world::World;

impl Cloud {
    /// The tags of a resource that exists.
    pub fn tags(&self, arn: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let world = self.world();
        let arn = checked(&world, arn)?;
        Ok(world.tags.get(&arn).cloned().unwrap_or_default())
    }

    /// Adds or replaces tags.
    pub fn add_tags(&self, arn: &str, tags: BTreeMap<String, String>) -> Result<(), Refusal> {
        let mut world = self.world();
        let arn = checked(&world, arn)?;
        world.tags.entry(arn).or_default().extend(tags);
        Ok(())
    }

    /// Removes tags; absent ones are fine.
    pub fn remove_tags(&self, arn: &str, keys: &[String]) -> Result<(), Refusal> {
        let mut world = self.world();
        let arn = checked(&world, arn)?;
        world.tags.entry(arn).or_default().retain(|key, _| !keys.contains(key));
        Ok(())
    }
}

/// The ARN in its stored form, if what it names exists.
fn checked(world: &World, arn: &str) -> Result<String, Refusal> {
    let (resource, name) =
        parse_arn(arn).ok_or_else(|| Refusal::value(format!("Invalid resource name: {arn}")))?;
    let snapshot = |kind, code| {
        if world.snapshots.contains_key(&(kind, name.clone())) {
            Ok(())
        } else {
            Err(Refusal::new(code, format!("DBSnapshot {name} not found.")))
        }
    };
    // The tag actions have no error for parameter groups in the official model.
    let group = |kind| {
        world.group(kind, &name).map(drop).map_err(|refusal| Refusal::value(refusal.message))
    };
    match resource {
        Resource::Instance => world.instance(&name).map(drop)?,
        Resource::Cluster => world.cluster(&name).map(drop)?,
        Resource::ParameterGroup => group(GroupKind::Instance)?,
        Resource::ClusterParameterGroup => group(GroupKind::Cluster)?,
        Resource::Snapshot => snapshot(SnapshotKind::Instance, Code::SnapshotNotFound)?,
        Resource::ClusterSnapshot => {
            snapshot(SnapshotKind::Cluster, Code::SnapshotNotFound)?;
        }
        Resource::Proxy => world.proxy(&name).map(drop)?,
        Resource::ClusterEndpoint if world.endpoints.contains_key(&name) => {}
        Resource::ClusterEndpoint => {
            return Err(Refusal::value(format!("DBClusterEndpoint {name} not found.")));
        }
    }
    Ok(super::names::arn(resource, name.as_str()))
}
