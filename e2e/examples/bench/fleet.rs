//! What a thousand proxies cost the control plane: the served binary, and streams that speak the
//! incremental discovery protocol as Envoy does, each on a connection of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use landfall_api::AdoptRoute;
use landfall_core::{Endpoint, ServiceName};
use landfall_e2e::Product;
use landfall_lab::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use discovery::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use discovery::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};

const BOUND: Duration = Duration::from_secs(120);
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const SERVICE: &str = "bench";

/// A proxy that has asked for the service and waits for its answer.
struct Proxy {
    requests: mpsc::Sender<DeltaDiscoveryRequest>,
    answers: Streaming<DeltaDiscoveryResponse>,
}

/// The push of one route to `proxies` streams, and what the streams cost the server.
pub(crate) async fn measure(proxies: usize) -> Result<Value> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let mut product = Product::new(folder.path(), crate::no_aws())?;
    product.serve(None).await?;
    let pid = product.pid().context("the server has no pid")?;
    let before = Usage::of(pid)?;
    let mut fleet = Vec::new();
    for number in 0..proxies {
        fleet.push(Proxy::connect(product.xds, number).await?);
    }
    seen(&product, proxies).await?;
    let connected = Usage::of(pid)?;

    let begin = Instant::now();
    let endpoint = Endpoint::new("127.0.0.1", 5432);
    let adopt = AdoptRoute { service: ServiceName::new(SERVICE), endpoint };
    product.client()?.adopt(&adopt).await.context("adopt the service")?;
    let mut told = tokio::task::JoinSet::new();
    for proxy in fleet {
        told.spawn(proxy.told());
    }
    let mut streams = Vec::new();
    while let Some(one) = told.join_next().await {
        streams.push(one.context("a proxy ended badly")??);
    }
    let pushed = begin.elapsed();
    acknowledged(&product, proxies).await?;
    let all = begin.elapsed();
    let after = Usage::of(pid)?;
    drop(streams);
    product.stop(Signal::Terminate).await;
    let each = |value: f64| (value / proxies as f64 * 100.0).round() / 100.0;
    Ok(json!({
        "proxies": proxies,
        "push_to_all_ms": pushed.as_millis(),
        "acknowledged_by_all_ms": all.as_millis(),
        "memory_per_stream_kib": each(connected.resident_kib - before.resident_kib),
        "cpu_per_push_and_acknowledgement_ms": each(after.cpu_ms - connected.cpu_ms),
    }))
}

impl Proxy {
    async fn connect(xds: SocketAddr, number: usize) -> Result<Self> {
        let channel = Channel::from_shared(format!("http://{xds}")).context("an address")?;
        let channel = channel.connect().await.context("connect a proxy")?;
        let (requests, queue) = mpsc::channel(4);
        let first = DeltaDiscoveryRequest {
            node: Some(Node { id: format!("proxy-{number}"), ..Node::default() }),
            type_url: CLUSTER.to_owned(),
            resource_names_subscribe: vec![resource()],
            ..DeltaDiscoveryRequest::default()
        };
        requests.send(first).await.context("ask")?;
        let mut client = AggregatedDiscoveryServiceClient::new(channel);
        let answer = client.delta_aggregated_resources(ReceiverStream::new(queue)).await;
        Ok(Self { requests, answers: answer.context("open a stream")?.into_inner() })
    }

    /// Waits for the route and acknowledges it; stays connected.
    async fn told(mut self) -> Result<Self> {
        let answer = tokio::time::timeout(BOUND, self.answers.message()).await;
        let answer = answer.context("a proxy was not told")?.context("a stream broke")?;
        let answer = answer.context("a stream ended")?;
        ensure!(answer.resources.len() == 1, "one route was to be told: {answer:?}");
        let acknowledgement = DeltaDiscoveryRequest {
            type_url: CLUSTER.to_owned(),
            response_nonce: answer.nonce,
            ..DeltaDiscoveryRequest::default()
        };
        self.requests.send(acknowledgement).await.context("acknowledge")?;
        Ok(self)
    }
}

fn resource() -> String {
    format!("xdstp://landfall/envoy.config.cluster.v3.Cluster/{SERVICE}")
}

/// Waits until the server lists the service as asked for, and every proxy with it.
async fn seen(product: &Product, proxies: usize) -> Result<()> {
    until(product, |views| views.len() == proxies && views.iter().all(|one| one.subscribed)).await
}

async fn acknowledged(product: &Product, proxies: usize) -> Result<()> {
    let all = |views: &[landfall_core::port::router::ProxyView]| {
        views.iter().filter(|one| one.subscribed && one.follows(1)).count() == proxies
    };
    until(product, all).await
}

async fn until(
    product: &Product,
    wanted: impl Fn(&[landfall_core::port::router::ProxyView]) -> bool,
) -> Result<()> {
    let end = Instant::now() + BOUND;
    loop {
        let routes = product.client()?.routes().await.context("list the routes")?;
        let listed = routes.iter().find(|route| route.service.as_str() == SERVICE);
        if listed.is_some_and(|route| wanted(&route.view.proxies)) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "the server does not list them all");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a process has used.
struct Usage {
    resident_kib: f64,
    cpu_ms: f64,
}

impl Usage {
    fn of(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("memory")?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.split_whitespace().next()?.parse().ok());
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).context("time")?;
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        // utime and stime, in ticks of a hundredth of a second (proc(5)).
        let ticks: f64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(Self { resident_kib: resident.context("no memory is told")?, cpu_ms: ticks * 10.0 })
    }
}
