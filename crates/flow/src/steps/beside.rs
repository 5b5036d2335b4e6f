//! What is put before and beside a target that already is the database: an RDS Proxy, a Global
//! Database with a cluster in a second Region.
//!
//! Not a step: the soak looks here, so that the fence is watched while AWS takes its minutes. Each
//! is a chain of orders, the next one due when the one before is seen done. Nothing of it stops a
//! move: what is refused, taken by somebody else or late is told once and left to a person.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::action::{Equipment, NewSecondary};
use landfall_core::failure::{Failure, Retry};
use landfall_core::port::cloud::{Cluster, ResourceState};
use landfall_core::port::equipment::{GlobalDatabase, Proxy, Secondary};
use landfall_core::quantity::duration_text;
use landfall_core::spec::{GlobalSpec, ProxySpec, SERVERLESS_CLASS};
use landfall_core::{Action, Code, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::is_ours;
use crate::step::{Look, Plan, elapsed};

/// What was looked at. A failed look is kept: it is told, or looked at again.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beside {
    /// Since when.
    since: Timestamp,
    proxy: Option<Result<Option<Proxy>, Failure>>,
    global: Option<Result<Global, Failure>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Global {
    target: Option<Cluster>,
    database: Option<GlobalDatabase>,
    secondary: Option<Secondary>,
}

/// What follows from it.
#[derive(Debug)]
pub(super) enum Next {
    /// Give this order.
    Order(Box<Action>),
    /// Remember this.
    Learn(Box<Fact>),
    /// AWS is at work.
    Wait { why: String, reading: String },
    /// Nothing is left to do here.
    Settled,
}

fn proxy_name(proxy: &ProxySpec) -> String {
    format!("proxy {}", proxy.name)
}

fn global_name(global: &GlobalSpec) -> String {
    format!("Global Database {}", global.name)
}

/// Looks at what was asked for and is neither there nor given up.
pub(super) async fn look(look: &Look<'_>) -> Option<Beside> {
    let open = |what: &str| {
        !look.facts.equipped.contains_key(what) && !look.facts.warnings.contains_key(what)
    };
    let asked = &look.spec.target;
    let proxy = asked.proxy.as_ref().filter(|proxy| open(&proxy_name(proxy)));
    let global = asked.global.as_ref().filter(|global| open(&global_name(global)));
    if proxy.is_none() && global.is_none() {
        return None;
    }
    let cloud = look.ports.cloud;
    let proxy = match proxy {
        Some(asked) => Some(cloud.proxy(&asked.name).await),
        None => None,
    };
    let global = match global {
        Some(asked) => Some(look_far(look, asked).await),
        None => None,
    };
    Some(Beside { since: look.entered_at, proxy, global })
}

async fn look_far(look: &Look<'_>, asked: &GlobalSpec) -> Result<Global, Failure> {
    let cloud = look.ports.cloud;
    let target = cloud.cluster(&look.spec.target.cluster).await?;
    let database = cloud.global_database(&asked.name).await?;
    let secondary = match &database {
        Some(_) => cloud.secondary(asked).await?,
        None => None,
    };
    Ok(Global { target, database, secondary })
}

/// The first order that is due, else what is to be told, else what is awaited.
pub(super) fn next(spec: &Spec, facts: &Facts, seen: &Beside, now: Timestamp) -> Next {
    let waited = elapsed(seen.since, now);
    let asked = &spec.target;
    let proxy = asked.proxy.as_ref().zip(seen.proxy.as_ref()).map(|(asked, seen)| {
        let decided = of_look(seen, |seen| before(spec, asked, seen.as_ref()));
        settle(facts, &proxy_name(asked), decided, (waited, spec.limits.step_within))
    });
    let global = asked.global.as_ref().zip(seen.global.as_ref()).map(|(asked, seen)| {
        let decided = of_look(seen, |seen| beyond(spec, facts, asked, seen));
        let patience = spec.limits.replica_available_within;
        settle(facts, &global_name(asked), decided, (waited, patience))
    });
    let mut all: Vec<_> = proxy.into_iter().chain(global).collect();
    all.sort_by_key(|next| match next {
        Next::Order(_) => 0,
        Next::Learn(_) => 1,
        Next::Wait { .. } => 2,
        Next::Settled => 3,
    });
    all.into_iter().next().unwrap_or(Next::Settled)
}

/// The soak's wait for it: it ends by what is told, never by a stop.
pub(super) fn patient(spec: &Spec, wait: Plan) -> Plan {
    let within = spec.limits.replica_available_within.max(spec.limits.step_within);
    let late = Problem::new(
        Code::WaitTooLong,
        "what is put before and beside the target is still not there",
        "The target takes the writes. Look at it in the AWS console; `landfall resume` goes on.",
    );
    // Twice: the patience of each ends before, and is told.
    wait.or(within.saturating_mul(2), late)
}

/// What a chain comes to.
enum Decided {
    Order(Equipment),
    Ready(String),
    Cannot(String),
    Wait(String),
}

fn of_look<T>(seen: &Result<T, Failure>, decide: impl FnOnce(&T) -> Decided) -> Decided {
    match seen {
        Ok(seen) => decide(seen),
        Err(failure) => match failure.kind.policy().0 {
            Retry::After { .. } => Decided::Wait(failure.to_string()),
            Retry::AfterFix | Retry::Never => {
                Decided::Cannot(format!("could not {}: {}", failure.what, failure.detail))
            }
        },
    }
}

fn settle(
    facts: &Facts,
    what: &str,
    decided: Decided,
    (waited, patience): (Duration, Duration),
) -> Next {
    let warned = |text: String| {
        let text = format!("{what} is yours to finish: {text}");
        Next::Learn(Box::new(Fact::Warned { about: what.to_owned(), text }))
    };
    match decided {
        Decided::Order(order) => {
            let action = Action::from(order);
            // What AWS has refused is told already, and ends the chain.
            match facts.warnings.get(&action.to_string()) {
                Some(told) => warned(told.clone()),
                None => Next::Order(Box::new(action)),
            }
        }
        Decided::Ready(state) => {
            Next::Learn(Box::new(Fact::Equipped { what: what.to_owned(), state }))
        }
        Decided::Cannot(text) => warned(text),
        Decided::Wait(reading) if waited >= patience => {
            let patience = duration_text::to_text(patience);
            warned(format!("after {patience} it is not there ({reading})"))
        }
        Decided::Wait(reading) => Next::Wait { why: format!("{what} to be there"), reading },
    }
}

/// A resource that is not available: what follows.
fn unready(object: &str, state: &ResourceState) -> Option<Decided> {
    match state {
        ResourceState::Available => None,
        ResourceState::Busy(status) => Some(Decided::Wait(format!("{object} {status}"))),
        ResourceState::Failed(_) | ResourceState::Deleting => {
            Some(Decided::Cannot(format!("{object} is {state}")))
        }
    }
}

fn before(spec: &Spec, asked: &ProxySpec, seen: Option<&Proxy>) -> Decided {
    let cluster = || spec.target.cluster.clone();
    let Some(proxy) = seen else {
        return Decided::Order(Equipment::Proxy { cluster: cluster(), proxy: asked.clone() });
    };
    if !is_ours(spec, &proxy.tags) {
        return Decided::Cannot("a proxy of this name exists and is not this move's".to_owned());
    }
    if let Some(waits) = unready("the proxy", &proxy.state) {
        return waits;
    }
    let name = || asked.name.clone();
    if proxy.pool.as_ref() != Some(&asked.pool) {
        return Decided::Order(Equipment::ProxyPool { proxy: name(), pool: asked.pool.clone() });
    }
    if !proxy.targets.iter().any(|target| target.is_cluster(&cluster())) {
        return Decided::Order(Equipment::ProxyTarget { proxy: name(), cluster: cluster() });
    }
    let members = || proxy.targets.iter().filter(|target| target.health.is_some());
    let reached = members().filter(|target| target.is_reached()).count();
    if reached > 0 {
        let host = proxy.endpoint.as_deref().unwrap_or("an address yet unknown");
        let s = if reached == 1 { "" } else { "s" };
        return Decided::Ready(format!("available at {host}, {reached} instance{s} reached"));
    }
    let told = |target: &landfall_core::port::equipment::ProxyTarget| {
        let health = target.health.as_deref().unwrap_or_default();
        let reason = target.reason.as_deref().map(|reason| format!(" ({reason})"));
        format!("{} {health}{}", target.id, reason.unwrap_or_default())
    };
    let readings: Vec<_> = members().map(told).collect();
    if readings.is_empty() {
        return Decided::Wait("its target is being registered".to_owned());
    }
    Decided::Wait(readings.join(", "))
}

fn beyond(spec: &Spec, facts: &Facts, asked: &GlobalSpec, seen: &Global) -> Decided {
    let Some(target) = &seen.target else {
        return Decided::Cannot(format!("cluster {} does not exist", spec.target.cluster));
    };
    let Some(database) = &seen.database else {
        let (name, cluster) = (asked.name.clone(), target.id.clone());
        return match unready("the target", &target.state) {
            Some(waits) => waits,
            None => Decided::Order(Equipment::GlobalDatabase { name, cluster }),
        };
    };
    if database.writer.as_ref() != Some(&target.arn) {
        let words = "a Global Database of this name exists, and the target does not write in it";
        return Decided::Cannot(words.to_owned());
    }
    if let Some(waits) = unready("the Global Database", &database.state) {
        return waits;
    }
    let class = asked.class.clone().or_else(|| facts.target.as_ref().map(|one| one.class.clone()));
    let class = class.unwrap_or_default();
    let Some(secondary) = &seen.secondary else {
        return Decided::Order(Equipment::SecondaryCluster(NewSecondary {
            global: asked.clone(),
            engine_version: target.engine_version.clone(),
            encrypted: facts.source.as_ref().is_some_and(|source| source.encrypted),
            serverless: spec.target.serverless.filter(|_| class == SERVERLESS_CLASS),
        }));
    };
    if !is_ours(spec, &secondary.tags) {
        let (cluster, region) = (&asked.cluster, &asked.region);
        let words = format!("a cluster {cluster} exists in {region} and is not this move's");
        return Decided::Cannot(words);
    }
    if let Some(waits) = unready("its cluster", &secondary.state) {
        return waits;
    }
    let Some(instance) = &secondary.instance else {
        return Decided::Order(Equipment::SecondaryInstance { global: asked.clone(), class });
    };
    if let Some(waits) = unready("its instance", instance) {
        return waits;
    }
    match secondary.lag_ms {
        Some(lag) => {
            let (cluster, region) = (&asked.cluster, &asked.region);
            Decided::Ready(format!("{cluster} in {region} is available, {lag:.0} ms behind"))
        }
        None => Decided::Wait("no point of AuroraGlobalDBReplicationLag yet".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::failure::FailureKind;
    use landfall_core::port::cloud::{TAG_MIGRATION, Tags};
    use landfall_core::port::equipment::ProxyTarget;
    use serde_json::json;

    use super::*;
    use crate::model::{World, example_spec};

    fn spec() -> Spec {
        let mut spec = example_spec();
        let proxy = json!({ "name": "orders-proxy", "role": "arn:r", "secrets": ["arn:s"] });
        spec.target.proxy = Some(serde_json::from_value(proxy).unwrap());
        let global = json!({ "name": "world", "region": "us-east-1", "cluster": "orders-far" });
        spec.target.global = Some(serde_json::from_value(global).unwrap());
        spec
    }

    fn ours() -> Tags {
        [(TAG_MIGRATION.to_owned(), "orders".to_owned())].into()
    }

    fn proxy(change: impl FnOnce(&mut Proxy)) -> Beside {
        let pool = spec().target.proxy.map(|asked| asked.pool);
        let mut proxy = Proxy {
            name: "orders-proxy".to_owned(),
            state: ResourceState::Available,
            endpoint: Some("orders-proxy.example".to_owned()),
            tags: ours(),
            pool,
            targets: vec![],
        };
        change(&mut proxy);
        let proxy = Some(Ok(Some(proxy)));
        Beside { since: Timestamp::UNIX_EPOCH, proxy, global: None }
    }

    fn target(kind: &str, id: &str, health: Option<&str>) -> ProxyTarget {
        let reason = health.filter(|health| *health == "UNAVAILABLE");
        ProxyTarget {
            id: id.to_owned(),
            kind: kind.to_owned(),
            health: health.map(str::to_owned),
            reason: reason.map(|_| "AUTH_FAILURE".to_owned()),
        }
    }

    fn global(change: impl FnOnce(&mut Global)) -> Beside {
        let (_, target) = World::example_pair();
        let state = ResourceState::Available;
        let writer = Some(target.arn.clone());
        let database = GlobalDatabase { name: "world".to_owned(), state, writer, readers: vec![] };
        let mut global = Global { target: Some(target), database: Some(database), secondary: None };
        change(&mut global);
        Beside { since: Timestamp::UNIX_EPOCH, proxy: None, global: Some(Ok(global)) }
    }

    fn far(instance: Option<&str>, lag_ms: Option<f64>) -> Secondary {
        let instance = instance.map(ResourceState::from_status);
        Secondary { state: ResourceState::Available, tags: ours(), instance, lag_ms }
    }

    fn at(second: i64, facts: &Facts, seen: &Beside) -> String {
        match next(&spec(), facts, seen, Timestamp::from_second(second).unwrap()) {
            Next::Order(order) => order.to_string(),
            Next::Learn(fact) => {
                if let Fact::Warned { text, .. } = *fact {
                    return text;
                }
                let Fact::Equipped { what, state } = *fact else { return format!("{fact:?}") };
                format!("{what}: {state}")
            }
            Next::Wait { why, reading } => format!("wait for {why} ({reading})"),
            Next::Settled => "settled".to_owned(),
        }
    }

    fn told(seen: &Beside) -> String {
        at(0, &Facts::default(), seen)
    }

    #[test]
    fn a_proxy_is_made_set_registered_and_then_waited_for() {
        let none = Beside { since: Timestamp::UNIX_EPOCH, proxy: Some(Ok(None)), global: None };
        assert_eq!(told(&none), "CreateDBProxy orders-proxy before orders-aurora");
        let busy = proxy(|one| one.state = ResourceState::Busy("creating".to_owned()));
        assert_eq!(told(&busy), "wait for proxy orders-proxy to be there (the proxy creating)");
        assert!(told(&proxy(|one| one.pool = None)).starts_with("ModifyDBProxyTargetGroup"));
        let orders = "RegisterDBProxyTargets orders-aurora with orders-proxy";
        assert_eq!(told(&proxy(|_| {})), orders);
        let registered = |health: &'static str| {
            proxy(move |one| {
                one.targets = vec![
                    target("TRACKED_CLUSTER", "orders-aurora", None),
                    target("RDS_INSTANCE", "orders-aurora-1", Some(health)),
                ];
            })
        };
        let reading = "orders-aurora-1 UNAVAILABLE (AUTH_FAILURE)";
        assert!(told(&registered("UNAVAILABLE")).ends_with(&format!("({reading})")));
        let late = at(3_600, &Facts::default(), &registered("UNAVAILABLE"));
        assert!(late.contains("is yours to finish: after") && late.contains(reading), "{late}");
        assert_eq!(
            told(&registered("AVAILABLE")),
            "proxy orders-proxy: available at orders-proxy.example, 1 instance reached"
        );
    }

    #[test]
    fn what_is_anothers_refused_or_unreadable_is_told_and_ends_the_chain() {
        let foreign = told(&proxy(|one| one.tags.clear()));
        assert!(foreign.ends_with("exists and is not this move's"), "{foreign}");
        let order = "RegisterDBProxyTargets orders-aurora with orders-proxy".to_owned();
        let facts = Facts {
            warnings: [(order, "refused: AccessDenied".to_owned())].into(),
            ..Facts::default()
        };
        let refused = at(0, &facts, &proxy(|_| {}));
        assert_eq!(refused, "proxy orders-proxy is yours to finish: refused: AccessDenied");
        let look = |kind| {
            let failure = Failure::new(kind, "read proxy orders-proxy", "AWS's words");
            Beside { since: Timestamp::UNIX_EPOCH, proxy: Some(Err(failure)), global: None }
        };
        assert!(told(&look(FailureKind::Denied)).contains("could not read proxy"));
        assert!(told(&look(FailureKind::Throttled)).starts_with("wait for"));
    }

    #[test]
    fn a_second_region_is_made_link_by_link_and_its_lag_is_told() {
        let order = |change: fn(&mut Global)| told(&global(change));
        let around = "CreateGlobalCluster world around orders-aurora";
        assert_eq!(order(|one| one.database = None), around);
        let foreign = order(|one| one.database.as_mut().unwrap().writer = None);
        assert!(foreign.ends_with("and the target does not write in it"), "{foreign}");
        assert_eq!(order(|_| {}), "CreateDBCluster orders-far in us-east-1 for world");
        let instance = order(|one| one.secondary = Some(far(None, None)));
        assert_eq!(instance, "CreateDBInstance orders-far-1  in us-east-1");
        let waits = order(|one| one.secondary = Some(far(Some("creating"), None)));
        assert!(waits.ends_with("(its instance creating)"), "{waits}");
        let no_lag = order(|one| one.secondary = Some(far(Some("available"), None)));
        assert!(no_lag.contains("no point of AuroraGlobalDBReplicationLag"), "{no_lag}");
        let there = order(|one| one.secondary = Some(far(Some("available"), Some(92.4))));
        let expected = "Global Database world: orders-far in us-east-1 is available, 92 ms behind";
        assert_eq!(there, expected);
    }
}
