//! The page and the drawings.

use landfall_core::Fact;
use landfall_core::comparison::{
    Comparison, ComparisonVerdict, Hours, MetricRatio, SlowerStatement, Spread,
};
use landfall_core::facts::{Parity, SettingDifference};
use landfall_core::journal::{Entry, Record};
use landfall_core::port::cloud::Metric;
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
        "open, at 127.0.0.1:43831 (epoch 4)",
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
    assert_eq!(ids, ["phases", "pause", "metric", "lag-chart", "pace-chart", "slots-chart"]);
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

/// A journal with figures that moves in the lab are too short for.
#[test]
fn figures_before_and_after_are_told_with_their_spread() {
    let mut all = entries(ACCESS);
    let at = all.iter().position(|entry| entry.step.as_deref() == Some("soak.keep_fence")).unwrap();
    let spread =
        |mean: f64| Spread { points: 12, mean, p5: 0.5, p50: mean, p95: 212.0, maximum: 300.0 };
    let metric = MetricRatio {
        metric: Metric::CpuUtilization,
        before: Some(spread(20.0)),
        after: None,
        ratio: Some(1.5),
        judged: landfall_core::comparison::Judged::Worse,
    };
    let slower = SlowerStatement {
        database: "shop".into(),
        id: 1,
        text: "select * from \"Bücher\" where a < $1".to_owned(),
        before_ms: 1.5,
        after_ms: 6.0,
        calls_before: 1_000.0,
        calls_after: 900.0,
    };
    let when = all[at].at;
    let comparison = Comparison {
        from: when,
        to: when,
        verdict: ComparisonVerdict::Slower,
        hours: Hours::SameOfTheWeek,
        metrics: vec![metric],
        statements_compared: 40,
        slower: vec![slower],
        notes: vec!["the statistics were reset at noon".to_owned()],
    };
    let different =
        SettingDifference { name: "work_mem".to_owned(), source: None, target: Some("4MB".into()) };
    let facts = [
        Fact::Compared(Box::new(comparison)),
        Fact::Parity(Parity { in_force: 3, different: vec![different], extensions: 2 }),
    ];
    for fact in facts {
        let record = Record::Learned { fact: Box::new(fact) };
        all.insert(at + 1, Entry { record, ..all[at].clone() });
    }
    let html = page(&report(&all));
    for told in [
        "Something is slower than the source was.",
        "with the same hours of the weeks before",
        "0.5000 / 20.0 / 212 (n = 12)",
        "no point",
        "WORSE",
        "select * from &quot;Bücher&quot; where a &lt; $1",
        "\u{d7} 4.0",
        "40 statements ran often enough on both sides to be compared; 1 of them got slower.",
        "the statistics were reset at noon",
        "3 of them are in force on the target as planned",
        "work_mem",
        "not known",
    ] {
        assert!(html.contains(told), "not on the page: {told}");
    }
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
        watched: &landfall_report::proof::Watched::default(),
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
    let of = |report, names: &'static [&str]| {
        pictures(report).into_iter().filter(|(id, _)| names.contains(id))
    };
    let shown = of(&access, &["phases", "pause", "positions"]);
    let shown: Vec<_> = shown.chain(of(&metric, &["metric", "lag-chart"])).collect();
    assert_eq!(shown.len(), 5);
    for (id, svg) in shown {
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
