//! Looking without touching: the assessment and the dry run.

use landfall_api::{Assessment, PlanView, PlannedRow, Saved, ServiceRoute, SpecText};
use landfall_assess as assess;
use landfall_core::journal::Commitment;
use landfall_core::port::Router as _;
use landfall_core::probe::Probed;
use landfall_core::spec;
use landfall_core::status::Road;
use landfall_flow::process;
use landfall_flow::rehearse::{self, RowPlan};

use crate::app::App;
use crate::refusal::Refused;
use crate::standing;

impl App {
    /// Everything found about a spec's source.
    pub(crate) async fn assess(&self, asked: &SpecText) -> Result<Assessment, Refused> {
        let Saved { spec, inventory, .. } = self.inventory(asked).await?;
        Ok(assess::judge(&spec, &inventory, None))
    }

    /// What an assessment judges: to be saved, or judged elsewhere.
    pub(crate) async fn inventory(&self, asked: &SpecText) -> Result<Saved, Refused> {
        let spec = spec::parse(&asked.spec_toml)?;
        let ports = self.world.ports(&spec).await?;
        let mut inventory = assess::collect(&ports.ports(), &spec).await?;
        inventory.experience = landfall_flow::experience(self.store.as_ref()).await?;
        Ok(Saved::new(spec, inventory))
    }

    /// What Landfall counts on of AWS, tried on the account at hand.
    pub(crate) async fn probe(&self) -> Result<Vec<Probed>, Refused> {
        Ok(self.world.cloud().await?.probe().await)
    }

    /// The services of a spec at the gateways that it describes: what only a spec knows, such as
    /// PgBouncers, is seen before there is a move.
    pub(crate) async fn routes_of(&self, asked: &SpecText) -> Result<Vec<ServiceRoute>, Refused> {
        let spec = spec::parse(&asked.spec_toml)?;
        let router = self.world.router(Some(&spec)).await?;
        let mut routes = Vec::new();
        for service in spec.services() {
            let view = router.view(service).await?;
            routes.push(ServiceRoute { service: service.clone(), view });
        }
        Ok(routes)
    }

    /// Every row of a move with its calls.
    pub(crate) async fn plan(&self, asked: &SpecText) -> Result<PlanView, Refused> {
        let spec = spec::parse(&asked.spec_toml)?;
        let ports = self.world.ports(&spec).await?;
        let experience = landfall_flow::experience(self.store.as_ref()).await?;
        let rehearsal = rehearse::rehearse(&ports.ports(), &spec, experience).await?;
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
