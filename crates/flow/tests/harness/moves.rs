//! Whole moves on the model, with nothing going wrong.

use crate::support::Bench;
use landfall_core::status::Outcome;
use landfall_flow::Ended;

#[test]
fn a_move_with_access_loses_nothing() {
    let bench = Bench::new();
    bench.start();
    assert_eq!(bench.drive(), Ended::Finished(Outcome::Moved), "{:#?}", bench.view().status);
    let ledger = bench.world.ledger();
    assert!(ledger.acknowledged.len() > 100, "the application wrote nothing");
    assert_eq!(ledger.lost(&ledger.target), Vec::<u64>::new());
    assert_eq!(bench.world.broken(), Vec::<String>::new());
    assert!(bench.view().facts.proven.unwrap().marker_lsn.is_some());
}

#[test]
fn a_move_without_credentials_loses_nothing() {
    let mut bench = Bench::new();
    bench.spec.access = None;
    bench.spec.smoke.clear();
    bench.start();
    assert_eq!(bench.drive(), Ended::Finished(Outcome::Moved), "{:#?}", bench.view().status);
    let ledger = bench.world.ledger();
    assert_eq!(ledger.lost(&ledger.target), Vec::<u64>::new());
    assert_eq!(bench.world.broken(), Vec::<String>::new());
    let proof = bench.view().facts.proven.unwrap();
    assert!(proof.marker_lsn.is_none() && proof.zero_touches >= 2);
}

#[test]
fn the_dry_run_shows_every_row_and_touches_nothing() {
    let bench = Bench::new();
    let before = bench.world.footprint();
    let mut rehearsal = None;
    bench.on(async {
        let ports = bench.ports();
        rehearsal =
            Some(landfall_flow::rehearse::rehearse(&ports, &bench.spec, vec![]).await.unwrap());
    });
    let rehearsal = rehearsal.unwrap();
    assert_eq!(rehearsal.stops_at, None);
    assert_eq!(bench.world.footprint(), before);
    let calls: Vec<String> = rehearsal
        .rows
        .iter()
        .flat_map(|row| row.calls.iter().map(move |call| format!("{}: {call}", row.step)))
        .collect();
    insta::assert_snapshot!(calls.join("\n"));
}
