//! The checks: each pure over the inventory.

use landfall_core::finding::{Finding, Learnt, Severity};
use landfall_core::port::cloud::{Instance, ResourceState, TAG_MIGRATION};
use landfall_core::port::router::Sessions;
use landfall_core::{Code, Spec};

use crate::choice::{choose_class, choose_version};
use crate::inventory::Inventory;
use crate::{bypass, patience};

/// Every finding, blockers first.
pub fn findings(spec: &Spec, inventory: &Inventory) -> Vec<Finding> {
    let mut found = Vec::new();
    match &inventory.instance {
        None => found.push(blocker(
            Code::SourceMissing,
            &spec.source.instance,
            "no DB instance has this name in this account and Region",
            "Check source.instance in the spec, AWS_REGION and the account of your credentials.",
        )),
        Some(instance) if instance.engine != "postgres" => found.push(blocker(
            Code::SourceNotPostgres,
            &instance.id,
            &format!("its engine is {}", instance.engine),
            "Landfall moves RDS for PostgreSQL instances (engine \"postgres\").",
        )),
        Some(instance) => {
            of_instance(spec, inventory, instance, &mut found);
            of_target(spec, inventory, instance, &mut found);
            of_inside(spec, inventory, instance, &mut found);
            of_gateway(spec, inventory, &mut found);
            of_routes(spec, inventory, instance, &mut found);
        }
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn finding(severity: Severity, object: &str, what: &str, remedy: &str) -> Finding {
    Finding {
        check: "source".to_owned(),
        severity,
        code: None,
        object: object.to_owned(),
        what: what.to_owned(),
        why: String::new(),
        remedy: remedy.to_owned(),
        reference: None,
        learnt: Learnt::Api,
    }
}

fn blocker(code: Code, object: impl ToString, what: &str, remedy: &str) -> Finding {
    Finding { code: Some(code), ..finding(Severity::Blocker, &object.to_string(), what, remedy) }
}

fn of_instance(spec: &Spec, inventory: &Inventory, instance: &Instance, found: &mut Vec<Finding>) {
    let id = &instance.id;
    if let ResourceState::Failed(status) = &instance.state {
        let what = format!("its status is {status}");
        let remedy = "Bring the instance back to available first.";
        found.push(blocker(Code::ResourceFailed, id, &what, remedy));
    }
    let others: Vec<_> =
        instance.replica_clusters.iter().filter(|c| **c != spec.target.cluster).collect();
    if let Some(other) = others.first() {
        found.push(blocker(
            Code::SourceHasReplica,
            id,
            &format!("it has the Aurora read replica {other}, and AWS allows one"),
            "Delete or promote that replica first.",
        ));
    }
    if let Some(of) = &instance.replica_of {
        found.push(blocker(
            Code::SourceHasReplica,
            id,
            &format!("it is itself a read replica of {of}"),
            "Move the primary instead.",
        ));
    }
    if instance.backup_retention_days == 0 {
        found.push(finding(
            Severity::Warning,
            id.as_str(),
            "automated backups are off, and an Aurora replica needs them",
            "Landfall turns them on behind gate approve_backups: RDS interrupts service briefly.",
        ));
    }
    for replica in &instance.replica_instances {
        found.push(finding(
            Severity::Note,
            replica.as_str(),
            "a read replica of the source does not move with it",
            "Add Aurora readers after the move, and point its readers at them.",
        ));
    }
    let group = &spec.cutover.quarantine_group;
    if instance.security_groups.iter().any(|member| member.group == *group) {
        found.push(blocker(
            Code::QuarantineGroup,
            id,
            &format!("quarantine group {group} is one of its security groups already"),
            "Name a group that nothing else uses, so that putting it on closes the instance.",
        ));
    }
    let unsupported = inventory.parameters.len();
    if unsupported > 0 {
        found.push(finding(
            Severity::Note,
            id.as_str(),
            &format!("{unsupported} parameters are set by hand"),
            "`landfall plan` shows what becomes of each on Aurora.",
        ));
    }
}

fn of_target(spec: &Spec, inventory: &Inventory, instance: &Instance, found: &mut Vec<Finding>) {
    match choose_version(spec, instance, &inventory.versions) {
        None => found.push(blocker(
            Code::NoTargetVersion,
            &instance.id,
            &format!(
                "Aurora offers {} for PostgreSQL {}",
                spec.target
                    .engine_version
                    .as_ref()
                    .map_or_else(|| "no version".to_owned(), |asked| format!("no version {asked}")),
                instance.engine_version
            ),
            "Choose one of the versions Aurora offers, or upgrade the source's minor first.",
        )),
        Some(version) => {
            if choose_class(spec, instance, &inventory.classes).is_none() {
                found.push(blocker(
                    Code::NoTargetClass,
                    &instance.class,
                    &format!("Aurora {} has no class of this size", version.version),
                    "Set target.class to a class that Aurora offers.",
                ));
            }
        }
    }
    if let Some(cluster) = &inventory.cluster {
        let ours = cluster.tags.get(TAG_MIGRATION).map(String::as_str)
            == Some(spec.migration.name.as_str());
        if !ours {
            found.push(blocker(
                Code::NameTaken,
                &cluster.id,
                "a cluster of this name exists and is not this move's",
                "Choose another target.cluster.",
            ));
        } else if cluster.replicates_from.is_none() {
            found.push(blocker(
                Code::NameTaken,
                &cluster.id,
                "a cluster of this name was promoted by an earlier attempt of this move",
                "Delete it when nobody needs it, or choose another target.cluster.",
            ));
        }
    }
}

fn of_inside(spec: &Spec, inventory: &Inventory, instance: &Instance, found: &mut Vec<Finding>) {
    let id = instance.id.as_str();
    if let Some(why) = &inventory.not_looked {
        found.push(blocker(
            Code::AccessTooWeak,
            id,
            &format!("access is given, but the database could not be looked at: {why}"),
            "Check [access], the security groups, and the role's rights; or remove [access].",
        ));
    }
    let Some(inside) = &inventory.inside else {
        if spec.access.is_none() {
            found.push(finding(
                Severity::Note,
                id,
                "not looked inside the database: the spec gives no access",
                "Extensions, sessions and prepared transactions stay unknown until the fence.",
            ));
        }
        return;
    };
    for gid in &inside.prepared {
        found.push(finding(
            Severity::Warning,
            gid,
            "a prepared transaction is open; the fence does not end it",
            "Commit or roll it back before the cutover.",
        ));
    }
    for slot in inside.slots.iter().filter(|slot| !slot.active) {
        found.push(finding(
            Severity::Warning,
            &slot.name,
            &format!(
                "a slot that nobody uses keeps {} of WAL and hides the replica's lag",
                slot.retained
            ),
            "Find its owner; drop it when nobody needs it.",
        ));
    }
    for slot in inside.slots.iter().filter(|slot| slot.plugin.is_some()) {
        found.push(finding(
            Severity::Warning,
            &slot.name,
            "a logical slot does not survive the promotion, and this version does not carry it over",
            "Stop its consumer before the cutover and plan a backfill.",
        ));
    }
}

/// What the gateway cannot do, and who does not use it.
fn of_gateway(spec: &Spec, inventory: &Inventory, found: &mut Vec<Finding>) {
    let service = spec.route.service.as_str();
    match &inventory.gateway {
        Some(Ok(ability)) if !ability.holds => found.push(finding(
            Severity::Warning,
            service,
            "its gateway cannot hold new connections",
            "From the fence to the release they fail instead of waiting; tell the owner, or add a \
             gateway that holds.",
        )),
        Some(Ok(ability)) if ability.sessions == Sessions::Cut => found.push(finding(
            Severity::Note,
            service,
            "its gateway does not carry open sessions over",
            "Each client sees one closed connection at the fence, and connects again.",
        )),
        Some(Err(why)) => found.push(finding(
            Severity::Warning,
            service,
            &format!("its gateway could not be asked what it can do: {why}"),
            "Bring the gateway back before the cutover.",
        )),
        Some(Ok(_)) | None => {}
    }
    let Some(inside) = inventory.inside.as_ref().filter(|inside| !inside.parties.is_empty()) else {
        return;
    };
    let holds = matches!(&inventory.gateway, Some(Ok(ability)) if ability.holds);
    let impatient = patience::impatient(&inside.parties, spec.pause_budget());
    if holds && impatient > 0 {
        found.push(finding(
            Severity::Warning,
            service,
            &format!("{impatient} sessions are of the JDBC driver, which waits 5 s at the gateway"),
            "Set sslResponseTimeout (milliseconds) above route.pause_budget in their URLs: \
             connectTimeout does not cover it.",
        ));
    }
    let networks = &spec.route.gateway_networks;
    if networks.is_empty() {
        found.push(finding(
            Severity::Note,
            service,
            &format!("sessions come from {}", bypass::origins(&inside.parties)),
            "Write the gateways' addresses as route.gateway_networks, and who comes past them is \
             named.",
        ));
    }
    let past =
        |party: &&bypass::Party| !networks.is_empty() && !bypass::came_through(party, networks);
    for party in inside.parties.iter().filter(past) {
        found.push(finding(
            Severity::Warning,
            service,
            &format!("sessions came past the gateway: {party}"),
            "Point that client at the gateway: the fence ends its sessions, and it cannot connect \
             any more.",
        ));
    }
}

/// Services that lead to what stays behind.
fn of_routes(spec: &Spec, inventory: &Inventory, instance: &Instance, found: &mut Vec<Finding>) {
    for route in inventory.routes.iter().filter(|route| route.service != spec.route.service) {
        let (service, at) = (route.service.as_str(), &route.endpoint);
        let replica = inventory.replicas.iter().find(|(_, end)| end == at).map(|(id, _)| id);
        let moves = spec.services().any(|own| *own == route.service);
        match (replica, moves) {
            (Some(replica), true) => found.push(finding(
                Severity::Note,
                service,
                &format!("it leads to {replica}, a read replica of the source"),
                "The cutover points it at the target. Sessions that are open on the replica then \
                 stay there and show the past until they end.",
            )),
            (Some(replica), false) => found.push(finding(
                Severity::Warning,
                service,
                &format!("it leads to {replica}, which shows the past after the cutover"),
                "Add it to the spec as [[route.reader]], or point it elsewhere afterwards.",
            )),
            (None, false) if Some(at) == instance.endpoint.as_ref() => found.push(finding(
                Severity::Warning,
                service,
                "it leads to the source as well, and is not in the spec",
                "Add it as [[route.reader]] when it only reads; otherwise its clients fail from \
                 the fence on.",
            )),
            (None, true | false) => {}
        }
    }
}

/// Only the blockers.
pub fn blockers(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.severity == Severity::Blocker).collect()
}
