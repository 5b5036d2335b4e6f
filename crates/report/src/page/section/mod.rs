//! The sections, in the order of an auditor's questions: what happened when, how is it known, what
//! was different, who decided, what went wrong, what is left.

mod people;
mod proofs;
mod target;

use landfall_core::Finding;
use landfall_core::finding::{Learnt, Severity};

use super::drawing::named;
use super::part::{Cell, list, paragraph, table};
use crate::left::Fate;
use crate::markup::{Markup, said};
use crate::story::{Judged, Report};
use crate::time;
use crate::walk::Stay;

/// One section.
pub(super) struct Section {
    /// Its anchor.
    pub(super) id: &'static str,
    /// Its heading.
    pub(super) title: &'static str,
    /// Its content.
    pub(super) inside: Markup,
}

const fn section(id: &'static str, title: &'static str, inside: Markup) -> Section {
    Section { id, title, inside }
}

/// Every section, always.
pub(super) fn all(report: &Report) -> Vec<Section> {
    vec![
        section("timeline", "Timeline", timeline(report)),
        section("fence", "Proof of the fence", proofs::fence(report)),
        section("sync", "Proof of sync", proofs::sync(report)),
        section("lag", "Lag before the cutover", proofs::lag(report)),
        section("parameters", "Parameters", target::parameters(report)),
        section("findings", "Findings of the assessment", findings(&report.findings)),
        section("comparison", "Before and after", target::comparison(report)),
        section("smoke", "Smoke tests", target::smoke(report)),
        section("approvals", "Approvals and orders", people::approvals(report)),
        section("problems", "Problems, and how they ended", people::problems(report)),
        section("sessions", "Sessions ended", people::sessions(report)),
        section("left", "What is left", left(report)),
        section("journal", "Journal", journal(report)),
    ]
}

fn timeline(report: &Report) -> Markup {
    let Some(phases) = named(report, "phases") else {
        return paragraph("", "No step was entered.");
    };
    let mut inside = said("h3", "Phases");
    if report.attempts.len() > 1 {
        inside.push(paragraph("soft", "Of the latest attempt."));
    }
    inside.push(phases);
    inside.push(paragraph("soft", "Hatched: a person was waited for."));
    match named(report, "pause") {
        Some(pause) => {
            inside.push(said("h3", "The pause, enlarged"));
            inside.push(paragraph("soft", "From the hold of new connections to their release."));
            inside.push(pause);
        }
        None => inside.push(paragraph("", "Traffic was not held in this attempt.")),
    }
    inside.push(said("h3", "Steps"));
    inside.push(steps(&report.stays));
    inside
}

fn steps(stays: &[Stay]) -> Markup {
    let row = |stay: &Stay| {
        let taking_back = match stay.course {
            landfall_core::Course::Doing => "",
            landfall_core::Course::Undoing => "take back: ",
        };
        vec![
            Cell::Number(time::clock(stay.from)),
            Cell::Text(stay.phase.to_string()),
            Cell::Text(format!("{taking_back}{}", stay.title)),
            Cell::Number(time::took(stay.from, stay.to)),
        ]
    };
    let rows: Vec<_> = stays.iter().map(row).collect();
    table("Every step of the latest attempt", &["At", "Phase", "Step", "Took"], &rows)
}

fn findings(judged: &Judged) -> Markup {
    match judged {
        Judged::NotDone => paragraph("", "The source was not assessed in this attempt."),
        Judged::Unreadable(why) => paragraph(
            "",
            &format!(
                "What the assessment saw was written by another version of Landfall and cannot be \
                 judged by this one ({why}). The bundle has it."
            ),
        ),
        Judged::Found(findings) if findings.is_empty() => {
            paragraph("", "The assessment found nothing that needs attention.")
        }
        Judged::Found(findings) => {
            let rows: Vec<_> = findings.iter().map(finding).collect();
            let heads = ["Severity", "Object", "What", "Remedy", "Learnt from"];
            let intro = "As they were judged when the move began.";
            paragraph("soft", intro).then(table("Findings, blockers first", &heads, &rows))
        }
    }
}

fn finding(finding: &Finding) -> Vec<Cell> {
    let severity = match finding.severity {
        Severity::Blocker => "BLOCKER",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let learnt = match finding.learnt {
        Learnt::Api => "AWS",
        Learnt::Sql => "SQL",
        Learnt::Gateway => "the gateway",
        Learnt::Spec => "the spec",
        Learnt::Inferred => "inferred",
        Learnt::NotLooked => "not looked",
    };
    let code = finding.code.map_or_else(String::new, |code| format!("{code} "));
    let why = if finding.why.is_empty() { String::new() } else { format!(". {}", finding.why) };
    vec![
        Cell::Text(severity.to_owned()),
        Cell::Text(finding.object.clone()),
        Cell::Text(format!("{code}{}{why}", finding.what)),
        Cell::Text(finding.remedy.clone()),
        Cell::Text(learnt.to_owned()),
    ]
}

fn left(report: &Report) -> Markup {
    let row = |left: &crate::left::Left| {
        let fate = match left.fate {
            Fate::Stays => "stays",
            Fate::Removed => "removed",
        };
        vec![
            Cell::Text(fate.to_owned()),
            Cell::Text(left.object.clone()),
            Cell::Text(left.now.clone()),
        ]
    };
    let rows: Vec<_> = report.left.iter().map(row).collect();
    let mut inside = if rows.is_empty() {
        paragraph("", "The move made and changed nothing.")
    } else {
        table("Made or changed by the move, as ordered last", &["Fate", "Object", "Now"], &rows)
    };
    if !report.proxies_left.is_empty() {
        inside.push(said("h3", "Gateway proxies that were not waited for"));
        let proxies: Vec<String> =
            report.proxies_left.iter().map(|(node, why)| format!("{node}: {why}")).collect();
        inside.push(list(&proxies));
    }
    if !report.equipped.is_empty() {
        inside.push(said("h3", "Before and beside the target"));
        inside.push(list(&report.equipped));
    }
    if !report.warnings.is_empty() {
        inside.push(said("h3", "Warnings"));
        inside.push(list(&report.warnings));
    }
    inside
}

fn journal(report: &Report) -> Markup {
    let row = |line: &crate::story::JournalLine| {
        vec![
            Cell::Number(line.seq.to_string()),
            Cell::Number(line.at.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()),
            Cell::Code(line.step.clone()),
            Cell::Said(line.words.clone()),
        ]
    };
    let rows: Vec<_> = report.journal.iter().map(row).collect();
    let intro = "In short; the bundle has every entry whole, with what was seen at each decision.";
    paragraph("soft", intro).then(table(
        "Every entry, in order",
        &["No.", "At (UTC)", "Step", "What"],
        &rows,
    ))
}
