//! What stands around: quotas of the account, pending maintenance.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, filters};
use crate::cloud::Cloud;
use crate::cloud::names::{ACCOUNT, Resource, parse_arn};
use crate::cloud::refusal::{Code, Refusal};
use crate::cloud::standing::{self, Maintenance};

pub(super) fn quotas(cloud: &Cloud) -> Answer {
    cloud.read(|world| {
        let quotas = standing::quotas(world).map(|quota| {
            Fields::new()
                .text("AccountQuotaName", quota.name)
                .text("Used", quota.used)
                .text("Max", quota.max)
        });
        Ok(Fields::new().list("AccountQuotas", "AccountQuota", quotas))
    })
}

pub(super) fn maintenance(cloud: &Cloud, form: &Form) -> Answer {
    filters(form, &["db-cluster-id", "db-instance-id"])?;
    let asked = form.text("ResourceIdentifier");
    cloud.read(|world| {
        if let Some(arn) = asked {
            let exists = match &parse_arn(arn) {
                Some((Resource::Instance, name)) => world.instances.contains_key(name),
                Some((Resource::Cluster, name)) => world.clusters.contains_key(name),
                Some(_) | None => false,
            };
            if !exists {
                return Err(Refusal::new(
                    Code::ResourceNotFound,
                    format!("Resource {arn} of account {ACCOUNT} not found."),
                ));
            }
        }
        let pending = world.standing.maintenance();
        let pending = pending.filter(|(arn, _)| asked.is_none_or(|asked| asked == arn));
        let pending = pending.map(|(arn, actions)| {
            Fields::new().text("ResourceIdentifier", arn).list(
                "PendingMaintenanceActionDetails",
                "PendingMaintenanceAction",
                actions.iter().map(action),
            )
        });
        let pending: Vec<_> = pending.collect();
        let name = "PendingMaintenanceActions";
        Ok(Fields::new().list(name, "ResourcePendingMaintenanceActions", pending))
    })
}

fn action(action: &Maintenance) -> Fields {
    let fields = Fields::new()
        .text("Action", &action.action)
        .text("Description", format_args!("A pretended {} of the lab", action.action));
    match action.at {
        Some(at) => fields.time("CurrentApplyDate", at),
        None => fields,
    }
}
