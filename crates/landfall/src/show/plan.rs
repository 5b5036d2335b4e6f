//! The dry run: every step with its calls, and what becomes of each parameter.

use landfall_api::core::facts::{ParameterFate, ParameterVerdict};
use landfall_api::core::journal::Commitment;
use landfall_api::core::port::cloud::{ApplyType, GroupLevel};
use landfall_api::{PlanView, PlannedRow, Window};

use super::layout::{labelled, wrap};
use super::{assessment, problem, time};

/// The whole plan.
pub(crate) fn whole(plan: &PlanView, width: usize) -> String {
    let mut lines = Vec::new();
    if !plan.findings.is_empty() {
        lines.push(assessment::findings(&plan.findings, width));
        lines.push(String::new());
    }
    rows(&plan.rows, width, &mut lines);
    lines.push(String::new());
    let budget = time::span(std::time::Duration::from_millis(plan.pause_budget_ms));
    lines.push(labelled(
        "",
        &format!(
            "New connections wait from the first to the last step marked with |, {budget} at \
             most; before the point of no return Landfall then goes back by itself."
        ),
        width,
    ));
    if !plan.parameters.is_empty() {
        lines.push(String::new());
        lines.push(parameters(&plan.parameters, width));
    }
    if let Some(stop) = &plan.stops_at {
        lines.push(String::new());
        lines.push("The move would stop here:".to_owned());
        lines.push(problem::stop(stop, width));
    }
    lines.join("\n")
}

fn rows(rows: &[PlannedRow], width: usize, lines: &mut Vec<String>) {
    let mut phase = None;
    let mut committed = Commitment::Revocable;
    for row in rows {
        if phase != Some(row.phase) {
            lines.push(row.phase.to_string());
            phase = Some(row.phase);
        }
        let mark = match row.window {
            Window::Pause => "|",
            Window::Outside => " ",
        };
        if row.commitment != committed {
            lines.push(labelled(&format!(" {mark} "), "---- point of no return ----", width));
            committed = row.commitment;
        }
        let asks = if row.asks { " (asks a person)" } else { "" };
        lines.push(labelled(&format!(" {mark} "), &format!("{}{asks}", row.title), width));
        for call in &row.calls {
            lines.push(labelled(&format!(" {mark}     "), call, width));
        }
    }
}

/// Narrower than this, a row of the table becomes a paragraph.
const TABLE_FROM: usize = 72;

fn parameters(verdicts: &[ParameterVerdict], width: usize) -> String {
    let title = wrap("PARAMETERS set by hand, and what becomes of them on Aurora", width, 0);
    let rows: Vec<[String; 4]> = verdicts.iter().map(row_of).collect();
    let body = if width < TABLE_FROM { paragraphs(&rows, width) } else { table(&rows, width) };
    format!("{title}\n{body}")
}

fn row_of(verdict: &ParameterVerdict) -> [String; 4] {
    let target = match (verdict.fate, &verdict.target_value) {
        (ParameterFate::Dropped, _) => "dropped".to_owned(),
        (ParameterFate::KeptDefault, _) => "Aurora's default".to_owned(),
        (_, Some(value)) => value.clone(),
        (_, None) => "not set".to_owned(),
    };
    let target = match &verdict.target_name {
        Some(name) => format!("{name} = {target}"),
        None => target,
    };
    let level = verdict.level.map(|level| match level {
        GroupLevel::Cluster => "cluster group",
        GroupLevel::Instance => "instance group",
    });
    let apply = verdict.apply.map(|apply| match apply {
        ApplyType::Static => "static",
        ApplyType::Dynamic => "dynamic",
    });
    let place: Vec<&str> = level.into_iter().chain(apply).collect();
    let reason = if place.is_empty() {
        verdict.reason.clone()
    } else {
        format!("{} ({})", verdict.reason, place.join(", "))
    };
    [verdict.name.clone(), verdict.source_value.clone(), target, reason]
}

/// Columns whose cells wrap: a formula is never cut, since people compare it.
fn table(rows: &[[String; 4]], width: usize) -> String {
    let heads = ["PARAMETER", "SOURCE", "ON AURORA"];
    let longest = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let head = heads.get(column).map_or(0, |head| head.len());
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(head)
    };
    let most = width / 5;
    let widths = [longest(0).min(most), longest(1).min(most), longest(2).min(most)];
    let rest = width.saturating_sub(widths.iter().sum::<usize>() + 6).max(16);
    let columns = [widths[0], widths[1], widths[2], rest];
    let head = [heads[0], heads[1], heads[2], "WHY"].map(str::to_owned);
    let lines = std::iter::once(&head).chain(rows).flat_map(|row| cells(row, &columns));
    lines.collect::<Vec<_>>().join("\n")
}

/// One row as lines, each cell wrapped in its column.
fn cells(row: &[String; 4], columns: &[usize; 4]) -> Vec<String> {
    let wrapped: Vec<Vec<String>> = row
        .iter()
        .zip(columns)
        .map(|(cell, width)| wrap(cell, (*width).max(8), 0).lines().map(str::to_owned).collect())
        .collect();
    let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let cells = wrapped.iter().zip(columns).map(|(lines, width)| {
            let cell = lines.get(at).map(String::as_str).unwrap_or_default();
            format!("{cell:<width$}")
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    (0..height).map(line).collect()
}

fn paragraphs(rows: &[[String; 4]], width: usize) -> String {
    let paragraph = |[name, source, target, reason]: &[String; 4]| {
        [
            wrap(name, width, 2),
            labelled("  source  ", source, width),
            labelled("  Aurora  ", target, width),
            labelled("  why     ", reason, width),
        ]
        .join("\n")
    };
    rows.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use landfall_api::core::problem::Writes;
    use landfall_api::core::{MigrationName, Phase};

    use super::super::layout::assert_fits;
    use super::*;

    fn row(phase: Phase, title: &str, calls: &[&str], commitment: Commitment) -> PlannedRow {
        PlannedRow {
            phase,
            id: title.to_owned(),
            title: title.to_owned(),
            calls: calls.iter().map(|call| (*call).to_owned()).collect(),
            asks: title.starts_with("Gate"),
            undo: String::new(),
            writes: Writes::Source,
            safe: String::new(),
            window: if phase == Phase::Cutover { Window::Pause } else { Window::Outside },
            commitment,
        }
    }

    #[test]
    fn a_plan_shows_every_call_the_pause_and_the_point_of_no_return() {
        use Commitment::{Committed, Revocable};
        let call = "CreateDBCluster orders-aurora 16.8 replicating from \
                    arn:aws:rds:eu-central-1:123456789012:db:orders-prod, groups sg-target";
        let plan = PlanView {
            name: MigrationName::new("orders"),
            rows: vec![
                row(Phase::Replicate, "Create the Aurora replica cluster", &[call], Revocable),
                row(Phase::Replicate, "Gate: cut over", &[], Revocable),
                row(
                    Phase::Cutover,
                    "Promote the replica",
                    &["PromoteReadReplicaDBCluster orders-aurora"],
                    Revocable,
                ),
                row(
                    Phase::Cutover,
                    "Release traffic",
                    &["release orders (route epoch 4)"],
                    Committed,
                ),
                row(Phase::Verify, "Smoke tests", &[], Committed),
            ],
            target: None,
            stops_at: None,
            parameters: vec![ParameterVerdict {
                name: "max_connections".to_owned(),
                source_value: "500".to_owned(),
                fate: ParameterFate::Carried,
                level: None,
                target_name: None,
                target_value: Some("500".to_owned()),
                apply: None,
                reason: "same name, same meaning".to_owned(),
            }],
            pause_budget_ms: 300_000,
            findings: vec![],
        };
        for width in [40, 100] {
            assert_fits(&whole(&plan, width), width);
        }
        insta::assert_snapshot!(whole(&plan, 100));
    }

    #[test]
    fn parameters_are_a_table_when_there_is_room_and_paragraphs_when_not() {
        let verdict =
            |name: &str, value: &str, fate, target: Option<&str>, reason: &str| ParameterVerdict {
                name: name.to_owned(),
                source_value: value.to_owned(),
                fate,
                level: Some(GroupLevel::Instance),
                target_name: None,
                target_value: target.map(str::to_owned),
                apply: Some(ApplyType::Static),
                reason: reason.to_owned(),
            };
        let formula = "GREATEST({DBInstanceClassMemory/63963136},64)";
        let verdicts = [
            verdict("max_connections", "500", ParameterFate::Carried, Some("500"), "same value"),
            verdict(
                "work_mem",
                formula,
                ParameterFate::Carried,
                Some(formula),
                "the formula comes to 134 on db.m6g.large, 268 on db.r6g.large",
            ),
            ParameterVerdict {
                target_name: Some("debug_parallel_query".to_owned()),
                ..verdict(
                    "force_parallel_mode",
                    "on",
                    ParameterFate::Renamed,
                    Some("on"),
                    "renamed",
                )
            },
            ParameterVerdict {
                level: None,
                apply: None,
                ..verdict("checkpoint_timeout", "900", ParameterFate::Dropped, None, "not there")
            },
        ];
        for width in [40, 60, 80, 120] {
            assert_fits(&parameters(&verdicts, width), width);
        }
        let told = [parameters(&verdicts, 80), parameters(&verdicts, 40)].join("\n\n");
        insta::assert_snapshot!(told);
    }
}
