//! What every test here needs: a server, a gateway over it, and a router that tends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_core::action::RouteAction;
use landfall_core::port::router::{ProxyView, Router as _};
use landfall_core::spec::DnsSpec;
use landfall_core::{Endpoint, ServiceName};
use landfall_route::{DnsGateway, DnsMemory, DnsSurroundings, DnsWrites, Gateway, ServiceRouter};

use crate::knot::{KEY, KEY_NAME, ZONE};
use crate::memory::MemoryStore;
use crate::patience::{BOUND, eventually, pause};
use crate::wall_clock::WallClock;

pub(crate) const NAME: &str = "orders.example.test";
pub(crate) const TTL: Duration = Duration::from_secs(1);

pub(crate) fn orders() -> ServiceName {
    ServiceName::new("orders")
}

/// The spec of a record of the zone.
pub(crate) fn spec(server: SocketAddr, port: u16) -> DnsSpec {
    let text = format!(
        r#"{{"name": "{NAME}", "zone": "{ZONE}", "server": "{server}", "port": {port},
             "ttl": "1s", "key_name": "{KEY_NAME}", "key": "env:KEY"}}"#
    );
    serde_json::from_str(&text).expect("a spec")
}

pub(crate) fn key() -> Option<Result<String, String>> {
    Some(Ok(KEY.to_owned()))
}

/// A gateway as a process has it that has just started.
pub(crate) fn gateway(spec: &DnsSpec, key: Option<Result<String, String>>) -> Arc<DnsGateway> {
    let around = DnsSurroundings {
        call_timeout: Duration::from_secs(2),
        memory: DnsMemory::default(),
        clock: Arc::new(WallClock),
    };
    Arc::new(
        DnsGateway::new(spec, orders(), DnsWrites::Updates { key }, around)
            .expect("a spec that holds"),
    )
}

/// A router over one gateway, which tells again until it is followed.
pub(crate) fn router(store: &Arc<MemoryStore>, gateway: Arc<DnsGateway>) -> ServiceRouter {
    let gateways: Vec<Arc<dyn Gateway>> = vec![gateway];
    let store: Arc<MemoryStore> = Arc::clone(store);
    ServiceRouter::new(store, gateways, Duration::from_secs(2)).tending(vec![orders()])
}

pub(crate) async fn act(router: &ServiceRouter, action: RouteAction) {
    assert_eq!(router.act(&action, None).await, Ok(()), "{action}");
}

pub(crate) async fn nodes(router: &ServiceRouter) -> Vec<ProxyView> {
    router.view(&orders()).await.expect("a view").proxies
}

/// Waits until every node follows the epoch.
pub(crate) async fn followed(router: &ServiceRouter, epoch: u64) {
    eventually(&format!("everybody follows epoch {epoch}"), async || {
        let nodes = nodes(router).await;
        nodes.iter().all(|node| node.subscribed && node.follows(epoch)).then_some(())
    })
    .await;
}

/// Waits until the only node says why it does not follow.
pub(crate) async fn says(router: &ServiceRouter, words: &str) -> String {
    let deadline = Instant::now() + BOUND;
    loop {
        let said: Vec<_> = nodes(router).await.into_iter().map(|node| node.rejected).collect();
        if let Some(said) = said.iter().flatten().find(|said| said.contains(words)) {
            return said.clone();
        }
        assert!(Instant::now() < deadline, "nobody says {words:?}, but {said:?}");
        pause().await;
    }
}

pub(crate) fn adopt(endpoint: Endpoint) -> RouteAction {
    RouteAction::Adopt { service: orders(), endpoint, epoch: 1 }
}

pub(crate) fn hold(epoch: u64) -> RouteAction {
    RouteAction::Hold { service: orders(), epoch }
}

pub(crate) fn point(endpoint: Endpoint, epoch: u64) -> RouteAction {
    RouteAction::Point { service: orders(), endpoint, epoch }
}

pub(crate) fn release(epoch: u64) -> RouteAction {
    RouteAction::Release { service: orders(), epoch }
}
