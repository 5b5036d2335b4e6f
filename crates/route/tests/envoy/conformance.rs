//! Core's suite for routers, over a real Envoy.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use landfall_core::conformance::router::{RouterFixture, every_promise};
use landfall_core::port::Router;
use landfall_core::{Endpoint, ServiceName};
use tokio::net::TcpListener;

use crate::control::ControlPlane;
use crate::gateway::Gateway;
use crate::memory::MemoryStore;
use crate::patience::pause;
use crate::stand_in::{Client, StandIn};

/// One listener per service, since listeners are static; more than the suite takes.
const SERVICES: [&str; 12] = [
    "service-1",
    "service-2",
    "service-3",
    "service-4",
    "service-5",
    "service-6",
    "service-7",
    "service-8",
    "service-9",
    "service-10",
    "service-11",
    "service-12",
];

struct OverEnvoy {
    control: ControlPlane,
    listeners: BTreeMap<&'static str, SocketAddr>,
    taken: AtomicUsize,
    stand_ins: Mutex<Vec<StandIn>>,
    clients: Mutex<Vec<Client>>,
}

#[async_trait]
impl RouterFixture for OverEnvoy {
    fn router(&self) -> &dyn Router {
        &self.control.router
    }

    async fn fresh_service(&self) -> ServiceName {
        let service = SERVICES.get(self.taken.fetch_add(1, Ordering::SeqCst));
        ServiceName::new(*service.expect("as many listeners as the suite takes"))
    }

    async fn answering(&self) -> Endpoint {
        let stand_in = StandIn::start("A").await;
        let endpoint = stand_in.endpoint();
        self.stand_ins.lock().expect("no panic").push(stand_in);
        endpoint
    }

    async fn silent(&self) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address: SocketAddr = listener.local_addr().expect("a bound address");
        Endpoint::new(address.ip().to_string(), address.port())
    }

    async fn proxy(&self, service: &ServiceName) -> String {
        let listener = self.listeners.get(service.as_str()).expect("a service of ours");
        let client = Client::connect(*listener).await;
        self.clients.lock().expect("no panic").push(client);
        "gateway-1".to_owned()
    }

    async fn pause(&self) {
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_router_keeps_every_promise() {
    let store = Arc::new(MemoryStore::default());
    let control = ControlPlane::start(&store).await;
    let gateway = Gateway::start("gateway-1", control.address(), &SERVICES).await;
    let mut listeners = BTreeMap::new();
    for service in SERVICES {
        listeners.insert(service, gateway.listener(service).await);
    }
    let fixture = OverEnvoy {
        control,
        listeners,
        taken: AtomicUsize::new(0),
        stand_ins: Mutex::default(),
        clients: Mutex::default(),
    };
    every_promise(&fixture).await;
}
