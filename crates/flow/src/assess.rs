//! Assessment: everything known about a source before it is touched, and all findings at once.
//!
//! A survey is collected through the ports; [`findings`] is pure over it. A check that could not
//! look says so: "not looked" is never "fine".

use landfall_core::failure::Failure;
use landfall_core::ids::Endpoint;
use landfall_core::ids::InstanceId;
use landfall_core::port::Ports;
use landfall_core::port::cloud::{
    Cluster, EngineVersion, Instance, Parameter, ParameterSource, ResourceState, TAG_MIGRATION,
};
use landfall_core::port::database::{ServerView, SlotView};
use landfall_core::port::router::{Route, RouterAbility, Sessions};
use landfall_core::{Code, Spec};
use serde::{Deserialize, Serialize};

use crate::bypass::{self, Party};
use crate::patience;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The move does not start.
    Blocker,
    /// A person should know before approving.
    Warning,
    /// Good to know.
    Note,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Its problem code, for blockers.
    pub code: Option<Code>,
    /// What it is about.
    pub object: String,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// What SQL access adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The server.
    pub server: ServerView,
    /// Prepared transactions.
    pub prepared: Vec<String>,
    /// Slots.
    pub slots: Vec<SlotView>,
    /// Client sessions, by who they are.
    #[serde(default)]
    pub parties: Vec<Party>,
}

/// Everything looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// The source.
    pub instance: Option<Instance>,
    /// Versions it may become.
    pub versions: Vec<EngineVersion>,
    /// Classes that can be ordered for the chosen version.
    pub classes: Vec<String>,
    /// Whatever has the target's name.
    pub cluster: Option<Cluster>,
    /// User-set parameters of the source.
    pub parameters: Vec<Parameter>,
    /// Seen from inside, with access.
    pub inside: Option<Inside>,
    /// The source's read replicas, with where they answer.
    #[serde(default)]
    pub replicas: Vec<(InstanceId, Endpoint)>,
    /// Every stored route.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// What the gateway can do, or why it could not be asked.
    #[serde(default)]
    pub gateway: Option<Result<RouterAbility, Failure>>,
    /// Why the inside could not be looked at, though access is given.
    pub not_looked: Option<Failure>,
}

/// Looks at everything, changing nothing.
pub async fn survey(ports: &Ports<'_>, spec: &Spec) -> Result<Survey, Failure> {
    let cloud = ports.cloud;
    let instance = cloud.instance(&spec.source.instance).await?;
    let cluster = cloud.cluster(&spec.target.cluster).await?;
    let mut survey = Survey {
        instance,
        versions: vec![],
        classes: vec![],
        cluster,
        parameters: vec![],
        inside: None,
        replicas: vec![],
        routes: ports.router.routes().await?,
        gateway: Some(ports.router.ability().await),
        not_looked: None,
    };
    let Some(instance) = &survey.instance else { return Ok(survey) };
    if instance.engine != "postgres" {
        return Ok(survey);
    }
    survey.versions = cloud.aurora_versions(&instance.engine_version).await?;
    if let Some(version) = choose_version(spec, instance, &survey.versions) {
        survey.classes = cloud.orderable_classes(&version.version).await?;
    }
    if let Some(group) = &instance.parameter_group {
        let level = landfall_core::port::cloud::GroupLevel::Instance;
        let all = cloud.parameters(level, &group.name).await?;
        survey.parameters = all.into_iter().filter(|p| p.source == ParameterSource::User).collect();
    }
    for id in &instance.replica_instances {
        let replica = cloud.instance(id).await?;
        let at = replica.and_then(|replica| replica.endpoint);
        survey.replicas.extend(at.map(|at| (id.clone(), at)));
    }
    if let (Some(database), Some(endpoint)) = (ports.database, &instance.endpoint) {
        match inside(database, endpoint).await {
            Ok(found) => survey.inside = Some(found),
            Err(failure) => survey.not_looked = Some(failure),
        }
    }
    Ok(survey)
}

async fn inside(
    database: &dyn landfall_core::port::Database,
    at: &Endpoint,
) -> Result<Inside, Failure> {
    Ok(Inside {
        server: database.server(at).await?,
        prepared: database.prepared_transactions(at).await?,
        slots: database.slots(at).await?,
        parties: bypass::parties(&database.sessions(at).await?),
    })
}

/// The Aurora version asked for, or the newest of the source's own major.
pub fn choose_version<'a>(
    spec: &Spec,
    instance: &Instance,
    versions: &'a [EngineVersion],
) -> Option<&'a EngineVersion> {
    if let Some(asked) = &spec.target.engine_version {
        return versions.iter().find(|version| version.version == *asked);
    }
    let major = major(&instance.engine_version);
    versions
        .iter()
        .filter(|version| self::major(&version.version) == major)
        .max_by_key(|version| minor(&version.version))
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// The minor as numbers; `17.6-R2` is 17.6.
fn minor(version: &str) -> Vec<u32> {
    let plain = version.split('-').next().unwrap_or(version);
    plain.split('.').skip(1).filter_map(|part| part.parse().ok()).collect()
}

/// The Aurora class for a source's class: its own when offered, else the same size of a memory
/// family, newest generation first.
pub fn choose_class(spec: &Spec, instance: &Instance, classes: &[String]) -> Option<String> {
    let offered = |class: &str| classes.iter().any(|one| one == class);
    if let Some(asked) = &spec.target.class {
        return offered(asked).then(|| asked.clone());
    }
    if offered(&instance.class) {
        return Some(instance.class.clone());
    }
    let size = instance.class.rsplit('.').next()?;
    const FAMILIES: &[&str] = &["r8g", "r7g", "r7i", "r6g", "r6i", "r5", "t4g", "t3"];
    let sizes = [size, "large", "medium"];
    sizes.iter().find_map(|size| {
        FAMILIES.iter().map(|family| format!("db.{family}.{size}")).find(|class| offered(class))
    })
}

/// Every finding, blockers first.
pub fn findings(spec: &Spec, survey: &Survey) -> Vec<Finding> {
    let mut found = Vec::new();
    match &survey.instance {
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
            of_instance(spec, survey, instance, &mut found);
            of_target(spec, survey, instance, &mut found);
            of_inside(spec, survey, instance, &mut found);
            of_gateway(spec, survey, &mut found);
            of_routes(spec, survey, instance, &mut found);
        }
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

fn finding(severity: Severity, object: &str, what: &str, remedy: &str) -> Finding {
    Finding {
        severity,
        code: None,
        object: object.to_owned(),
        what: what.to_owned(),
        remedy: remedy.to_owned(),
    }
}

fn blocker(code: Code, object: impl ToString, what: &str, remedy: &str) -> Finding {
    Finding { code: Some(code), ..finding(Severity::Blocker, &object.to_string(), what, remedy) }
}

fn of_instance(spec: &Spec, survey: &Survey, instance: &Instance, found: &mut Vec<Finding>) {
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
    let unsupported = survey.parameters.len();
    if unsupported > 0 {
        found.push(finding(
            Severity::Note,
            id.as_str(),
            &format!("{unsupported} parameters are set by hand"),
            "`landfall plan` shows what becomes of each on Aurora.",
        ));
    }
}

fn of_target(spec: &Spec, survey: &Survey, instance: &Instance, found: &mut Vec<Finding>) {
    match choose_version(spec, instance, &survey.versions) {
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
            if choose_class(spec, instance, &survey.classes).is_none() {
                found.push(blocker(
                    Code::NoTargetClass,
                    &instance.class,
                    &format!("Aurora {} has no class of this size", version.version),
                    "Set target.class to a class that Aurora offers.",
                ));
            }
        }
    }
    if let Some(cluster) = &survey.cluster {
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

fn of_inside(spec: &Spec, survey: &Survey, instance: &Instance, found: &mut Vec<Finding>) {
    let id = instance.id.as_str();
    if let Some(why) = &survey.not_looked {
        found.push(blocker(
            Code::AccessTooWeak,
            id,
            &format!("access is given, but the database could not be looked at: {why}"),
            "Check [access], the security groups, and the role's rights; or remove [access].",
        ));
    }
    let Some(inside) = &survey.inside else {
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
fn of_gateway(spec: &Spec, survey: &Survey, found: &mut Vec<Finding>) {
    let service = spec.route.service.as_str();
    match &survey.gateway {
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
    let Some(inside) = survey.inside.as_ref().filter(|inside| !inside.parties.is_empty()) else {
        return;
    };
    let holds = matches!(&survey.gateway, Some(Ok(ability)) if ability.holds);
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
    let past = |party: &&Party| !networks.is_empty() && !bypass::came_through(party, networks);
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
fn of_routes(spec: &Spec, survey: &Survey, instance: &Instance, found: &mut Vec<Finding>) {
    for route in survey.routes.iter().filter(|route| route.service != spec.route.service) {
        let (service, at) = (route.service.as_str(), &route.endpoint);
        let replica = survey.replicas.iter().find(|(_, end)| end == at).map(|(id, _)| id);
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
