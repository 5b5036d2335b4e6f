//! The whole judgement over an inventory: findings, roads, forecast, cost. Pure; the server and an
//! offline look run this same function.

use landfall_core::Spec;
use landfall_core::facts::{SourceFacts, TargetFacts};
use landfall_core::finding::{Finding, Severity};
use landfall_core::ids::MigrationName;
use serde::{Deserialize, Serialize};

use crate::cost::{Cost, Prices, cost};
use crate::forecast::{Forecast, forecast};
use crate::inventory::Inventory;
use crate::road::{Road, advice, roads};
use crate::{choose_class, choose_version, findings};

/// What was found about a source, all at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assessment {
    /// The move it is for.
    pub name: MigrationName,
    /// The source, when it is there.
    pub source: Option<SourceFacts>,
    /// What it would become, when something fits.
    pub target: Option<TargetFacts>,
    /// Everything found, blockers first.
    pub findings: Vec<Finding>,
    /// Whether the database itself was looked at.
    pub looked_inside: bool,
    /// What is to be expected of the physical road.
    #[serde(default)]
    pub forecast: Option<Forecast>,
    /// Every road, the best first.
    #[serde(default)]
    pub roads: Vec<Road>,
    /// The road to take, in words.
    #[serde(default)]
    pub advice: Option<String>,
    /// Both sides a month, when prices are given.
    #[serde(default)]
    pub cost: Option<Cost>,
}

impl Assessment {
    /// Whether a move would not start.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Blocker)
    }
}

/// Judges an inventory.
pub fn judge(spec: &Spec, inventory: &Inventory, prices: Option<&Prices>) -> Assessment {
    let findings = findings(spec, inventory);
    let instance = inventory.instance.as_ref().filter(|instance| instance.engine == "postgres");
    let forecast = instance.map(|instance| forecast(inventory, instance));
    let roads = forecast
        .as_ref()
        .map(|forecast| roads(spec, inventory, &findings, forecast))
        .unwrap_or_default();
    let cost = prices.zip(instance).map(|(prices, at)| cost(spec, inventory, at, prices));
    Assessment {
        name: spec.migration.name.clone(),
        source: source(inventory),
        target: target(spec, inventory),
        looked_inside: inventory.inside.is_some() || !inventory.answers.is_empty(),
        advice: advice(&roads),
        findings,
        forecast,
        roads,
        cost,
    }
}

fn source(inventory: &Inventory) -> Option<SourceFacts> {
    let instance = inventory.instance.clone()?;
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

fn target(spec: &Spec, inventory: &Inventory) -> Option<TargetFacts> {
    let instance = inventory.instance.as_ref()?;
    let version = choose_version(spec, instance, &inventory.versions)?;
    let class = choose_class(spec, instance, &inventory.classes)?;
    let (engine_version, family) = (version.version.clone(), version.family.clone());
    Some(TargetFacts { engine_version, family, class })
}
