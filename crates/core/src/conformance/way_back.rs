//! What every database port must promise of a way back: what one side commits appears on the other,
//! in every database, until it is told to stop; what was asked for twice stands once; and nothing
//! of ours is left when it was dropped.
//!
//! Two writable servers with the same tables serve the whole suite; one of them is published. It is
//! not a test of PostgreSQL's replication: which tables can go, and who may subscribe, belongs to
//! the adapter.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::database::LOOKS;
use crate::action::{Apply, WayBackAction};
use crate::ids::{DatabaseName, Endpoint};
use crate::lsn::Lsn;
use crate::port::Database;
use crate::port::database::MarkerView;
use crate::port::way_back::{
    PublisherView, SequenceValue, SlotState, SubscriptionView, Survey, WayBackName,
};
use crate::spec::WithoutIdentity;

/// Looks after which what does not come is taken for stopped.
const STILL: u32 = 8;

/// Gives the suite two servers, and an application on the one that is published.
#[async_trait]
pub trait WayBackFixture: Sync {
    /// The implementation.
    fn port(&self) -> &dyn Database;
    /// The side that takes writes: two databases or more, each with our marker's table.
    fn publisher(&self) -> Endpoint;
    /// The other side, with the same tables.
    fn subscriber(&self) -> Endpoint;
    /// Where nothing answers.
    fn nowhere(&self) -> Endpoint;
    /// The application's database, and its one sequence as `schema.name`.
    fn application(&self) -> (DatabaseName, String);
    /// The application commits one new row on the publisher, with the sequence's next value.
    async fn write(&self);
    /// How many of those rows are on the subscriber.
    async fn arrived(&self) -> u64;
    /// A column is added to a table of the application on the publisher.
    async fn change(&self);
    /// Lets a little time pass, some 25 ms of it.
    async fn moment(&self);
}

/// Every promise, one after another.
pub async fn every_promise<F: WayBackFixture>(fixture: &F) {
    both_sides_are_surveyed_alike(fixture).await;
    room_and_path_are_told(fixture).await;
    nothing_stands_yet(fixture).await;
    what_is_published_waits_for_its_subscriber(fixture).await;
    a_subscription_streams_in_every_database(fixture).await;
    what_is_committed_arrives(fixture).await;
    markers_prove_what_has_arrived(fixture).await;
    nothing_is_applied_while_it_is_off(fixture).await;
    sequences_go_forward_only(fixture).await;
    a_change_of_tables_is_seen(fixture).await;
    nothing_is_left(fixture).await;
}

fn name() -> WayBackName {
    WayBackName::of(&"conformance".into())
}

async fn twice<F: WayBackFixture>(fixture: &F, action: WayBackAction) {
    let action = crate::action::DatabaseAction::WayBack(action);
    for time in ["once", "twice"] {
        let done = fixture.port().act(&action).await;
        assert!(done.is_ok(), "{action}, {time}: {done:?}");
    }
}

async fn publisher<F: WayBackFixture>(fixture: &F) -> BTreeMap<DatabaseName, PublisherView> {
    let at = fixture.publisher();
    fixture.port().publisher(&at, &name()).await.expect("the publisher can be looked at")
}

async fn subscriptions<F: WayBackFixture>(
    fixture: &F,
) -> BTreeMap<DatabaseName, Option<SubscriptionView>> {
    let at = fixture.subscriber();
    let views = fixture.port().subscriber(&at, &name()).await;
    let views = views.expect("the subscriber can be looked at");
    views.into_iter().map(|(name, view)| (name, view.subscription)).collect()
}

async fn survey<F: WayBackFixture>(fixture: &F, at: &Endpoint) -> BTreeMap<DatabaseName, Survey> {
    fixture.port().survey(at).await.expect("the tables can be surveyed")
}

async fn eventually<F: WayBackFixture>(
    fixture: &F,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) {
    for _ in 0..LOOKS {
        if condition().await {
            return;
        }
        fixture.moment().await;
    }
    let (publisher, subscriber) = (publisher(fixture).await, subscriptions(fixture).await);
    assert!(condition().await, "waited in vain for {what}; {publisher:?}; {subscriber:?}");
}

fn state(view: &PublisherView) -> Option<SlotState> {
    view.slot.as_ref().map(|slot| slot.state)
}

async fn both_sides_are_surveyed_alike<F: WayBackFixture>(fixture: &F) {
    let here = survey(fixture, &fixture.publisher()).await;
    let there = survey(fixture, &fixture.subscriber()).await;
    let prints = |of: &BTreeMap<DatabaseName, Survey>| -> Vec<_> {
        of.iter().map(|(name, one)| (name.clone(), one.fingerprint.clone())).collect()
    };
    assert_eq!(prints(&here), prints(&there));
    assert!(here.len() > 1, "one database shows nothing: {here:?}");
    let (application, _) = fixture.application();
    let ours = here.get(&application).expect("the application's database is there");
    assert!(ours.carried > 0 && !ours.fingerprint.is_empty(), "{ours:?}");
    assert_eq!(ours.without_identity.count, 0, "{ours:?}");
}

async fn room_and_path_are_told<F: WayBackFixture>(fixture: &F) {
    let port = fixture.port();
    let databases = survey(fixture, &fixture.publisher()).await.len();
    let wanted = i64::try_from(databases).unwrap_or(i64::MAX);
    let room = port.room(&fixture.publisher()).await.expect("room is told");
    assert_eq!(room.wal_level, "logical", "{room:?}");
    assert!(room.slots >= wanted && room.senders >= wanted, "{room:?}");
    let room = port.room(&fixture.subscriber()).await.expect("room is told");
    assert!(room.apply_workers >= wanted, "{room:?}");
    let there = port.reaches(&fixture.subscriber(), &fixture.publisher()).await;
    assert_eq!(there.expect("the path can be tried"), Ok(()));
    let nowhere = port.reaches(&fixture.subscriber(), &fixture.nowhere()).await;
    assert!(!matches!(nowhere, Ok(Ok(()))), "nothing answers there");
    assert!(subscriptions(fixture).await.values().all(Option::is_none), "a trial leaves nothing");
}

async fn nothing_stands_yet<F: WayBackFixture>(fixture: &F) {
    for (database, view) in publisher(fixture).await {
        assert_eq!((view.published, view.slot), (None, None), "{database}");
        assert!(view.flush_lsn.is_some() && !view.fingerprint.is_empty(), "{database}");
    }
    assert!(subscriptions(fixture).await.values().all(Option::is_none));
    let (at, name) = (fixture.subscriber(), name());
    twice(fixture, WayBackAction::Unsubscribe { at, name: name.clone() }).await;
    twice(fixture, WayBackAction::Unpublish { at: fixture.publisher(), name }).await;
}

async fn what_is_published_waits_for_its_subscriber<F: WayBackFixture>(fixture: &F) {
    let without_identity = WithoutIdentity::Refuse;
    let at = fixture.publisher();
    twice(fixture, WayBackAction::Publish { at, name: name(), without_identity }).await;
    let all = publisher(fixture).await;
    assert!(all.len() > 1, "{all:?}");
    for (database, view) in all {
        assert!(view.published.is_some(), "{database}: {view:?}");
        assert_eq!(state(&view), Some(SlotState::Inactive), "{database}");
        assert!(view.left_out.is_empty(), "{database}: {view:?}");
    }
}

async fn a_subscription_streams_in_every_database<F: WayBackFixture>(fixture: &F) {
    let (at, publisher_at) = (fixture.subscriber(), fixture.publisher());
    let subscribe = WayBackAction::Subscribe { at, publisher: publisher_at, name: name() };
    twice(fixture, subscribe).await;
    eventually(fixture, "a worker and a stream in every database", async || {
        let runs = |one: &Option<SubscriptionView>| {
            one.as_ref().is_some_and(|one| one.apply == Apply::On && one.worker.is_some())
        };
        let streams = |view: &PublisherView| state(view) == Some(SlotState::Active);
        subscriptions(fixture).await.values().all(runs)
            && publisher(fixture).await.values().all(streams)
    })
    .await;
}

async fn what_is_committed_arrives<F: WayBackFixture>(fixture: &F) {
    let before = fixture.arrived().await;
    for _ in 0..3 {
        fixture.write().await;
    }
    eventually(fixture, "three rows", async || fixture.arrived().await == before + 3).await;
}

async fn markers_prove_what_has_arrived<F: WayBackFixture>(fixture: &F) {
    let token = "conformance/1".to_owned();
    let at = fixture.publisher();
    twice(fixture, WayBackAction::WriteMarkers { at: at.clone(), token: token.clone() }).await;
    let port = fixture.port();
    let of_publisher = port.markers(&at, &token).await.expect("markers are read");
    let written = |view: &MarkerView| match view {
        MarkerView::Visible { flush_lsn } => *flush_lsn,
        MarkerView::Absent | MarkerView::NoTable => None,
    };
    let positions: Vec<Option<Lsn>> = of_publisher.values().map(written).collect();
    assert!(positions.len() > 1 && positions.iter().all(Option::is_some), "{of_publisher:?}");
    let other = port.markers(&at, "conformance/none").await.expect("markers are read");
    assert!(other.values().all(|view| *view == MarkerView::Absent), "{other:?}");
    let highest = positions.into_iter().flatten().max().unwrap_or(Lsn(0));
    eventually(fixture, "the markers, and their confirmation", async || {
        let arrived = port.markers(&fixture.subscriber(), &token).await;
        let arrived = arrived.expect("markers are read");
        let there = |view: &MarkerView| matches!(view, MarkerView::Visible { .. });
        let confirmed = |view: &PublisherView| {
            view.slot.as_ref().and_then(|slot| slot.confirmed).is_some_and(|at| at >= highest)
        };
        arrived.len() > 1
            && arrived.values().all(there)
            && publisher(fixture).await.values().all(confirmed)
    })
    .await;
}

async fn nothing_is_applied_while_it_is_off<F: WayBackFixture>(fixture: &F) {
    let set = |apply| WayBackAction::SetApply { at: fixture.subscriber(), name: name(), apply };
    twice(fixture, set(Apply::Off)).await;
    eventually(fixture, "no stream", async || {
        let idle = |view: &PublisherView| state(view) == Some(SlotState::Inactive);
        publisher(fixture).await.values().all(idle)
    })
    .await;
    let off = |one: &Option<SubscriptionView>| {
        one.as_ref().is_some_and(|one| one.apply == Apply::Off && one.worker.is_none())
    };
    assert!(subscriptions(fixture).await.values().all(off));
    let before = fixture.arrived().await;
    fixture.write().await;
    for _ in 0..STILL {
        fixture.moment().await;
    }
    assert_eq!(fixture.arrived().await, before, "it was applied all the same");
    twice(fixture, set(Apply::On)).await;
    eventually(fixture, "the row", async || fixture.arrived().await == before + 1).await;
}

async fn sequences_go_forward_only<F: WayBackFixture>(fixture: &F) {
    let (application, sequence) = fixture.application();
    let value = async |at: Endpoint| -> SequenceValue {
        let all = fixture.port().sequences(&at).await.expect("sequences are read");
        let of = all.get(&application).and_then(|all| all.get(&sequence)).copied();
        of.expect("the application's sequence is read")
    };
    let (here, there) = (value(fixture.publisher()).await, value(fixture.subscriber()).await);
    assert!(here.is_ahead_of(there), "they do not replicate: {here:?}, {there:?}");
    let set = |value: SequenceValue| {
        let one = BTreeMap::from([(sequence.clone(), value)]);
        let values = BTreeMap::from([(application.clone(), one)]);
        WayBackAction::SetSequences { at: fixture.subscriber(), values }
    };
    twice(fixture, set(here)).await;
    assert_eq!(value(fixture.subscriber()).await, here);
    twice(fixture, set(there)).await;
    assert_eq!(value(fixture.subscriber()).await, here, "it was lowered");
}

async fn a_change_of_tables_is_seen<F: WayBackFixture>(fixture: &F) {
    let (application, _) = fixture.application();
    fixture.change().await;
    let here = publisher(fixture).await;
    let there = survey(fixture, &fixture.subscriber()).await;
    for (database, view) in here {
        let same = there.get(&database).map(|one| &one.fingerprint) == Some(&view.fingerprint);
        assert_eq!(same, database != application, "{database}");
    }
}

async fn nothing_is_left<F: WayBackFixture>(fixture: &F) {
    let (at, name) = (fixture.subscriber(), name());
    twice(fixture, WayBackAction::Unsubscribe { at, name: name.clone() }).await;
    assert!(subscriptions(fixture).await.values().all(Option::is_none));
    for (database, view) in publisher(fixture).await {
        assert!(view.slot.is_some(), "{database}: the slot is the publisher's to drop");
    }
    twice(fixture, WayBackAction::Unpublish { at: fixture.publisher(), name }).await;
    for (database, view) in publisher(fixture).await {
        assert_eq!((view.published, view.slot), (None, None), "{database}");
    }
}
