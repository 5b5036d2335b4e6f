//! A control plane that can be killed: it has a runtime of its own, and killing drops every task
//! and socket of it at once, as the end of a process does.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::action::RouteAction;
use landfall_core::port::router::{Passage, ProxyView, Router as _};
use landfall_core::{Endpoint, ServiceName};
use landfall_route::{EnvoyGateway, EnvoySettings, Gateway, ServiceRouter, Wire};
use tokio::runtime::{Builder, Runtime};

use crate::memory::MemoryStore;
use crate::patience::eventually;
use crate::wall_clock::WallClock;

pub(crate) struct ControlPlane {
    pub(crate) gateway: Arc<EnvoyGateway>,
    pub(crate) router: ServiceRouter,
    runtime: KillableRuntime,
}

/// Dropping it ends its tasks without waiting for them, from anywhere.
pub(crate) struct KillableRuntime(Option<Runtime>);

impl Drop for KillableRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl ControlPlane {
    pub(crate) async fn start(store: &Arc<MemoryStore>) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), store).await
    }

    /// On the address of a killed one, which the kernel gives back in its own time.
    pub(crate) async fn at(listen: SocketAddr, store: &Arc<MemoryStore>) -> Self {
        Self::over(Wire::Plain, listen, store).await
    }

    pub(crate) async fn over(wire: Wire, listen: SocketAddr, store: &Arc<MemoryStore>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let gateway = eventually("the control plane listens", async || {
            let settings = EnvoySettings {
                listen,
                wire: wire.clone(),
                hold_timeout: Duration::from_secs(120),
                call_timeout: Duration::from_secs(2),
            };
            let store: Arc<MemoryStore> = Arc::clone(store);
            let started =
                runtime.spawn(EnvoyGateway::start(settings, store, Arc::new(WallClock))).await;
            started.expect("it does not panic").ok()
        })
        .await;
        let gateway = Arc::new(gateway);
        let gateways: Vec<Arc<dyn Gateway>> = vec![Arc::clone(&gateway) as _];
        let store: Arc<MemoryStore> = Arc::clone(store);
        let router = ServiceRouter::new(store, gateways, Duration::from_secs(2));
        Self { gateway, router, runtime: KillableRuntime(Some(runtime)) }
    }

    /// Every change of a route brings this from now on.
    pub(crate) fn with_passage(mut self, passage: Passage) -> Self {
        self.router = self.router.with_passage(passage);
        self
    }

    /// Every task and socket ends at once, in no order.
    pub(crate) fn kill(self) {
        drop(self.runtime);
    }

    /// The gateway by itself, on a runtime that lives on.
    pub(crate) fn take_apart(self) -> (EnvoyGateway, KillableRuntime) {
        drop(self.router);
        let gateway = Arc::into_inner(self.gateway).expect("nobody else has it");
        (gateway, self.runtime)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    pub(crate) async fn act(&self, action: RouteAction) {
        let done = self.router.act(&action, None).await;
        assert_eq!(done, Ok(()), "{action}");
    }

    pub(crate) async fn proxies(&self, service: &str) -> Vec<ProxyView> {
        let service = ServiceName::new(service);
        self.router.view(&service).await.expect("the store answers").proxies
    }

    /// Waits until a proxy that asked for the service follows the epoch.
    pub(crate) async fn followed(&self, service: &str, epoch: u64) {
        eventually(&format!("a proxy follows epoch {epoch} of {service}"), async || {
            let proxies = self.proxies(service).await;
            proxies.iter().any(|proxy| proxy.subscribed && proxy.follows(epoch)).then_some(())
        })
        .await;
    }
}

pub(crate) fn adopt(service: &str, endpoint: Endpoint) -> RouteAction {
    RouteAction::Adopt { service: ServiceName::new(service), endpoint, epoch: 1 }
}

pub(crate) fn hold(service: &str, epoch: u64) -> RouteAction {
    RouteAction::Hold { service: ServiceName::new(service), epoch }
}

pub(crate) fn point(service: &str, endpoint: Endpoint, epoch: u64) -> RouteAction {
    RouteAction::Point { service: ServiceName::new(service), endpoint, epoch }
}

pub(crate) fn release(service: &str, epoch: u64) -> RouteAction {
    RouteAction::Release { service: ServiceName::new(service), epoch }
}
