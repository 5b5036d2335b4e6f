//! The checks: one table, each row independent of the others and pure over spec and inventory.
//!
//! A check returns everything it has to say, also that it could not look; silence means "looked,
//! and fine". Lists are bounded by [`listed`], so that fifty thousand tables are one finding.

mod gateway;
mod inside;
mod replicas;
mod routes;
mod source;
mod target;

use landfall_core::finding::{Finding, Severity};
use landfall_core::port::cloud::Instance;
use landfall_core::{Code, Spec};

use crate::inventory::Inventory;

/// What a check looks at.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// What is wanted.
    pub spec: &'a Spec,
    /// What was found.
    pub inventory: &'a Inventory,
    /// The source, which is an RDS instance of PostgreSQL.
    pub instance: &'a Instance,
}

/// One row of the table.
pub struct Check {
    /// Stable, for filters: `source.replicas`.
    pub id: &'static str,
    /// What it looks at, in a few words.
    pub title: &'static str,
    find: fn(&Seen<'_>) -> Vec<Finding>,
}

const fn row(id: &'static str, title: &'static str, find: fn(&Seen<'_>) -> Vec<Finding>) -> Check {
    Check { id, title, find }
}

/// Every check, in the order in which findings of one severity are shown.
pub static TABLE: &[Check] = &[
    row("source.state", "State of the instance", source::state),
    row("source.backups", "Automated backups", source::backups),
    row("source.parameters", "Parameters set by hand", source::parameters),
    row("source.quarantine", "The source's quarantine group", source::quarantine),
    row("replicas.aurora", "Aurora read replicas there already", replicas::aurora),
    row("replicas.chain", "The source as a replica", replicas::chain),
    row("replicas.region", "Read replicas in the Region", replicas::in_region),
    row("target.version", "Aurora version", target::version),
    row("target.class", "Aurora class", target::class),
    row("target.name", "Name of the target", target::name),
    row("inside.access", "SQL access", inside::access),
    row("inside.prepared", "Prepared transactions", inside::prepared),
    row("inside.slots", "Replication slots", inside::slots),
    row("gateway.ability", "What the gateway can do", gateway::ability),
    row("gateway.patience", "Clients that give up early", gateway::impatient),
    row("gateway.bypass", "Clients past the gateway", gateway::past),
    row("gateway.routes", "Services that lead to what stays", routes::stale),
];

/// Every finding, blockers first.
pub fn findings(spec: &Spec, inventory: &Inventory) -> Vec<Finding> {
    let mut found = match &inventory.instance {
        None => vec![missing(spec)],
        Some(instance) if instance.engine != "postgres" => vec![foreign(instance)],
        Some(instance) => {
            let seen = Seen { spec, inventory, instance };
            TABLE.iter().flat_map(|check| of(check, &seen)).collect()
        }
    };
    found.sort_by_key(|finding| finding.severity);
    found
}

fn of(check: &Check, seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = (check.find)(seen);
    for finding in &mut found {
        check.id.clone_into(&mut finding.check);
    }
    found
}

fn missing(spec: &Spec) -> Finding {
    let what = "no DB instance has this name in this account and Region";
    let mut finding = Finding::blocker(Code::SourceMissing, &spec.source.instance, what).remedy(
        "Check source.instance in the spec, AWS_REGION and the account of your credentials.",
    );
    "source.exists".clone_into(&mut finding.check);
    finding
}

fn foreign(instance: &Instance) -> Finding {
    let what = format!("its engine is {}", instance.engine);
    let mut finding = Finding::blocker(Code::SourceNotPostgres, &instance.id, what)
        .remedy("Landfall moves RDS for PostgreSQL instances (engine \"postgres\").");
    "source.exists".clone_into(&mut finding.check);
    finding
}

/// Only the blockers.
pub fn blockers(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect()
}
