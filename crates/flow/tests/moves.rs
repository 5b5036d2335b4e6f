//! Whole moves on the model, with nothing going wrong.

mod support;

use landfall_core::status::Outcome;
use landfall_flow::Ended;
use support::Bench;

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
    bench.spec.smoke.sql.clear();
    bench.start();
    assert_eq!(bench.drive(), Ended::Finished(Outcome::Moved), "{:#?}", bench.view().status);
    let ledger = bench.world.ledger();
    assert_eq!(ledger.lost(&ledger.target), Vec::<u64>::new());
    assert_eq!(bench.world.broken(), Vec::<String>::new());
    let proof = bench.view().facts.proven.unwrap();
    assert!(proof.marker_lsn.is_none() && proof.zero_touches >= 2);
}
