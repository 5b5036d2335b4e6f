//! The cloud: AWS's resources, their states, and the real servers behind them.
//!
//! Every action takes the lock, checks, changes and answers at once; whatever takes time goes on
//! in a task that takes the lock again for each state it reaches. So what a client sees is as
//! asynchronous as AWS is. The state lives in memory only: when the lab's process dies, its
//! servers die with it and nothing is resumed.

mod alarms;
mod change;
mod creation;
mod parameters;
mod promotion;
mod reboot;
mod removal;
mod sampling;
mod snapshots;
mod tags;

pub mod cluster;
pub mod delays;
pub mod endpoints;
pub mod event;
pub mod global;
pub mod group;
pub mod instance;
pub mod machines;
pub mod metrics;
pub mod names;
pub mod proxies;
pub mod refusal;
pub mod roles;
pub mod secrets;
pub mod security;
pub mod snapshot;
pub mod standing;
pub mod world;

use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

pub use change::{ClusterChange, InstanceChange, Timing};
pub use creation::{
    CERTIFICATES, ClusterRequest, DEFAULT_CERTIFICATE, InstanceRequest, running_instance,
};
pub use parameters::ParameterChange;
pub use reboot::Failover;
pub use removal::Final;

use crate::catalogue::parameters::Parameters;
use crate::catalogue::versions::Version;
use crate::faults::{Fault, Faults};
use crate::firewall::Actor;
use crate::zones::Zones;
use delays::Delays;
use machines::Workshop;
use metrics::Metrics;
use security::SecurityGroups;
use world::World;

/// A handle to the cloud; clones share it.
#[derive(Debug, Clone)]
pub struct Cloud(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    delays: Delays,
    version: Version,
    parameters: Parameters,
    faults: Faults,
    metrics: Metrics,
    workshop: Workshop,
    tasks: Mutex<JoinSet<()>>,
    zones: Zones,
}

/// What a cloud is made of.
#[derive(Debug)]
pub struct Parts {
    pub delays: Delays,
    /// The version that instances over the real server claim.
    pub version: Version,
    pub parameters: Parameters,
    pub security: SecurityGroups,
    pub workshop: Workshop,
}

impl Cloud {
    /// An empty cloud; must be called inside the runtime, since sampling begins at once.
    pub fn new(parts: Parts) -> Self {
        let delays = parts.delays;
        let cloud = Self(Arc::new(Shared {
            world: Mutex::new(World {
                restorable_lag: delays.restorable,
                ..World::new(parts.version.major, parts.security)
            }),
            delays,
            version: parts.version,
            parameters: parts.parameters,
            faults: Faults::default(),
            metrics: Metrics::new(delays.sampling),
            workshop: parts.workshop,
            tasks: Mutex::default(),
            zones: Zones::default(),
        }));
        cloud.spawn(sampling::run(cloud.clone()));
        cloud
    }

    /// Looks at the world.
    pub fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world())
    }

    /// What the engine version of new instances is.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// The parameters of the groups.
    pub fn parameters(&self) -> &Parameters {
        &self.0.parameters
    }

    /// The short folder of the servers' sockets.
    pub fn sockets(&self) -> &Path {
        self.workshop().sockets()
    }

    /// Connections of a program beside the servers, such as a pooler, are this actor's.
    pub fn know(&self, actor: Actor, pid: impl Fn() -> Option<u32> + Send + Sync + 'static) {
        self.workshop().know(actor, pid);
    }

    /// The faults that are armed.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// The zones that Route 53 hosts.
    pub fn zones(&self) -> &Zones {
        &self.0.zones
    }

    /// The stored metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Stops every task and every server. Nothing works afterwards.
    pub async fn shut_down(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
        let machines: Vec<_> = {
            let mut world = self.world();
            world.instances.values_mut().filter_map(|instance| instance.machine.take()).collect()
        };
        for machine in machines {
            machine.demolish().await;
        }
    }

    /// Ends the tasks without waiting, for a lab that is dropped instead of taken down.
    pub fn abandon(&self) {
        self.tasks().abort_all();
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn delays(&self) -> &Delays {
        &self.0.delays
    }

    fn workshop(&self) -> &Workshop {
        &self.0.workshop
    }

    /// Goes on with something after the answer.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Waits as long as a fault that is a state lasts.
    async fn held_by(&self, fault: Fault) {
        while self.faults().active(fault).is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
