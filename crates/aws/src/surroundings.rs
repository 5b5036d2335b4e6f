//! What stands around an instance. Each part is asked for itself, so that a permission that is
//! missing hides one of them and not all.

use aws_sdk_rds::types::PendingMaintenanceAction;
use jiff::Timestamp;
use landfall_core::port::cloud::{Instance, Maintenance, Quota, Subject, Surroundings};
use landfall_core::{Failure, InstanceId};

use crate::time::from_aws;
use crate::{AwsCloud, fault};

impl AwsCloud {
    pub(crate) async fn read_surroundings(&self, instance: &Instance) -> Surroundings {
        Surroundings {
            maintenance: self.read_maintenance(instance).await,
            quotas: self.read_quotas().await,
            alarms: self.read_alarms(&Subject::Instance(instance.id.clone())).await,
            group_shared_with: self.read_sharers(instance).await,
            proxies: self.read_proxies_before(&instance.id).await,
        }
    }

    async fn read_maintenance(&self, instance: &Instance) -> Result<Vec<Maintenance>, Failure> {
        let what = format!("read the pending maintenance of {}", instance.id);
        let call = self.rds.describe_pending_maintenance_actions();
        let answer = call.resource_identifier(&instance.arn).send().await;
        let answer = answer.map_err(|error| fault::failure(what, &error))?;
        let actions = answer.pending_maintenance_actions().iter();
        let details = actions.flat_map(|of| of.pending_maintenance_action_details());
        Ok(details
            .map(|one| Maintenance {
                action: one.action().unwrap_or_default().to_owned(),
                description: one.description().map(str::to_owned),
                at: applied_at(one),
            })
            .collect())
    }

    async fn read_quotas(&self) -> Result<Vec<Quota>, Failure> {
        let answer = self.rds.describe_account_attributes().send().await;
        let answer =
            answer.map_err(|error| fault::failure("read the quotas of the account", &error))?;
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        Ok(answer
            .account_quotas()
            .iter()
            .filter_map(|quota| {
                let name = quota.account_quota_name()?.to_owned();
                Some(Quota { name, used: number(quota.used())?, max: number(quota.max())? })
            })
            .collect())
    }

    async fn read_sharers(&self, instance: &Instance) -> Result<Vec<InstanceId>, Failure> {
        let Some(group) = &instance.parameter_group else { return Ok(vec![]) };
        let what = format!("read who wears the parameter group {}", group.name);
        let mut pages = self.rds.describe_db_instances().into_paginator().items().send();
        let mut sharers = Vec::new();
        while let Some(found) = pages.next().await {
            let found = found.map_err(|error| fault::failure(&*what, &error))?;
            let wears = found
                .db_parameter_groups()
                .iter()
                .any(|worn| worn.db_parameter_group_name() == Some(group.name.as_str()));
            let id = found.db_instance_identifier().map(InstanceId::new);
            sharers.extend(id.filter(|id| wears && *id != instance.id));
        }
        Ok(sharers)
    }
}

/// When AWS will do it by itself at the latest: the date that was chosen, else the end of the wait
/// in which it may still be put off, else the day from which nobody is asked.
fn applied_at(action: &PendingMaintenanceAction) -> Option<Timestamp> {
    let dates =
        [action.current_apply_date(), action.auto_applied_after_date(), action.forced_apply_date()];
    dates.into_iter().flatten().find_map(from_aws)
}
