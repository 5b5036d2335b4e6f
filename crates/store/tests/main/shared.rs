//! The shared store against the contract, and against what happens to servers and to the way to
//! them. One real PostgreSQL per test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use jiff::Timestamp;
use landfall_core::conformance::store::{StoreFixture, Task, every_promise};
use landfall_core::journal::{Author, Lease, Store, StoreError, StoreTrouble};
use landfall_core::port::Stamp;
use landfall_core::port::router::{Passage, Route, Traffic};
use landfall_core::{Endpoint, Epoch, MigrationName, Seq, ServiceName};
use landfall_lab::process::RunAs;
use landfall_lab::server::{RunFolder, Server, ServerConfig, StopMode};
use landfall_lab::tools;
use landfall_store::{PostgresAddress, PostgresStore};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::file::entry;

const BOUND: Duration = Duration::from_secs(6);

/// A server, and the folder that goes with it.
struct Bench {
    server: Server,
    _folder: RunFolder,
}

impl Bench {
    async fn new() -> Self {
        let folder = RunFolder::create().unwrap();
        let path = folder.path();
        let tools = tools::postgres().unwrap();
        let mut config = ServerConfig::new(path.join("store"), path.join("s"), tools);
        config.run_as = RunAs::detect().unwrap();
        config.databases = vec!["moves".to_owned()];
        Self { server: Server::initialise(config).await.unwrap(), _folder: folder }
    }

    async fn admin(&self, sql: &str) {
        self.server.run_script("moves", sql).await.unwrap();
    }

    async fn open(&self) -> PostgresStore {
        open(self.server.address(), BOUND).await.unwrap()
    }
}

async fn open(at: SocketAddr, bound: Duration) -> Result<PostgresStore, StoreError> {
    open_as("postgres", at, bound).await
}

async fn open_as(user: &str, at: SocketAddr, bound: Duration) -> Result<PostgresStore, StoreError> {
    let url = format!("postgres://{user}@{at}/moves?sslmode=disable");
    let address = PostgresAddress::parse(&url, bound).unwrap();
    PostgresStore::open(address.with_password(|| Ok("postgres".to_owned()))).await
}

fn orders() -> MigrationName {
    MigrationName::new("orders")
}

/// Leases judged by what the callers say, so that the suite need not wait: the same statements with
/// another clock.
const CALLERS_CLOCK: &str = "create or replace function landfall_store.lease_clock(claimed bigint) \
     returns bigint language sql volatile as 'select claimed'";

struct Servers<'a> {
    bench: &'a Bench,
    runtime: &'a Runtime,
}

#[async_trait]
impl StoreFixture for Servers<'_> {
    type Store = PostgresStore;

    async fn fresh(&self) -> PostgresStore {
        self.bench.admin("drop schema if exists landfall_store cascade").await;
        let store = self.bench.open().await;
        self.bench.admin(CALLERS_CLOCK).await;
        store
    }

    async fn reopen(&self) -> PostgresStore {
        self.bench.open().await
    }

    fn drive(&self, task: Task<'_>) {
        self.runtime.block_on(task);
    }
}

#[test]
fn postgresql_keeps_every_promise() {
    let runtime = Runtime::new().unwrap();
    let bench = runtime.block_on(Bench::new());
    runtime.block_on(every_promise(&Servers { bench: &bench, runtime: &runtime }));
    runtime.block_on(bench.server.stop(StopMode::Immediate));
}

/// Polls until somebody else may lead, and says when that was.
async fn takes(store: &PostgresStore, now: Timestamp) -> (Lease, Instant) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..500 {
        tick.tick().await;
        match store.take_lease(&orders(), "two", now, now + Duration::from_secs(60)).await {
            Ok(lease) => return (lease, Instant::now()),
            Err(StoreError::LeaseHeld { holder, .. }) => assert_eq!(holder, "one"),
            Err(other) => panic!("{other}"),
        }
    }
    panic!("the lease never ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_judged_by_one_clock_however_the_callers_differ() {
    let bench = Bench::new().await;
    let (one, two) = (bench.open().await, bench.open().await);
    let day = Duration::from_hours(24);
    let lasts = Duration::from_millis(1_500);
    // The first is a day behind, and the second a day ahead.
    let (behind, ahead) = (Timestamp::now() - day, Timestamp::now() + day);
    let lease = one.take_lease(&orders(), "one", behind, behind + lasts).await.unwrap();
    assert_eq!(lease.until, behind + lasts, "by the holder's own clock");
    let stored = two.lease(&orders()).await.unwrap().unwrap();
    let left = stored.until.duration_since(Timestamp::now());
    assert!(left.is_positive() && left.unsigned_abs() <= lasts, "{left}");
    // Its clock jumps a year back, and the lease is as long as it says.
    let jumped = behind - day * 365;
    let renewed = Instant::now();
    let lease = one.renew_lease(&lease, jumped, jumped + lasts).await.unwrap();
    assert_eq!(lease.until, jumped + lasts);
    let (next, at) = takes(&two, ahead).await;
    let waited = at - renewed;
    assert!(waited >= lasts && waited < lasts + Duration::from_secs(3), "{waited:?}");
    assert_eq!(next.epoch, Epoch(lease.epoch.0 + 1));
    let refused = one.append(led(0, lease.epoch)).await;
    assert_eq!(refused, Err(StoreError::EpochLost(lease.epoch)));
    bench.server.stop(StopMode::Immediate).await;
}

fn led(after: u64, epoch: Epoch) -> landfall_core::journal::NewEntry {
    let mut new = entry(after, "x");
    new.author = Author::Leader(epoch);
    new
}

const THROUGH: u8 = 0;
/// The next answer is not delivered, and its connection breaks.
const LOSES: u8 = 1;
/// Nothing is delivered, and nothing breaks.
const SILENT: u8 = 2;

/// The way to the server, which may fail.
struct Way {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Way {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(AtomicU8::new(THROUGH));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await;
                if let Ok(server) = server {
                    tokio::spawn(carry(client, server, Arc::clone(&shared)));
                }
            }
        });
        Self { address, mode }
    }

    fn becomes(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
    }
}

async fn carry(client: TcpStream, server: TcpStream, mode: Arc<AtomicU8>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there =
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
        if mode.compare_exchange(LOSES, THROUGH, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            break;
        }
        if mode.load(Ordering::SeqCst) == SILENT {
            continue;
        }
        if to_client.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    there.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_known_as_ones_own() {
    let bench = Bench::new().await;
    let way = Way::to(bench.server.address()).await;
    let store = open(way.address, BOUND).await.unwrap();
    let (now, minute) = (Timestamp::now(), Duration::from_secs(60));

    way.becomes(LOSES);
    let lease = store.take_lease(&orders(), "one", now, now + minute).await.unwrap();
    assert_eq!((lease.epoch, lease.until), (Epoch(1), now + minute), "taken once");
    for after in 0..5 {
        way.becomes(LOSES);
        assert_eq!(store.append(led(after, lease.epoch)).await, Ok(Seq(after + 1)));
    }
    let read = store.read(&orders(), Seq(0)).await.unwrap();
    assert_eq!(read.len(), 5, "written once each");

    way.becomes(LOSES);
    assert_eq!(
        store.renew_lease(&lease, now, now + minute * 2).await.map(|l| l.epoch),
        Ok(Epoch(1))
    );
    let route = Route {
        service: ServiceName::new("shop"),
        endpoint: Endpoint::new("source", 5432),
        traffic: Traffic::Open,
        epoch: 1,
        passage: Passage::default(),
    };
    let stamp = Stamp { migration: orders(), epoch: lease.epoch };
    way.becomes(LOSES);
    assert_eq!(store.put_route(&route, Some(&stamp)).await, Ok(()));
    way.becomes(LOSES);
    assert_eq!(store.routes().await, Ok(vec![route]));
    bench.server.stop(StopMode::Immediate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_wrote_is_not_taken_for_ones_own() {
    let bench = Bench::new().await;
    let way = Way::to(bench.server.address()).await;
    let store = open(way.address, BOUND).await.unwrap();
    let now = Timestamp::now();
    let until = now + Duration::from_secs(60);
    let lease = store.take_lease(&orders(), "one", now, until).await.unwrap();
    // The same record, of the same epoch, by another call.
    let other = bench.open().await;
    assert_eq!(other.append(led(0, lease.epoch)).await, Ok(Seq(1)));
    way.becomes(LOSES);
    assert_eq!(store.append(led(0, lease.epoch)).await, Err(StoreError::Outrun(Seq(1))));
    assert_eq!(store.read(&orders(), Seq(0)).await.map(|read| read.len()), Ok(1));
    bench.server.stop(StopMode::Immediate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_costs_no_more_than_the_bound_and_is_told() {
    let bench = Bench::new().await;
    let way = Way::to(bench.server.address()).await;
    let bound = Duration::from_secs(1);
    let store = open(way.address, bound).await.unwrap();
    way.becomes(SILENT);
    let began = Instant::now();
    let error = store.append(entry(0, "x")).await.unwrap_err();
    assert!(began.elapsed() < bound * 3, "{:?}", began.elapsed());
    assert_eq!(error.trouble(), StoreTrouble::Unreachable);
    let told = error.to_string();
    let place = format!("the database moves on {}", way.address);
    assert!(told.contains(&place) && told.contains("no answer within 1s"), "{told}");
    way.becomes(THROUGH);
    // Whether the first was written is read back by whoever goes on.
    let last = store.read(&orders(), Seq(0)).await.unwrap().len();
    assert!(last <= 1);
    let last = Seq(u64::try_from(last).unwrap());
    assert_eq!(store.append(entry(last.0, "y")).await, Ok(last.next()));
    bench.server.stop(StopMode::Immediate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_is_told_and_found_again() {
    let bench = Bench::new().await;
    let store = bench.open().await;
    assert_eq!(store.append(entry(0, "x")).await, Ok(Seq(1)));
    bench.server.stop(StopMode::Immediate).await;
    let error = store.append(entry(1, "x")).await.unwrap_err();
    assert_eq!(error.trouble(), StoreTrouble::Unreachable, "{error}");
    assert_eq!(store.routes().await.unwrap_err().trouble(), StoreTrouble::Unreachable);
    bench.server.start().await.unwrap();
    assert_eq!(store.append(entry(1, "x")).await, Ok(Seq(2)));
    let ends = "select pg_terminate_backend(pid) from pg_stat_activity \
                where application_name = 'landfall'";
    bench.admin(ends).await;
    assert_eq!(store.append(entry(2, "x")).await, Ok(Seq(3)), "another connection");
    bench.server.stop(StopMode::Immediate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_come_first_make_one_schema_and_nobody_rewrites_it() {
    let bench = Bench::new().await;
    let at = bench.server.address();
    let opened = join_all((0..8).map(|_| open(at, BOUND))).await;
    assert!(opened.iter().all(Result::is_ok), "{:?}", opened.iter().find_map(|o| o.as_ref().err()));
    let store = opened.into_iter().next().unwrap().unwrap();
    assert_eq!(store.append(entry(0, "x")).await, Ok(Seq(1)));
    for rewrite in [
        "update landfall_store.entries set record = '{}'",
        "delete from landfall_store.entries",
        "truncate landfall_store.entries",
    ] {
        let refused = bench.server.run_script("moves", rewrite).await.unwrap_err();
        assert!(format!("{refused:?}").contains("append-only"), "{refused:?}");
    }
    // A newer program came meanwhile.
    bench.admin("update landfall_store.version set number = 7").await;
    assert_eq!(store.append(entry(1, "x")).await, Err(StoreError::Newer(7)));
    assert_eq!(open(at, BOUND).await.err(), Some(StoreError::Newer(7)));
    bench.server.stop(StopMode::Immediate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_server_refuses_is_told_what_to_look_at() {
    let bench = Bench::new().await;
    bench.admin("create role reader login password 'postgres'").await;
    for user in ["nobody_here", "reader"] {
        let error = open_as(user, bench.server.address(), BOUND).await.err().unwrap();
        assert_eq!(error.trouble(), StoreTrouble::Refused, "{error}");
        let told = error.to_string();
        assert!(told.contains("check the role") && !told.contains("postgres://"), "{told}");
    }
    let url = format!("postgres://postgres@{}/moves", bench.server.address());
    let tls = PostgresAddress::parse(&url, BOUND).unwrap().with_password(|| Ok(String::new()));
    let error = PostgresStore::open(tls).await.err().unwrap();
    assert!(error.to_string().contains("TLS"), "plain text is not fallen back to: {error}");
    bench.server.stop(StopMode::Immediate).await;
}
