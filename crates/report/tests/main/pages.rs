//! The page and the drawings.

use landfall_report::Unreadable;
use landfall_report::page::page;
use landfall_report::picture::pictures;

use crate::real::{ACCESS, METRIC, entries, report};

#[test]
fn the_page_tells_everything_of_a_move_that_people_decided_on() {
    let report = report(&entries(ACCESS));
    let html = page(&report);
    for told in [
        "data-verdict=\"moved\"",
        "Moved: shop-aurora is the database. shop-prod takes no writes.",
        "its write counters stood still at 49099",
        "had replayed 0/1806B260, at or beyond the last marker at 0/1806B260",
        "aborted by Åsa &quot;the DBA&quot; &lt;asa@example.org&gt;: the wrong evening: \
         &lt;b&gt;quarter end&lt;/b&gt; &amp; payroll",
        "change 4711,\nsecond line of the note",
        "LF-033: 1 of 2 smoke tests fail on the replica",
        "resumed the move, after",
        "ModifyDBInstance shop-prod: backup retention 7 days",
        "4 (pid 11673, 11675, 11674, 11677)",
        "rds.logical_replication",
        "all 2 passed",
        "sql: select ready from cutover_switch",
        "schema &quot;päy&lt;roll&gt;&quot;\n.t&#39;able &amp; co",
        "schema landfall on 127.0.0.1:36775",
        "finished: moved",
        "exactly there",
        "highest 49.4 MiB",
    ] {
        assert!(html.contains(told), "not on the page: {told}");
    }
    assert_eq!(html.matches("<section ").count(), 13);
    assert_eq!(html.matches("<script").count(), 0);
    assert!(!html.contains("http://") && !html.contains("https://"), "the page names a place");
}

#[test]
fn without_access_the_metric_is_the_proof() {
    let report = report(&entries(METRIC));
    let html = page(&report);
    for told in [
        "a reboot ended every session",
        "had touched zero 2 times after the fence",
        "OldestReplicationSlotLag of the source after the fence",
        "one segment, 64 MiB",
        "A restart of the source ended every session",
        "the spec has none that could run",
        "nobody was asked, as the spec says",
    ] {
        assert!(html.contains(told), "not on the page: {told}");
    }
    let ids: Vec<&str> = pictures(&report).iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, ["phases", "pause", "metric", "lag-chart"]);
}

/// Whatever entry is the last, there is a report, and it claims no more than was reached.
#[test]
fn a_move_that_is_not_over_has_a_report_too() {
    let all = entries(ACCESS);
    let mut words = std::collections::BTreeSet::new();
    for last in 1..=all.len() {
        let report = report(&all[..last]);
        let html = page(&report);
        assert_eq!(html.matches("<section ").count(), 13, "after {last}");
        assert_eq!(report.journal.len(), last);
        let claims = report.proofs.sync.is_some();
        assert_eq!(html.contains("Before the promotion the replica had replayed"), claims);
        words.insert(report.verdict.headline);
    }
    for told in [
        "Not over: it waits for approval of approve_backups.",
        "Undone: shop-prod is the database, as before.",
        "Not over: it waits for lag to stay under 128 MiB for 3s.",
        "Not over: it is at cutover.promote_replica.",
    ] {
        assert!(words.contains(told), "{told} is not among {words:#?}");
    }
    assert!(words.iter().any(|headline| headline.starts_with("Not over: stopped by LF-033")));
}

#[test]
fn a_journal_that_contradicts_itself_has_no_report() {
    let mut all = entries(ACCESS);
    all.remove(0);
    let made = landfall_report::Made { at: all[0].at, version: String::new() };
    let (titles, findings) = (landfall_report::Titles::new(), landfall_report::Judged::NotDone);
    let material = landfall_report::Material {
        entries: &all,
        titles: &titles,
        lag: &[],
        findings: &findings,
        made: &made,
    };
    let error = landfall_report::Report::of(&material).unwrap_err();
    assert!(matches!(error, Unreadable::Illegal { seq: 2, .. }), "{error}");
}

/// The drawings in the documents are those of the journals beside this test. With
/// `LANDFALL_WRITE_PICTURES` set they are written instead of compared.
#[test]
fn the_drawings_in_the_documents_are_of_real_moves() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/explain/evidence");
    let (access, metric) = (report(&entries(ACCESS)), report(&entries(METRIC)));
    let shown = pictures(&access).into_iter().chain(pictures(&metric));
    let names = ["pause", "positions", "phases", "metric", "lag-chart"];
    let mut seen = std::collections::BTreeMap::new();
    for (id, svg) in shown.filter(|(id, _)| names.contains(id)) {
        seen.insert(id, svg);
    }
    assert_eq!(seen.len(), names.len());
    for (id, svg) in seen {
        let file = folder.join(format!("{id}.svg"));
        if std::env::var_os("LANDFALL_WRITE_PICTURES").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, svg).unwrap();
        } else {
            let stored = std::fs::read_to_string(&file).unwrap_or_default();
            assert!(stored == svg, "docs/explain/evidence/{id}.svg is stale");
        }
    }
}
