//! Parameter groups of both levels, their parameters, and the defaults of an engine family.
//!
//! RDS has two of every call, one for each level; here is the only place that knows. A group is
//! changed or deleted only when its tag names the move. A change of more parameters than one call
//! takes goes out in several; dying between them leaves a group that the same order completes.

use aws_sdk_rds::types::{
    ApplyMethod, DbClusterParameterGroup, DbParameterGroup, Parameter as AwsParameter,
};
use landfall_core::action::ParameterChange;
use landfall_core::ids::ParameterGroupName;
use landfall_core::port::Stamp;
use landfall_core::port::cloud::{
    ApplyType, GroupLevel, Parameter, ParameterGroup, ParameterSource, ResourceState, Tags,
};
use landfall_core::{Failure, FailureKind};

use crate::instance::gone_is_done;
use crate::ownership::{Existing, may_exist, missing, require_ours, settle, stamped, tags};
use crate::{AwsCloud, fault};

/// RDS takes no more in one call.
const CHANGES_PER_CALL: usize = 20;

/// A group as described: what a view needs, and the ARN that its tags are asked by.
struct Described {
    name: String,
    family: String,
    arn: String,
}

impl AwsCloud {
    pub(crate) async fn read_parameter_group(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<ParameterGroup>, Failure> {
        let what = format!("read parameter group {name}");
        let described = match self.describe_group(&what, level, name).await {
            Ok(Some(described)) => described,
            Ok(None) => return Ok(None),
            Err(failure) if failure.kind == FailureKind::NotFound => return Ok(None),
            Err(failure) => return Err(failure),
        };
        match self.tags_of(&what, &described.arn).await {
            Ok(tags) => Ok(Some(ParameterGroup {
                name: described.name.as_str().into(),
                family: described.family,
                tags,
            })),
            // Deleted between the two calls.
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn describe_group(
        &self,
        what: &str,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Option<Described>, Failure> {
        match level {
            GroupLevel::Cluster => {
                let call = self.rds.describe_db_cluster_parameter_groups();
                let answer = call.db_cluster_parameter_group_name(name.as_str()).send().await;
                let found = answer.map_err(|error| fault::failure(what, &error))?;
                Ok(found.db_cluster_parameter_groups().first().map(described_cluster))
            }
            GroupLevel::Instance => {
                let call = self.rds.describe_db_parameter_groups();
                let answer = call.db_parameter_group_name(name.as_str()).send().await;
                let found = answer.map_err(|error| fault::failure(what, &error))?;
                Ok(found.db_parameter_groups().first().map(described_instance))
            }
        }
    }

    async fn tags_of(&self, what: &str, arn: &str) -> Result<Tags, Failure> {
        let answer = self.rds.list_tags_for_resource().resource_name(arn).send().await;
        let found = answer.map_err(|error| fault::failure(what, &error))?;
        Ok(tags(found.tag_list()))
    }

    pub(crate) async fn read_parameters(
        &self,
        level: GroupLevel,
        name: &ParameterGroupName,
    ) -> Result<Vec<Parameter>, Failure> {
        let what = format!("read the parameters of {name}");
        match level {
            GroupLevel::Cluster => {
                let call = self.rds.describe_db_cluster_parameters();
                let pages = call.db_cluster_parameter_group_name(name.as_str()).into_paginator();
                let all: Result<Vec<_>, _> = pages.items().send().collect().await;
                Ok(views(all.map_err(|error| fault::failure(what, &error))?))
            }
            GroupLevel::Instance => {
                let call = self.rds.describe_db_parameters();
                let pages = call.db_parameter_group_name(name.as_str()).into_paginator();
                let all: Result<Vec<_>, _> = pages.items().send().collect().await;
                Ok(views(all.map_err(|error| fault::failure(what, &error))?))
            }
        }
    }

    pub(crate) async fn read_default_parameters(
        &self,
        level: GroupLevel,
        family: &str,
    ) -> Result<Vec<Parameter>, Failure> {
        let what = format!("read the defaults of {family}");
        match level {
            GroupLevel::Cluster => {
                let call = self.rds.describe_engine_default_cluster_parameters();
                let pages = call.db_parameter_group_family(family).into_paginator();
                let all: Result<Vec<_>, _> = pages.items().send().collect().await;
                Ok(views(all.map_err(|error| fault::failure(what, &error))?))
            }
            GroupLevel::Instance => {
                let call = self.rds.describe_engine_default_parameters();
                let pages = call.db_parameter_group_family(family).into_paginator();
                let all: Result<Vec<_>, _> = pages.items().send().collect().await;
                Ok(views(all.map_err(|error| fault::failure(what, &error))?))
            }
        }
    }

    pub(crate) async fn create_parameter_group(
        &self,
        what: &str,
        group: NewGroup<'_>,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let NewGroup { level, name, family } = group;
        let description = format!("Made by Landfall for the move {}", stamp.migration);
        let refusal = match level {
            GroupLevel::Cluster => {
                let order = self.rds.create_db_cluster_parameter_group();
                let order = order.db_cluster_parameter_group_name(name.as_str());
                let order = order.db_parameter_group_family(family).description(description);
                let taken = order.set_tags(Some(stamped(stamp))).send().await;
                taken.map(drop).map_err(|error| fault::failure(what, &error))
            }
            GroupLevel::Instance => {
                let order = self.rds.create_db_parameter_group();
                let order = order.db_parameter_group_name(name.as_str());
                let order = order.db_parameter_group_family(family).description(description);
                let taken = order.set_tags(Some(stamped(stamp))).send().await;
                taken.map(drop).map_err(|error| fault::failure(what, &error))
            }
        };
        let Err(refusal) = refusal else { return Ok(()) };
        if !may_exist(refusal.kind) {
            return Err(refusal);
        }
        let found = self.read_parameter_group(level, name).await?;
        let found =
            found.map(|group| Existing { tags: group.tags, state: ResourceState::Available });
        settle(refusal, &object(level, name), found, stamp)
    }

    pub(crate) async fn set_parameters(
        &self,
        what: &str,
        level: GroupLevel,
        name: &ParameterGroupName,
        change: (&[ParameterChange], &Stamp),
    ) -> Result<(), Failure> {
        let (changes, stamp) = change;
        let found = self.read_parameter_group(level, name).await?;
        let found = found.ok_or_else(|| missing(what, &object(level, name)))?;
        require_ours(what, &object(level, name), &found.tags, stamp)?;
        for batch in changes.chunks(CHANGES_PER_CALL) {
            let batch = batch.iter().map(ordered).collect::<Vec<_>>();
            match level {
                GroupLevel::Cluster => {
                    let order = self.rds.modify_db_cluster_parameter_group();
                    let order = order.db_cluster_parameter_group_name(name.as_str());
                    let taken = order.set_parameters(Some(batch)).send().await;
                    taken.map(drop).map_err(|error| fault::failure(what, &error))?;
                }
                GroupLevel::Instance => {
                    let order = self.rds.modify_db_parameter_group();
                    let order = order.db_parameter_group_name(name.as_str());
                    let taken = order.set_parameters(Some(batch)).send().await;
                    taken.map(drop).map_err(|error| fault::failure(what, &error))?;
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn delete_parameter_group(
        &self,
        what: &str,
        level: GroupLevel,
        name: &ParameterGroupName,
        stamp: &Stamp,
    ) -> Result<(), Failure> {
        let Some(found) = self.read_parameter_group(level, name).await? else { return Ok(()) };
        require_ours(what, &object(level, name), &found.tags, stamp)?;
        let refusal = match level {
            GroupLevel::Cluster => {
                let order = self.rds.delete_db_cluster_parameter_group();
                let taken = order.db_cluster_parameter_group_name(name.as_str()).send().await;
                taken.map(drop).map_err(|error| fault::failure(what, &error))
            }
            GroupLevel::Instance => {
                let order = self.rds.delete_db_parameter_group();
                let taken = order.db_parameter_group_name(name.as_str()).send().await;
                taken.map(drop).map_err(|error| fault::failure(what, &error))
            }
        };
        refusal.or_else(gone_is_done)
    }
}

/// A group to create.
#[derive(Clone, Copy)]
pub(crate) struct NewGroup<'a> {
    pub(crate) level: GroupLevel,
    pub(crate) name: &'a ParameterGroupName,
    pub(crate) family: &'a str,
}

fn object(level: GroupLevel, name: &ParameterGroupName) -> String {
    match level {
        GroupLevel::Cluster => format!("cluster parameter group {name}"),
        GroupLevel::Instance => format!("parameter group {name}"),
    }
}

fn described_cluster(group: &DbClusterParameterGroup) -> Described {
    Described {
        name: group.db_cluster_parameter_group_name().unwrap_or_default().to_owned(),
        family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
        arn: group.db_cluster_parameter_group_arn().unwrap_or_default().to_owned(),
    }
}

fn described_instance(group: &DbParameterGroup) -> Described {
    Described {
        name: group.db_parameter_group_name().unwrap_or_default().to_owned(),
        family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
        arn: group.db_parameter_group_arn().unwrap_or_default().to_owned(),
    }
}

fn ordered(change: &ParameterChange) -> AwsParameter {
    let method = match change.apply_type {
        ApplyType::Static => ApplyMethod::PendingReboot,
        ApplyType::Dynamic => ApplyMethod::Immediate,
    };
    AwsParameter::builder()
        .parameter_name(&change.name)
        .parameter_value(&change.value)
        .apply_method(method)
        .build()
}

fn views(parameters: Vec<AwsParameter>) -> Vec<Parameter> {
    parameters.into_iter().filter_map(view).collect()
}

/// What AWS does not say is taken the careful way: static, not modifiable, set by the engine.
fn view(found: AwsParameter) -> Option<Parameter> {
    let apply_type = match found.apply_type() {
        Some("dynamic") => ApplyType::Dynamic,
        _ => ApplyType::Static,
    };
    let source = match found.source() {
        Some("user") => ParameterSource::User,
        Some("system") => ParameterSource::System,
        _ => ParameterSource::EngineDefault,
    };
    Some(Parameter {
        modifiable: found.is_modifiable().unwrap_or_default(),
        name: found.parameter_name?,
        value: found.parameter_value,
        apply_type,
        allowed: found.allowed_values,
        source,
    })
}
