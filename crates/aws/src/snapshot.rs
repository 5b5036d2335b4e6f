//! Snapshots of an instance: the last copy of a source before it may be deleted.
//!
//! A snapshot under the wanted name counts only when its tag names the move. It may be taken while
//! the process is dead: the order is AWS's from the moment it was accepted.

use aws_sdk_rds::types::DbSnapshot;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{ResourceState, Snapshot, TAG_MIGRATION};
use landfall_core::{Failure, FailureKind, InstanceId};

use crate::instance::{absent_if_not_found, state};
use crate::ownership::{Existing, may_exist, settle, stamped, tags};
use crate::time::from_aws;
use crate::{AwsCloud, fault};

impl AwsCloud {
    pub(crate) async fn read_snapshot(&self, id: &str) -> Result<Option<Snapshot>, Failure> {
        let answer = self.rds.describe_db_snapshots().db_snapshot_identifier(id).send().await;
        match answer {
            Ok(found) => Ok(found.db_snapshots().first().map(view)),
            Err(error) => {
                absent_if_not_found(fault::failure(format!("read snapshot {id}"), &error))
            }
        }
    }

    pub(crate) async fn create_snapshot(
        &self,
        what: &str,
        instance: &InstanceId,
        id: &str,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let order = self.rds.create_db_snapshot().db_snapshot_identifier(id);
        let order = order.db_instance_identifier(instance.as_str());
        let order = order.set_tags(Some(stamped(stamp)));
        let Err(error) = order.send().await else { return Ok(()) };
        let refusal = fault::failure(what, &error);
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = self.read_snapshot(id).await?;
        let found = found.map(|snapshot| Existing { tags: snapshot.tags, state: snapshot.state });
        settle(refusal, &format!("snapshot {id}"), found, stamp)
    }

    /// Passes when this move has a finished snapshot of the instance.
    pub(crate) async fn require_final_snapshot(
        &self,
        what: &str,
        instance: &InstanceId,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let pages = self.rds.describe_db_snapshots().db_instance_identifier(instance.as_str());
        let mut snapshots = pages.into_paginator().items().send();
        while let Some(snapshot) = snapshots.next().await {
            let snapshot = snapshot.map_err(|error| fault::failure(what, &error))?;
            if is_final(&view(&snapshot), stamp) {
                return Ok(());
            }
        }
        Err(Failure::new(
            FailureKind::Invalid,
            what,
            format!("the move {} has no finished snapshot of {instance}", stamp.migration),
        ))
    }
}

fn is_final(snapshot: &Snapshot, stamp: &Stamp) -> bool {
    let owner = snapshot.tags.get(TAG_MIGRATION).map(String::as_str);
    snapshot.state == ResourceState::Available && owner == Some(stamp.migration.as_str())
}

fn view(found: &DbSnapshot) -> Snapshot {
    Snapshot {
        id: found.db_snapshot_identifier().unwrap_or_default().to_owned(),
        state: state(found.status()),
        created_at: found.snapshot_create_time().and_then(from_aws),
        tags: tags(found.tag_list()),
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::Epoch;

    use super::*;

    #[test]
    fn only_a_finished_snapshot_of_this_move_allows_the_deletion() {
        let stamp = |migration: &str| Stamp { migration: migration.into(), epoch: Epoch(1) };
        let taken = |status: &str, migration: &str| {
            let tags = stamped(&stamp(migration));
            view(&DbSnapshot::builder().status(status).set_tag_list(Some(tags)).build())
        };
        assert!(is_final(&taken("available", "orders"), &stamp("orders")));
        assert!(!is_final(&taken("creating", "orders"), &stamp("orders")));
        assert!(!is_final(&taken("available", "billing"), &stamp("orders")));
    }
}
