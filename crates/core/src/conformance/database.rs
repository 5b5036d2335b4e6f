//! What every database port must promise: positions that only grow, a marker that proves what a
//! replica has, sessions told apart and ended by class, counters that move with writes alone.
//!
//! One source and one replica serve the whole suite; each promise leaves the source without a
//! marker table. It is not a test of SQL, of a driver or of TLS: those belong to the adapter.

use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::action::{DatabaseAction, SessionClass, SessionsEnded};
use crate::failure::{Failure, FailureKind};
use crate::ids::{DatabaseName, Endpoint};
use crate::lsn::Lsn;
use crate::port::Database;
use crate::port::database::{
    MarkerView, ServerView, Session, SessionKind, SessionState, WriteCounters,
};

/// How many looks an effect may take to become visible, a [`DatabaseFixture::moment`] apart.
pub const LOOKS: u32 = 400;

/// Gives the suite a world: servers, and applications that use them.
#[async_trait]
pub trait DatabaseFixture: Sync {
    /// The implementation.
    fn port(&self) -> &dyn Database;
    /// A writable primary with two databases or more, and no marker table.
    fn source(&self) -> Endpoint;
    /// A physical replica that follows the source.
    fn replica(&self) -> Endpoint;
    /// Where nothing answers.
    fn nowhere(&self) -> Endpoint;
    /// Opens a client session on the source and leaves it in that state; its pid.
    async fn connect(&self, state: SessionState) -> i32;
    /// An application commits one new row in a table of a database of the source.
    async fn write(&self, database: &DatabaseName);
    /// An application prepares a transaction on the source and goes.
    async fn prepare(&self, identifier: &str);
    /// An application rolls a prepared transaction back.
    async fn roll_back_prepared(&self, identifier: &str);
    /// A smoke test that succeeds.
    fn passing_test(&self) -> String;
    /// A smoke test that reads something which is not there.
    fn failing_test(&self) -> String;
    /// A smoke test that would write.
    fn writing_test(&self) -> String;
    /// Lets a little time pass, some 25 ms of it.
    async fn moment(&self);
}

/// Every promise, one after another.
pub async fn every_promise<F: DatabaseFixture>(fixture: &F) {
    servers_tell_their_role(fixture).await;
    a_replica_is_a_copy(fixture).await;
    catalogues_are_listed(fixture).await;
    a_marker_table_comes_and_goes(fixture).await;
    a_marker_proves_what_the_replica_has(fixture).await;
    a_marker_needs_its_table_and_a_primary(fixture).await;
    sessions_are_told_apart(fixture).await;
    idle_sessions_end_first(fixture).await;
    all_sessions_end_but_not_ours_nor_replication(fixture).await;
    prepared_transactions_are_seen(fixture).await;
    counters_move_with_writes_alone(fixture).await;
    smoke_tests_are_judged(fixture).await;
    silence_is_not_an_answer(fixture).await;
}

async fn server<F: DatabaseFixture>(fixture: &F, at: &Endpoint) -> ServerView {
    fixture.port().server(at).await.expect("the server answers")
}

async fn act<F: DatabaseFixture>(
    fixture: &F,
    action: DatabaseAction,
) -> Result<SessionsEnded, Failure> {
    fixture.port().act(&action).await
}

/// Every action may be repeated, so every action of this suite is done twice. Whom it ended.
async fn act_twice<F: DatabaseFixture>(fixture: &F, action: DatabaseAction) -> SessionsEnded {
    let mut ended = SessionsEnded::default();
    for time in ["once", "twice"] {
        let done = fixture.port().act(&action).await;
        assert!(done.is_ok(), "{action}, {time}: {done:?}");
        ended.add(&done.unwrap_or_default());
    }
    ended
}

async fn marker<F: DatabaseFixture>(fixture: &F, at: &Endpoint, token: &str) -> MarkerView {
    fixture.port().marker(at, token).await.expect("the marker can be looked for")
}

async fn sessions<F: DatabaseFixture>(fixture: &F) -> Vec<Session> {
    fixture.port().sessions(&fixture.source()).await.expect("sessions are shown")
}

async fn session<F: DatabaseFixture>(fixture: &F, pid: i32) -> Option<Session> {
    sessions(fixture).await.into_iter().find(|session| session.pid == pid)
}

async fn eventually<F: DatabaseFixture>(
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
    // The state that was seen last is worth more than the number of looks.
    let (source, sessions) = (server(fixture, &fixture.source()).await, sessions(fixture).await);
    assert!(condition().await, "waited in vain for {what}; {source:?}; {sessions:?}");
}

async fn servers_tell_their_role<F: DatabaseFixture>(fixture: &F) {
    let source = server(fixture, &fixture.source()).await;
    assert!(!source.in_recovery && source.writable, "{source:?}");
    assert!(source.flush_lsn.is_some() && source.replay_lsn.is_none(), "{source:?}");
    assert!(source.started_at <= source.now, "{source:?}");

    let replica = server(fixture, &fixture.replica()).await;
    assert!(replica.in_recovery && !replica.writable, "{replica:?}");
    assert!(replica.flush_lsn.is_none() && replica.replay_lsn.is_some(), "{replica:?}");

    let later = server(fixture, &fixture.source()).await;
    assert!(later.flush_lsn >= source.flush_lsn, "{later:?} after {source:?}");
    assert!(later.now >= source.now, "{later:?} after {source:?}");
    assert_eq!(later.started_at, source.started_at, "nobody restarted it");
}

async fn a_replica_is_a_copy<F: DatabaseFixture>(fixture: &F) {
    let source = server(fixture, &fixture.source()).await;
    let replica = server(fixture, &fixture.replica()).await;
    if let (Some(source), Some(replica)) = (source.system_identifier, replica.system_identifier) {
        assert_eq!(source, replica);
    }
    if let (Some(source), Some(replica)) = (source.timeline, replica.timeline) {
        assert_eq!(source, replica);
    }
}

async fn catalogues_are_listed<F: DatabaseFixture>(fixture: &F) {
    let (port, source) = (fixture.port(), fixture.source());
    let databases = port.databases(&source).await.expect("databases are listed");
    assert!(databases.len() >= 2, "{databases:?}");
    let distinct: BTreeSet<_> = databases.iter().collect();
    assert_eq!(distinct.len(), databases.len(), "{databases:?}");

    let counters = port.write_counters(&source).await.expect("writes are counted");
    assert_eq!(counters.keys().collect::<BTreeSet<_>>(), distinct, "every database is counted");
    let extensions = port.extensions(&source).await.expect("extensions are listed");
    for extension in &extensions {
        assert!(distinct.contains(&extension.database), "{extension:?}");
    }
    let settings = port.settings(&source).await.expect("settings are read");
    assert!(!settings.is_empty());
    assert!(port.slots(&source).await.is_ok());
}

async fn a_marker_table_comes_and_goes<F: DatabaseFixture>(fixture: &F) {
    let at = fixture.source();
    assert_eq!(marker(fixture, &at, "m-1").await, MarkerView::NoTable);
    act_twice(fixture, DatabaseAction::DropMarkerTable { at: at.clone() }).await;
    act_twice(fixture, DatabaseAction::CreateMarkerTable { at: at.clone() }).await;
    assert_eq!(marker(fixture, &at, "m-1").await, MarkerView::Absent);
    act_twice(fixture, DatabaseAction::DropMarkerTable { at: at.clone() }).await;
    assert_eq!(marker(fixture, &at, "m-1").await, MarkerView::NoTable);
}

/// The position of a marker that can be read on a primary.
fn position(view: MarkerView) -> Lsn {
    let MarkerView::Visible { flush_lsn: Some(position) } = view else {
        unreachable!("expected a position, found {view:?}")
    };
    position
}

async fn a_marker_proves_what_the_replica_has<F: DatabaseFixture>(fixture: &F) {
    let (source, replica) = (fixture.source(), fixture.replica());
    act_twice(fixture, DatabaseAction::CreateMarkerTable { at: source.clone() }).await;
    let before = server(fixture, &source).await.flush_lsn.expect("a primary has a position");
    let token = "m-proof".to_owned();
    act_twice(fixture, DatabaseAction::WriteMarker { at: source.clone(), token }).await;
    assert_eq!(marker(fixture, &source, "m-other").await, MarkerView::Absent);
    let first = position(marker(fixture, &source, "m-proof").await);
    assert!(first > before, "the marker at {first} was written after {before}");
    assert!(position(marker(fixture, &source, "m-proof").await) >= first);

    eventually(fixture, "the replica to replay the marker", async || {
        server(fixture, &replica).await.replay_lsn >= Some(first)
    })
    .await;
    // What is replayed is visible, at the very first look.
    let seen = marker(fixture, &replica, "m-proof").await;
    assert_eq!(seen, MarkerView::Visible { flush_lsn: None });
    act_twice(fixture, DatabaseAction::DropMarkerTable { at: source }).await;
    eventually(fixture, "the replica to replay the drop", async || {
        marker(fixture, &replica, "m-proof").await == MarkerView::NoTable
    })
    .await;
}

async fn a_marker_needs_its_table_and_a_primary<F: DatabaseFixture>(fixture: &F) {
    let (source, replica) = (fixture.source(), fixture.replica());
    let token = "m-early".to_owned();
    let early = act(fixture, DatabaseAction::WriteMarker { at: source.clone(), token }).await;
    assert_eq!(early.expect_err("there is no table").kind, FailureKind::NotFound);
    assert_eq!(marker(fixture, &source, "m-early").await, MarkerView::NoTable);

    let refused = act(fixture, DatabaseAction::CreateMarkerTable { at: replica }).await;
    assert_eq!(refused.expect_err("a replica is read-only").kind, FailureKind::WrongState);
}

async fn sessions_are_told_apart<F: DatabaseFixture>(fixture: &F) {
    let idle = fixture.connect(SessionState::Idle).await;
    let busy = fixture.connect(SessionState::InTransaction).await;
    for (pid, state) in [(idle, SessionState::Idle), (busy, SessionState::InTransaction)] {
        eventually(fixture, "a session in its state", async || {
            session(fixture, pid).await.is_some_and(|session| session.state == state)
        })
        .await;
        let session = session(fixture, pid).await.expect("it was there a moment ago");
        assert_eq!(session.kind, SessionKind::Client, "{session:?}");
        assert!(session.database.is_some() && session.user.is_some(), "{session:?}");
    }
    let idle = session(fixture, idle).await.expect("nobody ended it");
    assert!(idle.transaction_age.is_zero(), "{idle:?}");
    let before = idle.age;
    assert!(before.is_some(), "{idle:?}");
    eventually(fixture, "a session to grow old", async || {
        session(fixture, idle.pid).await.is_some_and(|session| session.age > before)
    })
    .await;
    eventually(fixture, "a transaction to grow old", async || {
        session(fixture, busy).await.is_some_and(|session| !session.transaction_age.is_zero())
    })
    .await;
}

fn terminate<F: DatabaseFixture>(fixture: &F, class: SessionClass) -> DatabaseAction {
    DatabaseAction::TerminateSessions { at: fixture.source(), class }
}

async fn idle_sessions_end_first<F: DatabaseFixture>(fixture: &F) {
    let idle = fixture.connect(SessionState::Idle).await;
    let busy = fixture.connect(SessionState::InTransaction).await;
    let ended = act_twice(fixture, terminate(fixture, SessionClass::Idle)).await;
    assert!(ended.idle.contains(&idle) && ended.in_transaction.is_empty(), "{ended:?}");
    eventually(fixture, "an idle session to end", async || session(fixture, idle).await.is_none())
        .await;
    let busy = session(fixture, busy).await;
    assert_eq!(busy.map(|busy| busy.state), Some(SessionState::InTransaction));
}

async fn replication<F: DatabaseFixture>(fixture: &F) -> BTreeSet<i32> {
    let sessions = sessions(fixture).await.into_iter();
    sessions.filter(|s| s.kind == SessionKind::Replication).map(|s| s.pid).collect()
}

async fn all_sessions_end_but_not_ours_nor_replication<F: DatabaseFixture>(fixture: &F) {
    let followers = replication(fixture).await;
    let idle = fixture.connect(SessionState::Idle).await;
    let busy = fixture.connect(SessionState::InTransaction).await;
    let ended = act_twice(fixture, terminate(fixture, SessionClass::All)).await;
    assert!(ended.idle.contains(&idle) && ended.in_transaction.contains(&busy), "{ended:?}");
    eventually(fixture, "every client to go", async || {
        let sessions = sessions(fixture).await;
        sessions.iter().all(|s| !matches!(s.kind, SessionKind::Client | SessionKind::Unknown))
    })
    .await;
    assert_eq!(replication(fixture).await, followers, "replication goes on");
    let source = server(fixture, &fixture.source()).await;
    assert!(source.writable, "a termination is no lock: {source:?}");
}

async fn prepared_transactions_are_seen<F: DatabaseFixture>(fixture: &F) {
    let (port, source) = (fixture.port(), fixture.source());
    let none = port.prepared_transactions(&source).await.expect("they are listed");
    assert!(none.is_empty(), "{none:?}");
    fixture.prepare("orders-42").await;
    // It has no session any more, and no termination ends it.
    act_twice(fixture, terminate(fixture, SessionClass::All)).await;
    let one = port.prepared_transactions(&source).await.expect("they are listed");
    assert_eq!(one, ["orders-42"]);
    fixture.roll_back_prepared("orders-42").await;
    let none = port.prepared_transactions(&source).await.expect("they are listed");
    assert!(none.is_empty(), "{none:?}");
}

async fn counters<F: DatabaseFixture>(fixture: &F) -> WriteCounters {
    fixture.port().write_counters(&fixture.source()).await.expect("writes are counted")
}

fn total(counters: &WriteCounters, database: &DatabaseName) -> u64 {
    counters.get(database).map_or(0, |tables| tables.values().sum())
}

async fn counters_move_with_writes_alone<F: DatabaseFixture>(fixture: &F) {
    let source = fixture.source();
    let databases = fixture.port().databases(&source).await.expect("databases are listed");
    for database in &databases {
        let before = counters(fixture).await;
        fixture.write(database).await;
        eventually(fixture, "a write to be counted", async || {
            total(&counters(fixture).await, database) > total(&before, database)
        })
        .await;
        let after = counters(fixture).await;
        for other in databases.iter().filter(|other| *other != database) {
            assert_eq!(total(&after, other), total(&before, other), "nobody wrote in {other}");
        }
    }
    let still = counters(fixture).await;
    act_twice(fixture, DatabaseAction::CreateMarkerTable { at: source.clone() }).await;
    let token = "m-uncounted".to_owned();
    act_twice(fixture, DatabaseAction::WriteMarker { at: source.clone(), token }).await;
    assert_eq!(counters(fixture).await, still, "our own writes are not counted");
    act_twice(fixture, DatabaseAction::DropMarkerTable { at: source }).await;
}

async fn smoke_tests_are_judged<F: DatabaseFixture>(fixture: &F) {
    for at in [fixture.source(), fixture.replica()] {
        let passed = fixture.port().smoke(&at, &fixture.passing_test()).await;
        assert_eq!(passed, Ok(Ok(Some("1".to_owned()))), "the test's first value");
        for test in [fixture.failing_test(), fixture.writing_test()] {
            let judged = fixture.port().smoke(&at, &test).await.expect("the test could be run");
            let words = judged.expect_err("the test fails");
            assert!(!words.is_empty() && !words.contains(&test), "{words}");
        }
    }
}

async fn silence_is_not_an_answer<F: DatabaseFixture>(fixture: &F) {
    let nowhere = fixture.nowhere();
    let silent = |kind| matches!(kind, FailureKind::Unavailable | FailureKind::TimedOut);
    let look = fixture.port().server(&nowhere).await.expect_err("nobody is there");
    assert!(silent(look.kind), "{look:?}");
    let test = fixture.port().smoke(&nowhere, &fixture.passing_test()).await;
    assert!(silent(test.expect_err("it could not be run").kind));
    let token = "m-nowhere".to_owned();
    let written = act(fixture, DatabaseAction::WriteMarker { at: nowhere, token }).await;
    assert!(silent(written.expect_err("nobody took it").kind));
}
