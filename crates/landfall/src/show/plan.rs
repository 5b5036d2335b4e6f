//! The dry run: every step with its calls, and what becomes of each parameter.

use landfall_api::core::facts::{ParameterFate, ParameterVerdict};
use landfall_api::core::journal::Commitment;
use landfall_api::{PlanView, PlannedRow, Window};

use super::layout::{columns, labelled};
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

fn parameters(verdicts: &[ParameterVerdict], width: usize) -> String {
    let head = ["PARAMETER", "SOURCE", "ON AURORA", "WHY"].map(ToOwned::to_owned).to_vec();
    let rows = verdicts.iter().map(|verdict| {
        vec![
            verdict.name.clone(),
            verdict.source_value.clone(),
            match (verdict.fate, &verdict.target_value) {
                (ParameterFate::Dropped, _) => "dropped".to_owned(),
                (ParameterFate::KeptDefault, _) => "Aurora's default".to_owned(),
                (_, Some(value)) => value.clone(),
                (_, None) => "not set".to_owned(),
            },
            verdict.reason.clone(),
        ]
    });
    columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), width)
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
}
