//! Everything that can be wrong about a zone, a key or a record is told in words, and nothing is
//! changed over it.

use std::sync::Arc;

use landfall_core::Endpoint;
use landfall_core::port::router::Router as _;
use landfall_core::spec::DnsSpec;

use crate::bench::{
    NAME, act, adopt, followed, gateway, hold, key, point, release, router, says, spec,
};
use crate::knot::{KEY, Knot, free_address};
use crate::memory::MemoryStore;

const SOURCE: &str = "127.0.0.2";
const TARGET: &str = "127.0.0.3";

type Key = Option<Result<String, String>>;

/// What a first look at an adopted service says.
async fn told(spec: DnsSpec, key: Key, endpoint: Endpoint, words: &str) {
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, gateway(&spec, key));
    act(&router, adopt(endpoint)).await;
    let said = says(&router, words).await;
    assert!(!said.contains(KEY), "{said}");
}

#[tokio::test]
async fn each_mistake_has_its_words() {
    let records = ["orders 1 A 127.0.0.2", "other 1 A 127.0.0.2", "orders2 900 A 127.0.0.2"];
    let knot = Knot::start(&records).await;
    let (server, port) = (knot.address, free_address().port());
    let source = || Endpoint::new(SOURCE, port);
    let with = |change: &dyn Fn(&mut DnsSpec)| {
        let mut spec = spec(server, port);
        change(&mut spec);
        spec
    };
    let serial = knot.serial().await;
    let unknown = with(&|spec| spec.key_name = Some("nobody".to_owned()));
    told(unknown, key(), source(), "BADKEY").await;
    let wrong = Some(Ok("YW5vdGhlcg==".to_owned()));
    told(with(&|_| ()), wrong, source(), "BADSIG").await;
    let unsigned = with(&|spec| spec.key_name = None);
    told(unsigned, None, source(), "let an unsigned update").await;
    let missing = Some(Err("the file /run/key cannot be read".to_owned()));
    told(with(&|_| ()), missing, source(), "/run/key").await;
    told(with(&|_| ()), Some(Ok("?".to_owned())), source(), "not base64").await;
    let elsewhere = with(&|spec| {
        spec.zone = "example.org".to_owned();
        spec.name = "orders.example.org".to_owned();
    });
    told(elsewhere, key(), source(), "does not answer for the zone example.org").await;
    let parent = with(&|spec| spec.zone = "test".to_owned());
    told(parent, key(), source(), "not the primary of test.").await;
    let forbidden = with(&|spec| spec.name = "other.example.test".to_owned());
    told(forbidden, key(), source(), "does not let it change other").await;
    let silent = with(&|spec| spec.server = Some(free_address().to_string()));
    told(silent, key(), source(), "cannot be asked").await;
    let slow = with(&|spec| spec.name = "orders2.example.test".to_owned());
    told(slow, key(), source(), "the record's TTL is 15m").await;
    told(with(&|_| ()), key(), Endpoint::new(SOURCE, 1), "DNS carries no port").await;
    told(with(&|_| ()), key(), Endpoint::new(TARGET, port), "not to 127.0.0.3").await;
    assert_eq!(knot.serial().await, serial, "something was changed");
}

#[tokio::test]
async fn a_target_on_another_port_is_found_by_the_probe() {
    let store = Arc::new(MemoryStore::default());
    let router = router(&store, gateway(&spec(free_address(), 5432), key()));
    let closed = router.probe(&Endpoint::new(TARGET, 6432)).await.expect("a probe");
    let words = closed.expect_err("another port");
    assert!(words.contains("5432") && words.contains("6432"), "{words}");
}

#[tokio::test]
async fn a_record_that_somebody_changed_is_left_to_them() {
    let knot = Knot::start(&["orders 1 A 127.0.0.2"]).await;
    let port = free_address().port();
    let store = Arc::new(MemoryStore::default());
    let ours = router(&store, gateway(&spec(knot.address, port), key()));
    act(&ours, adopt(Endpoint::new(SOURCE, port))).await;
    followed(&ours, 1).await;
    act(&ours, hold(2)).await;
    followed(&ours, 2).await;

    let other = Arc::new(MemoryStore::default());
    let theirs = router(&other, gateway(&spec(knot.address, port), key()));
    act(&theirs, adopt(Endpoint::new(SOURCE, port))).await;
    act(&theirs, hold(2)).await;
    act(&theirs, point(Endpoint::new("127.0.0.9", port), 3)).await;
    act(&theirs, release(4)).await;
    assert_eq!(knot.resolve(NAME).await, [("127.0.0.9".to_owned(), 1)]);
    drop(theirs);

    says(&ours, "somebody else pointed the record to 127.0.0.9").await;
    act(&ours, point(Endpoint::new(TARGET, port), 3)).await;
    act(&ours, release(4)).await;
    says(&ours, "somebody else pointed the record to 127.0.0.9").await;
    assert_eq!(knot.resolve(NAME).await, [("127.0.0.9".to_owned(), 1)]);
}
