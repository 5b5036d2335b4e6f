//! The report as one page of HTML that needs nothing else: no script, no network, no other file.
//!
//! Drawings are inline SVG, the style is inline, and a policy in the page forbids everything else,
//! so that it can be kept, mailed and printed for years. A section without anything to say says
//! so: an absent section would read as "nothing happened".

mod drawing;
mod part;
mod section;

pub(crate) use drawing::drawings;

use crate::markup::{Markup, said};
use crate::story::Report;
use crate::time;
use part::{anchored, facts_list, paragraph};

const STYLE: &str = include_str!("style.css");
/// No script, no request: what is in the page is all of it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The whole page.
#[must_use]
pub fn page(report: &Report) -> String {
    let title = format!("{} \u{2013} report of a move", report.name);
    let head = Markup::leaf("meta", &[("charset", "utf-8")])
        .then(Markup::leaf(
            "meta",
            &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
        ))
        .then(Markup::leaf(
            "meta",
            &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)],
        ))
        .then(said("title", &title))
        .then(Markup::element("style", &[], Markup::constant(STYLE)));
    let sections = section::all(report);
    let body = header(report).then(contents(&sections)).then(Markup::element(
        "main",
        &[],
        sections.into_iter().map(|one| anchored(one.id, one.title, one.inside)).collect(),
    ));
    let html = Markup::element("head", &[], head).then(Markup::element("body", &[], body));
    format!("<!doctype html>\n{}\n", Markup::element("html", &[("lang", "en")], html).into_string())
}

fn header(report: &Report) -> Markup {
    let because = report.verdict.because.iter().map(|reason| said("li", reason)).collect();
    let verdict =
        said("strong", &report.verdict.headline).then(Markup::element("ul", &[], because));
    let made = format!(
        "Made by Landfall {} on {} from {} journal entries. Times are UTC.",
        report.made.version,
        time::instant(report.made.at),
        report.journal.len()
    );
    let classes: &[(&'static str, &str)] =
        &[("class", "verdict"), ("id", "verdict"), ("data-verdict", report.verdict.word)];
    let inside = said("h1", &format!("Move {}", report.name))
        .then(paragraph("made", &made))
        .then(Markup::element("div", classes, verdict))
        .then(facts_list(&glance(report)));
    Markup::element("header", &[], inside)
}

fn glance(report: &Report) -> Vec<(&'static str, String)> {
    let spec = &report.spec;
    let mut rows = Vec::new();
    rows.push((
        "Source",
        report.source.as_ref().map_or_else(
            || spec.source.instance.to_string(),
            |source| {
                format!(
                    "{}, PostgreSQL {} on {}",
                    spec.source.instance, source.engine_version, source.class
                )
            },
        ),
    ));
    rows.push((
        "Target",
        report.target.as_ref().map_or_else(
            || spec.target.cluster.to_string(),
            |target| {
                format!(
                    "{}, Aurora PostgreSQL {} on {}",
                    spec.target.cluster, target.engine_version, target.class
                )
            },
        ),
    ));
    rows.push(("Service", spec.route.service.to_string()));
    let access = if spec.access.is_some() { "yes" } else { "no: the metric alone proves the sync" };
    rows.push(("SQL access", access.to_owned()));
    if let Some((first, last)) = report.ends() {
        let (from, to) = (time::instant(first), time::instant(last));
        rows.push(("Journal", format!("{from} to {to} ({})", time::took(first, last))));
    }
    for attempt in &report.attempts {
        let mut text = format!("{}, by {}", time::instant(attempt.at), attempt.by);
        if let Some((by, why)) = &attempt.aborted {
            let why = if why.is_empty() { "no reason given" } else { why };
            text.push_str(&format_aborted(by, why));
        }
        if let Some((at, outcome)) = &attempt.ended {
            let word = match outcome {
                landfall_core::status::Outcome::Moved => "moved",
                landfall_core::status::Outcome::Undone => "undone",
                landfall_core::status::Outcome::RolledBack => "rolled back",
            };
            text.push_str(&format_ended(word, &time::took(attempt.at, *at)));
        }
        rows.push(("Attempt", text));
    }
    rows
}

fn format_aborted(by: &str, why: &str) -> String {
    format!("; aborted by {by}: {why}")
}

fn format_ended(word: &str, after: &str) -> String {
    format!("; {word} after {after}")
}

fn contents(sections: &[section::Section]) -> Markup {
    let entry = |section: &section::Section| {
        let link = format!("#{}", section.id);
        let link = Markup::element("a", &[("href", &link)], Markup::text(section.title));
        Markup::element("li", &[], link)
    };
    let list = Markup::element("ul", &[], sections.iter().map(entry).collect());
    Markup::element("nav", &[("aria-label", "Contents")], list)
}
