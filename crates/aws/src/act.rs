//! The table of orders: each [`CloudAction`] and the one place that carries it out.
//!
//! Nothing is decided here. The words of an action are the `what` of its failure, so that the
//! journal, the dry run and the message to a person name one thing alike.

use landfall_core::Failure;
use landfall_core::action::CloudAction;
use landfall_core::port::Stamp;

use crate::AwsCloud;
use crate::parameter::NewGroup;

impl AwsCloud {
    pub(crate) async fn carry_out(
        &self,
        action: &CloudAction,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let what = action.to_string();
        match action {
            CloudAction::SetBackupRetention { instance, days } => {
                self.set_backup_retention(&what, instance, *days).await
            }
            CloudAction::CreateParameterGroup { level, name, family } => {
                let group = NewGroup { level: *level, name, family };
                self.create_parameter_group(&what, group, stamp).await
            }
            CloudAction::SetParameters { level, name, changes } => {
                self.set_parameters(&what, *level, name, (changes, stamp)).await
            }
            CloudAction::DeleteParameterGroup { level, name } => {
                self.delete_parameter_group(&what, *level, name, stamp).await
            }
            CloudAction::CreateReplicaCluster(new) => {
                self.create_replica_cluster(&what, new, stamp).await
            }
            CloudAction::CreateWriter(new) | CloudAction::CreateReader(new) => {
                self.create_member(&what, new, stamp).await
            }
            CloudAction::SetClusterSettings { cluster, settings } => {
                self.set_cluster_settings(&what, cluster, settings, stamp).await
            }
            CloudAction::Equip(equipment) => self.equip(&what, equipment, stamp).await,
            CloudAction::SetInstanceSecurityGroups { instance, groups } => {
                self.set_instance_groups(&what, instance, groups).await
            }
            CloudAction::SetClusterSecurityGroups { cluster, groups } => {
                self.set_cluster_groups(&what, cluster, groups, stamp).await
            }
            CloudAction::RebootInstance { instance } => self.reboot(&what, instance).await,
            CloudAction::PromoteCluster { cluster } => self.promote(&what, cluster, stamp).await,
            CloudAction::ProtectCluster { cluster } => {
                self.protect_cluster(&what, cluster, stamp).await
            }
            CloudAction::DeleteWriter { instance } => {
                self.delete_writer(&what, instance, stamp).await
            }
            CloudAction::DeleteCluster { cluster } => {
                self.delete_cluster(&what, cluster, stamp).await
            }
            CloudAction::CreateSnapshot { instance, snapshot } => {
                self.create_snapshot(&what, instance, snapshot, stamp).await
            }
            CloudAction::DeleteRetiredSource { instance } => {
                self.delete_retired_source(&what, instance, stamp).await
            }
        }
    }
}
