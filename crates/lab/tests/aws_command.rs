//! The stock `aws` command against the lab, as people would use it, and the lab's answers against
//! the official model that the command carries.

#[cfg(test)]
#[path = "aws_command/document.rs"]
mod document;
#[cfg(test)]
#[path = "aws_command/model.rs"]
mod model;
#[cfg(test)]
mod rig;

use std::process::{Command, Output};

use document::Element;
use landfall_lab::supervisor::Access;
use landfall_lab::tools;
use model::Model;
use rig::Rig;
use rig::http::query;
use serde_json::{Value, json};

/// Runs the command and gives what it wrote, as JSON when there is any.
async fn aws(rig: &Rig, line: &str) -> Result<Value, String> {
    let output = run(rig, line).await;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    if output.stdout.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

async fn run(rig: &Rig, line: &str) -> Output {
    let mut command = Command::new(tools::aws().expect("the aws command"));
    // Some versions of the command take AWS_ENDPOINT_URL for one service and not for another.
    command.args(["--endpoint-url", &rig.lab.endpoint_url()]);
    command.args(line.split_whitespace()).envs(rig.lab.environment_of("lab-admin"));
    command.env("AWS_PAGER", "").env("AWS_MAX_ATTEMPTS", "1").env("AWS_DEFAULT_OUTPUT", "json");
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("it is not cancelled").expect("it runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_moves_a_database_with_the_stock_command() {
    let rig = Rig::up().await;
    let source = rig.session("shop-prod").await;
    let rows = "create table orders (id int primary key, note text); \
                insert into orders select n, 'note ' || n from generate_series(1, 1000) n";
    source.batch_execute(rows).await.unwrap();

    let described = aws(&rig, "rds describe-db-instances").await.unwrap();
    let instance = &described["DBInstances"][0];
    assert_eq!(instance["DBInstanceIdentifier"], "shop-prod");
    assert_eq!(instance["Endpoint"]["Port"], u64::from(rig.lab.source().port));
    let arn = instance["DBInstanceArn"].as_str().unwrap();
    let create = format!(
        "rds create-db-cluster --db-cluster-identifier orders --engine aurora-postgresql \
         --replication-source-identifier {arn} --vpc-security-group-ids sg-quarantine-target"
    );
    let created = aws(&rig, &create).await.unwrap();
    assert_eq!(created["DBCluster"]["Status"], "creating");
    rig.cluster_is("orders", "available").await;
    aws(&rig, "rds wait db-cluster-available --db-cluster-identifier orders").await.unwrap();
    aws(
        &rig,
        "rds create-db-instance --db-instance-identifier orders-1 --db-cluster-identifier orders \
         --db-instance-class db.r6g.large --engine aurora-postgresql",
    )
    .await
    .unwrap();
    rig.instance_is("orders-1", "available").await;
    aws(&rig, "rds wait db-instance-available --db-instance-identifier orders-1").await.unwrap();

    let target = aws(&rig, "rds describe-db-instances --db-instance-identifier orders-1").await;
    let target = target.unwrap()["DBInstances"][0].clone();
    let access = Access {
        instance: "orders-1".to_owned(),
        host: target["Endpoint"]["Address"].as_str().unwrap().to_owned(),
        port: u16::try_from(target["Endpoint"]["Port"].as_u64().unwrap()).unwrap(),
        ..rig.lab.source().clone()
    };
    let replica = rig::login(&access, "shop").await.unwrap();
    let count = || async {
        let row = replica.query_one("select count(*), sum(id) from orders", &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    rig::eventually("all rows arrived", || async {
        (count().await == (1000, 500_500)).then_some(())
    })
    .await;

    let promote = "rds promote-read-replica-db-cluster --db-cluster-identifier orders";
    assert_eq!(aws(&rig, promote).await.unwrap()["DBCluster"]["Status"], "promoting");
    rig.cluster_is("orders", "available").await;
    let cluster =
        aws(&rig, "rds describe-db-clusters --db-cluster-identifier orders").await.unwrap();
    assert_eq!(cluster["DBClusters"][0]["ReplicationSourceIdentifier"], Value::Null);
    assert_eq!(cluster["DBClusters"][0]["Port"], target["Endpoint"]["Port"]);
    replica.batch_execute("insert into orders values (1001, 'new')").await.unwrap();
    assert_eq!(count().await, (1001, 501_501));
    let again = aws(&rig, promote).await.unwrap_err();
    assert!(again.contains("InvalidDBClusterStateFault"), "{again}");
    rig.down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_pages_reads_metrics_and_explains_refusals() {
    let rig = Rig::up().await;
    let listed = aws(
        &rig,
        "rds describe-db-parameters --db-parameter-group-name shop-prod-parameters --page-size 50",
    )
    .await
    .unwrap();
    let all = listed["Parameters"].as_array().unwrap();
    assert!(all.len() > 300, "{}", all.len());
    let calls = rig.lab.requests().iter().filter(|it| it.action == "DescribeDBParameters").count();
    assert_eq!(calls, all.len().div_ceil(50));

    rig::eventually("there are points", || async {
        let points = rig.points("DBInstanceIdentifier", "shop-prod", "DatabaseConnections").await;
        (points.len() > 2).then_some(())
    })
    .await;
    let day = 86_400;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let queries = json!([{ "Id": "c", "MetricStat": { "Period": 60, "Stat": "Average", "Metric": {
        "Namespace": "AWS/RDS",
        "MetricName": "DatabaseConnections",
        "Dimensions": [{ "Name": "DBInstanceIdentifier", "Value": "shop-prod" }],
    } } }]);
    let line = format!(
        "cloudwatch get-metric-data --start-time {} --end-time {} --metric-data-queries {queries}",
        now - day,
        now + day
    );
    let data = aws(&rig, &line).await.unwrap();
    let result = &data["MetricDataResults"][0];
    assert!(result["Values"].as_array().unwrap().len() > 2, "{data}");
    assert_eq!(result["StatusCode"], "Complete");
    let line = format!(
        "cloudwatch get-metric-statistics --namespace AWS/RDS --metric-name FreeStorageSpace \
         --dimensions Name=DBInstanceIdentifier,Value=shop-prod --period 60 --statistics Minimum \
         --start-time {} --end-time {}",
        now - day,
        now + day
    );
    let data = aws(&rig, &line).await.unwrap();
    assert_eq!(data["Datapoints"][0]["Unit"], "Bytes", "{data}");
    let metrics = aws(&rig, "cloudwatch list-metrics --namespace AWS/RDS").await.unwrap();
    assert!(metrics["Metrics"].as_array().unwrap().len() > 5);

    let who = aws(&rig, "sts get-caller-identity").await.unwrap();
    assert_eq!(who["Account"], "123456789012");
    let versions = format!(
        "rds describe-db-engine-versions --engine postgres --engine-version {}",
        rig.lab.cloud().version()
    );
    let versions = aws(&rig, &versions).await.unwrap();
    let targets = versions["DBEngineVersions"][0]["ValidUpgradeTarget"].as_array().unwrap().clone();
    let aurora = targets.iter().filter(|target| target["Engine"] == "aurora-postgresql").count();
    // Majors from 18 on have no Aurora to replicate to, which is what the answer must say.
    assert_eq!(aurora > 0, rig.lab.cloud().version().major < 18, "{targets:?}");

    let gone = run(&rig, "rds describe-db-instances --db-instance-identifier gone").await;
    assert_eq!(gone.status.code(), Some(255));
    let text = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(text.contains("(DBInstanceNotFound)"), "{text}");
    rig.down().await;
}

/// Every action of the lab, with a request that succeeds when they are made in this order.
fn calls(major: u32) -> Vec<(&'static str, String)> {
    let lines = include_str!("aws_command/calls.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (action, form) = line.split_once(' ').unwrap_or((line, ""));
            let form = form.replace("{arn}", "arn:aws:rds:us-east-1:123456789012");
            (action, form.replace("{major}", &major.to_string()))
        })
        .collect()
}

#[tokio::test]
async fn every_name_and_code_is_in_the_official_model() {
    let Some(model) = Model::find() else {
        println!("skipped: the aws command carries no service-2.json.gz that can be read");
        return;
    };
    // The check itself: what it must not let through.
    let misspelt = "<RebootDBInstanceResponse><RebootDBInstanceResult><DBInstance>\
                    <DBInstanceIdentifer>x</DBInstanceIdentifer></DBInstance>\
                    </RebootDBInstanceResult></RebootDBInstanceResponse>";
    let found = model.strangers("RebootDBInstance", &Element::parse(misspelt));
    assert_eq!(found, ["RebootDBInstanceResult/DBInstance/DBInstanceIdentifer"]);
    assert!(!model.allows("RebootDBInstance", "DBInstanceNotFoundFault"));

    let rig = Rig::up().await;
    let mut strangers = Vec::new();
    let calls = calls(rig.lab.cloud().version().major);
    for (action, form) in &calls {
        settle(&rig).await;
        let answer = query(&rig, &format!("Action={action}&Version=2014-10-31&{form}")).await;
        assert_eq!(answer.status, 200, "{action}: {}", answer.text());
        assert!(answer.head.contains("content-type: text/xml"), "{action}: {}", answer.head);
        let document = Element::parse(&answer.text());
        assert!(document.find("RequestId").is_some_and(|id| id.text.len() == 36), "{action}");
        strangers.extend(model.strangers(action, &document));
    }
    assert_eq!(strangers, Vec::<String>::new());

    for (action, _) in &calls {
        let empty = query(&rig, &format!("Action={action}&Version=2014-10-31")).await;
        let required = model.required(action);
        let expected = if required.is_empty() { "" } else { "MissingParameter" };
        assert_eq!(empty.error_code(), expected, "{action} without {required:?}");
    }
    for (action, form) in &calls {
        let form = form.replace("shop-prod", "gone").replace("orders", "gone");
        query(&rig, &format!("Action={action}&Version=2014-10-31&{form}")).await;
    }
    let refused = rig.lab.requests().into_iter().filter(|request| request.outcome != "ok");
    let mut checked = 0;
    for request in refused {
        checked += 1;
        let allowed = model.allows(&request.action, &request.outcome);
        assert!(allowed, "{} answers {}", request.action, request.outcome);
    }
    assert!(checked > 25, "{checked}");
    rig.down().await;
}

/// Waits until nothing is on its way from one state to another.
async fn settle(rig: &Rig) {
    rig::eventually("everything is available", || async {
        let instances = rig.lab.cloud().read(|world| {
            let calm = |status: &str| status == "available";
            world.instances.values().all(|it| calm(it.status.word()))
                && world.clusters.values().all(|it| calm(it.status.word()))
        });
        instances.then_some(())
    })
    .await;
}
