//! Core's suite for routers, over two real PgBouncers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use async_trait::async_trait;
use landfall_core::conformance::router::{RouterFixture, every_promise};
use landfall_core::port::Router;
use landfall_core::port::router::Traffic;
use landfall_core::{Endpoint, ServiceName};
use landfall_route::ServiceRouter;
use tokio::net::TcpListener;

use crate::rig::{Rig, pause};
use crate::stand_in::StandIn;

/// More than the suite takes.
const SERVICES: usize = 16;

/// The suite's services come one after another, and the nodes belong to the newest.
struct OverPgBouncer {
    rig: Rig,
    routers: [OnceLock<ServiceRouter>; SERVICES],
    taken: AtomicUsize,
    tending: Mutex<Option<ServiceRouter>>,
    stand_ins: Mutex<Vec<StandIn>>,
}

#[async_trait]
impl RouterFixture for OverPgBouncer {
    fn router(&self) -> &dyn Router {
        let newest = self.taken.load(Ordering::SeqCst) - 1;
        self.routers.get(newest).and_then(OnceLock::get).expect("it was made with its service")
    }

    async fn fresh_service(&self) -> ServiceName {
        let number = self.taken.load(Ordering::SeqCst);
        let service = ServiceName::new(format!("service-{number}"));
        let made = self.routers.get(number).map(|slot| slot.set(self.rig.router(&service)).is_ok());
        assert_eq!(made, Some(true), "as many services as there are, each made once");
        self.taken.store(number + 1, Ordering::SeqCst);
        let tending = self.rig.router(&service).tending(vec![service.clone()]);
        *self.tending.lock().expect("no panic") = Some(tending);
        service
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

    /// Before the hold somebody had the node lead to the source; in a hold one is started anew.
    async fn proxy(&self, service: &ServiceName) -> String {
        let route = self.router().view(service).await.expect("a view").route;
        let route = route.expect("it was adopted");
        match route.traffic {
            Traffic::Open => {
                for node in 0..self.rig.nodes.len() {
                    self.rig.point_by_hand(node, &route.endpoint).await;
                }
            }
            Traffic::Held => {
                self.rig.node(0).kill().await;
                self.rig.node(0).start_again().await.expect("start it again");
            }
        }
        "node-1".to_owned()
    }

    async fn pause(&self) {
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_router_keeps_every_promise() {
    let first = StandIn::start("A").await;
    let fixture = OverPgBouncer {
        rig: Rig::start(2, &first.endpoint(), "transaction", &[]).await,
        routers: Default::default(),
        taken: AtomicUsize::new(0),
        tending: Mutex::default(),
        stand_ins: Mutex::default(),
    };
    every_promise(&fixture).await;
}
