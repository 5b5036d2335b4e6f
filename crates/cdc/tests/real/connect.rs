//! The suite on real workers, and what else only a real one shows.

use std::future::pending;
use std::time::Duration;

use async_trait::async_trait;
use landfall_cdc::ConsumerSet;
use landfall_core::action::ConsumerAction;
use landfall_core::conformance::consumers::{
    ConsumersFixture, every_promise, it_goes_on_elsewhere,
};
use landfall_core::ids::ConsumerName;
use landfall_core::port::Consumers;
use landfall_core::port::consumers::{Binding, ConsumerState};
use landfall_core::{Endpoint, FailureKind, Lsn};
use landfall_lab::consumers::Mode;
use tokio::time::timeout;

use crate::rig::{CONNECTOR, PASSWORD, Rig, name};

struct Fixture {
    port: ConsumerSet,
    rig: Rig,
}

#[async_trait]
impl ConsumersFixture for Fixture {
    fn port(&self) -> &dyn Consumers {
        &self.port
    }

    async fn consumer(&self) -> ConsumerName {
        name()
    }

    async fn elsewhere(&self) -> (Endpoint, Lsn) {
        (self.rig.target.endpoint(), self.rig.begins)
    }

    fn secret(&self) -> &'static str {
        PASSWORD
    }

    async fn pause(&self) {
        let _ = timeout(Duration::from_millis(50), pending::<()>()).await;
    }
}

async fn fixture(mode: Mode) -> Fixture {
    let rig = Rig::set(mode).await;
    rig.has_an_offset().await;
    Fixture { port: rig.port(), rig }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standalone_worker_keeps_every_promise() {
    let fixture = Box::pin(fixture(Mode::Standalone)).await;
    Box::pin(every_promise(&fixture)).await;
}

/// Of a distributed one the whole way there and back; each of its changes waits for the group's
/// next heartbeat, and the whole suite would take minutes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_distributed_worker_goes_there_and_back() {
    let fixture = Box::pin(fixture(Mode::Distributed)).await;
    Box::pin(it_goes_on_elsewhere(&fixture)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_days_are_told_by_name_and_change_nothing() {
    let rig = Rig::set(Mode::Standalone).await;
    rig.has_an_offset().await;
    let (port, consumer) = (rig.port(), name());
    let stop = ConsumerAction::Stop { consumer: consumer.clone() };
    let set = ConsumerAction::SetOffset { consumer: consumer.clone(), lsn: rig.begins };
    let before = port.view(&consumer).await.unwrap().unwrap();
    let previous = before.binding.clone().unwrap();

    // Another connector on the same slot: told in the view, and an offset is refused.
    let twin = [("name".to_owned(), "twin".to_owned())].into_iter().chain(rig.feed().settings());
    let twin = twin.collect::<std::collections::BTreeMap<_, _>>();
    let body = serde_json::json!({ "name": "twin", "config": twin, "initial_state": "STOPPED" });
    let worker = &rig.consumers.worker;
    let (status, told) =
        worker.call(hyper::Method::POST, "/connectors", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{told}");
    port.act(&stop).await.unwrap();
    let seen = port.view(&consumer).await.unwrap().unwrap();
    assert_eq!(seen.rivals, ["twin"]);
    let refused = port.act(&set).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::TakenByAnother, "{refused}");
    assert!(refused.detail.contains("twin") && refused.what.contains(CONNECTOR), "{refused}");
    let (status, _) = worker.call(hyper::Method::DELETE, "/connectors/twin", None).await.unwrap();
    assert_eq!(status, 204);

    // A server that the worker cannot reach: its settings stay.
    let to = Binding { endpoint: Endpoint::new("127.0.0.1", 1), ..previous.clone() };
    let astray =
        ConsumerAction::Repoint { consumer: consumer.clone(), to, previous: previous.clone() };
    let refused = port.act(&astray).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Invalid, "{refused}");
    assert!(!refused.to_string().contains(PASSWORD), "{refused}");
    let seen = port.view(&consumer).await.unwrap().unwrap();
    assert_eq!((seen.binding, seen.state), (before.binding, ConsumerState::Stopped));

    // An offset before the slot's beginning: the connector fails, and is told to have failed.
    let early = ConsumerAction::SetOffset { consumer: consumer.clone(), lsn: Lsn(0x100) };
    port.act(&early).await.unwrap();
    let resume = ConsumerAction::Resume { consumer: consumer.clone() };
    port.act(&resume).await.unwrap();
    let words = failed(&port, &consumer).await;
    assert!(words.contains("no longer available on the server"), "{words}");

    // A worker that is away, and one that is back with what it knew.
    worker.kill().await;
    let away = port.view(&consumer).await.unwrap_err();
    assert_eq!(away.kind, FailureKind::Unavailable, "{away}");
    assert!(away.what.contains(CONNECTOR) && away.what.contains(&worker.url()), "{away}");
    worker.start_again().await.expect("start the worker again");
    let seen = port.view(&consumer).await.unwrap().expect("the connector is back");
    assert_eq!(seen.binding, Some(previous));
}

async fn failed(port: &ConsumerSet, consumer: &ConsumerName) -> String {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut seen = None;
    for _ in 0..1200 {
        tick.tick().await;
        let view = port.view(consumer).await.unwrap().unwrap();
        if let ConsumerState::Failed(words) = view.state {
            return words;
        }
        seen = Some(view);
    }
    panic!("it did not fail: {seen:?}");
}
