//! Core's suite for routers, over a real program.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::conformance::router::{RouterFixture, every_promise};
use landfall_core::port::Router;
use landfall_core::{Endpoint, ServiceName};
use landfall_route::{Gateway, ServiceRouter};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::memory::MemoryStore;
use crate::patience::pause;
use crate::program::Program;

struct OverProgram {
    router: ServiceRouter,
    taken: AtomicUsize,
}

#[async_trait]
impl RouterFixture for OverProgram {
    fn router(&self) -> &dyn Router {
        &self.router
    }

    async fn fresh_service(&self) -> ServiceName {
        ServiceName::new(format!("orders-{}", self.taken.fetch_add(1, Ordering::SeqCst)))
    }

    async fn answering(&self) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("a bound address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut asked = [0; 8];
                if stream.read_exact(&mut asked).await.is_ok() {
                    let _ = stream.write_all(b"N").await;
                }
            }
        });
        Endpoint::new(address.ip().to_string(), address.port())
    }

    async fn silent(&self) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address: SocketAddr = listener.local_addr().expect("a bound address");
        Endpoint::new(address.ip().to_string(), address.port())
    }

    /// The program has one node, for every service.
    async fn proxy(&self, _: &ServiceName) -> String {
        "node-1".to_owned()
    }

    async fn pause(&self) {
        pause().await;
    }
}

#[tokio::test]
async fn the_router_keeps_every_promise() {
    let program = Program::new();
    let gateways: Vec<Arc<dyn Gateway>> = vec![Arc::new(program.gateway(Duration::from_secs(20)))];
    let store = Arc::new(MemoryStore::default());
    let router = ServiceRouter::new(store, gateways, Duration::from_secs(2));
    every_promise(&OverProgram { router, taken: AtomicUsize::new(0) }).await;
}
