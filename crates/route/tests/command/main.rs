//! The command router over a real program: which hooks it hears, what its failures look like, and
//! that nothing of it is left running.

mod conformance;
#[path = "../envoy/memory.rs"]
#[expect(dead_code, reason = "a store in trouble is tried over Envoy")]
mod memory;
#[path = "../envoy/patience.rs"]
#[expect(dead_code, reason = "no connection is held here")]
mod patience;
mod program;
#[path = "../envoy/wall_clock.rs"]
mod wall_clock;

use std::sync::Arc;
use std::time::{Duration, Instant};

use landfall_core::action::RouteAction;
use landfall_core::port::router::{Passage, ProxyView, Route, Router as _, Traffic};
use landfall_core::{Endpoint, ServiceName};
use landfall_route::{Gateway, ServiceRouter};

use crate::memory::MemoryStore;
use crate::patience::eventually;
use crate::program::Program;

fn orders() -> ServiceName {
    ServiceName::new("orders")
}

fn at(port: u16) -> Endpoint {
    Endpoint::new("127.0.0.1", port)
}

fn route(port: u16, traffic: Traffic, epoch: u64) -> Route {
    Route { service: orders(), endpoint: at(port), traffic, epoch, passage: Passage::default() }
}

fn router(store: &Arc<MemoryStore>, program: &Program) -> ServiceRouter {
    let gateways: Vec<Arc<dyn Gateway>> = vec![Arc::new(program.gateway(Duration::from_secs(20)))];
    let store: Arc<MemoryStore> = Arc::clone(store);
    ServiceRouter::new(store, gateways, Duration::from_secs(2)).tending(vec![orders()])
}

async fn act(router: &ServiceRouter, action: RouteAction) {
    assert_eq!(router.act(&action, None).await, Ok(()), "{action}");
}

async fn node(gateway: &dyn Gateway, route: &Route) -> ProxyView {
    let mut nodes = gateway.nodes(&orders(), Some(route)).await.expect("a look");
    assert_eq!(nodes.len(), 1, "{nodes:?}");
    nodes.remove(0)
}

#[tokio::test]
async fn a_move_is_four_hooks_with_the_state() {
    let program = Program::new();
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, &program);
    act(&router, RouteAction::Adopt { service: orders(), endpoint: at(1), epoch: 1 }).await;
    act(&router, RouteAction::Hold { service: orders(), epoch: 2 }).await;
    act(&router, RouteAction::Point { service: orders(), endpoint: at(2), epoch: 3 }).await;
    act(&router, RouteAction::Release { service: orders(), epoch: 4 }).await;
    let state = |port: u16, traffic: &str, epoch: u64| {
        format!(
            r#"{{"service":"orders","host":"127.0.0.1","port":{port},"traffic":"{traffic}","epoch":{epoch}}}"#
        )
    };
    let wanted = [
        format!("adopt {}", state(1, "open", 1)),
        format!("hold {}", state(1, "held", 2)),
        format!("point {}", state(2, "held", 3)),
        format!("release {}", state(2, "open", 4)),
    ];
    assert_eq!(program.log(), wanted);
    let seen = router.view(&orders()).await.expect("a view").proxies;
    assert!(seen.len() == 1 && seen[0].node == "node-1" && seen[0].follows(4), "{seen:?}");
}

#[tokio::test]
async fn a_node_that_forgot_is_told_again_and_a_restarted_process_tells_the_whole_state() {
    let program = Program::new();
    let store = Arc::new(MemoryStore::default());
    let first = router(&store, &program);
    act(&first, RouteAction::Adopt { service: orders(), endpoint: at(1), epoch: 1 }).await;
    act(&first, RouteAction::Hold { service: orders(), epoch: 2 }).await;
    program.forget("orders");
    program.hears(4, "told again").await;
    assert_eq!(program.hooks(), ["adopt", "hold", "hold", "point"]);
    drop(first);
    program.forget("orders");
    let second = router(&store, &program);
    program.hears(6, "told by another process").await;
    assert_eq!(program.hooks()[4..], ["hold", "point"]);
    drop(second);
}

#[tokio::test]
async fn a_hook_that_fails_is_a_node_with_the_last_line_of_its_errors() {
    let program = Program::new();
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, &program);
    act(&router, RouteAction::Adopt { service: orders(), endpoint: at(1), epoch: 1 }).await;
    program
        .trouble("test \"$hook\" = view || { echo noise >&2; echo 'pool is full' >&2; exit 3; }");
    act(&router, RouteAction::Hold { service: orders(), epoch: 2 }).await;
    let seen = router.view(&orders()).await.expect("a view").proxies;
    assert_eq!(seen[0].rejected.as_deref(), Some("hold: pool is full"));
    assert!(!seen[0].follows(2));
    program.trouble("true");
    eventually("it is told again and follows", async || {
        let seen = router.view(&orders()).await.expect("a view").proxies;
        seen.iter().all(|node| node.follows(2)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_older_state_is_never_told_after_a_newer_one() {
    let program = Program::new();
    let gateway = program.gateway(Duration::from_secs(20));
    for route in [route(1, Traffic::Open, 1), route(1, Traffic::Held, 2)] {
        gateway.tell(&route).await.expect("told");
    }
    gateway.tell(&route(2, Traffic::Open, 4)).await.expect("told");
    gateway.tell(&route(1, Traffic::Held, 2)).await.expect("left alone");
    assert_eq!(program.hooks(), ["adopt", "hold", "release"]);
}

#[tokio::test]
async fn a_hook_that_hangs_is_killed_with_all_it_started() {
    let program = Program::new();
    let gateway = program.gateway(Duration::from_millis(500));
    program.trouble("sleep 600 & echo $! >\"$folder/child\"; wait");
    let began = Instant::now();
    let route = route(1, Traffic::Open, 1);
    gateway.tell(&route).await.expect("a failed hook is a node");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let seen = node(&gateway, &route).await;
    assert!(seen.rejected.is_some_and(|said| said.contains("did not end within 500ms")));
    program.child_is_gone().await;
}

#[tokio::test]
async fn nobody_waits_any_more_and_nothing_is_left() {
    let program = Program::new();
    let gateway = program.gateway(Duration::from_secs(60));
    program.trouble("sleep 600 & echo $! >\"$folder/child\"; wait");
    let route = route(1, Traffic::Open, 1);
    let told = tokio::spawn(async move { gateway.tell(&route).await });
    program.child().await;
    told.abort();
    assert!(told.await.is_err_and(|error| error.is_cancelled()));
    program.child_is_gone().await;
}

#[tokio::test]
async fn a_program_sees_no_secret_and_cannot_flood() {
    let program = Program::new();
    let gateway = program.gateway(Duration::from_secs(20));
    let route = route(1, Traffic::Open, 1);
    // Cargo sets it for every test; a password would be there in the same way.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    program.trouble("env >\"$folder/environment\"");
    gateway.tell(&route).await.expect("told");
    let seen = program.read("environment");
    assert!(seen.contains("PATH=") && !seen.contains("CARGO"), "{seen}");

    program.trouble("yes");
    let flood = node(&gateway, &route).await.rejected.expect("too much");
    assert!(flood.contains("printed more than"), "{flood}");
    program.trouble("echo hello; exit 0");
    let other = node(&gateway, &route).await.rejected.expect("no JSON");
    assert!(other.contains("must print"), "{other}");
    program.trouble("printf '%099999d\\nlast\\n' 0 >&2; exit 1");
    let errors = node(&gateway, &route).await.rejected.expect("a failure");
    assert_eq!(errors, "last");
}

#[tokio::test]
async fn a_program_that_is_not_there_says_so() {
    let program = Program::new();
    let gateway = program.gateway_of(&["/nonexistent/hooks"], Duration::from_secs(1));
    let route = route(1, Traffic::Open, 1);
    gateway.tell(&route).await.expect("shown in the node");
    let seen = node(&gateway, &route).await;
    assert!(
        seen.rejected.is_some_and(|said| said.contains("/nonexistent/hooks cannot be started"))
    );
    assert!(!gateway.ability().await.expect("an ability").holds);
}
