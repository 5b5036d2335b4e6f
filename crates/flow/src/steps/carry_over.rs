//! Purpose: what people hang on a database and AWS does not move: roles, tags, Performance
//!   Insights, custom endpoints, alarms. What cannot come along is named.
//! Reads: the target with its members and endpoints, the source, the alarms on both.
//! Changes: AddRoleToDBCluster, AddTagsToResource, ModifyDBInstance, CreateDBClusterEndpoint,
//!   PutMetricAlarm.
//! Undo: refused; the target is the database.
//! If it dies here: some of it is there; the next start adds the rest.

use std::collections::{BTreeMap, BTreeSet};

use landfall_core::action::{Equipment, NewEndpoint};
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::port::cloud::{
    Alarm, AssociatedRole, Cluster, ClusterEndpoint, Instance, ResourceState, Subject, Tags,
};
use landfall_core::spec::{Alarms, CustomEndpoint};
use landfall_core::{Action, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::finish_target::offer;
use super::target;
use crate::step::{Look, Plan, Step};

/// What the warnings are about.
const LEFT: &str = "what the source had";
const ALARMS: &str = "alarms on the source";
/// The longest name of an alarm, in characters.
const ALARM_NAME_MAX: usize = 255;

/// Everything beside the settings.
pub struct CarryOver;

/// Both sides, with what hangs on them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    cluster: Cluster,
    members: Vec<Instance>,
    endpoints: Vec<ClusterEndpoint>,
    /// Absent when it is gone.
    source: Option<Instance>,
    /// What this version of Aurora takes a role for, and can export; looked up when it matters.
    features: Vec<String>,
    log_types: Vec<String>,
    alarms: Result<Heard, Failure>,
}

/// Alarms, by what they are about.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Heard {
    source: Vec<Alarm>,
    target: Vec<Alarm>,
    /// The metrics that the target has.
    metrics: BTreeSet<String>,
}

impl Step for CarryOver {
    const ID: &'static str = "verify.carry_over";
    const TITLE: &'static str = "Give the target its roles, tags, endpoints and alarms";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let cloud = look.ports.cloud;
        let cluster = target(look).await?;
        let source = cloud.instance(&look.spec.source.instance).await?;
        let mut members = Vec::new();
        for id in look.spec.members() {
            members.extend(cloud.instance(&id).await?);
        }
        let endpoints = if look.spec.target.endpoint.is_empty() {
            vec![]
        } else {
            cloud.cluster_endpoints(&cluster.id).await?
        };
        let carries = source.as_ref().is_some_and(|source| {
            !source.detail.roles.is_empty() || !source.detail.log_exports.is_empty()
        });
        let (features, log_types) = if carries {
            let offer = offer(look).await?;
            (offer.features, offer.log_types)
        } else {
            (vec![], vec![])
        };
        let alarms = match heard(look, &cluster).await {
            // Who may not read alarms has none copied, and is told; the move is not held up.
            Err(failure) if failure.kind == FailureKind::Denied => Err(failure),
            heard => Ok(heard?),
        };
        Ok(Seen { cluster, members, endpoints, source, features, log_types, alarms })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let mut orders: Vec<Equipment> = insights(spec, seen).collect();
        orders.extend(roles(spec, seen));
        orders.extend(tags(spec, seen));
        orders.extend(endpoints(spec, seen));
        orders.extend(copies(spec, seen));
        // What AWS has refused is told, and left to a person: the fence is watched behind this step.
        let about = |order: &Equipment| Action::from(order.clone()).to_string();
        orders.retain(|order| !facts.warnings.contains_key(&about(order)));
        if !orders.is_empty() {
            return Plan::Do(orders.into_iter().map(Into::into).collect());
        }
        let told = |(about, text): (&str, String)| Fact::Warned { about: about.to_owned(), text };
        let mut warnings = [left(spec, seen), silent(spec, seen)].into_iter().flatten();
        let unsaid = warnings.find(|(about, text)| facts.warnings.get(*about) != Some(text));
        unsaid.map_or(Plan::Done, |warning| Plan::Learn(told(warning)))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

async fn heard(look: &Look<'_>, cluster: &Cluster) -> Result<Heard, Failure> {
    let cloud = look.ports.cloud;
    let on = Subject::Instance(look.spec.source.instance.clone());
    let source = cloud.alarms(&on).await?;
    if source.is_empty() || look.spec.target.alarms == Alarms::List {
        return Ok(Heard { source, ..Heard::default() });
    }
    let on = Subject::Cluster(cluster.id.clone());
    let (target, metrics) = (cloud.alarms(&on).await?, cloud.metric_names(&on).await?);
    Ok(Heard { source, target, metrics })
}

fn insights<'a>(spec: &'a Spec, seen: &'a Seen) -> impl Iterator<Item = Equipment> + 'a {
    let on_source = seen.source.as_ref().map(|source| source.detail.performance_insights);
    let wanted = spec.target.performance_insights.or(on_source);
    // AWS refuses a change of an instance that is being changed.
    let ready = seen.members.iter().filter(|member| member.state == ResourceState::Available);
    ready.filter_map(move |member| {
        let on = wanted.filter(|on| *on != member.detail.performance_insights)?;
        Some(Equipment::PerformanceInsights { instance: member.id.clone(), on })
    })
}

/// The roles that were asked for, or those of the source that Aurora takes too.
fn wanted_roles<'a>(spec: &'a Spec, seen: &'a Seen) -> Vec<&'a AssociatedRole> {
    match (&spec.target.roles, &seen.source) {
        (Some(asked), _) => asked.iter().collect(),
        (None, Some(source)) => {
            source.detail.roles.iter().filter(|role| takes(seen, role)).collect()
        }
        (None, None) => vec![],
    }
}

fn takes(seen: &Seen, role: &AssociatedRole) -> bool {
    role.feature.as_ref().is_none_or(|feature| seen.features.contains(feature))
}

fn roles<'a>(spec: &'a Spec, seen: &'a Seen) -> impl Iterator<Item = Equipment> + 'a {
    let wanted = wanted_roles(spec, seen).into_iter();
    let missing = wanted.filter(|role| !seen.cluster.detail.roles.contains(role));
    missing.map(|role| Equipment::Role { cluster: seen.cluster.id.clone(), role: role.clone() })
}

/// Tags of AWS and of Landfall are nobody's to carry.
fn wanted_tags(spec: &Spec, seen: &Seen) -> Tags {
    let carried = || seen.source.as_ref().map(|source| source.tags.clone());
    let mut tags = spec.target.tags.clone().or_else(carried).unwrap_or_default();
    tags.retain(|key, _| !key.starts_with("aws:") && !key.starts_with("landfall:"));
    tags
}

fn tags(spec: &Spec, seen: &Seen) -> Vec<Equipment> {
    let wanted = wanted_tags(spec, seen);
    let asked = spec.target.tags.is_some();
    let members = seen.members.iter().map(|member| (&member.arn, &member.tags));
    let all = std::iter::once((&seen.cluster.arn, &seen.cluster.tags)).chain(members);
    all.filter_map(|(arn, have)| {
        // What is carried is carried once: a value that somebody gave the target is theirs.
        let missing = wanted.iter().filter(|(key, value)| match have.get(*key) {
            Some(there) => asked && there != *value,
            None => true,
        });
        let tags: Tags = missing.map(|(key, value)| (key.clone(), value.clone())).collect();
        (!tags.is_empty()).then(|| Equipment::Tags { arn: arn.clone(), tags })
    })
    .collect()
}

fn endpoints<'a>(spec: &'a Spec, seen: &'a Seen) -> impl Iterator<Item = Equipment> + 'a {
    let there = |asked: &CustomEndpoint| seen.endpoints.iter().any(|one| one.name == asked.name);
    spec.target.endpoint.iter().filter(move |asked| !there(asked)).map(|asked| {
        let members = |numbers: &[u16]| numbers.iter().map(|number| spec.member(*number)).collect();
        Equipment::Endpoint(NewEndpoint {
            cluster: seen.cluster.id.clone(),
            name: asked.name.clone(),
            kind: asked.kind,
            members: members(&asked.members),
            excluded: members(&asked.excluded),
        })
    })
}

/// The name that a copy would like: the source's name in it gives way to the target's.
fn copy_name(spec: &Spec, alarm: &str) -> String {
    let (source, cluster) = (spec.source.instance.as_str(), spec.target.cluster.as_str());
    let name = if alarm.contains(source) && !alarm.contains(cluster) {
        alarm.replace(source, cluster)
    } else {
        format!("{cluster} {alarm}")
    };
    name.chars().take(ALARM_NAME_MAX).collect()
}

/// The copy's name of each alarm. Where two would like the same one, each gets a sign of its own,
/// made of its own name alone: it is the same whatever other alarms come and go.
fn copy_names(spec: &Spec, alarms: &[Alarm]) -> BTreeMap<String, String> {
    let wished: Vec<_> = alarms.iter().map(|one| (&one.name, copy_name(spec, &one.name))).collect();
    let wanted_by = |name: &String| wished.iter().filter(|(_, other)| other == name).count();
    let own = |alarm: &String, name: &String| {
        let sign = format!(" #{:08x}", sign_of(alarm));
        let kept = ALARM_NAME_MAX.saturating_sub(sign.len());
        name.chars().take(kept).chain(sign.chars()).collect()
    };
    let named = wished.iter().map(|(alarm, name)| {
        let name = if wanted_by(name) > 1 { own(alarm, name) } else { name.clone() };
        ((*alarm).clone(), name)
    });
    named.collect()
}

/// FNV-1a: stable over versions and machines, which `Hash` is not.
fn sign_of(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |sign, byte| (sign ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn copies(spec: &Spec, seen: &Seen) -> Vec<Equipment> {
    let Ok(heard) = &seen.alarms else { return vec![] };
    if spec.target.alarms == Alarms::List {
        return vec![];
    }
    let names = copy_names(spec, &heard.source);
    let able = heard.source.iter().filter(|alarm| heard.metrics.contains(&alarm.metric));
    let named = able.filter_map(|alarm| Some((alarm, names.get(&alarm.name)?.clone())));
    let missing = named.filter(|(_, copy)| heard.target.iter().all(|one| one.name != *copy));
    missing
        .map(|(alarm, copy)| Equipment::AlarmCopy {
            alarm: alarm.name.clone(),
            copy,
            cluster: seen.cluster.id.clone(),
        })
        .collect()
}

type Warning = (&'static str, String);

/// What the source had and Aurora does not take.
fn left(spec: &Spec, seen: &Seen) -> Option<Warning> {
    let source = seen.source.as_ref()?;
    let mut parts = Vec::new();
    if spec.target.roles.is_none() {
        let roles = source.detail.roles.iter().filter(|role| !takes(seen, role));
        parts.extend(roles.map(|role| {
            let feature = role.feature.as_deref().unwrap_or("no feature");
            format!("role {} for {feature}", role.arn)
        }));
    }
    if spec.target.log_exports.is_none() {
        let logs = source.detail.log_exports.iter().filter(|log| !seen.log_types.contains(log));
        parts.extend(logs.map(|log| format!("log export {log}")));
    }
    let words = || format!("Aurora has no place for: {}", parts.join(", "));
    (!parts.is_empty()).then(|| (LEFT, words()))
}

/// The alarms that nobody will hear any more.
fn silent(spec: &Spec, seen: &Seen) -> Option<Warning> {
    let heard = match &seen.alarms {
        Ok(heard) => heard,
        Err(failure) => {
            let words = format!(
                "not looked: {}; allow cloudwatch:DescribeAlarms, or look for alarms on {} yourself",
                failure.detail, spec.source.instance
            );
            return Some((ALARMS, words));
        }
    };
    let names = copy_names(spec, &heard.source);
    let copied = |alarm: &&Alarm| {
        let copy = names.get(&alarm.name);
        heard.target.iter().any(|one| Some(&one.name) == copy)
    };
    let silent: Vec<_> = heard.source.iter().filter(|alarm| !copied(alarm)).collect();
    let names: Vec<_> =
        silent.iter().map(|alarm| format!("{:?} ({})", alarm.name, alarm.metric)).collect();
    let why = match spec.target.alarms {
        Alarms::List => "watch the source, which takes no writes any more",
        Alarms::Copy => "have no copy: CloudWatch has no such metric of the target",
    };
    (!silent.is_empty()).then(|| (ALARMS, format!("{} {why}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use landfall_core::spec::EndpointKind;

    use super::*;
    use crate::model::{World, example_spec};

    fn seen(change: impl FnOnce(&mut Seen)) -> Seen {
        let (source, cluster) = World::example_pair();
        let mut member = source.clone();
        member.id = "orders-aurora-1".into();
        member.arn = "arn:member".to_owned();
        let mut seen = Seen {
            cluster,
            members: vec![member],
            endpoints: vec![],
            source: Some(source),
            features: vec!["s3Import".to_owned()],
            log_types: vec!["postgresql".to_owned()],
            alarms: Ok(Heard::default()),
        };
        seen.cluster.arn = "arn:cluster".to_owned();
        change(&mut seen);
        seen
    }

    fn planned(spec: &Spec, seen: &Seen) -> Vec<String> {
        let plan = CarryOver.plan(spec, &Facts::default(), seen);
        if let Plan::Do(actions) = &plan {
            return actions.iter().map(ToString::to_string).collect();
        }
        if let Plan::Learn(Fact::Warned { about, text }) = &plan {
            return vec![format!("{about}: {text}")];
        }
        vec![format!("{plan:?}")]
    }

    fn alarm(name: &str, metric: &str) -> Alarm {
        Alarm { name: name.to_owned(), metric: metric.to_owned() }
    }

    fn role(feature: &str) -> AssociatedRole {
        AssociatedRole { arn: format!("arn:{feature}"), feature: Some(feature.to_owned()) }
    }

    #[test]
    fn a_bare_source_leaves_nothing_to_do() {
        assert_eq!(planned(&example_spec(), &seen(|_| {})), ["Done"]);
        assert_eq!(planned(&example_spec(), &seen(|seen| seen.source = None)), ["Done"]);
    }

    #[test]
    fn what_the_source_had_comes_along_and_the_rest_is_named() {
        let mut seen = seen(|seen| {
            let source = seen.source.as_mut().unwrap();
            source.detail.performance_insights = true;
            source.detail.roles = vec![role("s3Import"), role("Lambda")];
            source.detail.log_exports = vec!["upgrade".to_owned()];
            source.tags = [("team", "shop"), ("aws:cloudformation:stack-name", "x")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        });
        assert_eq!(
            planned(&example_spec(), &seen),
            [
                "ModifyDBInstance orders-aurora-1: Performance Insights on",
                "AddRoleToDBCluster orders-aurora: arn:s3Import for s3Import",
                "AddTagsToResource arn:cluster: team",
                "AddTagsToResource arn:member: team",
            ]
        );
        seen.members[0].detail.performance_insights = true;
        seen.cluster.detail.roles = vec![role("s3Import")];
        for tags in [&mut seen.cluster.tags, &mut seen.members[0].tags] {
            tags.insert("team".to_owned(), "shop".to_owned());
        }
        assert_eq!(
            planned(&example_spec(), &seen),
            ["what the source had: Aurora has no place for: role arn:Lambda for Lambda, \
              log export upgrade"]
        );
    }

    #[test]
    fn what_is_asked_for_takes_the_place_of_what_is_carried() {
        let mut spec = example_spec();
        spec.target.roles = Some(vec![]);
        spec.target.tags = Some([("team".to_owned(), "ops".to_owned())].into());
        spec.target.performance_insights = Some(false);
        spec.target.endpoint = vec![CustomEndpoint {
            name: "reports".to_owned(),
            kind: EndpointKind::Any,
            members: vec![1],
            excluded: vec![],
        }];
        let mut seen = seen(|seen| {
            let source = seen.source.as_mut().unwrap();
            source.detail.roles = vec![role("s3Import")];
            source.detail.performance_insights = true;
            seen.cluster.tags.insert("team".to_owned(), "ops".to_owned());
        });
        assert_eq!(
            planned(&spec, &seen),
            [
                "AddTagsToResource arn:member: team",
                "CreateDBClusterEndpoint reports (ANY) of orders-aurora",
            ]
        );
        seen.members[0].tags.insert("team".to_owned(), "ops".to_owned());
        let state = ResourceState::Available;
        let there = ClusterEndpoint { name: "reports".to_owned(), state, kind: "ANY".to_owned() };
        seen.endpoints.push(there);
        assert_eq!(planned(&spec, &seen), ["Done"]);
    }

    #[test]
    fn alarms_are_listed_or_copied_and_none_falls_silent_unsaid() {
        let mut spec = example_spec();
        let mut seen = seen(|seen| {
            seen.alarms = Ok(Heard {
                source: vec![
                    alarm("orders-prod cpu", "CPUUtilization"),
                    alarm("disk", "FreeStorageSpace"),
                ],
                target: vec![],
                metrics: ["CPUUtilization".to_owned()].into(),
            });
        });
        assert_eq!(
            planned(&spec, &seen),
            ["alarms on the source: \"orders-prod cpu\" (CPUUtilization), \"disk\" \
              (FreeStorageSpace) watch the source, which takes no writes any more"]
        );
        spec.target.alarms = Alarms::Copy;
        assert_eq!(
            planned(&spec, &seen),
            [
                "PutMetricAlarm \"orders-aurora cpu\" on orders-aurora, a copy of \"orders-prod cpu\""
            ]
        );
        let copy = alarm("orders-aurora cpu", "CPUUtilization");
        seen.alarms.as_mut().unwrap().target.push(copy);
        assert_eq!(
            planned(&spec, &seen),
            ["alarms on the source: \"disk\" (FreeStorageSpace) have no copy: CloudWatch has no \
              such metric of the target"]
        );
        seen.alarms = Err(Failure::new(FailureKind::Denied, "read the alarms", "AccessDenied"));
        let told = planned(&spec, &seen);
        assert!(told[0].contains("not looked: AccessDenied; allow cloudwatch:"), "{told:?}");
    }

    #[test]
    fn a_copy_has_a_name_of_its_own_that_fits() {
        let spec = example_spec();
        assert_eq!(copy_name(&spec, "cpu"), "orders-aurora cpu");
        assert_eq!(copy_name(&spec, "cpu of orders-prod"), "cpu of orders-aurora");
        assert_eq!(copy_name(&spec, &"é".repeat(255)).chars().count(), 255);
    }

    #[test]
    fn two_alarms_that_would_like_one_name_get_two_and_the_same_ones_every_time() {
        let spec = example_spec();
        let long = |end: &str| alarm(&format!("{}{end}", "a".repeat(255)), "CPUUtilization");
        let alarms =
            [alarm("orders-prod", "x"), long("b"), long("c"), alarm("orders-prod cpu", "x")];
        let names = copy_names(&spec, &alarms);
        let distinct: BTreeSet<_> = names.values().collect();
        assert_eq!(distinct.len(), alarms.len(), "{names:?}");
        assert!(names.values().all(|name| name.chars().count() <= 255), "{names:?}");
        assert_eq!(names["orders-prod cpu"], "orders-aurora cpu", "a name of its own is kept");
        let mut turned = alarms.to_vec();
        turned.reverse();
        assert_eq!(copy_names(&spec, &turned), names);
        let both = [alarm("orders-prod cpu", "x"), alarm("cpu", "x")];
        let names = copy_names(&spec, &both);
        assert_ne!(names["orders-prod cpu"], names["cpu"]);
        assert!(names["cpu"].starts_with("orders-aurora cpu #"), "{names:?}");
    }
}
