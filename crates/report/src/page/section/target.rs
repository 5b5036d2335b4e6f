//! What the target is beside the source: parameters, figures before and after, the owner's tests.

use landfall_core::comparison::{
    Comparison, ComparisonVerdict, Hours, Judged, MetricRatio, SlowerStatement, Spread,
};
use landfall_core::facts::{ParameterFate, ParameterVerdict, Parity};
use landfall_core::port::cloud::GroupLevel;
use landfall_core::port::tests::TestRun;
use landfall_core::quantity::duration_text;
use serde_json::Value;

use super::super::part::{Cell, list, paragraph, table};
use crate::markup::{Markup, said};
use crate::story::{Report, SmokeRun};
use crate::time;

pub(super) fn parameters(report: &Report) -> Markup {
    if report.parameters.is_empty() {
        return paragraph("", "No parameter is set by hand on the source, as far as was looked.");
    }
    let rows: Vec<_> = report.parameters.iter().map(parameter).collect();
    let heads = ["Name", "On the source", "Fate", "On the target", "Level", "Why"];
    let mut inside = table("Every parameter set by hand on the source", &heads, &rows);
    if let Some(parity) = &report.parity {
        inside.push(running(parity));
    }
    inside
}

fn parameter(verdict: &ParameterVerdict) -> Vec<Cell> {
    let fate = match verdict.fate {
        ParameterFate::Carried => "carried",
        ParameterFate::Renamed => "renamed",
        ParameterFate::Dropped => "dropped",
        ParameterFate::Adjusted => "adjusted",
        ParameterFate::KeptDefault => "Aurora's default",
        ParameterFate::Added => "added by Landfall",
    };
    let level = match verdict.level {
        Some(GroupLevel::Cluster) => "cluster",
        Some(GroupLevel::Instance) => "instance",
        None => "\u{2013}",
    };
    let target = verdict.target_value.clone().unwrap_or_else(|| "\u{2013}".to_owned());
    vec![
        Cell::Code(verdict.name.clone()),
        Cell::Code(verdict.source_value.clone()),
        Cell::Text(fate.to_owned()),
        Cell::Code(target),
        Cell::Text(level.to_owned()),
        Cell::Text(verdict.reason.clone()),
    ]
}

fn running(parity: &Parity) -> Markup {
    let words = format!(
        "As running, {} of them are in force on the target as planned; {} extensions have the same \
         version on both sides.",
        parity.in_force, parity.extensions
    );
    let inside = said("h3", "As running").then(paragraph("", &words));
    if parity.different.is_empty() {
        return inside;
    }
    let side = |value: &Option<String>| {
        Cell::Code(value.clone().unwrap_or_else(|| "not known".to_owned()))
    };
    let row = |one: &landfall_core::facts::SettingDifference| {
        vec![Cell::Code(one.name.clone()), side(&one.source), side(&one.target)]
    };
    let rows: Vec<_> = parity.different.iter().map(row).collect();
    inside.then(table("Settings that differ as they run", &["Name", "Source", "Target"], &rows))
}

pub(super) fn comparison(report: &Report) -> Markup {
    let Some(comparison) = &report.comparison else {
        return paragraph("", "Not measured: the journal has no comparison of this attempt.");
    };
    let verdict = match comparison.verdict {
        ComparisonVerdict::NotSlower => "Nothing is slower than the source was.",
        ComparisonVerdict::Slower => "Something is slower than the source was.",
        ComparisonVerdict::TooFew => "There is too little to say it by.",
    };
    let hours = match comparison.hours {
        Hours::SameOfTheWeek => "with the same hours of the weeks before",
        Hours::RightBefore => "with the hours right before the hold",
        Hours::None => "with nothing: no point was found",
    };
    let window = format!(
        "The target from {} to {}, {hours}.",
        time::instant(comparison.from),
        time::instant(comparison.to)
    );
    let mut inside = said("p", verdict).then(paragraph("soft", &window));
    inside.push(metrics(comparison));
    inside.push(statements(comparison));
    if !comparison.notes.is_empty() {
        inside.push(said("h3", "To be known with it"));
        inside.push(list(&comparison.notes));
    }
    inside
}

fn metrics(comparison: &Comparison) -> Markup {
    if comparison.metrics.is_empty() {
        return Markup::none();
    }
    let rows: Vec<_> = comparison.metrics.iter().map(metric).collect();
    let heads = ["Metric", "Before: p5 / mean / p95", "After: p5 / mean / p95", "Ratio", "Verdict"];
    table("CloudWatch's metrics, with their spread", &heads, &rows)
}

fn metric(ratio: &MetricRatio) -> Vec<Cell> {
    let judged = match ratio.judged {
        Judged::Same => "same",
        Judged::Better => "better",
        Judged::Worse => "WORSE",
        Judged::TooFew => "too few points",
        Judged::Shown => "shown only",
    };
    let name = serde_json::to_value(ratio.metric).ok();
    let name = name.as_ref().and_then(Value::as_str).unwrap_or("?").replace('_', " ");
    let by =
        ratio.ratio.map_or_else(|| "\u{2013}".to_owned(), |ratio| format!("\u{d7} {ratio:.2}"));
    vec![
        Cell::Text(name),
        Cell::Number(spread(ratio.before.as_ref())),
        Cell::Number(spread(ratio.after.as_ref())),
        Cell::Number(by),
        Cell::Text(judged.to_owned()),
    ]
}

fn spread(spread: Option<&Spread>) -> String {
    spread.map_or_else(
        || "no point".to_owned(),
        |s| format!("{} / {} / {} (n = {})", short(s.p5), short(s.mean), short(s.p95), s.points),
    )
}

/// Enough digits to compare by.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        size if size > 0.0 => format!("{value:.4}"),
        _ => "0".to_owned(),
    }
}

fn statements(comparison: &Comparison) -> Markup {
    let words = format!(
        "{} statements ran often enough on both sides to be compared; {} of them got slower.",
        comparison.statements_compared,
        comparison.slower.len()
    );
    let inside = said("h3", "Statements").then(paragraph("", &words));
    if comparison.slower.is_empty() {
        return inside;
    }
    let row = |one: &SlowerStatement| {
        vec![
            Cell::Code(one.text.clone()),
            Cell::Text(one.database.to_string()),
            Cell::Number(format!("{:.2} ms", one.before_ms)),
            Cell::Number(format!("{:.2} ms", one.after_ms)),
            Cell::Number(format!("\u{d7} {:.1}", one.ratio())),
            Cell::Number(format!("{:.0} / {:.0}", one.calls_before, one.calls_after)),
        ]
    };
    let rows: Vec<_> = comparison.slower.iter().map(row).collect();
    let heads = ["Statement", "Database", "Before", "After", "Ratio", "Calls before / after"];
    inside.then(table("Statements that got slower, by most time", &heads, &rows))
}

pub(super) fn smoke(report: &Report) -> Markup {
    if report.smoke.is_empty() {
        return paragraph("", "They were not reached in this attempt.");
    }
    let row = |run: &SmokeRun| {
        let result = match (run.tests, run.failed.len()) {
            (0, _) => "the spec has none that could run".to_owned(),
            (tests, 0) => format!("all {tests} passed"),
            (tests, failed) => format!("{failed} of {tests} FAILED: {}", run.failed.join("; ")),
        };
        vec![Cell::Number(time::clock(run.at)), Cell::Text(run.title.clone()), Cell::Said(result)]
    };
    let rows: Vec<_> = report.smoke.iter().map(row).collect();
    let mut inside = table("Runs of the owner's tests", &["At", "When", "Result"], &rows);
    let each: Vec<_> =
        report.smoke.iter().flat_map(|run| run.runs.iter().map(|t| of(run, t))).collect();
    if !each.is_empty() {
        let heads = ["At", "Test", "Took", "Result", "What it said"];
        inside.push(table("Each test", &heads, &each));
    }
    let tests = tests(report);
    if !tests.is_empty() {
        inside.push(said("h3", "The tests"));
        inside.push(list(&tests));
    }
    inside
}

fn of(run: &SmokeRun, test: &TestRun) -> Vec<Cell> {
    let result =
        test.failed.as_ref().map_or_else(|| "passed".to_owned(), |why| format!("FAILED: {why}"));
    vec![
        Cell::Number(time::clock(run.at)),
        Cell::Text(test.test.clone()),
        Cell::Number(duration_text::to_text(test.took)),
        Cell::Text(result),
        Cell::Said(test.output.clone()),
    ]
}

/// The tests as the spec has them, whatever their kinds.
fn tests(report: &Report) -> Vec<String> {
    let smoke = serde_json::to_value(&report.spec.smoke).unwrap_or_default();
    let kinds = smoke.as_object().into_iter().flatten();
    let of_kind = |(kind, tests): (&String, &Value)| -> Vec<String> {
        let tests = tests.as_array().into_iter().flatten();
        tests.map(|test| format!("{kind}: {}", in_words(test))).collect()
    };
    kinds.flat_map(of_kind).collect()
}

fn in_words(test: &Value) -> String {
    match (test.as_str(), test.get("query").and_then(Value::as_str), test.get("expect")) {
        (Some(query), _, _) | (None, Some(query), None) => query.to_owned(),
        (None, Some(query), Some(expect)) => format!("{query}, expecting {expect}"),
        (None, None, _) => test.to_string(),
    }
}
