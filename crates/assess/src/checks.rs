//! The checks: one table, each row independent of the others and pure over spec and inventory.
//!
//! A check returns everything it has to say, also that it could not look; silence means "looked,
//! and fine". Lists are bounded by `asking::names`, so that fifty thousand tables are one finding.

mod access;
mod account;
mod asking;
mod collation;
mod equipment;
mod extensions;
mod gateway;
mod outward;
mod page;
mod replicas;
mod roles;
mod routes;
mod sequences;
mod settings;
mod slots;
mod source;
mod storage;
mod tables;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod transactions;
mod way_back;

use landfall_core::finding::{Finding, Severity};
use landfall_core::port::cloud::Instance;
use landfall_core::{Code, Spec};

use crate::inventory::Inventory;
use crate::span::span;

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

impl Check {
    /// Whether only SQL answers it.
    fn is_inside(&self) -> bool {
        self.id.starts_with("inside.") && self.id != "inside.access"
    }
}

const fn row(id: &'static str, title: &'static str, find: fn(&Seen<'_>) -> Vec<Finding>) -> Check {
    Check { id, title, find }
}

/// Every check, in the order in which findings of one severity are shown.
pub static TABLE: &[Check] = &[
    row("source.state", "State of the instance", source::state),
    row("source.place", "Region and account", source::place),
    row("source.cluster", "Multi-AZ DB clusters", source::alone),
    row("source.backups", "Automated backups", source::backups),
    row("source.quarantine", "The source's quarantine group", source::quarantine),
    row("source.multi_az", "Multi-AZ", source::multi_az),
    row("source.kerberos", "Kerberos", source::kerberos),
    row("source.iam", "IAM roles and IAM authentication", source::roles),
    row("source.upgrades", "Minor upgrades and pending changes", source::upgrades),
    row("source.public", "Public access", source::public),
    row("source.secret", "Master password in Secrets Manager", source::secret),
    row("source.options", "Option groups", source::option_groups),
    row("source.encryption", "Encryption and its key", source::encryption),
    row("source.alarms", "CloudWatch alarms", source::alarms),
    row("source.proxies", "RDS Proxies before the source", equipment::before_source),
    row("storage.volume", "Storage type and size", source::volume),
    row("storage.free", "Free storage", storage::free),
    row("storage.race", "Disk against the building of the replica", storage::race),
    row("account.quotas", "Quotas of the account", account::quotas),
    row("account.maintenance", "Pending maintenance", account::maintenance),
    row("account.windows", "Maintenance and backup windows", account::windows),
    row("replicas.aurora", "Aurora read replicas there already", replicas::aurora),
    row("replicas.chain", "The source as a replica", replicas::chain),
    row("replicas.elsewhere", "Read replicas in other Regions", replicas::elsewhere),
    row("replicas.region", "Read replicas in the Region", replicas::in_region),
    row("target.version", "Aurora version", target::version),
    row("target.class", "Aurora class", target::class),
    row("target.readers", "Readers of the target", target::readers),
    row("target.name", "Name of the target", target::name),
    row("target.members", "Names of the target's instances", equipment::members),
    row("target.room", "Room for the readers", equipment::room),
    row("target.rights", "Rights that cannot be looked at", equipment::rights),
    row("target.proxy", "RDS Proxy before the target", equipment::proxy),
    row("target.global", "Global Database", equipment::global),
    row("parameters.by_hand", "Parameters set by hand", settings::by_hand),
    row("parameters.group", "The source's parameter group", settings::group),
    row("parameters.logical", "Option for logical replication", settings::logical),
    row("parameters.defaults", "Engine defaults that differ", settings::differing),
    row("inside.access", "SQL access", access::access),
    row("inside.databases", "Databases that let nobody in", access::doors),
    row("inside.prepared", "Prepared transactions", transactions::prepared),
    row("inside.long_transactions", "Long transactions", transactions::long),
    row("inside.wraparound", "Age of transaction ids", transactions::wraparound),
    row("inside.slots", "Replication slots", slots::slots),
    row("inside.publications", "Publications", slots::publications),
    row("inside.subscriptions", "Subscriptions", slots::subscriptions),
    row("inside.extensions", "Extensions that Aurora lacks", extensions::lacking),
    row("inside.extension_versions", "Versions of extensions", extensions::versions),
    row("inside.preloaded", "Preloaded libraries", extensions::preloaded),
    row("inside.unlogged", "Unlogged tables", tables::unlogged),
    row("inside.tablespaces", "Tablespaces", tables::tablespaces),
    row("inside.identity", "Tables without replica identity", tables::without_identity),
    row("inside.identity_full", "Cost of replica identity full", tables::full_identity),
    row("inside.invalid_indexes", "Invalid indexes", tables::invalid_indexes),
    row("inside.statistics", "Tables without statistics", tables::without_statistics),
    row("inside.row_security", "Row-level security", tables::row_security),
    row("inside.large_objects", "Large objects", tables::large_objects),
    row("inside.sequences", "Sequences near their end", sequences::worn),
    row("collation.library", "Age of the collation library", collation::library),
    row("inside.database_collations", "Collation versions of databases", collation::of_databases),
    row("inside.collations", "Collation versions of indexes", collation::of_columns),
    row("inside.passwords", "Password hashes", roles::passwords),
    row("inside.password_encryption", "Password encryption", roles::encryption),
    row("inside.roles", "Roles of IAM and directories", roles::notable),
    row("inside.role_settings", "Settings of roles and databases", roles::settings),
    row("inside.event_triggers", "Event triggers", outward::event_triggers),
    row("inside.privileged", "Superuser-only objects", outward::privileged),
    row("inside.foreign", "Foreign servers and dblinks", outward::homeward),
    row("inside.jobs", "Jobs of pg_cron and pg_partman", outward::jobs),
    row("gateway.ability", "What the gateway can do", gateway::ability),
    row("gateway.tls", "TLS between gateway and database", tls::by_whom),
    row("gateway.certificate", "Certificates that clients verify", tls::verifying),
    row("gateway.patience", "Clients that give up early", gateway::impatient),
    row("gateway.bypass", "Clients past the gateway", gateway::past),
    row("gateway.routes", "Services that lead to what stays", routes::stale),
    row("way_back.arm", "The way back after the release", way_back::way_back),
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
