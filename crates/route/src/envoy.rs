//! Envoy as a gateway, with the control plane it starts and owns.
//!
//! Telling returns when every stream has the route in its queue; whether proxies follow is seen in
//! the nodes. Dropping the gateway ends the control plane, which is as harmless as its crash: Envoy
//! goes on with what it has, held connections stay held.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server as ads_server;
use landfall_core::journal::Store;
use landfall_core::port::Clock;
use landfall_core::port::router::{ProxyView, Route, RouterAbility, Sessions};
use landfall_core::{Endpoint, Failure, ServiceName};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use crate::ads::Ads;
use crate::gateway::Gateway;
use crate::keeper::Keeper;
use crate::routes::Routes;
use crate::stored::Stored;
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

/// A fleet of Envoys.
pub struct EnvoyGateway {
    routes: Routes,
    address: SocketAddr,
    hold_timeout: Duration,
    call_timeout: Duration,
    /// Dropping it ends the server.
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl EnvoyGateway {
    /// Reads the routes, listens, and serves proxies until the gateway is dropped.
    pub async fn start(
        settings: EnvoySettings,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let EnvoySettings { listen, hold_timeout, call_timeout } = settings;
        let what = format!("listen for proxies on {listen}");
        let stored = Stored::new(store, call_timeout);
        let known = stored.routes().await?;
        let listener =
            TcpListener::bind(listen).await.map_err(|error| fault::of_listen(&what, &error))?;
        let address = listener.local_addr().map_err(|error| fault::of_listen(&what, &error))?;
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "proxies are told routes in plain text beyond this machine");
        }
        let routes = Routes::new(stored, Keeper::start(known, clock));
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
impl Gateway for EnvoyGateway {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        let holds_at_most = Some(self.hold_timeout);
        Ok(RouterAbility { holds: true, holds_at_most, sessions: Sessions::Cut })
    }

    async fn tell(&self, route: &Route) -> Result<(), Failure> {
        self.routes.tell(route).await
    }

    async fn nodes(
        &self,
        service: &ServiceName,
        route: Option<&Route>,
    ) -> Result<Vec<ProxyView>, Failure> {
        if let Some(route) = route {
            // What proxies are shown to follow is never older than the route shown beside it.
            self.routes.tell(route).await?;
        }
        self.routes.proxies(service).await
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        Ok(probe::probe(endpoint, self.call_timeout).await)
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
