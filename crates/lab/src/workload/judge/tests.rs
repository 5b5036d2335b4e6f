//! Faults planted in what the servers hold: each must be reported, under its own name and no other.

use std::time::Duration;

use super::*;
use crate::workload::entry::{Code, Stage};

const RUN: i64 = 42;

fn id(seq: i64) -> RowId {
    RowId { run: RUN, writer: 0, seq }
}

fn key(seq: i64) -> Key {
    Key { writer: 0, seq }
}

fn acknowledged(seq: i64) -> [Event; 2] {
    [Event::Tried(key(seq)), Event::Acknowledged { key: key(seq), started: Duration::ZERO }]
}

fn claims(events: impl IntoIterator<Item = Event>) -> Claims {
    let mut claims = Claims { run: RUN, ..Claims::default() };
    let mut open = IdSet::default();
    events.into_iter().for_each(|event| claims.take(&event, &mut open));
    claims.open_at_death = open.len();
    open.iter().for_each(|id| {
        claims.unknown.insert(id);
    });
    claims
}

/// 10 000 acknowledged rows: more than two pages of the bitmaps.
fn ten_thousand() -> Claims {
    claims((1..=10_000).flat_map(acknowledged))
}

fn holding(ids: impl IntoIterator<Item = RowId>) -> Holdings {
    let mut holdings = Holdings::default();
    ids.into_iter().for_each(|id| holdings.take(id, &id.payload()));
    holdings
}

/// The five counts that must be zero, in the order of the verdict.
fn faults(verdict: &Verdict) -> [u64; 5] {
    [verdict.lost, verdict.doubled, verdict.stranded, verdict.unexpected, verdict.altered]
}

#[test]
fn everything_there_once_is_clean() {
    let source = Other::Read(holding((1..=9_000).map(id)));
    let verdict = compare(&ten_thousand(), &holding((1..=10_000).map(id)), source);
    assert_eq!(faults(&verdict), [0; 5]);
    assert_eq!(verdict.acknowledged, 10_000);
    assert!(verdict.is_clean());
}

#[test]
fn a_lost_row_is_reported() {
    let target = holding((1..=10_000).map(id).filter(|id| id.seq != 4_711));
    let verdict = compare(&ten_thousand(), &target, Other::NotAsked);
    assert_eq!(faults(&verdict), [1, 0, 0, 0, 0]);
    assert_eq!(verdict.examples.lost, [id(4_711)]);
    assert!(!verdict.is_clean());
}

#[test]
fn a_doubled_row_is_reported_once_however_often_it_is_there() {
    let target = holding((1..=10_000).map(id).chain([id(8), id(8)]));
    let verdict = compare(&ten_thousand(), &target, Other::NotAsked);
    assert_eq!(faults(&verdict), [0, 1, 0, 0, 0]);
    assert_eq!(verdict.examples.doubled, [id(8)]);
    assert!(!verdict.is_clean());
}

#[test]
fn a_row_that_the_source_took_after_the_proof_is_stranded_and_lost() {
    let claims = claims((1..=3).flat_map(acknowledged));
    let source = Other::Read(holding([id(1), id(2), id(3)]));
    let verdict = compare(&claims, &holding([id(1), id(2)]), source);
    assert_eq!(faults(&verdict), [1, 0, 1, 0, 0]);
    assert_eq!(verdict.examples.stranded, [id(3)]);
}

#[test]
fn a_row_of_a_client_that_bypassed_the_gateway_is_stranded_too() {
    let claims = claims(acknowledged(1));
    let bypass = RowId { run: 7, writer: 0, seq: 1 };
    let verdict = compare(&claims, &holding([id(1)]), Other::Read(holding([id(1), bypass])));
    assert_eq!(faults(&verdict), [0, 0, 1, 0, 0]);
    assert_eq!(verdict.examples.stranded, [bypass]);
    assert!(!verdict.is_clean());
}

#[test]
fn an_unacknowledged_row_left_on_the_source_is_stranded_but_not_lost() {
    let unknown = Event::Unknown { key: key(2), started: Duration::ZERO, code: Code::new("57P01") };
    let cut = Event::Cut { writer: 0, code: Code::new("57P01") };
    let claims = claims(acknowledged(1).into_iter().chain([Event::Tried(key(2)), unknown, cut]));
    let verdict = compare(&claims, &holding([id(1)]), Other::Read(holding([id(1), id(2)])));
    assert_eq!(faults(&verdict), [0, 0, 1, 0, 0]);
}

#[test]
fn rows_that_were_never_tried_or_surely_failed_are_unexpected() {
    let failed = Event::Failed {
        key: key(2),
        started: Duration::ZERO,
        stage: Stage::Statement,
        code: Code::new("57P01"),
    };
    let claims = claims(acknowledged(1).into_iter().chain([failed]));
    let target = holding([id(1), id(2), id(99), RowId { writer: 5, ..id(1) }]);
    let verdict = compare(&claims, &target, Other::NotAsked);
    assert_eq!(faults(&verdict), [0, 0, 0, 3, 0]);
    assert_eq!(verdict.failed, 1);
}

#[test]
fn a_row_whose_content_changed_is_reported() {
    let mut target = holding([id(1)]);
    target.take(id(2), &id(1).payload());
    let claims = claims((1..=2).flat_map(acknowledged));
    assert_eq!(faults(&compare(&claims, &target, Other::NotAsked)), [0, 0, 0, 0, 1]);
}

#[test]
fn either_outcome_of_an_unknown_is_legal_while_a_cut_session_explains_it() {
    let unknown =
        |seq| Event::Unknown { key: key(seq), started: Duration::ZERO, code: Code::new("eof") };
    let cut = || Event::Cut { writer: 0, code: Code::new("eof") };
    let two = [Event::Tried(key(1)), unknown(1), cut(), Event::Tried(key(2)), unknown(2), cut()];
    let verdict = compare(&claims(two), &holding([id(2)]), Other::NotAsked);
    assert_eq!((verdict.unknown, verdict.unknown_present), (2, 1));
    assert_eq!(verdict.unknown_check, UnknownCheck::Explained);
    assert!(verdict.is_clean());

    let one_cut = [Event::Tried(key(1)), unknown(1), cut(), Event::Tried(key(2)), unknown(2)];
    let verdict = compare(&claims(one_cut), &holding([]), Other::NotAsked);
    assert_eq!(verdict.unknown_check, UnknownCheck::Excess { by: 1 });
    assert!(!verdict.is_clean());
}

#[test]
fn attempts_open_when_the_load_was_killed_are_unknown_and_explained() {
    let claims = claims([Event::Tried(key(1))]);
    let verdict = compare(&claims, &holding([id(1)]), Other::NotAsked);
    assert_eq!((verdict.unknown, verdict.unexpected), (1, 0));
    assert_eq!(verdict.unknown_check, UnknownCheck::Explained);
}

#[test]
fn a_source_that_was_asked_for_and_not_reached_is_not_clean() {
    let claims = claims(acknowledged(1));
    let verdict = compare(&claims, &holding([id(1)]), Other::Unreachable("refused".to_owned()));
    assert_eq!(faults(&verdict), [0; 5]);
    assert!(!verdict.is_clean());
    assert!(verdict.to_string().contains("refused"), "{verdict}");
}

#[test]
fn a_verdict_survives_json() {
    let target = holding([id(1), id(1)]);
    let verdict = compare(&claims((1..=2).flat_map(acknowledged)), &target, Other::NotAsked);
    let text = serde_json::to_string(&verdict).expect("a verdict is JSON");
    assert_eq!(serde_json::from_str::<Verdict>(&text).expect("and back"), verdict);
}
