//! What a paced release would rest on (decision 0016): a listener with several clusters of equal
//! weight gives each connection one of them, and a connection waits for its own cluster alone.
//! The product's bootstrap has one cluster per service and does not pace.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use landfall_route::bootstrap::{BootstrapOptions, Hop, Listen, bootstrap};

use crate::control::{ControlPlane, adopt, hold, release};
use crate::gateway::{Gateway, plain};
use crate::memory::MemoryStore;
use crate::patience::{eventually, results};
use crate::stand_in::StandIn;
use crate::{Answers, clients};

const PARTS: [&str; 4] = ["orders-0", "orders-1", "orders-2", "orders-3"];
const CONNECTIONS: usize = 80;

/// The bootstrap of the parts, the first listener spread over all of them.
fn spread(control: &ControlPlane) -> String {
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    let text = bootstrap(&BootstrapOptions {
        node_id: "gateway-1".to_owned(),
        cluster: "tests".to_owned(),
        xds: Some(plain(control.address())),
        admin: any,
        listeners: PARTS.map(|part| (part.into(), Listen::Tcp(any))).to_vec(),
        hold_timeout: Duration::from_secs(120),
        hop: Hop::One,
    });
    let name = |part: &str| format!("xdstp://landfall/envoy.config.cluster.v3.Cluster/{part}");
    let weight = |part: &&str| format!("{{ name: \"{}\", weight: 1 }}", name(part));
    let all = PARTS.iter().map(weight).collect::<Vec<_>>().join(", ");
    let one = format!("cluster: \"{}\"", name(PARTS[0]));
    assert!(text.contains(&one), "{text}");
    text.replacen(&one, &format!("weighted_clusters: {{ clusters: [{all}] }}"), 1)
}

/// Connections that Envoy let go on because their cluster came.
async fn let_go_on(gateway: &Gateway) -> usize {
    let stats = gateway.admin("/stats?filter=on_demand_cluster_success").await;
    let count = |line: &str| line.trim().rsplit_once(": ")?.1.parse::<usize>().ok();
    let own = stats.lines().filter(|line| line.contains("tcp.orders-0."));
    own.filter_map(count).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_released_one_after_another_let_their_own_connections_through() {
    let target = StandIn::start("A").await;
    let control = ControlPlane::start(&Arc::new(MemoryStore::default())).await;
    let gateway = Gateway::from_text(&spread(&control)).await;
    for part in PARTS {
        control.act(adopt(part, target.endpoint())).await;
        control.act(hold(part, 2)).await;
    }
    let mut answers = Answers::new();
    clients(gateway.listener("orders-0").await, CONNECTIONS, &mut answers);
    gateway.has_connections("orders-0", CONNECTIONS).await;
    let (mut answered, mut steps) = (0, Vec::new());
    for part in PARTS {
        control.act(release(part, 3)).await;
        control.followed(part, 3).await;
        let more = eventually("those of a part come through", async || {
            while let Some(answer) = answers.try_join_next() {
                assert_eq!(answer.expect("a client"), Ok("A".to_owned()));
                answered += 1;
            }
            // All that Envoy let go on have their answer, and there were some.
            let gone = let_go_on(&gateway).await;
            let before: usize = steps.iter().sum();
            (gone == answered && answered > before).then_some(answered - before)
        })
        .await;
        steps.push(more);
    }
    // A thread of Envoy may have been late with its own.
    let rest = results("the last come through", answers).await.len();
    assert_eq!(answered + rest, CONNECTIONS, "{steps:?}");
    // With even odds each part has 20; one of more than 40 is next to impossible.
    assert!(steps.iter().all(|step| *step < CONNECTIONS / 2), "let through: {steps:?}");
}
