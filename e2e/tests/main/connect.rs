//! Risk: a warehouse loses hours of changes at a cutover, and nobody is told.
//!
//! The protocol of docs/explain/consumers.md, step by step through the port, on a real worker with
//! Debezium, a real source and a replica that is really promoted; judged by what the topic holds.
//! No row of the process table does it yet, so the test does it as the rows will.

mod rig;

use landfall_core::Lsn;
use landfall_core::action::ConsumerAction;
use landfall_core::port::Consumers as _;
use landfall_core::port::consumers::{Binding, ConsumerState};
use landfall_e2e::captured::Write;

use self::rig::{Rig, name};

/// When clients may write on the target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Release {
    AfterTheSlot,
    BeforeTheSlot,
}

impl Rig {
    async fn act(&self, action: ConsumerAction) {
        // Twice, as after a lost answer.
        for _ in 0..2 {
            self.port.act(&action).await.unwrap();
        }
    }

    /// Behind the fence: the consumer past a marker by its own offset and by its slot, then
    /// stopped. Returns the marker.
    async fn drain(&self) -> Lsn {
        let marker = self.source.marker("landfall.before").await;
        self.sees("the offset past the marker", |seen| {
            seen.position.is_some_and(|position| position.is_past(marker))
        })
        .await;
        self.source.confirms(marker).await;
        self.act(ConsumerAction::Stop { consumer: name() }).await;
        let stopped = |state: &ConsumerState| *state == ConsumerState::Stopped;
        let seen = self.sees("the stop", |seen| stopped(&seen.state)).await;
        assert!(seen.hazards.is_empty() && seen.rivals.is_empty(), "{seen:?}");
        assert!(!self.source.slot_is_active().await, "a stopped consumer lets go of its slot");
        marker
    }

    /// Behind the release: the new slot's beginning as the offset, then the target, then on.
    async fn hand_over(&self, begins: Lsn) {
        let seen = self.sees("the connector", |_| true).await;
        let previous = seen.binding.unwrap();
        let to = Binding { endpoint: self.target.endpoint(), snapshot: Some("no_data".to_owned()) };
        self.act(ConsumerAction::SetOffset { consumer: name(), lsn: begins }).await;
        self.act(ConsumerAction::Repoint { consumer: name(), to: to.clone(), previous }).await;
        self.act(ConsumerAction::Resume { consumer: name() }).await;
        let seen = self.sees("it run", |seen| seen.state == ConsumerState::Running).await;
        assert_eq!(seen.binding, Some(to));
    }

    /// The whole move; returns every acknowledged write, of both sides.
    async fn moved(&self, release: Release, mut acknowledged: Vec<Write>) -> Vec<Write> {
        let marker = self.drain().await;
        self.target.promote(marker).await;
        if release == Release::BeforeTheSlot {
            acknowledged.extend(self.target.write(3).await);
        }
        let begins = self.target.make_slot().await;
        // Clients go on long before the consumer does.
        acknowledged.extend(self.target.write(25).await);
        self.hand_over(begins).await;
        acknowledged.extend(self.target.write(25).await);
        let marker = self.target.marker("landfall.after").await;
        self.sees("the offset past the second marker", |seen| {
            seen.position.is_some_and(|position| position.is_past(marker))
        })
        .await;
        acknowledged
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_arrives_once_and_in_order() {
    let rig = Box::pin(Rig::set()).await;
    let before = rig.source.write(50).await;
    let acknowledged = Box::pin(rig.moved(Release::AfterTheSlot, before)).await;
    let verdict = rig.judge(&acknowledged).await;
    assert!(verdict.has_no_gap(), "{verdict:?}");
    assert_eq!((verdict.acknowledged, verdict.doubled), (4 * 100, 0), "{verdict:?}");
    let markers = rig.markers().await;
    let at = |prefix: &str| markers.iter().position(|found| found == prefix);
    let (first, second) = (at("landfall.before"), at("landfall.after"));
    assert!(first.is_some() && first < second, "owners downstream see both: {markers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_before_the_slot_is_a_gap_and_is_told() {
    let rig = Box::pin(Rig::set()).await;
    let before = rig.source.write(5).await;
    let acknowledged = Box::pin(rig.moved(Release::BeforeTheSlot, before)).await;
    let verdict = rig.judge(&acknowledged).await;
    assert!(!verdict.has_no_gap(), "the planted gap was not seen: {verdict:?}");
    // Three writes of each of four keys, and nothing else.
    assert_eq!(verdict.missing.len(), 12, "{verdict:?}");
    assert!(verdict.missing.iter().all(|(_, number)| (6..=8).contains(number)), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_while_it_drains_doubles_at_most() {
    let rig = Box::pin(Rig::set()).await;
    let mut before = rig.source.write(100).await;
    rig.consumers.worker.kill().await.expect("it ran");
    before.extend(rig.source.write(50).await);
    rig.consumers.worker.start_again().await.expect("start the worker again");
    let acknowledged = Box::pin(rig.moved(Release::AfterTheSlot, before)).await;
    let verdict = rig.judge(&acknowledged).await;
    assert!(verdict.has_no_gap(), "{verdict:?}");
    assert_eq!(verdict.acknowledged, 4 * 200);
}
