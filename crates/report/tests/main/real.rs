//! The journals, and reports of them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::Sample;
use landfall_core::finding::{Finding, Learnt, Severity};
use landfall_core::journal::Entry;
use landfall_report::proof::Watched;
use landfall_report::{Judged, Made, Material, Report, Titles};

/// With SQL access: an aborted attempt, gates that people opened, a smoke test that failed.
pub(crate) const ACCESS: &str = include_str!("../data/access.jsonl");
/// Without: a reboot is the fence, the metric the proof.
pub(crate) const METRIC: &str = include_str!("../data/metric.jsonl");

/// What the checks might say, in words that a page must not trip over.
pub(crate) const OBJECT: &str = "schema \"päy<roll>\"\n.t'able & co";

pub(crate) fn entries(journal: &str) -> Vec<Entry> {
    journal.lines().map(|line| serde_json::from_str(line).expect("an entry")).collect()
}

/// Enough of them to see them in use.
fn titles() -> Titles {
    let known = [
        ("prepare.approve_backups", "Gate: turn automated backups on"),
        ("replicate.rehearse_route", "Try the gateway and the way to the replica"),
        ("quiesce.hold_traffic", "Hold new connections at the gateway"),
        ("quiesce.fence_source", "Fence the source"),
        ("quiesce.prove_fence", "Prove that nobody writes to the source"),
        ("quiesce.final_marker", "Write the final marker on the source"),
        ("quiesce.drain_replica", "Prove that the replica has everything"),
        ("cutover.promote_replica", "Promote the replica"),
        ("cutover.wait_writable", "Wait until the target takes writes"),
        ("cutover.point_at_target", "Point the route at the target"),
        ("cutover.smoke_target", "Run the smoke tests on the target"),
        ("cutover.release_traffic", "Release traffic to the target"),
    ];
    BTreeMap::from(known.map(|(id, title)| (id.to_owned(), title.to_owned())))
}

pub(crate) fn report(entries: &[Entry]) -> Report {
    let finding = Finding {
        check: "table.identity".to_owned(),
        severity: Severity::Warning,
        code: None,
        object: OBJECT.to_owned(),
        what: "it has no primary key".to_owned(),
        why: String::new(),
        remedy: "Add one.".to_owned(),
        reference: None,
        learnt: Learnt::Sql,
    };
    let at = "2026-11-21T18:00:00Z".parse().expect("an instant");
    let made = Made { at, version: "0.1.0".to_owned() };
    let (titles, findings) = (titles(), Judged::Found(vec![finding]));
    let watched = watched();
    let (titles, findings, watched, made) = (&titles, &findings, &watched, &made);
    let material = Material { entries, titles, lag: &[], watched, findings, made };
    Report::of(&material).expect("a report")
}

/// What the store would have kept: a burst that the replica catches up with.
fn watched() -> Watched {
    let at = |second: i64| Timestamp::from_second(1_795_280_000 + second).expect("an instant");
    let series = |values: &[f64]| {
        values.iter().zip(0..).map(|(value, second)| Sample::of(at(second), *value)).collect()
    };
    Watched {
        wal: series(&[1e6, 8e6, 1e6]),
        replay: series(&[1e6, 6e6, 3e6]),
        slots: series(&[0.0, 6.7e7, 0.0]),
    }
}
