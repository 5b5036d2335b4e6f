//! Engine defaults of both sides, read through the cloud port: those of the parameters set by hand
//! and those that tell, and no more.

use std::collections::BTreeSet;

use landfall_core::failure::Failure;
use landfall_core::port::Cloud;
use landfall_core::port::cloud::{GroupLevel, Parameter};

use crate::inventory::Defaults;
use crate::parameters::{is_alias, telling::is_telling};

/// The defaults of the source's version and of Aurora's family.
pub(crate) async fn read(
    cloud: &dyn Cloud,
    source_version: &str,
    aurora_family: &str,
    set: &[Parameter],
) -> Result<Defaults, Failure> {
    let by_hand: BTreeSet<&str> = set.iter().map(|parameter| parameter.name.as_str()).collect();
    let needed = |all: Vec<Parameter>| -> Vec<Parameter> {
        let needed = |p: &Parameter| {
            is_telling(&p.name) || by_hand.contains(p.name.as_str()) || is_alias(&p.name)
        };
        all.into_iter().filter(needed).collect()
    };
    let major = source_version.split('.').next().unwrap_or(source_version);
    let source = format!("postgres{major}");
    Ok(Defaults {
        source: needed(cloud.default_parameters(GroupLevel::Instance, &source).await?),
        cluster: needed(cloud.default_parameters(GroupLevel::Cluster, aurora_family).await?),
        instance: needed(cloud.default_parameters(GroupLevel::Instance, aurora_family).await?),
    })
}
