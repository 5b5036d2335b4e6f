//! What every store must promise: order without gaps, one winner per position, fenced leaders,
//! leases by compare-and-set, route epochs that never go back, and nothing lost by reopening.
//!
//! It is not a test of a medium: disk full, kill -9 and corruption belong to the implementation.

use std::collections::BTreeMap;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::ids::{Endpoint, Epoch, MigrationName, Seq, ServiceName};
use crate::journal::{
    Author, Effect, Entry, Lease, NewEntry, RECORD_VERSION, Record, Request, Store, StoreError,
};
use crate::port::Stamp;
use crate::port::router::{DirectTls, Passage, Route, Traffic};
use crate::sample::{self, Sample, Series};
use crate::status::Phase;

/// How many times two writers race for one position.
pub const RACE_ROUNDS: u64 = 2_000;

/// A future that a fixture runs to its end.
pub type Task<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Gives the suite its stores.
#[async_trait]
pub trait StoreFixture: Sync {
    /// The implementation.
    type Store: Store;

    /// An empty store; the one from before, if any, may be forgotten.
    async fn fresh(&self) -> Self::Store;
    /// Another handle to what the latest `fresh` made, as a second process would open it.
    async fn reopen(&self) -> Self::Store;
    /// Runs a task to its end on the calling thread, which is no thread of a runtime.
    fn drive(&self, task: Task<'_>);
}

/// Every promise, one after another.
pub async fn every_promise<F: StoreFixture>(fixture: &F) {
    unknown_is_empty(&fixture.fresh().await).await;
    journal_promises(fixture).await;
    lease_promises(fixture).await;
    route_epochs_go_up_by_one(&fixture.fresh().await).await;
    a_deposed_leader_stores_no_route(&fixture.fresh().await).await;
    samples_are_kept_by_move_and_series(&fixture.fresh().await).await;
    a_series_is_bounded(fixture).await;
    reopening_loses_nothing(fixture).await;
    races(fixture).await;
}

async fn journal_promises<F: StoreFixture>(fixture: &F) {
    entries_come_back_in_order_as_written(&fixture.fresh().await).await;
    a_position_is_taken_once(&fixture.fresh().await).await;
    moves_do_not_see_each_other(&fixture.fresh().await).await;
    people_need_no_lease(&fixture.fresh().await).await;
    a_deposed_leader_writes_nothing(&fixture.fresh().await).await;
    a_leader_without_a_lease_writes_nothing(&fixture.fresh().await).await;
}

async fn lease_promises<F: StoreFixture>(fixture: &F) {
    a_lease_is_held_until_it_expires(&fixture.fresh().await).await;
    a_lease_is_renewed_by_its_holder_only(&fixture.fresh().await).await;
    a_lease_given_back_is_free(&fixture.fresh().await).await;
    a_lease_is_seen_by_everybody(fixture).await;
}

async fn races<F: StoreFixture>(fixture: &F) {
    let store = fixture.fresh().await;
    race_for_positions(fixture, &store, &fixture.reopen().await, RACE_ROUNDS).await;
    let store = fixture.fresh().await;
    race_for_leases(fixture, &store, &fixture.reopen().await, RACE_ROUNDS / 10).await;
    let store = fixture.fresh().await;
    race_for_routes(fixture, &store, &fixture.reopen().await, RACE_ROUNDS / 10).await;
}

fn orders() -> MigrationName {
    MigrationName::new("orders")
}

/// The suite's clock: seconds after a fixed instant, with nanoseconds that must survive.
fn at(second: u64) -> Timestamp {
    let start = Timestamp::new(1_800_000_000, 123_456_789).expect("an instant of this century");
    start + Duration::from_secs(second)
}

fn record(number: u64) -> Record {
    Record::Waiting { why: format!("reading {number} — “64 MiB”"), deadline: Some(at(900)) }
}

fn entry(after: u64, author: Author) -> NewEntry {
    NewEntry {
        migration: orders(),
        after: Seq(after),
        author,
        at: at(0),
        step: Some("replicate.wait_available".to_owned()),
        record: record(after + 1),
    }
}

async fn lead(store: &impl Store, second: u64) -> Lease {
    let until = at(second + 10);
    store.take_lease(&orders(), "one", at(second), until).await.expect("a free lease is given")
}

/// What was never written reads as nothing.
pub async fn unknown_is_empty(store: &impl Store) {
    assert_eq!(store.migrations().await, Ok(vec![]));
    assert_eq!(store.read(&orders(), Seq(0)).await, Ok(vec![]));
    assert_eq!(store.lease(&orders()).await, Ok(None));
    assert_eq!(store.route(&ServiceName::new("orders")).await, Ok(None));
    assert_eq!(store.routes().await, Ok(vec![]));
}

/// Positions run from 1 without gaps, and every field comes back as it went in.
pub async fn entries_come_back_in_order_as_written(store: &impl Store) {
    let lease = lead(store, 0).await;
    let author = Author::Leader(lease.epoch);
    let records = [
        Record::Led { holder: "host, pid 7".to_owned() },
        Record::Entered { phase: Phase::Prepare, course: crate::Course::Doing },
        Record::Completed { seen: serde_json::json!({"lag_bytes": 1.5, "none": null, "é": [1]}) },
        Record::Acted { effect: Effect::TAKEN },
    ];
    for (index, record) in (0..).zip(&records) {
        let new = NewEntry {
            at: at(index),
            step: if index == 0 { None } else { Some(format!("step.{index}")) },
            record: record.clone(),
            ..entry(index, author)
        };
        assert_eq!(store.append(new).await, Ok(Seq(index + 1)));
    }
    let expected: Vec<Entry> = (0..)
        .zip(&records)
        .map(|(index, record)| Entry {
            migration: orders(),
            seq: Seq(index + 1),
            epoch: lease.epoch,
            at: at(index),
            step: if index == 0 { None } else { Some(format!("step.{index}")) },
            record: record.clone(),
            version: RECORD_VERSION,
        })
        .collect();
    assert_eq!(store.read(&orders(), Seq(0)).await.as_deref(), Ok(expected.as_slice()));
    assert_eq!(store.read(&orders(), Seq(3)).await.as_deref(), Ok(expected.get(3..).expect("4")));
    assert_eq!(store.read(&orders(), Seq(4)).await, Ok(vec![]));
    assert_eq!(store.read(&orders(), Seq(99)).await, Ok(vec![]));
}

/// A record goes right after what its writer has read, or nowhere; the refusal names the last.
pub async fn a_position_is_taken_once(store: &impl Store) {
    for after in 0..3 {
        assert_eq!(store.append(entry(after, Author::Person)).await, Ok(Seq(after + 1)));
    }
    for after in [0, 1, 2, 4, 99] {
        assert_eq!(
            store.append(entry(after, Author::Person)).await,
            Err(StoreError::Outrun(Seq(3))),
            "after {after}"
        );
    }
    assert_eq!(store.read(&orders(), Seq(0)).await.map(|entries| entries.len()), Ok(3));
    assert_eq!(store.append(entry(3, Author::Person)).await, Ok(Seq(4)));
}

/// Each move has a journal and a lease of its own.
pub async fn moves_do_not_see_each_other(store: &impl Store) {
    let other = MigrationName::new("invoices");
    lead(store, 0).await;
    assert_eq!(store.append(entry(0, Author::Person)).await, Ok(Seq(1)));
    let new = NewEntry { migration: other.clone(), ..entry(0, Author::Person) };
    assert_eq!(store.append(new).await, Ok(Seq(1)));
    assert_eq!(store.migrations().await, Ok(vec![other.clone(), orders()]));
    let theirs = store.read(&other, Seq(0)).await.expect("reading");
    assert!(theirs.iter().all(|entry| entry.migration == other) && theirs.len() == 1, "{theirs:?}");
    assert_eq!(store.lease(&other).await, Ok(None));
}

/// A request is taken from a person whoever leads, and carries the epoch that led.
pub async fn people_need_no_lease(store: &impl Store) {
    let request = Request::Pause { by: "ann".to_owned(), why: "release freeze".to_owned() };
    let new = NewEntry { record: Record::Requested { request }, ..entry(0, Author::Person) };
    assert_eq!(store.append(new.clone()).await, Ok(Seq(1)));
    let lease = lead(store, 0).await;
    assert_eq!(store.append(NewEntry { after: Seq(1), ..new }).await, Ok(Seq(2)));
    let epochs: Vec<Epoch> = store
        .read(&orders(), Seq(0))
        .await
        .expect("reading")
        .iter()
        .map(|entry| entry.epoch)
        .collect();
    assert_eq!(epochs, [Epoch(0), lease.epoch]);
}

/// Once another leads, the old epoch is refused, even at the right position.
pub async fn a_deposed_leader_writes_nothing(store: &impl Store) {
    let old = lead(store, 0).await;
    assert_eq!(store.append(entry(0, Author::Leader(old.epoch))).await, Ok(Seq(1)));
    let new = store.take_lease(&orders(), "two", at(10), at(20)).await.expect("it expired");
    assert_eq!(new.epoch, Epoch(old.epoch.0 + 1));
    let refused = Err(StoreError::EpochLost(old.epoch));
    assert_eq!(store.append(entry(1, Author::Leader(old.epoch))).await, refused);
    assert_eq!(store.append(entry(1, Author::Leader(new.epoch))).await, Ok(Seq(2)));
    // Both are wrong here; what matters is that nothing is written.
    assert!(store.append(entry(1, Author::Leader(old.epoch))).await.is_err());
    assert_eq!(store.read(&orders(), Seq(0)).await.map(|entries| entries.len()), Ok(2));
}

/// An epoch that was never given leads nothing.
pub async fn a_leader_without_a_lease_writes_nothing(store: &impl Store) {
    for epoch in [Epoch(0), Epoch(1)] {
        assert_eq!(
            store.append(entry(0, Author::Leader(epoch))).await,
            Err(StoreError::EpochLost(epoch))
        );
    }
    let lease = lead(store, 0).await;
    let ahead = Epoch(lease.epoch.0 + 1);
    assert_eq!(
        store.append(entry(0, Author::Leader(ahead))).await,
        Err(StoreError::EpochLost(ahead))
    );
    assert_eq!(store.read(&orders(), Seq(0)).await, Ok(vec![]));
}

/// A held lease is refused to everybody; at its last instant it is free, one epoch higher.
pub async fn a_lease_is_held_until_it_expires(store: &impl Store) {
    let first = lead(store, 0).await;
    let expected =
        Lease { migration: orders(), epoch: Epoch(1), holder: "one".to_owned(), until: at(10) };
    assert_eq!(first, expected);
    assert_eq!(store.lease(&orders()).await, Ok(Some(expected)));
    let held = StoreError::LeaseHeld { holder: "one".to_owned(), until: at(10) };
    let almost = at(10) - Duration::from_nanos(1);
    for (holder, now) in [("two", at(1)), ("one", at(1)), ("two", almost)] {
        let taken = store.take_lease(&orders(), holder, now, at(30)).await;
        assert_eq!(taken, Err(held.clone()), "{holder} at {now}");
    }
    let second = store.take_lease(&orders(), "two", at(10), at(30)).await.expect("it expired");
    assert_eq!((second.epoch, second.holder.as_str()), (Epoch(2), "two"));
    assert_eq!(store.lease(&orders()).await, Ok(Some(second)));
}

/// Renewal keeps the epoch, works after expiry while nobody took it, and never after that.
pub async fn a_lease_is_renewed_by_its_holder_only(store: &impl Store) {
    let lease = lead(store, 0).await;
    let renewed = store.renew_lease(&lease, at(5), at(20)).await.expect("it is ours");
    assert_eq!(renewed, Lease { until: at(20), ..lease.clone() });
    assert_eq!(store.lease(&orders()).await, Ok(Some(renewed.clone())));
    let taken = store.take_lease(&orders(), "two", at(15), at(30)).await;
    assert_eq!(taken, Err(StoreError::LeaseHeld { holder: "one".to_owned(), until: at(20) }));

    let second = store.take_lease(&orders(), "two", at(20), at(30)).await.expect("it expired");
    for old in [&lease, &renewed] {
        let refused = store.renew_lease(old, at(21), at(99)).await;
        assert_eq!(refused, Err(StoreError::EpochLost(lease.epoch)));
    }
    assert_eq!(store.lease(&orders()).await, Ok(Some(second.clone())));
    let late = store.renew_lease(&second, at(40), at(60)).await.expect("nobody took it");
    assert_eq!((late.epoch, late.until), (second.epoch, at(60)));
}

/// What is given back can be taken at once, one epoch higher; giving back what is lost is nothing.
pub async fn a_lease_given_back_is_free(store: &impl Store) {
    let first = lead(store, 0).await;
    assert_eq!(store.drop_lease(&first).await, Ok(()));
    assert_eq!(
        store.renew_lease(&first, at(1), at(99)).await,
        Err(StoreError::EpochLost(first.epoch)),
        "what was given back is not ours to renew"
    );
    let second = store.take_lease(&orders(), "two", at(1), at(30)).await.expect("it is free");
    assert_eq!(second.epoch, Epoch(2));
    assert_eq!(store.drop_lease(&first).await, Ok(()));
    assert_eq!(store.lease(&orders()).await, Ok(Some(second)));
}

/// Two servers: the one without the lease sees who leads, is refused, and may still order.
pub async fn a_lease_is_seen_by_everybody<F: StoreFixture>(fixture: &F) {
    let (one, two) = (fixture.fresh().await, fixture.reopen().await);
    let lease = lead(&one, 0).await;
    assert_eq!(two.lease(&orders()).await, Ok(Some(lease.clone())));
    let held = StoreError::LeaseHeld { holder: "one".to_owned(), until: lease.until };
    assert_eq!(two.take_lease(&orders(), "two", at(5), at(15)).await, Err(held));
    assert_eq!(one.append(entry(0, Author::Leader(lease.epoch))).await, Ok(Seq(1)));
    assert_eq!(two.append(entry(0, Author::Person)).await, Err(StoreError::Outrun(Seq(1))));
    assert_eq!(two.append(entry(1, Author::Person)).await, Ok(Seq(2)));
    let late = one.append(entry(1, Author::Leader(lease.epoch))).await;
    assert_eq!(late, Err(StoreError::Outrun(Seq(2))), "the leader reads what was ordered first");
    a_handle_is_deposed_by_another(&one, &two, &lease).await;
}

/// Everything that the lease was for is refused once another handle took it.
async fn a_handle_is_deposed_by_another<S: Store>(one: &S, two: &S, lease: &Lease) {
    let next = two.take_lease(&orders(), "two", at(10), at(20)).await.expect("it expired");
    for told in [
        one.append(entry(2, Author::Leader(lease.epoch))).await.map(|_| ()),
        one.renew_lease(lease, at(11), at(99)).await.map(|_| ()),
        one.put_route(&route(1, "source", Traffic::Held), Some(&stamp(lease.epoch))).await,
    ] {
        assert_eq!(told, Err(StoreError::EpochLost(lease.epoch)));
    }
    assert_eq!(one.drop_lease(lease).await, Ok(()));
    assert_eq!(one.lease(&orders()).await, Ok(Some(next)), "what is not ours is not dropped");
    assert_eq!(one.routes().await, Ok(vec![]));
}

fn stamp(epoch: Epoch) -> Stamp {
    Stamp { migration: orders(), epoch }
}

/// A route is the leader's to change: refused before anybody leads, and once another does, even
/// with the right epoch of the route, and even when it is what stands.
pub async fn a_deposed_leader_stores_no_route(store: &impl Store) {
    let first = route(1, "source", Traffic::Open);
    let early = store.put_route(&first, Some(&stamp(Epoch(1)))).await;
    assert_eq!(early, Err(StoreError::EpochLost(Epoch(1))));
    assert_eq!(store.put_route(&first, None).await, Ok(()), "adopted by a person");

    let old = lead(store, 0).await;
    let held = route(2, "source", Traffic::Held);
    assert_eq!(store.put_route(&held, Some(&stamp(old.epoch))).await, Ok(()));
    assert_eq!(store.put_route(&held, Some(&stamp(old.epoch))).await, Ok(()), "again");
    a_route_is_refused_to(store, &held, old.epoch).await;
}

async fn a_route_is_refused_to(store: &impl Store, held: &Route, old: Epoch) {
    let refused = |epoch| Err(StoreError::EpochLost(epoch));
    let new = store.take_lease(&orders(), "two", at(10), at(20)).await.expect("it expired");
    let point = route(3, "target", Traffic::Held);
    for late in [&point, held] {
        assert_eq!(store.put_route(late, Some(&stamp(old))).await, refused(old));
    }
    assert_eq!(store.route(&held.service).await, Ok(Some(held.clone())));
    assert_eq!(store.put_route(&point, Some(&stamp(new.epoch))).await, Ok(()));
    assert_eq!(store.drop_lease(&new).await, Ok(()));
    let open = route(4, "target", Traffic::Open);
    let late = store.put_route(&open, Some(&stamp(new.epoch))).await;
    assert_eq!(late, refused(new.epoch), "a lease given back writes nothing");
}

/// Another one with each change, the plain one among them.
fn passage(epoch: u64) -> Passage {
    let tls = epoch.is_multiple_of(3).then(|| DirectTls { roots: "/etc/roots.pem".to_owned() });
    Passage {
        tls,
        sessions_per_proxy: u32::try_from(epoch.saturating_sub(1)).ok().and_then(NonZeroU32::new),
    }
}

fn points(from: u64, to: u64) -> Vec<Sample> {
    (from..to).map(|second| Sample::of(at(second), (second % 5) as f64)).collect()
}

/// Each move has its series; a measurement handed over again, or late, changes nothing.
pub async fn samples_are_kept_by_move_and_series(store: &impl Store) {
    let (other, lag) = (MigrationName::new("invoices"), Series::LagBytes);
    let all = points(0, 40);
    assert_eq!(store.put_samples(&orders(), lag, &all).await, Ok(()));
    assert_eq!(store.put_samples(&orders(), lag, &all).await, Ok(()), "once more");
    assert_eq!(store.put_samples(&orders(), lag, &points(5, 20)).await, Ok(()), "late");
    assert_eq!(store.put_samples(&orders(), lag, &[]).await, Ok(()));
    let twice = Series::ReplicaConflicts;
    assert_eq!(store.put_samples(&other, twice, &points(0, 2)).await, Ok(()));
    assert_eq!(store.samples(&orders(), lag).await, Ok(all));
    assert_eq!(store.samples(&other, twice).await, Ok(points(0, 2)));
    for (migration, series) in [(&other, lag), (&orders(), Series::WalBytesPerSecond)] {
        assert_eq!(store.samples(migration, series).await, Ok(vec![]));
    }
    assert_eq!(store.migrations().await, Ok(vec![]), "a sample makes no move");
}

/// However long it is measured, a series stays short, and a second handle reads the same.
pub async fn a_series_is_bounded<F: StoreFixture>(fixture: &F) {
    let (store, series) = (fixture.fresh().await, Series::WalBytesPerSecond);
    let mut expected = Vec::new();
    for day in 0..20 {
        let minutes: Vec<Sample> = (0..1_440_u64)
            .map(|minute| Sample::of(at((day * 1_440 + minute) * 60), (minute % 11) as f64))
            .collect();
        sample::add(&mut expected, &minutes);
        assert_eq!(store.put_samples(&orders(), series, &minutes).await, Ok(()));
    }
    assert!(expected.len() < 4_000, "{}", expected.len());
    assert_eq!(store.samples(&orders(), series).await.as_deref(), Ok(expected.as_slice()));
    drop(store);
    let again = fixture.reopen().await;
    assert_eq!(again.samples(&orders(), series).await, Ok(expected));
}

fn route(epoch: u64, host: &str, traffic: Traffic) -> Route {
    Route {
        service: ServiceName::new("orders"),
        endpoint: Endpoint::new(host, 5432),
        traffic,
        epoch,
        passage: passage(epoch),
    }
}

/// A route's epoch goes up by one or stays with the same content; everything else is refused.
pub async fn route_epochs_go_up_by_one(store: &impl Store) {
    let service = ServiceName::new("orders");
    let outrun = |found| Err(StoreError::RouteOutrun { service: service.clone(), found });
    for epoch in [0, 2] {
        assert_eq!(store.put_route(&route(epoch, "source", Traffic::Open), None).await, outrun(0));
    }
    let steps = [
        route(1, "source", Traffic::Open),
        route(2, "source", Traffic::Held),
        route(3, "target", Traffic::Held),
        route(4, "target", Traffic::Open),
    ];
    for step in &steps {
        assert_eq!(store.put_route(step, None).await, Ok(()), "{step:?}");
        assert_eq!(store.put_route(step, None).await, Ok(()), "{step:?} again");
        assert_eq!(store.route(&service).await, Ok(Some(step.clone())));
    }
    for refused in [
        route(0, "source", Traffic::Open),
        route(3, "target", Traffic::Held),
        route(4, "source", Traffic::Open),
        route(4, "target", Traffic::Held),
        route(6, "source", Traffic::Open),
    ] {
        assert_eq!(store.put_route(&refused, None).await, outrun(4), "{refused:?}");
    }
    let other = Route { service: ServiceName::new("a"), ..route(1, "elsewhere", Traffic::Open) };
    assert_eq!(store.put_route(&other, None).await, Ok(()));
    let [.., last] = steps;
    assert_eq!(store.routes().await, Ok(vec![other, last]));
}

/// A second handle sees everything the first was told is written.
pub async fn reopening_loses_nothing<F: StoreFixture>(fixture: &F) {
    let store = fixture.fresh().await;
    let lease = lead(&store, 0).await;
    for after in 0..20 {
        assert_eq!(
            store.append(entry(after, Author::Leader(lease.epoch))).await,
            Ok(Seq(after + 1))
        );
    }
    let stored = route(1, "source", Traffic::Held);
    assert_eq!(store.put_route(&stored, None).await, Ok(()));
    let before = store.read(&orders(), Seq(0)).await.expect("reading");
    drop(store);

    let again = fixture.reopen().await;
    assert_eq!(again.read(&orders(), Seq(0)).await, Ok(before));
    assert_eq!(again.migrations().await, Ok(vec![orders()]));
    assert_eq!(again.lease(&orders()).await, Ok(Some(lease.clone())));
    assert_eq!(again.routes().await, Ok(vec![stored]));
    assert_eq!(again.append(entry(20, Author::Leader(lease.epoch))).await, Ok(Seq(21)));
}

/// What came of one racer's try: the position, or the epoch, that it won.
type Try<'a> = Pin<Box<dyn Future<Output = Result<u64, StoreError>> + Send + 'a>>;

struct Outcome {
    round: u64,
    racer: &'static str,
    won: Result<u64, StoreError>,
}

/// Lets two threads, each with its own handle, try the same thing at the same time, many times.
fn race<F, S>(
    fixture: &F,
    stores: [&S; 2],
    rounds: u64,
    attempt: for<'a> fn(&'a S, &'static str, u64) -> Try<'a>,
) -> Vec<Outcome>
where
    F: StoreFixture,
    S: Store,
{
    let barrier = Barrier::new(stores.len());
    let outcomes = Mutex::new(Vec::new());
    // Nothing is asserted on these threads: a racer that panics leaves the other at the barrier.
    std::thread::scope(|scope| {
        for (racer, store) in ["one", "two"].into_iter().zip(stores) {
            let (barrier, outcomes) = (&barrier, &outcomes);
            scope.spawn(move || {
                for round in 0..rounds {
                    barrier.wait();
                    fixture.drive(Box::pin(async move {
                        let won = attempt(store, racer, round).await;
                        let mut all = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
                        all.push(Outcome { round, racer, won });
                    }));
                }
            });
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Each round has one winner, who won its number plus one, and one loser, refused as expected.
fn judge(outcomes: &[Outcome], rounds: u64, refusal: impl Fn(u64, &'static str) -> StoreError) {
    let mut winners = BTreeMap::new();
    for Outcome { round, racer, won } in outcomes {
        match won {
            Ok(number) => {
                assert_eq!(*number, round + 1, "{racer} in round {round}");
                assert_eq!(winners.insert(*round, *racer), None, "two winners in round {round}");
            }
            Err(error) => assert_eq!(*error, refusal(*round, racer), "{racer} in round {round}"),
        }
    }
    assert_eq!(winners.keys().copied().collect::<Vec<_>>(), (0..rounds).collect::<Vec<_>>());
}

fn try_position<'a, S: Store>(store: &'a S, racer: &'static str, round: u64) -> Try<'a> {
    Box::pin(async move {
        let record = Record::Requested { request: Request::Resume { by: racer.to_owned() } };
        let new = NewEntry { record, ..entry(round, Author::Person) };
        store.append(new).await.map(|seq| seq.0)
    })
}

/// Two writers that read the same position: exactly one writes, whatever the timing.
pub async fn race_for_positions<F: StoreFixture>(
    fixture: &F,
    one: &F::Store,
    two: &F::Store,
    rounds: u64,
) {
    let outcomes = race(fixture, [one, two], rounds, try_position);
    judge(&outcomes, rounds, |round, _| StoreError::Outrun(Seq(round + 1)));
    let entries = one.read(&orders(), Seq(0)).await.expect("reading");
    for Outcome { round, racer, won } in &outcomes {
        let request = Request::Resume { by: (*racer).to_owned() };
        let stored = entries.iter().find(|entry| entry.seq == Seq(round + 1));
        let theirs = stored
            .is_some_and(|entry| entry.record == Record::Requested { request: request.clone() });
        assert_eq!(theirs, won.is_ok(), "{racer} in round {round}: {stored:?}");
    }
    assert_eq!(entries.len(), outcomes.len() / 2);
}

fn try_lease<'a, S: Store>(store: &'a S, racer: &'static str, round: u64) -> Try<'a> {
    Box::pin(async move {
        let lease = store.take_lease(&orders(), racer, at(round), at(round + 1)).await?;
        Ok(lease.epoch.0)
    })
}

/// Two orchestrators that find the lease expired: exactly one takes it.
pub async fn race_for_leases<F: StoreFixture>(
    fixture: &F,
    one: &F::Store,
    two: &F::Store,
    rounds: u64,
) {
    let outcomes = race(fixture, [one, two], rounds, try_lease);
    judge(&outcomes, rounds, |round, loser| StoreError::LeaseHeld {
        holder: if loser == "one" { "two" } else { "one" }.to_owned(),
        until: at(round + 1),
    });
    let lease = one.lease(&orders()).await.expect("reading").expect("somebody took it");
    assert_eq!(lease.epoch, Epoch(rounds));
}

fn try_route<'a, S: Store>(store: &'a S, racer: &'static str, round: u64) -> Try<'a> {
    Box::pin(async move {
        let wanted = route(round + 1, racer, Traffic::Open);
        store.put_route(&wanted, None).await.map(|()| wanted.epoch)
    })
}

/// Two that change a route from the same epoch: exactly one does.
pub async fn race_for_routes<F: StoreFixture>(
    fixture: &F,
    one: &F::Store,
    two: &F::Store,
    rounds: u64,
) {
    let outcomes = race(fixture, [one, two], rounds, try_route);
    let service = ServiceName::new("orders");
    judge(&outcomes, rounds, |round, _| StoreError::RouteOutrun {
        service: service.clone(),
        found: round + 1,
    });
    let stored = one.route(&service).await.expect("reading");
    assert_eq!(stored.map(|route| route.epoch), Some(rounds));
}
