//! The ports of a server: AWS once for all moves, a database per move, one gateway.
//!
//! Made when first needed, so that looking at a journal needs no region, no secret and no proxy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use landfall_aws::AwsCloud;
use landfall_core::journal::Store;
use landfall_core::port::{Clock, Cloud, Database, Ports, Zone};
use landfall_core::spec::{RouteSpec, RouterKind, SecretReference};
use landfall_core::{Failure, FailureKind, Spec};
use landfall_postgres::{PostgresDatabase, read_secret};
use landfall_route::pki::Authority;
use landfall_route::{
    CommandGateway, DnsGateway, DnsMemory, DnsSurroundings, DnsWrites, EnvoyGateway, EnvoySettings,
    Gateway, ServiceRouter, Wire,
};
use tokio::sync::OnceCell;

use crate::config::{Config, Role, XdsSecurity};
use crate::locked::Locked;
use crate::logins::Logins;
use crate::outside::Outside;
use crate::poolers;

/// Makes ports.
pub(crate) struct World {
    config: Config,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cloud: OnceCell<Arc<dyn Cloud>>,
    logins: Logins,
    envoy: OnceCell<Arc<EnvoyGateway>>,
    records: DnsMemory,
    zones: tokio::sync::Mutex<BTreeMap<(String, String), Arc<dyn Zone>>>,
}

/// One move's ports, owned.
pub(crate) struct OwnPorts {
    cloud: Arc<dyn Cloud>,
    database: Option<Box<dyn Database>>,
    router: ServiceRouter,
    clock: Arc<dyn Clock>,
}

impl OwnPorts {
    /// As steps take them.
    pub(crate) fn ports(&self) -> Ports<'_> {
        Ports {
            cloud: self.cloud.as_ref(),
            database: self.database.as_deref(),
            router: &self.router,
            tests: &Outside,
            clock: self.clock.as_ref(),
        }
    }
}

impl World {
    pub(crate) fn new(config: Config, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let (cloud, envoy) = (OnceCell::new(), OnceCell::new());
        let (records, zones) = (DnsMemory::default(), tokio::sync::Mutex::default());
        Self { config, store, clock, cloud, logins: Logins::default(), envoy, records, zones }
    }

    /// The server's time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The directory of what belongs to this machine.
    pub(crate) fn state(&self) -> &Path {
        &self.config.state
    }

    /// The key that signs bundles, when one is named.
    pub(crate) const fn evidence_key(&self) -> Option<&SecretReference> {
        self.config.evidence_key.as_ref()
    }

    /// The ports for a spec; fails when the region or the password cannot be found.
    pub(crate) async fn ports(&self, spec: &Spec) -> Result<OwnPorts, Failure> {
        let (cloud, router) = (self.cloud().await?, self.router(Some(spec)).await?);
        let database =
            self.database(spec).await?.map(|database| Box::new(database) as Box<dyn Database>);
        Ok(OwnPorts { cloud, database, router, clock: Arc::clone(&self.clock) })
    }

    /// The ports for a move that is under way: without its password the database answers every
    /// call with that failure, and the driver still counts the pause budget and opens the source.
    pub(crate) async fn ports_under_way(&self, spec: &Spec) -> Result<OwnPorts, Failure> {
        let (cloud, router) = (self.cloud().await?, self.router(Some(spec)).await?);
        let database: Option<Box<dyn Database>> = match self.database(spec).await {
            Ok(database) => database.map(|database| Box::new(database) as _),
            Err(failure) => Some(Box::new(Locked(failure))),
        };
        let router = router.tending(spec.services().cloned().collect());
        Ok(OwnPorts { cloud, database, router, clock: Arc::clone(&self.clock) })
    }

    /// The account.
    pub(crate) async fn cloud(&self) -> Result<Arc<dyn Cloud>, Failure> {
        let make = || async {
            let cloud = AwsCloud::from_env(self.config.call_timeout).await?;
            Ok(Arc::new(cloud) as Arc<dyn Cloud>)
        };
        self.cloud.get_or_try_init(make).await.cloned()
    }

    /// The same with another cloud than AWS.
    #[cfg(test)]
    pub(crate) fn with_cloud(self, cloud: Arc<dyn Cloud>) -> Self {
        Self { cloud: OnceCell::new_with(Some(cloud)), ..self }
    }

    /// SQL access to a spec's servers, when it gives any.
    pub(crate) async fn database(&self, spec: &Spec) -> Result<Option<PostgresDatabase>, Failure> {
        self.logins.database(spec, self.config.call_timeout).await
    }

    /// The router over the gateways that a spec names; without one over Envoy alone.
    pub(crate) async fn router(&self, spec: Option<&Spec>) -> Result<ServiceRouter, Failure> {
        let kinds = spec.map_or(&[RouterKind::Envoy][..], |spec| spec.route.router.kinds());
        let mut gateways: Vec<Arc<dyn Gateway>> = Vec::new();
        for kind in kinds {
            gateways.push(match (kind, spec) {
                (RouterKind::Envoy, _) => self.envoy().await?,
                (RouterKind::Pgbouncer, Some(spec)) => {
                    Arc::new(poolers::gateway(spec, self.config.call_timeout, &self.clock)?)
                }
                (RouterKind::Dns, Some(spec)) => self.dns(&spec.route).await?,
                (RouterKind::Command, Some(spec)) => self.command(&spec.route)?,
                (RouterKind::Pgbouncer | RouterKind::Dns | RouterKind::Command, None) => {
                    return Err(undescribed("route"));
                }
            });
        }
        let router =
            ServiceRouter::new(Arc::clone(&self.store), gateways, self.config.call_timeout);
        Ok(match spec {
            Some(spec) => router.with_passage(spec.route.passage()),
            None => router,
        })
    }

    /// Without its key the record is shown all the same, and a move under way goes on.
    async fn dns(&self, route: &RouteSpec) -> Result<Arc<dyn Gateway>, Failure> {
        let spec = route.dns.as_ref().ok_or_else(|| undescribed("route.dns"))?;
        let writes = match &spec.hosted_zone {
            Some(id) => DnsWrites::Hosted(self.hosted_zone(id, &spec.zone).await?),
            None => DnsWrites::Updates {
                key: spec.key.as_ref().map(|key| match read_secret(key) {
                    Ok(secret) => Ok(secret.expose().clone()),
                    Err(failure) => Err(format!("route.dns.key: {}", failure.detail)),
                }),
            },
        };
        let around = DnsSurroundings {
            call_timeout: self.config.call_timeout,
            memory: self.records.clone(),
            clock: Arc::clone(&self.clock),
        };
        Ok(Arc::new(DnsGateway::new(spec, route.service.clone(), writes, around)?))
    }

    /// Its client is made once: that reads the SDK's environment and profile.
    async fn hosted_zone(&self, id: &str, name: &str) -> Result<Arc<dyn Zone>, Failure> {
        let mut zones = self.zones.lock().await;
        let key = (id.to_owned(), name.to_owned());
        if let Some(zone) = zones.get(&key) {
            return Ok(Arc::clone(zone));
        }
        let zone = landfall_aws::hosted_zone(id, name, self.config.call_timeout).await?;
        zones.insert(key, Arc::clone(&zone));
        Ok(zone)
    }

    fn command(&self, route: &RouteSpec) -> Result<Arc<dyn Gateway>, Failure> {
        let spec = route.command.as_ref().ok_or_else(|| undescribed("route.command"))?;
        let clock = Arc::clone(&self.clock);
        Ok(Arc::new(CommandGateway::new(spec, self.config.call_timeout, clock)))
    }

    /// Envoy's control plane. A server that only shows has one too, on a port that no proxy
    /// knows: routes are in the store, and the server that proxies know sees every change there.
    pub(crate) async fn envoy(&self) -> Result<Arc<EnvoyGateway>, Failure> {
        let (listen, security) = match self.config.role {
            Role::Drives { xds } => (xds, self.config.xds_security),
            Role::Shows => (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), XdsSecurity::Plain),
        };
        let (hold_timeout, call_timeout) = (self.config.hold_timeout, self.config.call_timeout);
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let make = || async {
            let wire = self.wire(security)?;
            let settings = EnvoySettings { listen, wire, hold_timeout, call_timeout };
            EnvoyGateway::start(settings, store, clock).await.map(Arc::new)
        };
        self.envoy.get_or_try_init(make).await.cloned()
    }

    fn wire(&self, security: XdsSecurity) -> Result<Wire, Failure> {
        Ok(match security {
            XdsSecurity::Plain => Wire::Plain,
            XdsSecurity::PlainAnywhere => Wire::PlainAnywhere,
            XdsSecurity::Mutual { lifetime } => {
                let authority = Authority::open(&self.config.state, self.clock.now())?;
                Wire::Mutual { authority: Arc::new(authority), lifetime }
            }
        })
    }

    /// Where proxies connect, when this server tells them anything.
    pub(crate) fn xds(&self) -> Option<SocketAddr> {
        match self.config.role {
            Role::Drives { .. } => self.envoy.get().map(|envoy| envoy.address()),
            Role::Shows => None,
        }
    }
}

/// The spec's own check asks for the section; a journal of another version may lack it.
fn undescribed(section: &str) -> Failure {
    let what = "steer the gateways that route.router names";
    Failure::new(FailureKind::Invalid, what, format!("the spec has no section [{section}]"))
}
