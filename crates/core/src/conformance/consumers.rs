//! What every adapter of consumers must promise: states that are seen, offsets that are set only
//! while nobody reads, settings that come back exactly, and actions that may be done twice.
//!
//! It looks through the port only. Whether a change arrives downstream is the implementation's own
//! test, on the real thing.

pub mod fake;

use async_trait::async_trait;

use crate::action::ConsumerAction;
use crate::failure::FailureKind;
use crate::ids::{ConsumerName, Endpoint};
use crate::lsn::Lsn;
use crate::port::Consumers;
use crate::port::consumers::{Binding, Boundary, ConsumerState, ConsumerView, Offsets, Position};

/// Looks at a consumer until something is seen, before it is said to be missing.
const LOOKS: u32 = 600;

/// Gives the suite consumers and the world around them.
#[async_trait]
pub trait ConsumersFixture: Sync {
    /// The implementation.
    fn port(&self) -> &dyn Consumers;
    /// A consumer that runs and has stored an offset; the same at every call.
    async fn consumer(&self) -> ConsumerName;
    /// A name that nobody has.
    fn stranger(&self) -> ConsumerName {
        ConsumerName::new("nobody-of-this-name")
    }
    /// A server on which that consumer could go on, and where its slot begins there.
    async fn elsewhere(&self) -> (Endpoint, Lsn);
    /// Text that no view may show, such as a password in the consumer's settings.
    fn secret(&self) -> &'static str;
    /// Lets a little time pass, up to 50 ms of it.
    async fn pause(&self);
}

/// Every promise, one after another; the consumer ends where it began.
pub async fn every_promise<F: ConsumersFixture>(fixture: &F) {
    a_stranger_is_no_consumer(fixture).await;
    nothing_secret_is_shown(fixture).await;
    it_stops_and_resumes(fixture).await;
    it_pauses_and_resumes(fixture).await;
    what_runs_is_left_alone(fixture).await;
    an_offset_is_set_and_seen(fixture).await;
    settings_go_and_come_back(fixture).await;
    settings_of_somebody_else_are_left_alone(fixture).await;
    it_goes_on_elsewhere(fixture).await;
}

async fn view<F: ConsumersFixture>(fixture: &F) -> ConsumerView {
    let name = fixture.consumer().await;
    let seen = fixture.port().view(&name).await;
    seen.expect("a consumer that is up can be looked at").expect("it exists")
}

async fn act<F: ConsumersFixture>(fixture: &F, action: &ConsumerAction) {
    let done = fixture.port().act(action).await;
    assert_eq!(done, Ok(()), "{action}");
    let again = fixture.port().act(action).await;
    assert_eq!(again, Ok(()), "{action}, twice");
}

async fn refused<F: ConsumersFixture>(fixture: &F, action: &ConsumerAction, kind: FailureKind) {
    let failure = fixture.port().act(action).await.expect_err(&action.to_string());
    assert_eq!(failure.kind, kind, "{action}: {failure}");
}

async fn becomes<F: ConsumersFixture>(fixture: &F, wanted: &ConsumerState) -> ConsumerView {
    let mut seen = view(fixture).await;
    for _ in 0..LOOKS {
        if seen.state == *wanted {
            return seen;
        }
        fixture.pause().await;
        seen = view(fixture).await;
    }
    assert_eq!(seen.state, *wanted, "{seen:?}");
    seen
}

async fn settable<F: ConsumersFixture>(fixture: &F) -> bool {
    let name = fixture.consumer().await;
    let ability = fixture.port().ability(&name).expect("a consumer has an ability");
    ability.offsets == Offsets::Settable
}

async fn stopped<F: ConsumersFixture>(fixture: &F) -> (ConsumerName, ConsumerView) {
    let consumer = fixture.consumer().await;
    act(fixture, &ConsumerAction::Stop { consumer: consumer.clone() }).await;
    let seen = becomes(fixture, &ConsumerState::Stopped).await;
    (consumer, seen)
}

async fn resumed<F: ConsumersFixture>(fixture: &F) -> ConsumerView {
    let consumer = fixture.consumer().await;
    act(fixture, &ConsumerAction::Resume { consumer }).await;
    becomes(fixture, &ConsumerState::Running).await
}

fn bound(seen: &ConsumerView) -> Binding {
    seen.binding.clone().expect("a consumer of this suite tells where it reads")
}

/// Nobody of that name: no failure when looked at, and nothing can be done to it.
pub async fn a_stranger_is_no_consumer<F: ConsumersFixture>(fixture: &F) {
    let consumer = fixture.stranger();
    assert_eq!(fixture.port().view(&consumer).await, Ok(None));
    assert_eq!(fixture.port().ability(&consumer), None);
    assert!(!fixture.port().names().contains(&consumer));
    for action in [
        ConsumerAction::Stop { consumer: consumer.clone() },
        ConsumerAction::Resume { consumer: consumer.clone() },
    ] {
        refused(fixture, &action, FailureKind::NotFound).await;
    }
}

/// Settings hold passwords; views do not.
pub async fn nothing_secret_is_shown<F: ConsumersFixture>(fixture: &F) {
    let name = fixture.consumer().await;
    assert!(fixture.port().names().contains(&name));
    let seen = view(fixture).await;
    let shown = format!("{seen:?} {}", serde_json::to_string(&seen).expect("a view is data"));
    assert!(!shown.contains(fixture.secret()), "{shown}");
}

/// A stop is seen, keeps the offset, and ends with the resume.
pub async fn it_stops_and_resumes<F: ConsumersFixture>(fixture: &F) {
    let before = becomes(fixture, &ConsumerState::Running).await;
    let (_, seen) = stopped(fixture).await;
    assert_eq!(seen.binding, before.binding);
    let at = |seen: &ConsumerView| seen.position.map(|position| position.lsn);
    assert!(at(&seen) >= at(&before), "a stop went back: {before:?}, then {seen:?}");
    let seen = resumed(fixture).await;
    assert_eq!((seen.binding, seen.feed), (before.binding, before.feed));
}

/// A pause is seen, as a stop where there is nothing between.
pub async fn it_pauses_and_resumes<F: ConsumersFixture>(fixture: &F) {
    let consumer = fixture.consumer().await;
    act(fixture, &ConsumerAction::Pause { consumer }).await;
    for _ in 0..LOOKS {
        let seen = view(fixture).await;
        if matches!(seen.state, ConsumerState::Paused | ConsumerState::Stopped) {
            break;
        }
        fixture.pause().await;
    }
    let seen = view(fixture).await;
    assert!(matches!(seen.state, ConsumerState::Paused | ConsumerState::Stopped), "{seen:?}");
    resumed(fixture).await;
}

/// Neither an offset nor an endpoint changes under a consumer that reads.
pub async fn what_runs_is_left_alone<F: ConsumersFixture>(fixture: &F) {
    let before = becomes(fixture, &ConsumerState::Running).await;
    let consumer = fixture.consumer().await;
    let (endpoint, lsn) = fixture.elsewhere().await;
    let previous = bound(&before);
    let to = Binding { endpoint, ..previous.clone() };
    let repoint = ConsumerAction::Repoint { consumer: consumer.clone(), to, previous };
    refused(fixture, &repoint, FailureKind::WrongState).await;
    if settable(fixture).await {
        let set = ConsumerAction::SetOffset { consumer, lsn };
        refused(fixture, &set, FailureKind::WrongState).await;
    }
    let seen = view(fixture).await;
    assert_eq!(seen.binding, before.binding);
}

/// An offset is a whole transaction's end at exactly that position, and starts nothing.
pub async fn an_offset_is_set_and_seen<F: ConsumersFixture>(fixture: &F) {
    let (consumer, before) = stopped(fixture).await;
    let (_, lsn) = fixture.elsewhere().await;
    let set = ConsumerAction::SetOffset { consumer: consumer.clone(), lsn };
    if !settable(fixture).await {
        refused(fixture, &set, FailureKind::Invalid).await;
        resumed(fixture).await;
        return;
    }
    act(fixture, &set).await;
    let seen = view(fixture).await;
    assert_eq!(seen.position, Some(Position { lsn, boundary: Boundary::Commit }));
    assert_eq!((seen.state, seen.binding), (ConsumerState::Stopped, before.binding));
    let lsn = before.position.expect("the fixture's consumer has stored an offset").lsn;
    act(fixture, &ConsumerAction::SetOffset { consumer, lsn }).await;
    resumed(fixture).await;
}

/// What was changed can be given back, to the letter.
pub async fn settings_go_and_come_back<F: ConsumersFixture>(fixture: &F) {
    let (consumer, before) = stopped(fixture).await;
    let (endpoint, _) = fixture.elsewhere().await;
    let previous = bound(&before);
    let snapshot = previous.snapshot.as_ref().map(|_| "no_data".to_owned());
    let to = Binding { endpoint, snapshot };
    let go = ConsumerAction::Repoint {
        consumer: consumer.clone(),
        to: to.clone(),
        previous: previous.clone(),
    };
    act(fixture, &go).await;
    let seen = view(fixture).await;
    assert_eq!((bound(&seen), &seen.state), (to.clone(), &ConsumerState::Stopped));
    assert_eq!((&seen.feed, seen.position), (&before.feed, before.position));
    let back = ConsumerAction::Repoint { consumer, to: previous, previous: to };
    act(fixture, &back).await;
    assert_eq!(view(fixture).await.binding, before.binding);
    resumed(fixture).await;
}

/// A binding that is neither the one before nor the one wanted is somebody else's work.
pub async fn settings_of_somebody_else_are_left_alone<F: ConsumersFixture>(fixture: &F) {
    let (consumer, before) = stopped(fixture).await;
    let (endpoint, _) = fixture.elsewhere().await;
    let bound = bound(&before);
    let to = Binding { endpoint, ..bound.clone() };
    let previous = Binding { endpoint: Endpoint::new("nowhere.invalid", 1), ..bound };
    let action = ConsumerAction::Repoint { consumer, to, previous };
    refused(fixture, &action, FailureKind::TakenByAnother).await;
    assert_eq!(view(fixture).await.binding, before.binding);
    resumed(fixture).await;
}

/// Stopped, given the other slot's beginning, pointed there, resumed: it runs, and is there. Then
/// the same way back.
pub async fn it_goes_on_elsewhere<F: ConsumersFixture>(fixture: &F) {
    let (consumer, before) = stopped(fixture).await;
    let (endpoint, lsn) = fixture.elsewhere().await;
    let here = bound(&before);
    let there = Binding { endpoint, ..here.clone() };
    let repoint = |to: &Binding, previous: &Binding| ConsumerAction::Repoint {
        consumer: consumer.clone(),
        to: to.clone(),
        previous: previous.clone(),
    };
    let set = |lsn| ConsumerAction::SetOffset { consumer: consumer.clone(), lsn };
    let has_offsets = settable(fixture).await;
    if has_offsets {
        act(fixture, &set(lsn)).await;
    }
    act(fixture, &repoint(&there, &here)).await;
    let seen = resumed(fixture).await;
    assert_eq!(bound(&seen), there);
    stopped(fixture).await;
    if let Some(position) = before.position.filter(|_| has_offsets) {
        act(fixture, &set(position.lsn)).await;
    }
    act(fixture, &repoint(&here, &there)).await;
    assert_eq!(bound(&resumed(fixture).await), here);
}
