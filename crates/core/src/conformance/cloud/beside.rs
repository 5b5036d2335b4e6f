//! What a cloud promises about what stands before and beside a finished target: a proxy that leads
//! to it, and a Global Database that follows it in a second Region.

use std::time::Duration;

use super::equipment::promoted;
use super::{
    CloudFixture, cluster, eventually, instance, order, ours, refused_to_another, replica, twice,
};
use crate::action::{CloudAction, Equipment, NewSecondary};
use crate::failure::FailureKind;
use crate::ids::{ClusterId, InstanceId};
use crate::port::cloud::ResourceState;
use crate::spec::{GlobalSpec, ProxyPool, ProxySpec};

fn proxy_of(id: &ClusterId) -> ProxySpec {
    ProxySpec {
        name: format!("{id}-proxy"),
        role: "arn:aws:iam::123456789012:role/proxy".to_owned(),
        secrets: vec!["arn:aws:secretsmanager:us-east-1:123456789012:secret:app".to_owned()],
        iam_auth: None,
        require_tls: None,
        subnets: vec![],
        security_groups: vec![],
        idle_client_timeout: Duration::from_mins(10),
        pool: ProxyPool {
            borrow_timeout: Duration::from_secs(30),
            max_connections_percent: 80,
            max_idle_connections_percent: 20,
            session_pinning_filters: vec![],
        },
    }
}

/// A proxy is made once, leads to the promoted cluster alone, and says how its instances are.
#[expect(clippy::cognitive_complexity, reason = "one story; each assert counts as a branch")]
pub async fn a_proxy_leads_to_its_target(fixture: &impl CloudFixture) {
    let cloud = fixture.cloud();
    assert_eq!(cloud.proxy("nobody-made-it").await, Ok(None));
    let made = replica(fixture).await;
    let wanted = proxy_of(&made.cluster);
    let create = Equipment::Proxy { cluster: made.cluster.clone(), proxy: wanted.clone() };
    refused_to_another(fixture, CloudAction::Equip(create.clone())).await;
    twice(fixture, CloudAction::Equip(create.clone())).await;
    let look =
        async || cloud.proxy(&wanted.name).await.expect("it can be read").expect("it was made");
    let there = |state: &ResourceState| *state == ResourceState::Available;
    let seen = eventually(fixture, "the proxy", look, |seen| there(&seen.state)).await;
    assert!(super::belongs_to(&seen.tags, &ours()), "{seen:?}");
    assert_eq!(seen.targets, [], "it leads nowhere yet");
    let register = CloudAction::Equip(Equipment::ProxyTarget {
        proxy: wanted.name.clone(),
        cluster: made.cluster.clone(),
    });
    let early = cloud.act(&register, &ours()).await.map_err(|failure| failure.kind);
    assert_eq!(early, Err(FailureKind::WrongState), "it is still a replica");
    super::equipment::promote(fixture, &made).await;
    let pool = Equipment::ProxyPool { proxy: wanted.name.clone(), pool: wanted.pool.clone() };
    refused_to_another(fixture, CloudAction::Equip(pool.clone())).await;
    twice(fixture, CloudAction::Equip(pool)).await;
    eventually(fixture, "the pool", look, |seen| seen.pool.as_ref() == Some(&wanted.pool)).await;
    refused_to_another(fixture, register.clone()).await;
    twice(fixture, register).await;
    let reached = |seen: &crate::port::equipment::Proxy| {
        let cluster = seen.targets.iter().any(|target| target.is_cluster(&made.cluster));
        let writer = made.writer.as_str();
        cluster && seen.targets.iter().any(|one| one.id == writer && one.is_reached())
    };
    let seen = eventually(fixture, "the proxy's target", look, reached).await;
    assert_eq!(seen.targets.iter().filter(|one| one.is_cluster(&made.cluster)).count(), 1);
    assert!(seen.endpoint.is_some(), "{seen:?}");
    let source = instance(fixture, &made.source.id).await.expect("it is still there");
    let around = cloud.surroundings(&source).await.expect("they can be read");
    assert_eq!(around.proxies, Ok(vec![]), "no proxy leads to the source");
    let gone = InstanceId::new("nobody-made-it");
    let nobody = ClusterId::new(gone.as_str());
    let lost = Equipment::Proxy { cluster: nobody, proxy: proxy_of(&made.cluster) };
    let lost = order(fixture, &CloudAction::Equip(lost), &ours()).await;
    assert_eq!(lost, Err(FailureKind::NotFound));
}

/// A Global Database is made once around the promoted cluster, and a second Region follows it.
#[expect(clippy::cognitive_complexity, reason = "one story; each assert counts as a branch")]
pub async fn a_second_region_follows(fixture: &impl CloudFixture) {
    let cloud = fixture.cloud();
    assert_eq!(cloud.global_database("nobody-made-it").await, Ok(None));
    let made = promoted(fixture).await;
    let primary = cluster(fixture, &made.cluster).await.expect("it is there");
    let writer = instance(fixture, &made.writer).await.expect("the writer is there");
    let wanted = GlobalSpec {
        name: format!("{}-world", made.cluster),
        region: "eu-west-1".to_owned(),
        cluster: ClusterId::new(format!("{}-far", made.cluster)),
        class: None,
        subnet_group: None,
        security_groups: vec![],
        kms_key: Some("arn:aws:kms:eu-west-1:123456789012:key/far".to_owned()),
    };
    let around = CloudAction::Equip(Equipment::GlobalDatabase {
        name: wanted.name.clone(),
        cluster: made.cluster.clone(),
    });
    refused_to_another(fixture, around.clone()).await;
    twice(fixture, around).await;
    let look = async || {
        let found = cloud.global_database(&wanted.name).await.expect("it can be read");
        found.expect("it was made")
    };
    let there = |state: &ResourceState| *state == ResourceState::Available;
    let seen = eventually(fixture, "the Global Database", look, |seen| there(&seen.state)).await;
    assert_eq!((seen.writer.as_ref(), seen.readers.len()), (Some(&primary.arn), 0));
    assert_eq!(cloud.secondary(&wanted).await, Ok(None));
    let create = CloudAction::Equip(Equipment::SecondaryCluster(NewSecondary {
        global: wanted.clone(),
        engine_version: primary.engine_version.clone(),
        encrypted: writer.encrypted,
        serverless: None,
    }));
    twice(fixture, create.clone()).await;
    refused_to_another(fixture, create).await;
    let far =
        async || cloud.secondary(&wanted).await.expect("it can be read").expect("it was made");
    let seen = eventually(fixture, "the far cluster", far, |seen| there(&seen.state)).await;
    assert_eq!((seen.instance, seen.lag_ms), (None, None));
    assert!(super::belongs_to(&seen.tags, &ours()), "{:?}", seen.tags);
    let member = CloudAction::Equip(Equipment::SecondaryInstance {
        global: wanted.clone(),
        class: writer.class,
    });
    refused_to_another(fixture, member.clone()).await;
    twice(fixture, member).await;
    let up = |seen: &crate::port::equipment::Secondary| seen.instance.as_ref().is_some_and(there);
    eventually(fixture, "the far instance", far, up).await;
    let seen = eventually(fixture, "its lag", far, |seen| seen.lag_ms.is_some()).await;
    assert!(seen.lag_ms.is_some_and(|lag| lag >= 0.0), "{seen:?}");
    let global = look().await;
    assert_eq!((global.writer.as_ref(), global.readers.len()), (Some(&primary.arn), 1));
    assert_eq!(cluster(fixture, &wanted.cluster).await, None, "this Region does not show it");
}
