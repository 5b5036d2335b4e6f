//! Core's suite for routers, over a real DNS server; each service of the suite has a name of its
//! own, as each move's spec gives it one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::conformance::router::{RouterFixture, every_promise};
use landfall_core::port::Router;
use landfall_core::port::router::{ProxyView, Route, RouterAbility};
use landfall_core::{Endpoint, Failure, ServiceName};
use landfall_route::{DnsGateway, DnsMemory, DnsSurroundings, DnsWrites, Gateway, ServiceRouter};

use crate::bench::{key, spec};
use crate::knot::{Knot, free_address};
use crate::memory::MemoryStore;
use crate::patience::pause;
use crate::side::Side;
use crate::wall_clock::WallClock;

/// A gateway per service.
struct Several {
    server: SocketAddr,
    port: u16,
    around: DnsSurroundings,
    made: Mutex<BTreeMap<ServiceName, Arc<DnsGateway>>>,
}

impl Several {
    fn of(&self, service: &ServiceName) -> Arc<DnsGateway> {
        let mut made = self.made.lock().expect("no panic");
        let make = || {
            let mut spec = spec(self.server, self.port);
            spec.name = format!("{service}.orders.example.test");
            let around = self.around.clone();
            let made =
                DnsGateway::new(&spec, service.clone(), DnsWrites::Updates { key: key() }, around);
            Arc::new(made.expect("a spec that holds"))
        };
        Arc::clone(made.entry(service.clone()).or_insert_with(make))
    }
}

#[async_trait]
impl Gateway for Several {
    async fn ability(&self) -> Result<RouterAbility, Failure> {
        self.of(&ServiceName::new("orders")).ability().await
    }

    async fn tell(&self, route: &Route) -> Result<(), Failure> {
        self.of(&route.service).tell(route).await
    }

    async fn nodes(
        &self,
        service: &ServiceName,
        route: Option<&Route>,
    ) -> Result<Vec<ProxyView>, Failure> {
        self.of(service).nodes(service, route).await
    }

    async fn probe(&self, endpoint: &Endpoint) -> Result<Result<(), String>, Failure> {
        self.of(&ServiceName::new("orders")).probe(endpoint).await
    }
}

struct OverDns {
    router: ServiceRouter,
    port: u16,
    taken: AtomicUsize,
    sides: tokio::sync::Mutex<Vec<Side>>,
}

#[async_trait]
impl RouterFixture for OverDns {
    fn router(&self) -> &dyn Router {
        &self.router
    }

    async fn fresh_service(&self) -> ServiceName {
        ServiceName::new(format!("orders-{}", self.taken.fetch_add(1, Ordering::SeqCst)))
    }

    async fn answering(&self) -> Endpoint {
        let mut sides = self.sides.lock().await;
        let side = Side::start(b'A', &format!("127.0.1.{}", sides.len() + 1), self.port).await;
        let endpoint = side.endpoint();
        sides.push(side);
        endpoint
    }

    async fn silent(&self) -> Endpoint {
        Endpoint::new("127.0.2.1", self.port)
    }

    async fn proxy(&self, _: &ServiceName) -> String {
        unreachable!("it cannot hold, so the suite asks for no proxy")
    }

    async fn pause(&self) {
        pause().await;
    }
}

#[tokio::test]
async fn the_router_keeps_every_promise_that_dns_can_keep() {
    let knot = Knot::start(&[]).await;
    let port = free_address().port();
    let around = DnsSurroundings {
        call_timeout: Duration::from_secs(2),
        memory: DnsMemory::default(),
        clock: Arc::new(WallClock),
    };
    let several = Several { server: knot.address, port, around, made: Mutex::default() };
    let gateways: Vec<Arc<dyn Gateway>> = vec![Arc::new(several)];
    let store = Arc::new(MemoryStore::default());
    let router = ServiceRouter::new(store, gateways, Duration::from_secs(2));
    let (taken, sides) = (AtomicUsize::new(0), tokio::sync::Mutex::default());
    every_promise(&OverDns { router, port, taken, sides }).await;
}
