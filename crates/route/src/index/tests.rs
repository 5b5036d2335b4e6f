//! The index by itself: two proxies, restarts, what is listed.

use landfall_core::Endpoint;
use landfall_core::port::router::{Passage, Traffic};

use super::*;
use crate::stream::Answer;
use crate::subscription::Told;

mod sequences;

fn orders() -> ServiceName {
    ServiceName::new("orders")
}

fn route(traffic: Traffic, epoch: u64) -> Route {
    Route {
        service: orders(),
        endpoint: Endpoint::new("127.0.0.1", 5432),
        traffic,
        epoch,
        passage: Passage::default(),
    }
}

fn open(epoch: u64) -> Route {
    route(Traffic::Open, epoch)
}

fn held(epoch: u64) -> Route {
    route(Traffic::Held, epoch)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn subscribe() -> Said {
    Said { subscribe: vec![orders()], ..Said::default() }
}

fn subscribe_having(version: &str) -> Said {
    Said { reported: [(orders(), version.to_owned())].into(), ..subscribe() }
}

fn accept(nonce: u64) -> Said {
    Said { answer: Some(Answer { nonce, refusal: None }), ..Said::default() }
}

fn refuse(nonce: u64) -> Said {
    let refusal = Some("no such address".to_owned());
    Said { answer: Some(Answer { nonce, refusal }), ..Said::default() }
}

/// What was sent, in short: the stream and the epoch, negative for a removal.
fn sent(messages: &[Addressed]) -> Vec<(StreamId, i64)> {
    let short = |told: &Told| match told {
        Told::Cluster(rendered) => i64::try_from(rendered.route.epoch).expect("small"),
        Told::Removal(epoch) => -i64::try_from(*epoch).expect("small"),
    };
    messages.iter().map(|(id, message)| (*id, short(&message.told))).collect()
}

#[test]
fn a_change_is_rendered_once_for_all_proxies() {
    let mut index = Index::default();
    index.apply(vec![held(1)]);
    for node in ["shop-1", "shop-2", "shop-3"] {
        let id = index.connect(node.to_owned(), at(0));
        assert_eq!(index.hear(id, subscribe(), at(0)), []);
    }
    let messages = index.apply(vec![open(2)]);
    let renderings: Vec<_> = messages
        .iter()
        .map(|(_, message)| match &message.told {
            Told::Cluster(rendered) => rendered,
            Told::Removal(_) => panic!("a release removes nothing"),
        })
        .collect();
    assert_eq!(renderings.len(), 3);
    assert!(renderings.windows(2).all(|two| Arc::ptr_eq(two[0], two[1])));
}

fn answer_all(index: &mut Index, messages: Vec<Addressed>) {
    for (id, message) in messages {
        assert_eq!(index.hear(id, accept(message.nonce), at(1)), []);
    }
}

/// An index with an adopted route and a proxy that follows it.
fn with_proxy(node: &str) -> (Index, StreamId) {
    let mut index = Index::default();
    index.apply(vec![open(1)]);
    let id = index.connect(node.to_owned(), at(0));
    let messages = index.hear(id, subscribe(), at(0));
    assert_eq!(sent(&messages), [(id, 1)]);
    answer_all(&mut index, messages);
    (index, id)
}

fn follows(index: &Index, epoch: u64) -> Vec<(String, bool)> {
    let proxies = index.proxies(&orders(), at(2));
    proxies.into_iter().map(|proxy| (proxy.node.clone(), proxy.follows(epoch))).collect()
}

#[test]
fn two_proxies_are_told_and_counted_each() {
    let (mut index, first) = with_proxy("a");
    let second = index.connect("b".to_owned(), at(0));
    let told = index.hear(second, subscribe(), at(0));
    assert_eq!(sent(&told), [(second, 1)]);
    assert_eq!(follows(&index, 1), [("a".to_owned(), true), ("b".to_owned(), false)]);
    answer_all(&mut index, told);
    let told = index.apply(vec![held(2)]);
    assert_eq!(sent(&told), [(first, -2), (second, -2)]);
    answer_all(&mut index, told);
    assert_eq!(sent(&index.apply(vec![held(3)])), [], "pointing is silent");
    assert_eq!(follows(&index, 3), [("a".to_owned(), true), ("b".to_owned(), true)]);
    assert_eq!(sent(&index.apply(vec![open(4)])), [(first, 4), (second, 4)]);
}

#[test]
fn older_routes_are_ignored() {
    let (mut index, id) = with_proxy("a");
    assert_eq!(sent(&index.apply(vec![open(5)])), [(id, 5)]);
    assert_eq!(index.apply(vec![held(4), open(5)]), []);
    assert_eq!(sent(&index.apply(vec![open(6)])), [(id, 6)]);
}

#[test]
fn a_restart_while_held_is_silent() {
    let mut restarted = Index::default();
    restarted.apply(vec![held(2)]);
    let id = restarted.connect("a".to_owned(), at(0));
    assert_eq!(restarted.hear(id, subscribe(), at(0)), []);
    assert_eq!(sent(&restarted.apply(vec![open(3)])), [(id, 3)]);
}

#[test]
fn a_proxy_that_was_away_when_the_hold_began_is_told_once() {
    let (mut index, id) = with_proxy("a");
    index.disconnect(id, at(1));
    index.apply(vec![held(2)]);
    let id = index.connect("a".to_owned(), at(2));
    let told = index.hear(id, subscribe_having("1"), at(2));
    assert_eq!(sent(&told), [(id, -2)]);
    assert_eq!(index.hear(id, subscribe(), at(2)), []);
    assert_eq!(index.apply(vec![held(3)]), []);
}

#[test]
fn a_reconnection_with_the_current_epoch_is_not_told_again() {
    let (mut index, id) = with_proxy("a");
    index.disconnect(id, at(1));
    let id = index.connect("a".to_owned(), at(2));
    assert_eq!(index.hear(id, subscribe_having("1"), at(2)), []);
    assert_eq!(follows(&index, 1), [("a".to_owned(), true)]);
}

#[test]
fn a_refusal_is_listed_with_the_proxys_words() {
    let mut index = Index::default();
    index.apply(vec![open(1)]);
    let id = index.connect("a".to_owned(), at(0));
    let told = index.hear(id, subscribe(), at(0));
    index.hear(id, refuse(told[0].1.nonce), at(1));
    let proxies = index.proxies(&orders(), at(1));
    assert_eq!(proxies[0].rejected.as_deref(), Some("no such address"));
    assert_eq!((proxies[0].sent, proxies[0].acknowledged), (Some(1), None));
    index.apply(vec![open(2)]);
    assert_eq!(index.proxies(&orders(), at(1))[0].rejected, None, "of the newest only");
}

#[test]
fn an_unknown_service_waits_until_it_is_adopted() {
    let mut index = Index::default();
    let id = index.connect("a".to_owned(), at(0));
    assert_eq!(index.hear(id, subscribe(), at(0)), []);
    assert_eq!(index.waiting(), [orders()].into());
    assert_eq!(sent(&index.apply(vec![open(1)])), [(id, 1)]);
    assert_eq!(index.waiting(), [].into());
}

#[test]
fn a_gone_proxy_is_listed_for_a_while() {
    let (mut index, id) = with_proxy("a");
    index.disconnect(id, at(5));
    let listed = index.proxies(&orders(), at(6));
    assert_eq!((listed.len(), listed[0].connected_since), (1, None));
    assert_eq!(listed[0].acknowledged, Some(1));
    assert!(!listed[0].follows(1));
    assert_eq!(index.proxies(&orders(), at(700)), []);
    index.connect("a".to_owned(), at(7));
    assert_eq!(index.proxies(&orders(), at(7)).len(), 1, "back, and listed once");
}

#[test]
fn two_streams_of_one_node_are_both_listed() {
    let (mut index, first) = with_proxy("a");
    let second = index.connect("a".to_owned(), at(0));
    assert_eq!(index.proxies(&orders(), at(1)).len(), 2);
    index.disconnect(first, at(1));
    assert_eq!(index.proxies(&orders(), at(1)).len(), 1);
    index.disconnect(second, at(1));
    assert_eq!(index.proxies(&orders(), at(1)).len(), 1);
}

#[test]
fn a_message_to_a_stream_that_ended_changes_nothing() {
    let (mut index, id) = with_proxy("a");
    index.disconnect(id, at(1));
    assert_eq!(index.hear(id, subscribe(), at(2)), []);
}
