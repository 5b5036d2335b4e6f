//! What a cloud promises about a finished target: settings, readers, roles, tags, endpoints and
//! alarms are there once, are seen, and belong to their move. And what it measured sums up.

use std::collections::BTreeMap;

use super::{
    CloudFixture, HOUR, Replica, available, cluster, eventually, instance, order, ours,
    refused_to_another, replica, source, twice,
};
use crate::action::{CloudAction, ClusterSettings, Equipment, NewEndpoint, NewWriter};
use crate::failure::FailureKind;
use crate::ids::{ClusterId, InstanceId};
use crate::port::cloud::{AssociatedRole, Metric, MetricQuery, ResourceState, Subject};
use crate::spec::EndpointKind;

/// A promoted cluster gets what its people expect, once.
pub async fn a_target_is_equipped(fixture: &impl CloudFixture) {
    let made = promoted(fixture).await;
    settings_are_read_back(fixture, &made.cluster).await;
    a_reader_joins(fixture, &made).await;
    equipment_is_there_once(fixture, &made).await;
    alarms_are_copied(fixture, &made).await;
}

pub(super) async fn promoted(fixture: &impl CloudFixture) -> Replica {
    let made = replica(fixture).await;
    promote(fixture, &made).await;
    made
}

pub(super) async fn promote(fixture: &impl CloudFixture, made: &Replica) {
    let none = fixture.cloud().cluster_endpoints(&made.cluster).await;
    assert_eq!(none, Ok(vec![]), "a replica has no custom endpoint");
    twice(fixture, CloudAction::PromoteCluster { cluster: made.cluster.clone() }).await;
    let look = async || cluster(fixture, &made.cluster).await.expect("it is not deleted");
    eventually(fixture, "the promotion", look, |seen| {
        seen.replicates_from.is_none() && seen.state == ResourceState::Available
    })
    .await;
    let backed_up = |seen: &crate::port::cloud::Cluster| seen.detail.latest_restorable.is_some();
    eventually(fixture, "a restorable instant", look, backed_up).await;
}

async fn settings_are_read_back(fixture: &impl CloudFixture, id: &ClusterId) {
    let settings = ClusterSettings {
        backup_retention_days: Some(12),
        iam_auth: Some(true),
        logs_on: vec!["postgresql".to_owned()],
        ..ClusterSettings::default()
    };
    let set = CloudAction::SetClusterSettings { cluster: id.clone(), settings };
    refused_to_another(fixture, set.clone()).await;
    twice(fixture, set).await;
    let look = async || cluster(fixture, id).await.expect("it is not deleted");
    eventually(fixture, "the settings", look, |seen| {
        let detail = &seen.detail;
        seen.backup_retention_days == 12
            && detail.iam_auth
            && detail.log_exports.contains(&"postgresql".to_owned())
    })
    .await;
    let off =
        ClusterSettings { logs_off: vec!["postgresql".to_owned()], ..ClusterSettings::default() };
    twice(fixture, CloudAction::SetClusterSettings { cluster: id.clone(), settings: off }).await;
    eventually(fixture, "no export and the rest as it was", look, |seen| {
        seen.detail.log_exports.is_empty() && seen.detail.iam_auth
    })
    .await;
}

fn reader_of(made: &Replica) -> InstanceId {
    InstanceId::new(format!("{}-aurora-2", made.source.id))
}

async fn a_reader_joins(fixture: &impl CloudFixture, made: &Replica) {
    let writer = instance(fixture, &made.writer).await.expect("the writer is there");
    let reader = reader_of(made);
    let create = CloudAction::CreateReader(NewWriter {
        instance: reader.clone(),
        cluster: made.cluster.clone(),
        class: writer.class,
        parameter_group: super::group_name(&made.source, super::GroupLevel::Instance),
    });
    twice(fixture, create.clone()).await;
    refused_to_another(fixture, create).await;
    available(fixture, &reader).await;
    let seen = cluster(fixture, &made.cluster).await.expect("it is not deleted");
    let members: BTreeMap<_, _> =
        seen.members.iter().map(|member| (&member.instance, member.writer)).collect();
    assert_eq!(members, BTreeMap::from([(&made.writer, true), (&reader, false)]));
}

async fn equipment_is_there_once(fixture: &impl CloudFixture, made: &Replica) {
    let id = &made.cluster;
    let arn = cluster(fixture, id).await.expect("it is not deleted").arn;
    let role = AssociatedRole {
        arn: "arn:aws:iam::123456789012:role/import".to_owned(),
        feature: Some("s3Import".to_owned()),
    };
    let tags = BTreeMap::from([("team".to_owned(), "shop & co".to_owned())]);
    let endpoint = NewEndpoint {
        cluster: id.clone(),
        name: format!("{id}-reports"),
        kind: EndpointKind::Any,
        members: vec![reader_of(made)],
        excluded: vec![],
    };
    for equipment in [
        Equipment::Role { cluster: id.clone(), role: role.clone() },
        Equipment::Tags { arn, tags },
        Equipment::PerformanceInsights { instance: made.writer.clone(), on: true },
        Equipment::Endpoint(endpoint.clone()),
    ] {
        refused_to_another(fixture, CloudAction::Equip(equipment.clone())).await;
        twice(fixture, CloudAction::Equip(equipment)).await;
    }
    let look = async || cluster(fixture, id).await.expect("it is not deleted");
    let seen = eventually(fixture, "the role", look, |seen| !seen.detail.roles.is_empty()).await;
    assert_eq!(seen.detail.roles, [role]);
    assert_eq!(seen.tags.get("team").map(String::as_str), Some("shop & co"));
    assert!(super::belongs_to(&seen.tags, &ours()), "the move's own tags stay: {:?}", seen.tags);
    let look = async || instance(fixture, &made.writer).await.expect("the writer is there");
    let insights = |seen: &super::Instance| seen.detail.performance_insights;
    eventually(fixture, "Performance Insights", look, insights).await;
    let endpoints = fixture.cloud().cluster_endpoints(id).await.expect("endpoints can be read");
    let found: Vec<_> = endpoints.iter().map(|one| (&*one.name, &*one.kind)).collect();
    assert_eq!(found, [(&*endpoint.name, "ANY")]);
}

async fn alarms_are_copied(fixture: &impl CloudFixture, made: &Replica) {
    let cloud = fixture.cloud();
    let on = |subject: Subject| async move { cloud.alarms(&subject).await.expect("alarms") };
    let source = Subject::Instance(made.source.id.clone());
    assert_eq!(on(source.clone()).await, [], "nobody put one yet");
    let (alarm, copy) = (format!("{} cpu", made.source.id), format!("{} cpu", made.cluster));
    fixture.put_alarm(&made.source.id, &alarm).await;
    let heard = on(source).await;
    assert_eq!(heard.iter().map(|one| &*one.name).collect::<Vec<_>>(), [&*alarm]);
    let of = |alarm: &str, copy: &str| {
        CloudAction::Equip(Equipment::AlarmCopy {
            alarm: alarm.to_owned(),
            copy: copy.to_owned(),
            cluster: made.cluster.clone(),
        })
    };
    refused_to_another(fixture, of(&alarm, &copy)).await;
    twice(fixture, of(&alarm, &copy)).await;
    let target = on(Subject::Cluster(made.cluster.clone())).await;
    let found: Vec<_> = target.iter().map(|one| (&*one.name, &*one.metric)).collect();
    assert_eq!(found, [(&*copy, Metric::CpuUtilization.name())]);
    let over = order(fixture, &of(&alarm, &alarm), &ours()).await;
    assert_eq!(over, Err(FailureKind::TakenByAnother), "a copy never replaces another alarm");
    let unknown = order(fixture, &of("nobody's", "x"), &ours()).await;
    assert_eq!(unknown, Err(FailureKind::NotFound));
    let names = async || {
        let subject = Subject::Cluster(made.cluster.clone());
        cloud.metric_names(&subject).await.expect("names can be read")
    };
    let cpu = Metric::CpuUtilization.name();
    eventually(fixture, "the target's metrics", names, |names| names.contains(cpu)).await;
}

/// Periods come in order from their window alone, and each is what its measurements were.
pub async fn history_sums_up(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let from = fixture.now() - HOUR;
    let history = async || {
        let subject = Subject::Instance(source.id.clone());
        let metric = Metric::DatabaseConnections;
        let query = MetricQuery { metric, subject, from, to: fixture.now() };
        fixture.cloud().history(&query, 60).await.expect("a history can be read")
    };
    let seen = eventually(fixture, "a period", history, |spans| !spans.is_empty()).await;
    assert!(seen.is_sorted_by_key(|span| span.at), "{seen:?}");
    for span in &seen {
        assert!(span.at >= from, "{span:?}");
        assert!(span.minimum <= span.average && span.average <= span.maximum, "{span:?}");
        assert!(span.samples >= 1.0, "{span:?}");
    }
}

/// What stands around a source is told, part by part.
pub async fn surroundings_are_told(fixture: &impl CloudFixture) {
    let source = source(fixture).await;
    let alarm = format!("{} is heard", source.id);
    fixture.put_alarm(&source.id, &alarm).await;
    let seen = fixture.cloud().surroundings(&source).await.expect("they can be read");
    let alarms = seen.alarms.expect("alarms can be read");
    assert_eq!(alarms.iter().map(|one| &*one.name).collect::<Vec<_>>(), [&*alarm]);
    for quota in seen.quotas.expect("quotas can be read") {
        assert!(quota.used <= quota.max, "{quota:?}");
    }
    let sharers = seen.group_shared_with.expect("instances can be read");
    assert!(!sharers.contains(&source.id), "it does not share with itself");
    assert_eq!(seen.maintenance, Ok(vec![]), "nothing is pending on a fresh source");
}

/// A doctor's look changes nothing, and says of each fact what became of it.
pub async fn a_probe_only_looks(fixture: &impl CloudFixture) {
    let before = source(fixture).await;
    let probed = fixture.cloud().probe().await;
    assert!(probed.iter().all(|one| !one.fact.is_empty() && !one.seen.is_empty()), "{probed:?}");
    let mut after = instance(fixture, &before.id).await.expect("it is still there");
    after.detail.latest_restorable = before.detail.latest_restorable;
    assert_eq!(after, before);
}
