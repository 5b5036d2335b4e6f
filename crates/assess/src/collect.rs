//! Collects the inventory through the ports, changing nothing.
//!
//! What the move itself stands on (the source, what it may become, its parameters, routes) fails
//! as a whole, so that an AWS that is away for a minute is asked again and not taken for an answer.
//! Everything else is there to tell people: each part is asked for itself, and one that fails is in
//! the inventory as "not looked". Nothing is kept between two collections.

use std::time::Duration;

use landfall_core::Spec;
use landfall_core::failure::Failure;
use landfall_core::ids::Endpoint;
use landfall_core::port::cloud::{
    GroupLevel, Instance, Metric, MetricQuery, ParameterSource, Subject, Surroundings,
};
use landfall_core::port::{Cloud, Database, Ports};

use crate::choice::choose_version;
use crate::inventory::{History, Inside, Inventory, Taken};
use crate::question;
use crate::{bypass, defaults};

/// A week has every hour of the business in it once.
const HISTORY: Duration = Duration::from_hours(7 * 24);

/// By the hour: a burst of some minutes is in the maximum of its hour.
const PERIOD_S: u32 = 3_600;

/// What the forecast, the doctor and the bill read.
const METRICS: [Metric; 8] = [
    Metric::TransactionLogsGeneration,
    Metric::FreeStorageSpace,
    Metric::DatabaseConnections,
    Metric::TransactionLogsDiskUsage,
    Metric::ReplicationSlotDiskUsage,
    Metric::MaximumUsedTransactionIds,
    Metric::ReadIops,
    Metric::WriteIops,
];

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
    let mut family = None;
    if let Some(version) = choose_version(spec, instance, &inventory.versions) {
        inventory.classes = cloud.orderable_classes(&version.version).await?;
        family = Some(version.family.clone());
    }
    if let Some(group) = &instance.parameter_group {
        let level = GroupLevel::Instance;
        let all = cloud.parameters(level, &group.name).await?;
        inventory.parameters =
            all.into_iter().filter(|p| p.source == ParameterSource::User).collect();
    }
    if let Some(family) = family {
        let (source, set) = (&instance.engine_version, &inventory.parameters);
        inventory.defaults = Some(defaults::read(cloud, source, &family, set).await);
    }
    for id in &instance.replica_instances {
        let replica = cloud.instance(id).await?;
        let at = replica.and_then(|replica| replica.endpoint);
        inventory.replicas.extend(at.map(|at| (id.clone(), at)));
    }
    inventory.around = Some(around(cloud, instance).await);
    inventory.taken = Some(taken(cloud, spec).await?);
    inventory.history = history(ports, instance).await;
    if let (Some(database), Some(endpoint)) = (ports.database, instance.endpoint.clone()) {
        look_inside(&mut inventory, database, &endpoint).await;
    }
    Ok(inventory)
}

/// What only SQL sees; the two looks are for themselves.
async fn look_inside(inventory: &mut Inventory, database: &dyn Database, at: &Endpoint) {
    match inside(database, at).await {
        Ok(found) => inventory.inside = Some(found),
        Err(failure) => inventory.not_looked = Some(failure),
    }
    match database.ask(at, question::ALL).await {
        Ok(answers) => inventory.answers = answers,
        Err(failure) => {
            inventory.not_looked = inventory.not_looked.take().or(Some(failure));
        }
    }
}

/// What has the names that the target's equipment will want.
async fn taken(cloud: &dyn Cloud, spec: &Spec) -> Result<Taken, Failure> {
    let mut taken = Taken::default();
    for id in spec.members() {
        taken.members.extend(cloud.instance(&id).await?);
    }
    if let Some(asked) = &spec.target.proxy {
        taken.proxy = Some(cloud.proxy(&asked.name).await);
    }
    if let Some(asked) = &spec.target.global {
        taken.global = Some(cloud.global_database(&asked.name).await);
        taken.secondary = Some(cloud.secondary(asked).await);
    }
    Ok(taken)
}

/// What stands around the source; a failure of the whole look is one of each part.
async fn around(cloud: &dyn Cloud, instance: &Instance) -> Surroundings {
    cloud.surroundings(instance).await.unwrap_or_else(|failure| Surroundings {
        maintenance: Err(failure.clone()),
        quotas: Err(failure.clone()),
        alarms: Err(failure.clone()),
        group_shared_with: Err(failure.clone()),
        proxies: Err(failure),
    })
}

/// Each metric over the last week.
async fn history(ports: &Ports<'_>, instance: &Instance) -> Vec<History> {
    let to = ports.clock.now();
    let from = to.checked_sub(HISTORY).unwrap_or(to);
    let mut history = Vec::with_capacity(METRICS.len());
    for metric in METRICS {
        let subject = Subject::Instance(instance.id.clone());
        let query = MetricQuery { metric, subject, from, to };
        history.push(History { metric, spans: ports.cloud.history(&query, PERIOD_S).await });
    }
    history
}

async fn inside(database: &dyn Database, at: &Endpoint) -> Result<Inside, Failure> {
    Ok(Inside {
        server: database.server(at).await?,
        prepared: database.prepared_transactions(at).await?,
        slots: database.slots(at).await?,
        parties: bypass::parties(&database.sessions(at).await?),
    })
}
