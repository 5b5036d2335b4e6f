//! A zone behind an API, as Route 53 is: a stand-in that takes changes whole or not at all and
//! brings them to its servers later. The API itself is tried with the adapter.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::port::zone::{ZoneChange, ZoneRecord, ZoneTarget};
use landfall_core::port::{Zone, router::Router as _};
use landfall_core::spec::DnsSpec;
use landfall_core::{Endpoint, Failure, FailureKind};
use landfall_route::{DnsGateway, DnsMemory, DnsSurroundings, DnsWrites};

use crate::bench::{NAME, act, adopt, followed, hold, nodes, orders, point, release, router, says};
use crate::memory::MemoryStore;
use crate::wall_clock::WallClock;

const SOURCE: &str = "10.0.0.1";
const TARGET: &str = "orders-aurora.example.org";

/// More than a handful of questions in these seconds would be refused by Route 53.
const QUESTIONS_MAX: u32 = 12;

#[derive(Default)]
struct State {
    records: Vec<ZoneRecord>,
    comments: Vec<String>,
    /// How many changes are everywhere.
    everywhere: usize,
    questions: u32,
    refuses: Option<&'static str>,
}

#[derive(Default)]
struct StandIn(Mutex<State>);

impl StandIn {
    fn with(record: ZoneRecord) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { records: vec![record], ..State::default() })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic")
    }

    /// Everything so far is everywhere.
    fn spread(&self) {
        let mut state = self.state();
        state.everywhere = state.comments.len();
    }
}

fn refusal(why: &str) -> Failure {
    Failure::new(FailureKind::Invalid, "use the record", why)
}

#[async_trait]
impl Zone for StandIn {
    async fn records(&self, name: &str) -> Result<Vec<ZoneRecord>, Failure> {
        assert_eq!(name, format!("{NAME}."));
        let mut state = self.state();
        state.questions += 1;
        state.refuses.map_or_else(|| Ok(state.records.clone()), |why| Err(refusal(why)))
    }

    async fn replace(&self, change: &ZoneChange) -> Result<String, Failure> {
        let mut state = self.state();
        if change.seen != state.records {
            return Err(refusal("the values do not match the current ones"));
        }
        state.records = vec![change.wanted.clone()];
        state.comments.push(change.comment.clone());
        Ok(state.comments.len().to_string())
    }

    async fn is_everywhere(&self, change: &str) -> Result<bool, Failure> {
        let mut state = self.state();
        state.questions += 1;
        Ok(change.parse::<usize>().is_ok_and(|change| change <= state.everywhere))
    }
}

fn address(text: &str) -> ZoneRecord {
    let target = ZoneTarget::Address(text.parse().expect("an address"));
    ZoneRecord { target, ttl: Duration::from_secs(1) }
}

fn spec() -> DnsSpec {
    let text = format!(
        r#"{{"name": "{NAME}", "zone": "example.test", "hosted_zone": "Z1", "ttl": "1s"}}"#
    );
    serde_json::from_str(&text).expect("a spec")
}

fn gateway(zone: &Arc<StandIn>) -> Arc<DnsGateway> {
    let around = DnsSurroundings {
        call_timeout: Duration::from_secs(2),
        memory: DnsMemory::default(),
        clock: Arc::new(WallClock),
    };
    let zone: Arc<StandIn> = Arc::clone(zone);
    let made = DnsGateway::new(&spec(), orders(), DnsWrites::Hosted(zone), around);
    Arc::new(made.expect("a spec that holds"))
}

#[tokio::test]
async fn a_release_waits_until_the_change_is_everywhere_and_asks_seldom() {
    let zone = StandIn::with(address(SOURCE));
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, gateway(&zone));
    act(&router, adopt(Endpoint::new(SOURCE, 5432))).await;
    says(&router, "Route 53 has not brought the change to all of its servers").await;
    zone.spread();
    followed(&router, 1).await;
    let tried = zone.state().comments.clone();
    assert!(matches!(tried.as_slice(), [one] if one.contains("stays")), "{tried:?}");

    act(&router, hold(2)).await;
    followed(&router, 2).await;
    act(&router, point(Endpoint::new(TARGET, 5432), 3)).await;
    followed(&router, 3).await;
    assert_eq!(zone.state().records, [address(SOURCE)], "nothing moves before the release");
    assert_eq!(zone.state().comments.len(), 1, "the pause does not wait for a change");

    act(&router, release(4)).await;
    let target = ZoneTarget::Name(format!("{TARGET}."));
    let wanted = ZoneRecord { target, ttl: Duration::from_secs(1) };
    assert_eq!(zone.state().records, [wanted]);
    let comment = format!("landfall: orders to {TARGET}., epoch 4");
    assert_eq!(zone.state().comments.last(), Some(&comment));
    says(&router, "Route 53 has not brought the change to all of its servers").await;
    assert_eq!(nodes(&router).await[0].node, "route53 Z1");
    zone.spread();
    says(&router, "resolvers may have the record from before").await;
    followed(&router, 4).await;
    let questions = zone.state().questions;
    assert!(questions <= QUESTIONS_MAX, "{questions} questions");
}

#[tokio::test]
async fn what_is_somebody_elses_is_left_to_them() {
    let zone = StandIn::with(address("10.9.9.9"));
    let store = Arc::new(MemoryStore::default());
    let own = router(&store, gateway(&zone));
    act(&own, adopt(Endpoint::new(SOURCE, 5432))).await;
    says(&own, "the record points to 10.9.9.9, not to 10.0.0.1").await;
    assert_eq!(zone.state().records, [address("10.9.9.9")]);

    let zone = StandIn::with(address(SOURCE));
    zone.state().refuses = Some("it is weighted (set identifier blue)");
    let store = Arc::new(MemoryStore::default());
    let own = router(&store, gateway(&zone));
    act(&own, adopt(Endpoint::new(SOURCE, 5432))).await;
    says(&own, "weighted (set identifier blue)").await;
    assert!(zone.state().comments.is_empty());
    let elsewhere = own.probe(&Endpoint::new(TARGET, 6432)).await;
    assert!(matches!(elsewhere, Ok(Err(words)) if words.contains("is not on port 5432")));
}
