//! Risk: what a person types, or what somebody else built, does not fit; and the move finds out
//! half-way, with things of its own left behind.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_api::core::facts::ParameterFate;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::Outcome;
use landfall_e2e::{SpecText, Stage};
use landfall_lab::cloud::group::{ApplyMethod, Group, GroupKind};
use landfall_lab::cloud::names::Identifier;
use landfall_lab::cloud::{ClusterRequest, Final, InstanceRequest, ParameterChange};

use crate::told::{has, landfall, stopped};
use crate::watch::{moved, stage, start, until_over, until_stopped};
use crate::world::World;

/// Cluster `shop-aurora`, the name that the move wants, with a writer: a colleague's.
async fn colleagues_cluster(stage: &Stage) {
    let cloud = stage.lab.cloud();
    let cluster = ClusterRequest {
        id: "shop-aurora".to_owned(),
        engine: "aurora-postgresql".to_owned(),
        master_user: Some("colleague".to_owned()),
        master_password: Some("not-a-real-secret".to_owned()),
        ..ClusterRequest::default()
    };
    cloud.create_cluster(cluster).await.expect("create a cluster");
    seen(stage, "the colleague's cluster", |stage| {
        let id = Identifier::lookup("shop-aurora");
        stage.lab.cloud().read(|world| world.clusters.get(&id).map(|one| one.status.word()))
            == Some("available")
    })
    .await;
    let writer = InstanceRequest {
        id: "shop-analytics".to_owned(),
        class: "db.r6g.large".to_owned(),
        engine: "aurora-postgresql".to_owned(),
        cluster: Some("shop-aurora".to_owned()),
        ..InstanceRequest::default()
    };
    cloud.create_instance(writer).expect("create its writer");
    seen(stage, "the colleague's writer", |stage| {
        let instances = stage.lab.instances();
        instances.iter().any(|one| one.identifier == "shop-analytics" && one.status == "available")
    })
    .await;
}

/// Waits for something in the lab, with a bound.
async fn seen(stage: &Stage, what: &str, there: impl Fn(&Stage) -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3000 {
        if there(stage) {
            return;
        }
        tick.tick().await;
    }
    panic!("{what} is not there: {:#?}", stage.lab.instances());
}

fn gone(stage: &Stage, cluster: &str) -> bool {
    let id = Identifier::lookup(cluster);
    stage.lab.cloud().read(|world| !world.clusters.contains_key(&id))
}

/// How often the log says that a move is stopped.
fn stops(stage: &Stage) -> usize {
    stage.product.log().matches("the move is stopped").count()
}

/// Runs a move that must stop in its assessment, aborts it, and finds the world as before.
async fn refused(stage: &mut Stage, spec: SpecText, code: &str, parts: &[&str]) {
    let before = World::of(stage).await;
    let stopped_before = stops(stage);
    let good = std::mem::replace(&mut stage.spec, spec);
    let file = stage.spec_file().unwrap();
    let file = file.to_str().unwrap();
    let looked = landfall(&stage.product, ["assess", file]).await;
    looked.says(3, parts).says(3, &[code]);
    // A dry run shows what would stop a move, and stops none.
    let planned = landfall(&stage.product, ["plan", file]).await;
    has(&planned.text, &[code]);
    assert_eq!(stops(stage), stopped_before, "{}", stage.product.log());
    let name = stage.spec.name.clone();
    let ran = landfall(&stage.product, ["run", file]).await;
    let resume = format!("landfall resume {name}");
    ran.says(3, parts);
    assert_eq!(stops(stage), stopped_before + 1, "{}", stage.product.log());
    ran.says(3, &[code, "Writes are accepted by the source", &resume, "landfall explain"]);
    let view = until_stopped(stage).await;
    stopped(&view, code, Writes::Source, parts);
    assert_eq!(view.status.step, "prepare.assess_source");
    assert_eq!(before, World::of(stage).await, "something was touched");
    landfall(&stage.product, ["abort", &name]).await.says(0, &[]);
    until_over(stage, Outcome::Undone).await;
    before.is_back(stage).await;
    stage.spec = good;
}

#[tokio::test]
async fn a_typo_in_the_spec_starts_nothing() {
    let mut stage = stage().await;
    let before = World::of(&stage).await;
    stage.spec.extra.push(("cutover", "lag_mux = \"1MiB\"".to_owned()));
    stage.spec.extra.push(("route", "pause_budgit = \"5m\"".to_owned()));
    let file = stage.spec_file().unwrap();
    let mistakes = [
        "LF-001",
        "cutover.lag_mux",
        "did you mean lag_max",
        "route.pause_budgit",
        "did you mean pause_budget",
        "nothing was started",
    ];
    for verb in ["assess", "plan", "run"] {
        landfall(&stage.product, [verb, file.to_str().unwrap()]).await.says(1, &mistakes);
    }
    assert!(stage.product.client().unwrap().moves().await.unwrap().is_empty());
    before.is_back(&stage).await;
    stage.down().await.unwrap();
}

#[tokio::test]
async fn a_source_that_cannot_move_is_told_before_anything_is_touched() {
    let mut stage = stage().await;
    let spec = |name: &str, instance: &str, cluster: &str| SpecText {
        name: name.to_owned(),
        instance: instance.to_owned(),
        cluster: cluster.to_owned(),
        ..stage.spec.clone()
    };
    let unknown = spec("typo", "shop-porod", "shop-aurora");
    let not_postgres = spec("aurora-source", "shop-analytics", "analytics-aurora");
    let taken = spec("taken", "shop-prod", "shop-aurora");
    let second_replica = spec("second-replica", "shop-prod", "shop-aurora");

    refused(&mut stage, unknown, "LF-002", &["shop-porod", "source.instance"]).await;

    colleagues_cluster(&stage).await;
    let parts = ["shop-analytics", "aurora-postgresql", "RDS for PostgreSQL"];
    refused(&mut stage, not_postgres, "LF-003", &parts).await;
    refused(&mut stage, taken, "LF-005", &["shop-aurora", "target.cluster"]).await;

    let cloud = stage.lab.cloud().clone();
    cloud.delete_instance(&Identifier::lookup("shop-analytics"), &Final::Nothing).unwrap();
    seen(&stage, "the end of the writer", |stage| {
        stage.lab.instances().iter().all(|one| one.identifier != "shop-analytics")
    })
    .await;
    cloud.delete_cluster(&Identifier::lookup("shop-aurora"), &Final::Nothing).unwrap();
    seen(&stage, "the end of the cluster", |stage| gone(stage, "shop-aurora")).await;

    let source = Identifier::lookup("shop-prod");
    let arn = cloud.read(|world| world.instance(&source).unwrap().arn());
    let reporting = ClusterRequest {
        id: "reporting-aurora".to_owned(),
        engine: "aurora-postgresql".to_owned(),
        replication_source: Some(arn),
        ..ClusterRequest::default()
    };
    cloud.create_cluster(reporting).await.expect("create another replica");
    refused(&mut stage, second_replica, "LF-004", &["shop-prod", "reporting-aurora"]).await;
    stage.down().await.unwrap();
}

#[tokio::test]
async fn a_parameter_that_aurora_lacks_is_reported_and_does_not_stop_the_move() {
    let mut stage = stage().await;
    let group = Identifier::lookup("shop-prod-parameters");
    let changes = [("max_wal_size", "2048"), ("work_mem", "8192")].map(|(name, value)| {
        let (name, value) = (name.to_owned(), value.to_owned());
        ParameterChange { name, value, method: ApplyMethod::Immediate }
    });
    stage.lab.cloud().modify_group(GroupKind::Instance, &group, &changes).expect("set them");
    let file = stage.spec_file().unwrap();
    let plan = landfall(&stage.product, ["plan", file.to_str().unwrap()]).await;
    plan.says(0, &["max_wal_size", "work_mem"]);
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let verdicts = followed.view.facts.parameters.clone().expect("the report");
    let of = |name: &str| verdicts.iter().find(|one| one.name == name).expect("in the report");
    let dropped = of("max_wal_size");
    assert_eq!(dropped.fate, ParameterFate::Dropped, "{dropped:?}");
    assert!(dropped.reason.contains("Aurora"), "{dropped:?}");
    assert_eq!(of("work_mem").fate, ParameterFate::Carried);
    let set: BTreeMap<String, String> = stage.lab.cloud().read(|world| {
        let ours = |group: &&Group| group.name.as_str().starts_with("shop-aurora-");
        let groups = world.groups.values().filter(ours);
        groups.flat_map(|group| &group.values).map(|(n, v)| (n.clone(), v.value.clone())).collect()
    });
    assert_eq!(set.get("work_mem").map(String::as_str), Some("8192"), "{set:?}");
    assert_eq!(set.get("max_wal_size"), None);
    moved(stage, &followed).await;
}
