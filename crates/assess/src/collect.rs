//! Collects the inventory through the ports, changing nothing.

use landfall_core::Spec;
use landfall_core::failure::Failure;
use landfall_core::ids::Endpoint;
use landfall_core::port::Ports;
use landfall_core::port::cloud::{GroupLevel, ParameterSource};

use crate::bypass;
use crate::choice::choose_version;
use crate::inventory::{Inside, Inventory};

/// Looks at everything, changing nothing.
pub async fn collect(ports: &Ports<'_>, spec: &Spec) -> Result<Inventory, Failure> {
    let cloud = ports.cloud;
    let instance = cloud.instance(&spec.source.instance).await?;
    let cluster = cloud.cluster(&spec.target.cluster).await?;
    let mut inventory = Inventory {
        taken_at: Some(ports.clock.now()),
        instance,
        cluster,
        routes: ports.router.routes().await?,
        gateway: Some(ports.router.ability().await),
        ..Inventory::default()
    };
    let Some(instance) = &inventory.instance else { return Ok(inventory) };
    if instance.engine != "postgres" {
        return Ok(inventory);
    }
    inventory.versions = cloud.aurora_versions(&instance.engine_version).await?;
    if let Some(version) = choose_version(spec, instance, &inventory.versions) {
        inventory.classes = cloud.orderable_classes(&version.version).await?;
    }
    if let Some(group) = &instance.parameter_group {
        let level = GroupLevel::Instance;
        let all = cloud.parameters(level, &group.name).await?;
        inventory.parameters =
            all.into_iter().filter(|p| p.source == ParameterSource::User).collect();
    }
    for id in &instance.replica_instances {
        let replica = cloud.instance(id).await?;
        let at = replica.and_then(|replica| replica.endpoint);
        inventory.replicas.extend(at.map(|at| (id.clone(), at)));
    }
    if let (Some(database), Some(endpoint)) = (ports.database, &instance.endpoint) {
        match inside(database, endpoint).await {
            Ok(found) => inventory.inside = Some(found),
            Err(failure) => inventory.not_looked = Some(failure),
        }
    }
    Ok(inventory)
}

async fn inside(
    database: &dyn landfall_core::port::Database,
    at: &Endpoint,
) -> Result<Inside, Failure> {
    Ok(Inside {
        server: database.server(at).await?,
        prepared: database.prepared_transactions(at).await?,
        slots: database.slots(at).await?,
        parties: bypass::parties(&database.sessions(at).await?),
    })
}
