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
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server as als_server;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server as ads_server;
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server as sds_server;
use landfall_core::journal::Store;
use landfall_core::port::Clock;
use landfall_core::port::router::{ProxyView, Route, RouterAbility, Sessions};
use landfall_core::{Endpoint, Failure, FailureKind, ServiceName};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tonic::transport::Server;

use crate::ads::Ads;
use crate::gateway::Gateway;
use crate::keeper::Keeper;
use crate::pki::acceptor;
use crate::routes::Routes;
use crate::sds::{Sds, SecretView, Secrets};
use crate::stored::Stored;
use crate::waiting::Reports;
use crate::wire::{self, Wire};
use crate::{fault, probe};

/// How often the store is looked at for changes of another process.
const REFRESH: Duration = Duration::from_millis(200);

/// A proxy whose machine is gone is noticed after twice this.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What a control plane is started with.
#[derive(Debug, Clone)]
pub struct EnvoySettings {
    /// Where proxies connect; port 0 picks a free one.
    pub listen: SocketAddr,
    /// How they do.
    pub wire: Wire,
    /// The hold timeout of the proxies' bootstrap.
    pub hold_timeout: Duration,
    /// Bound of a call to the store, and of a probe.
    pub call_timeout: Duration,
}

/// A fleet of Envoys.
pub struct EnvoyGateway {
    routes: Routes,
    secrets: Option<Secrets>,
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
        let EnvoySettings { listen, wire, hold_timeout, call_timeout } = settings;
        let what = format!("listen for proxies on {listen}");
        if matches!(wire, Wire::Plain) && !listen.ip().is_loopback() {
            let detail = "plain text is for this machine only: use --xds-security mtls, or \
                          plain-anywhere when it is meant";
            return Err(Failure::new(FailureKind::Invalid, what, detail));
        }
        let stored = Stored::new(store, call_timeout);
        let known = stored.routes().await?;
        let listener =
            TcpListener::bind(listen).await.map_err(|error| fault::of_listen(&what, &error))?;
        let address = listener.local_addr().map_err(|error| fault::of_listen(&what, &error))?;
        let (tls, secrets) = match wire {
            Wire::Plain => (None, None),
            Wire::PlainAnywhere => {
                tracing::warn!(%address, "proxies are told routes in plain text");
                (None, None)
            }
            Wire::Mutual { authority, lifetime } => {
                let tls = acceptor(Arc::clone(&authority), Arc::clone(&clock), lifetime)?;
                (Some(tls), Some(Secrets::new(authority, Arc::clone(&clock), lifetime)))
            }
        };
        let reports = Reports::new(Arc::clone(&clock));
        let routes = Routes::new(stored, Keeper::start(known, clock), reports);
        let (stop, stopped) = oneshot::channel();
        let door = Door { routes: routes.clone(), secrets: secrets.clone(), tls };
        let server = tokio::spawn(door.serve(listener, stopped));
        tokio::spawn(routes.clone().follow_store(REFRESH));
        Ok(Self { routes, secrets, address, hold_timeout, call_timeout, stop, server })
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

    /// The certificates that proxies were told; none without mutual TLS.
    pub fn certificates(&self) -> Vec<SecretView> {
        self.secrets.as_ref().map(Secrets::views).unwrap_or_default()
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

/// What proxies find at the address.
struct Door {
    routes: Routes,
    secrets: Option<Secrets>,
    tls: Option<TlsAcceptor>,
}

impl Door {
    /// Serves until told to stop: the queues are given up first, since a connection closes when
    /// its last stream has ended.
    async fn serve(self, listener: TcpListener, stopped: oneshot::Receiver<()>) {
        let Self { routes, secrets, tls } = self;
        let (keeper, told) = (routes.keeper().clone(), secrets.clone());
        let reports = routes.reports().clone();
        let reported = reports.clone();
        let shutdown = async move {
            // Sent or dropped, both mean the same.
            let _ = stopped.await;
            keeper.end();
            reported.end();
            if let Some(secrets) = told {
                secrets.end();
            }
        };
        let (incoming, accepting) = wire::accept(listener, tls);
        let result = Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_service(ads_server::AggregatedDiscoveryServiceServer::new(Ads::new(routes)))
            .add_service(sds_server::SecretDiscoveryServiceServer::new(Sds(secrets)))
            .add_service(als_server::AccessLogServiceServer::new(reports))
            .serve_with_incoming_shutdown(incoming, shutdown)
            .await;
        if let Err(error) = result {
            tracing::error!(%error, "the control plane no longer listens for proxies");
        }
        if let Err(error) = accepting.await {
            tracing::error!(%error, "the control plane's listener died");
        }
    }
}
