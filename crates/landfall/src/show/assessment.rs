//! What was found about a source: findings by severity, each with why and what to do; the forecast,
//! the roads, and what both sides cost.

use landfall_api::assess::cost::{Cost, Item};
use landfall_api::assess::forecast::{Forecast, Race};
use landfall_api::assess::road::{Reason, Road};
use landfall_api::assess::span::span;
use landfall_api::core::Learnt;
use landfall_api::{Assessment, Finding, Severity};

use super::layout::{columns, labelled, wrap};
use super::time;

/// The whole assessment.
pub(crate) fn whole(assessment: &Assessment, width: usize) -> String {
    let mut parts = vec![head(assessment, width)];
    if assessment.findings.is_empty() {
        parts.push("Nothing found that needs attention.".to_owned());
    } else {
        parts.push(findings(&assessment.findings, width));
    }
    parts.extend(assessment.forecast.as_ref().map(|forecast| forecast_of(forecast, width)));
    if !assessment.roads.is_empty() {
        parts.push(roads(&assessment.roads, assessment.advice.as_deref(), width));
    }
    parts.extend(assessment.cost.as_ref().map(|cost| cost_of(cost, width)));
    if assessment.is_blocked() {
        parts.push(wrap("The move does not start before the blockers are gone.", width, 0));
    }
    parts.join("\n\n")
}

fn head(assessment: &Assessment, width: usize) -> String {
    let mut lines = Vec::new();
    if let Some(source) = &assessment.source {
        let text = format!(
            "PostgreSQL {} on {} at {}",
            source.engine_version, source.class, source.endpoint
        );
        lines.push(labelled("Source:  ", &text, width));
    }
    if let Some(target) = &assessment.target {
        let text = format!("Aurora PostgreSQL {} on {}", target.engine_version, target.class);
        lines.push(labelled("Target:  ", &text, width));
    }
    if !assessment.looked_inside {
        let text = "not looked at: the spec gives no access, or it does not work";
        lines.push(labelled("Inside:  ", text, width));
    }
    let of = |severity: Severity| {
        assessment.findings.iter().filter(|finding| finding.severity == severity).count()
    };
    let silent = assessment.findings.iter().filter(|one| one.learnt == Learnt::NotLooked).count();
    let counted = |severity: Severity, word: &str| match of(severity) {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let told = [
        counted(Severity::Blocker, "blocker"),
        counted(Severity::Warning, "warning"),
        counted(Severity::Note, "note"),
    ];
    let silent = if silent > 0 { format!("; not looked at: {silent}") } else { String::new() };
    let text = format!("{}{silent}", told.join(", "));
    lines.push(labelled("Found:   ", &text, width));
    lines.join("\n")
}

/// Findings by severity, each with why it matters and what to do.
pub(crate) fn findings(findings: &[Finding], width: usize) -> String {
    let groups = [
        (Severity::Blocker, "BLOCKERS: the move does not start"),
        (Severity::Warning, "WARNINGS: to be known before the cutover is approved"),
        (Severity::Note, "NOTES: good to know"),
    ];
    let group = |(severity, title): &(Severity, &str)| {
        let of_it = findings.iter().filter(|finding| finding.severity == *severity);
        let told: Vec<String> = of_it.map(|finding| one(finding, width)).collect();
        (!told.is_empty()).then(|| format!("{}\n{}", wrap(title, width, 0), told.join("\n")))
    };
    groups.iter().filter_map(group).collect::<Vec<_>>().join("\n\n")
}

fn one(finding: &Finding, width: usize) -> String {
    let code = finding.code.map_or_else(String::new, |code| format!("{code} "));
    let what = format!("{code}{}: {}", finding.object, finding.what);
    let mut lines = vec![labelled("  * ", &what, width)];
    let mut more = |label: &str, text: &str| {
        if !text.is_empty() {
            lines.push(labelled(label, text, width));
        }
    };
    more("    ", &finding.why);
    more("    > ", &finding.remedy);
    // A note needs no reading; its page is in the JSON. An address is never broken: people follow it.
    let page = finding.reference.as_ref().filter(|_| finding.severity != Severity::Note);
    lines.extend(page.map(|page| format!("    see {page}")));
    lines.join("\n")
}

fn forecast_of(forecast: &Forecast, width: usize) -> String {
    let mut lines = vec![wrap("FORECAST: likely to at worst (p50 to p95)", width, 0)];
    let mut line = |label: &str, text: String| {
        lines.push(labelled(&format!("  {label:<10}"), &text, width));
    };
    let build = forecast.build;
    line(
        "build",
        format!("{} to {}, {} to copy", span(build.p50), span(build.p95), forecast.bytes),
    );
    if let Some(kept) = forecast.kept {
        let room = forecast.free.map(|free| format!(", {free} free")).unwrap_or_default();
        line("WAL kept", format!("{} to {}{room}", kept.p50, kept.p95));
    }
    if let Some(full) = forecast.full_at {
        let (late, early) = (time::instant(full.p50), time::instant(full.p95));
        line("disk full", format!("{late}, at worst {early}, if no WAL could ever go"));
    }
    let race = match forecast.race {
        Race::Won => "the replica is ready before the disk is full".to_owned(),
        Race::Tight { wins_with_gib } => {
            format!("tight: {wins_with_gib} GiB of storage win it also at worst")
        }
        Race::Lost { wins_with_gib } => {
            format!("lost: {wins_with_gib} GiB of storage would win it")
        }
        Race::Unknown => "not known: the WAL rate or the free storage is not measured".to_owned(),
    };
    line("race", race);
    line("pause", format!("{} to {}", span(forecast.pause.p50), span(forecast.pause.p95)));
    lines.extend(forecast.basis.iter().map(|basis| labelled("  - ", basis, width)));
    lines.join("\n")
}

fn roads(roads: &[Road], advice: Option<&str>, width: usize) -> String {
    let mut lines = vec!["ROADS".to_owned()];
    let rows: Vec<Vec<String>> = roads
        .iter()
        .map(|road| {
            let state = match (road.is_open(), road.runs_today) {
                (false, _) => "closed".to_owned(),
                (true, true) => format!("open {}", road.score),
                (true, false) => format!("open {} (not by Landfall yet)", road.score),
            };
            vec![format!("  {}", road.road.word()), state]
        })
        .collect();
    lines.push(columns(&rows, width));
    let advice = advice.unwrap_or("none is open");
    lines.push(labelled("  ", &format!("Best: {advice}."), width));
    let more = "`landfall assess … --explain physical` says why.";
    lines.push(labelled("  ", more, width));
    lines.join("\n")
}

/// One road with everything that closes it or costs it points.
pub(crate) fn explained(road: &Road, advice: Option<&str>, width: usize) -> String {
    let mut lines = vec![wrap(&format!("{}: {}", road.road.word(), road.title), width, 0)];
    let state = match (road.is_open(), road.runs_today) {
        (false, _) => "closed".to_owned(),
        (true, true) => format!("open, {} of 100 points", road.score),
        (true, false) => format!(
            "open, {} of 100 points; this version of Landfall does not travel it",
            road.score
        ),
    };
    let mut line = |label: &str, text: &str| {
        lines.push(labelled(&format!("  {label:<8}"), text, width));
    };
    line("state", &state);
    if road.time.p95 > std::time::Duration::ZERO {
        line("time", &format!("{} to {}", span(road.time.p50), span(road.time.p95)));
        line("pause", &format!("{} to {}", span(road.pause.p50), span(road.pause.p95)));
    }
    line("risk", &road.risk);
    line("cost", &road.cost);
    line("basis", &road.basis);
    let told = |reason: &Reason| {
        let check = reason.check.as_deref().map(|check| format!(" [{check}]")).unwrap_or_default();
        format!("{}{check}", reason.text)
    };
    if !road.closed_by.is_empty() {
        lines.push("  closed by".to_owned());
        lines.extend(road.closed_by.iter().map(|one| labelled("    * ", &told(one), width)));
    } else if !road.reasons.is_empty() {
        lines.push("  points taken from 100".to_owned());
        let costs = road.reasons.iter();
        lines.extend(costs.map(|one| {
            labelled(&format!("  {:>4}  ", format!("-{}", one.minus)), &told(one), width)
        }));
    }
    lines.extend(advice.map(|advice| labelled("", &format!("Best: {advice}."), width)));
    lines.join("\n")
}

fn cost_of(cost: &Cost, width: usize) -> String {
    let mut lines = vec![wrap(
        &format!("COST a month in {}, by the prices given ({})", cost.currency, cost.prices),
        width,
        0,
    )];
    for (side, items) in [("source", &cost.source), ("target", &cost.target)] {
        let part = if Cost::is_whole(items) { "" } else { ", not whole" };
        lines.push(labelled("  ", &format!("{side} {:.2}{part}", Cost::sum(items)), width));
        lines.extend(items.iter().map(|item| priced(item, width)));
    }
    lines.extend(cost.remarks.iter().map(|remark| labelled("  - ", remark, width)));
    lines.join("\n")
}

fn priced(item: &Item, width: usize) -> String {
    let month = item.month.map_or_else(|| "no price".to_owned(), |month| format!("{month:.2}"));
    labelled(&format!("  {month:>10}  "), &item.what, width)
}

#[cfg(test)]
mod tests {
    use landfall_api::assess::cost::Prices;
    use landfall_api::assess::judge;
    use landfall_api::assess::road::RoadName;
    use landfall_api::{Saved, core::Code};

    use super::super::layout;
    use super::*;

    fn assert_fits(text: &str, width: usize) {
        let wraps = text.lines().filter(|line| !line.starts_with("    see https://"));
        layout::assert_fits(&wraps.collect::<Vec<_>>().join("\n"), width);
    }

    const CLEAN: &str = include_str!("../../../assess/tests/data/clean.json");
    const FAULTY: &str = include_str!("../../../assess/tests/data/faulty.json");

    fn judged(text: &str, prices: Option<&Prices>) -> Assessment {
        let saved = Saved::from_text(text).unwrap();
        judge(&saved.spec, &saved.inventory, prices)
    }

    #[test]
    fn a_clean_source_reads_as_one() {
        let prices =
            "currency = \"EUR\"\nsource = \"made up\"\n[rds.class]\n\"db.r6g.large\" = 0.25\n";
        let prices = Prices::from_text(prices).unwrap();
        let assessment = judged(CLEAN, Some(&prices));
        assert!(!assessment.is_blocked());
        for width in [40, 80, 120] {
            assert_fits(&whole(&assessment, width), width);
        }
        insta::assert_snapshot!(whole(&assessment, 100));
    }

    #[test]
    fn a_source_with_every_fault_tells_them_all() {
        let assessment = judged(FAULTY, None);
        assert!(assessment.is_blocked());
        for width in [40, 80, 120] {
            assert_fits(&whole(&assessment, width), width);
        }
        insta::assert_snapshot!(whole(&assessment, 100));
    }

    #[test]
    fn a_closed_road_and_an_open_one_are_explained() {
        let faulty = judged(FAULTY, None);
        let clean = judged(CLEAN, None);
        let of = |one: &Assessment, name: RoadName, width: usize| {
            let road = one.roads.iter().find(|road| road.road == name).unwrap();
            explained(road, one.advice.as_deref(), width)
        };
        for road in RoadName::ALL {
            for width in [40, 100] {
                assert_fits(&of(&faulty, *road, width), width);
                assert_fits(&of(&clean, *road, width), width);
            }
        }
        let told =
            [of(&faulty, RoadName::Physical, 80), of(&clean, RoadName::Logical, 40)].join("\n\n");
        insta::assert_snapshot!(told);
    }

    #[test]
    fn blockers_are_said_in_words_with_code_and_remedy() {
        let finding = Finding::blocker(
            Code::SourceHasReplica,
            "orders-prod",
            "it has the Aurora read replica orders-test, and AWS allows one",
        );
        let told = findings(&[finding.remedy("Delete or promote that replica first.")], 40);
        assert_fits(&told, 40);
        insta::assert_snapshot!(told);
    }
}
