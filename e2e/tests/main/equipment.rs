//! Risk: the database arrives bare. What people hang on it beside its data stays behind with the
//! source, two things of it come under one name, or what AWS is slow with stops the move.

use landfall_api::core::probe::{Probed, Verdict};
use landfall_api::core::status::Outcome;
use landfall_e2e::Stage;
use landfall_e2e::stage::Followed;
use landfall_lab::cloud::names::Identifier;
use landfall_lab::cloud::proxies::Behind;
use landfall_lab::cloud::roles::Role;
use landfall_lab::faults::{Fault, Order};
use serde_json::json;

use crate::told::{has, landfall};
use crate::watch::{stage, start, until_over};

fn id(name: &str) -> Identifier {
    Identifier::lookup(name)
}

/// What hangs on the source: a role that Aurora takes, and alarms of which two would be one.
fn hang_on_the_source(stage: &Stage) {
    let cloud = stage.lab.cloud();
    let role = |feature: &str| Role {
        arn: format!("arn:aws:iam::123456789012:role/{feature}"),
        feature: feature.to_owned(),
    };
    cloud.add_instance_role(&id("shop-prod"), role("s3Import")).unwrap();
    for (name, metric) in [
        ("cpu of shop-prod", "CPUUtilization"),
        ("shop-prod connections", "DatabaseConnections"),
        ("connections", "DatabaseConnections"),
        ("shop-prod disk", "FreeStorageSpace"),
    ] {
        let alarm = json!({
            "AlarmName": name,
            "Namespace": "AWS/RDS",
            "MetricName": metric,
            "Dimensions": [{ "Name": "DBInstanceIdentifier", "Value": "shop-prod" }],
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 3,
            "Threshold": 80.5,
            "ComparisonOperator": "GreaterThanThreshold",
        });
        cloud.put_alarm(&alarm).unwrap();
    }
}

fn ask_for_everything(stage: &mut Stage) {
    let lines = [
        ("target", "readers = 1"),
        ("target", "alarms = \"copy\""),
        ("target", "tags = { team = \"shop\" }"),
        ("target", "performance_insights = true"),
        ("[target.endpoint]", "name = \"shop-reports\""),
        ("target.proxy", "name = \"shop-proxy\""),
        ("target.proxy", "role = \"arn:aws:iam::123456789012:role/proxy\""),
        ("target.proxy", "secrets = [\"arn:aws:secretsmanager:us-east-1:123456789012:secret:a\"]"),
        ("target.proxy", "borrow_timeout = \"10s\""),
        ("target.proxy", "max_connections_percent = 80"),
        ("target.global", "name = \"shop-world\""),
        ("target.global", "region = \"eu-west-1\""),
        ("target.global", "cluster = \"shop-far\""),
        ("target.global", "kms_key = \"arn:aws:kms:eu-west-1:123456789012:key/far\""),
    ];
    stage.spec.extra.extend(lines.map(|(section, line)| (section, line.to_owned())));
}

/// Nothing is lost or doubled, and nothing is left but the slots by which the lab's standbys of the
/// target follow it: on AWS there is none.
async fn good(stage: Stage, followed: &Followed, standbys: u64) {
    let report = stage.close(followed).await.expect("judge the move");
    assert_eq!((&*report.verdict, report.lost, report.doubled), ("moved", 0, 0), "{report:#?}");
    assert_eq!(report.leftovers, standbys, "{report:#?}");
}

async fn says(stage: &Stage, arguments: &[&str]) -> String {
    landfall(&stage.product, arguments).await.says(0, &[]).text.clone()
}

/// As AWS would show it: everything is there once, and where it belongs.
fn everything_hangs_on_the_target(stage: &Stage) {
    stage.lab.cloud().read(|world| {
        let target = world.cluster(&id("shop-aurora")).unwrap();
        let members: Vec<_> = target.members.iter().map(Identifier::as_str).collect();
        assert_eq!(members, ["shop-aurora-1", "shop-aurora-2"]);
        assert_eq!(target.roles.len(), 1, "{:?}", target.roles);
        for arn in [target.arn(), world.instance(&id("shop-aurora-2")).unwrap().arn()] {
            let team = world.tags[&arn].get("team").map(String::as_str);
            assert_eq!(team, Some("shop"), "{arn}");
        }
        let endpoints: Vec<_> = world.endpoints.keys().map(Identifier::as_str).collect();
        assert_eq!(endpoints, ["shop-reports"]);
        let proxy = world.proxy(&id("shop-proxy")).unwrap();
        let (pool, behind) = (&proxy.pool, proxy.behind.as_ref().map(|(behind, _)| behind));
        assert_eq!((pool.most_percent, pool.idle_percent, pool.borrow_s), (80, 50, 10));
        assert_eq!(behind, Some(&Behind::Cluster(id("shop-aurora"))));
        assert_eq!(proxy.subnets.len(), 3, "those of the cluster: {:?}", proxy.subnets);
        let global = world.global(&id("shop-world")).unwrap();
        assert_eq!(
            (&global.writer, &*global.followers),
            (&id("shop-aurora"), &[id("shop-far")][..])
        );
        let far = world.instance(&id("shop-far-1")).unwrap();
        assert_eq!(far.region, "eu-west-1");
        let copies: Vec<_> =
            world.alarms.keys().filter(|name| name.contains("shop-aurora")).collect();
        assert_eq!(copies.len(), 3, "two that would like one name have two: {copies:?}");
        assert!(copies.iter().any(|name| *name == "cpu of shop-aurora"), "{copies:?}");
    });
}

#[tokio::test]
async fn a_target_gets_what_hung_on_its_source_a_proxy_and_a_second_region() {
    let mut stage = stage().await;
    hang_on_the_source(&stage);
    ask_for_everything(&mut stage);
    let plan = stage.dir().join("shop.toml");
    std::fs::write(&plan, stage.spec.text()).unwrap();
    let assessed = says(&stage, &["assess", plan.to_str().unwrap()]).await;
    has(&assessed, &["iam:PassRole", "are pinned by the proxy"]);
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    everything_hangs_on_the_target(&stage);
    let proxy = "proxy shop-proxy: available at 127.0.0.1, 2 instances reached";
    let world = "Global Database shop-world: shop-far in eu-west-1 is available,";
    let left = "\"shop-prod disk\" (FreeStorageSpace) have no copy";
    has(&says(&stage, &["status", "shop"]).await, &[proxy, world, left]);
    has(&says(&stage, &["history", "shop"]).await, &["CreateDBProxy shop-proxy", proxy, world]);
    let page = stage.dir().join("shop.html");
    let arguments = ["report", "shop", "--html", "--to", page.to_str().unwrap()];
    landfall(&stage.product, arguments).await.says(0, &["is in"]);
    has(&std::fs::read_to_string(&page).unwrap(), &[proxy, world]);
    let sql = "select pg_is_in_recovery()::text, (select count(*) > 0 from orders)::text";
    let rows = stage.lab.sql("shop-far-1", "shop", sql).await.expect("read the second Region");
    assert_eq!(format!("{rows:?}").matches("\"true\"").count(), 2, "it does not follow: {rows:?}");
    good(stage, &followed, 2).await;
}

#[tokio::test]
async fn what_aws_refuses_beside_the_data_is_told_and_stops_nothing() {
    let mut stage = stage().await;
    ask_for_everything(&mut stage);
    for action in ["CreateDBProxy", "CreateGlobalCluster", "CreateDBClusterEndpoint"] {
        stage.lab.arm(Order::unlimited(Fault::Denied).only(action)).await;
    }
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let status = says(&stage, &["status", "shop"]).await;
    for told in [
        "proxy shop-proxy is yours to finish: refused: AccessDenied",
        "Global Database shop-world is yours to finish: refused: AccessDenied",
        "do it by hand when it is missed",
    ] {
        has(&status, &[told]);
    }
    stage.lab.cloud().read(|world| {
        assert!(world.proxies.is_empty() && world.globals.is_empty() && world.endpoints.is_empty());
    });
    good(stage, &followed, 1).await;
}

#[tokio::test]
async fn the_doctor_tells_what_became_of_every_fact_about_aws() {
    let stage = stage().await;
    let text = says(&stage, &["doctor", "--aws"]).await;
    let json = landfall(&stage.product, ["doctor", "--aws", "--json"]).await;
    let end = json.text.rfind(']').expect("a list");
    let probed: Vec<Probed> = serde_json::from_str(json.text.split_at(end + 1).0).expect("probes");
    assert!(probed.len() > 10, "{probed:?}");
    let of = |id: &str| probed.iter().find(|one| one.id == id).unwrap_or_else(|| panic!("{id}"));
    assert_eq!(of("upgrade-targets").verdict, Verdict::Confirmed, "{:?}", of("upgrade-targets"));
    assert_eq!(of("families").verdict, Verdict::Confirmed, "{:?}", of("families"));
    let unmeasured = of("replica-lag-unit");
    assert_eq!(unmeasured.verdict, Verdict::NotLooked, "no replica was measured: {unmeasured:?}");
    let ids: Vec<_> = probed.iter().map(|one| one.fact.as_str()).collect();
    has(&text, &ids);
    stage.lab.arm(Order::unlimited(Fault::Denied).only("DescribeDBEngineVersions")).await;
    let text = says(&stage, &["doctor", "--aws"]).await;
    has(&text, &["AccessDenied"]);
    stage.down().await.expect("take the stage down");
}
