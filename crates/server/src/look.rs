//! Looking without touching: the assessment and the dry run.

use landfall_api::{Assessment, PlanView, PlannedRow, SpecText};
use landfall_assess::{self as assess, Inventory};
use landfall_core::facts::{SourceFacts, TargetFacts};
use landfall_core::journal::Commitment;
use landfall_core::status::Road;
use landfall_core::{Spec, spec};
use landfall_flow::process;
use landfall_flow::rehearse::{self, RowPlan};

use crate::app::App;
use crate::refusal::Refused;
use crate::standing;

impl App {
    /// Everything found about a spec's source.
    pub(crate) async fn assess(&self, asked: &SpecText) -> Result<Assessment, Refused> {
        let spec = spec::parse(&asked.spec_toml)?;
        let ports = self.world.ports(&spec).await?;
        let survey = assess::collect(&ports.ports(), &spec).await?;
        Ok(assessment(&spec, &survey))
    }

    /// Every row of a move with its calls.
    pub(crate) async fn plan(&self, asked: &SpecText) -> Result<PlanView, Refused> {
        let spec = spec::parse(&asked.spec_toml)?;
        let ports = self.world.ports(&spec).await?;
        let rehearsal = rehearse::rehearse(&ports.ports(), &spec).await?;
        Ok(PlanView {
            name: spec.migration.name.clone(),
            rows: rehearsal.rows.into_iter().map(row).collect(),
            target: rehearsal.target,
            stops_at: rehearsal.stops_at,
            parameters: rehearsal.parameters,
            pause_budget_ms: u64::try_from(spec.pause_budget().as_millis()).unwrap_or(u64::MAX),
            findings: rehearsal.findings,
        })
    }
}

fn row(planned: RowPlan) -> PlannedRow {
    let row = process::table(Road::Physical).iter().find(|row| row.step.id() == planned.step);
    PlannedRow {
        phase: planned.phase,
        id: planned.step,
        title: planned.title,
        calls: planned.calls.iter().map(|call| without_token(call)).collect(),
        asks: planned.asks,
        undo: planned.undo,
        writes: planned.writes,
        safe: planned.safe,
        window: row.map_or(landfall_api::Window::Outside, |row| standing::window(row.window)),
        commitment: row.map_or(Commitment::Revocable, |row| row.commitment),
    }
}

/// A marker is of one attempt and one proof of the fence; the dry run has neither.
fn without_token(call: &str) -> String {
    let marker = call.strip_prefix("commit marker ").and_then(|rest| rest.split_once(" on "));
    marker.map_or_else(|| call.to_owned(), |(_, at)| format!("commit the marker on {at}"))
}

fn assessment(spec: &Spec, survey: &Inventory) -> Assessment {
    Assessment {
        name: spec.migration.name.clone(),
        source: source(survey),
        target: target(spec, survey),
        findings: assess::findings(spec, survey),
        looked_inside: survey.inside.is_some(),
    }
}

fn source(survey: &Inventory) -> Option<SourceFacts> {
    let instance = survey.instance.clone()?;
    Some(SourceFacts {
        arn: instance.arn,
        endpoint: instance.endpoint?,
        engine_version: instance.engine_version,
        class: instance.class,
        subnet_group: instance.subnet_group,
        encrypted: instance.encrypted,
        kms_key: instance.kms_key,
        parameter_group: instance.parameter_group.map(|group| group.name.to_string()),
    })
}

fn target(spec: &Spec, survey: &Inventory) -> Option<TargetFacts> {
    let instance = survey.instance.as_ref()?;
    let version = assess::choose_version(spec, instance, &survey.versions)?;
    let class = assess::choose_class(spec, instance, &survey.classes)?;
    let (engine_version, family) = (version.version.clone(), version.family.clone());
    Some(TargetFacts { engine_version, family, class })
}

#[cfg(test)]
mod tests {
    use landfall_core::Endpoint;
    use landfall_core::action::DatabaseAction;

    use super::*;

    #[test]
    fn a_marker_is_planned_without_its_token() {
        let at = Endpoint::new("orders-prod.rds.example", 5432);
        let token = "orders/1/2".to_owned();
        let write = DatabaseAction::WriteMarker { at: at.clone(), token }.to_string();
        assert!(write.contains("orders/1/2"), "nothing to leave away in {write}");
        assert_eq!(without_token(&write), format!("commit the marker on {at}"));
        let table = DatabaseAction::CreateMarkerTable { at }.to_string();
        assert_eq!(without_token(&table), table);
    }
}
