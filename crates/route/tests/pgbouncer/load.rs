//! Clients that write through two nodes while their database is moved under them, again and
//! again: no statement fails, and no row is written where nobody may write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use landfall_core::ServiceName;
use landfall_core::port::Router as _;
use landfall_core::port::router::Sessions;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::rig::{APPLICATION, BOUND, Rig, Steered, connect, pause};
use crate::servers::Database;

const CUTOVERS: usize = 20;
const CLIENTS: usize = 8;

/// What clients count.
#[derive(Default)]
struct Tally {
    committed: AtomicI64,
    failed: std::sync::Mutex<Vec<String>>,
    enough: AtomicBool,
}

impl Tally {
    async fn goes_on(&self, more: i64) {
        let wanted = self.committed.load(Ordering::SeqCst) + more;
        let end = Instant::now() + BOUND;
        while self.committed.load(Ordering::SeqCst) < wanted {
            let failed = self.failed.lock().expect("no panic").clone();
            assert!(failed.is_empty(), "{failed:#?}");
            assert!(Instant::now() < end, "the clients stand still");
            pause().await;
        }
    }
}

/// Half of the clients in transactions of several statements, half in single ones.
async fn client(rig: Arc<Rig>, number: usize, tally: Arc<Tally>) {
    let node = rig.node(number % rig.nodes.len()).address();
    let session = connect(node, "shop", APPLICATION).await.expect("log in");
    for seq in 0.. {
        if tally.enough.load(Ordering::SeqCst) {
            return;
        }
        let insert = format!("insert into written values ({number}, {seq})");
        let done = if number.is_multiple_of(4) {
            session.batch_execute(&insert).await
        } else {
            transact(&session, &insert).await
        };
        match done {
            Ok(()) => tally.committed.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                let words = format!("client {number}, {seq}: {error:?}");
                tally.failed.lock().expect("no panic").push(words);
                return;
            }
        };
    }
}

async fn transact(
    session: &tokio_postgres::Client,
    insert: &str,
) -> Result<(), tokio_postgres::Error> {
    session.batch_execute("begin").await?;
    session.batch_execute(insert).await?;
    session.batch_execute("select pg_sleep(0.002)").await?;
    session.batch_execute("commit").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_fails_in_twenty_cutovers_under_load() {
    let (mut from, mut to) = (Database::start().await, Database::start().await);
    // A minimum of connections is what PgBouncer tries to have in the pause as well.
    let settings = ["default_pool_size = 6", "min_pool_size = 2"];
    let rig = Arc::new(Rig::start(2, &from.endpoint(), "transaction", &settings).await);
    from.know(&rig);
    to.know(&rig);
    let service = ServiceName::new("shop");
    let steered = Steered { router: rig.router(&service), service };
    let ability = steered.router.ability().await.expect("they answer");
    assert_eq!(ability.sessions, Sessions::Kept);
    assert_eq!(ability.holds_at_most, Some(Duration::from_secs(60)));
    let first = steered.adopt(&from.endpoint()).await;
    steered.followed(first).await;
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(client(Arc::clone(&rig), number, Arc::clone(&tally)));
    }
    tally.goes_on(200).await;
    for _ in 0..CUTOVERS {
        to.open();
        let before = to.rows().await;
        let held = steered.hold().await;
        steered.followed(held).await;
        from.fence(Duration::from_secs(10)).await;
        let pointed = steered.point(&to.endpoint()).await;
        steered.followed(pointed).await;
        assert_eq!(to.rows().await, before, "somebody wrote before the release");
        let released = steered.release().await;
        steered.followed(released).await;
        tally.goes_on(100).await;
        std::mem::swap(&mut from, &mut to);
    }
    tally.enough.store(true, Ordering::SeqCst);
    while let Some(ended) = clients.join_next().await {
        ended.expect("no client panics");
    }
    let failed = tally.failed.lock().expect("no panic").clone();
    assert!(failed.is_empty(), "{failed:#?}");
    let written = from.rows().await + to.rows().await;
    assert_eq!(written, tally.committed.load(Ordering::SeqCst), "lost or doubled");
    from.stop().await;
    to.stop().await;
}
