//! The router over Envoy: core's port, with the control plane it starts and owns.
//!
//! An act returns when the store has the route and every stream has it in its queue; whether
//! proxies follow is seen in the view. Dropping the router ends the control plane, which is as
//! harmless as its crash: Envoy goes on with what it has, held connections stay held.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server as ads_server;
use landfall_core::action::RouteAction;
use landfall_core::journal::Store;
use landfall_core::port::Clock;
use landfall_core::port::router::{RouteView, Router, RouterAbility};
use landfall_core::{Endpoint, Failure, ServiceName};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::ads::Ads;
use crate::keeper::Keeper;
use crate::routes::{self, Routes};
use crate::{fault, probe};

/// How often the store is looked at for changes of another process.
const REFRESH: Duration = Duration::from_millis(200);

/// A proxy whose machine is gone is noticed after twice this.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct EnvoySettings {
    /// Where proxies connect; port 0 picks a free one. Plain text: keep it on loopback.
    pub listen: SocketAddr,
    /// The hold timeout of the proxies' bootstrap.
    pub hold_timeout: Duration,
    /// Bound of a call to the store, and of a probe.
    pub call_timeout: Duration,
}

/// Core's router port over a fleet of Envoys.
pub struct EnvoyRouter {
    routes: Routes,
    address: SocketAddr,
    hold_timeout: Duration,
    call_timeout: Duration,
    /// Dropping it ends the server.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl EnvoyRouter {
    /// Reads the routes, listens, and serves proxies until the router is dropped.
    pub async fn start(
        settings: EnvoySettings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let EnvoySettings { listen, hold_timeout, call_timeout } = settings;
        let what = format!("listen for proxies on {listen}");
        let known = routes::load(store.as_ref(), call_timeout).await?;
        let listener =
            TcpListener::bind(listen).await.map_err(|error| fault::of_listen(&what, &error))?;
        let address = listener.local_addr().map_err(|error| fault::of_listen(&what, &error))?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "proxies are told routes in plain text beyond this machine");
        }
        let routes = Routes::new(store, Keeper::start(known, clock), call_timeout);
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(routes.clone(), listener, stopped));
        tokio::spawn(routes.clone().follow_store(REFRESH));
        Ok(Self { routes, address, hold_timeout, call_timeout, stop, server })
    }

    /// Ends the control plane and returns when its address is free.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.server.await {
            tracing::warn!(%error, "the control plane did not end in order");
        }
    }

    /// Where proxies connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Services that connected proxies ask for and nobody has adopted.
    pub async fn waiting(&self) -> Result<BTreeSet<ServiceName>, Failure> {
        self.routes.keeper().waiting().await.map_err(|_| fault::of_stop("list waiting services"))
    }
}

#[async_trait]
impl Router for EnvoyRouter {
    fn ability(&self) -> RouterAbility {
        RouterAbility { holds: true, holds_at_most: Some(self.hold_timeout) }
    }

    async fn view(&self, service: &ServiceName) -> Result<RouteView, Failure> {
        self.routes.view(service).await
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        Ok(probe::probe(endpoint, self.call_timeout).await)
    }

    async fn act(&self, action: &RouteAction) -> Result<(), Failure> {
        self.routes.act(action).await
    }
}

/// Serves until told to stop: the queues are given up first, since a connection closes when its
/// last stream has ended.
async fn serve(routes: Routes, listener: TcpListener, stopped: oneshot::Receiver<()>) {
    let keeper = routes.keeper().clone();
    let shutdown = async move {
        // Sent or dropped, both mean the same.
        let _ = stopped.await;
        keeper.end();
    };
    let service = ads_server::AggregatedDiscoveryServiceServer::new(Ads::new(routes));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let result = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .serve_with_incoming_shutdown(service, incoming, shutdown)
        .await;
    if let Err(error) = result {
        tracing::error!(%error, "the control plane no longer listens for proxies");
    }
}
