//! The wire protocols byte by byte: what no client library would send, and what it would hide.

use ciborium::Value as Cbor;

use crate::rig::Rig;
use crate::rig::http::{SIGNED, query, send};

fn rds(action: &str) -> String {
    // A version that the form brings itself comes later, and the last one counts.
    format!("Version=2014-10-31&Action={action}")
}

/// Requests about a lab as it came up: status and code of the answer.
const REFUSED: [(&str, u16, &str); 19] = [
    ("DoTheImpossible", 400, "InvalidAction"),
    ("DescribeDBInstances&Version=1999-01-01", 400, "InvalidAction"),
    ("CreateDBCluster", 400, "MissingParameter"),
    ("DescribeDBInstances&DBInstanceIdentifier=gone", 404, "DBInstanceNotFound"),
    ("DescribeDBClusters&DBClusterIdentifier=gone", 404, "DBClusterNotFoundFault"),
    ("DescribeDBParameters&DBParameterGroupName=gone", 404, "DBParameterGroupNotFound"),
    ("DescribeDBSnapshots&DBSnapshotIdentifier=gone", 404, "DBSnapshotNotFound"),
    (
        "DescribeDBClusterSnapshots&DBClusterSnapshotIdentifier=gone",
        404,
        "DBClusterSnapshotNotFoundFault",
    ),
    ("DescribeCertificates&CertificateIdentifier=gone", 404, "CertificateNotFound"),
    ("DescribePendingMaintenanceActions&ResourceIdentifier=gone", 404, "ResourceNotFoundFault"),
    ("DescribeDBInstances&MaxRecords=5", 400, "InvalidParameterValue"),
    (
        "DescribeDBInstances&Filters.Filter.1.Name=colour&Filters.Filter.1.Values.Value.1=x",
        400,
        "InvalidParameterValue",
    ),
    ("DescribeDBInstances&Filters.Filter.1.Name=engine&Filters.Filter.1.Values.Value.1=x", 200, ""),
    ("DeleteDBInstance&DBInstanceIdentifier=shop-prod", 400, "InvalidParameterCombination"),
    (
        "DeleteDBInstance&DBInstanceIdentifier=shop-prod&SkipFinalSnapshot=true\
                 &FinalDBSnapshotIdentifier=last",
        400,
        "InvalidParameterCombination",
    ),
    (
        "CreateDBInstance&DBInstanceIdentifier=Shop-Prod&DBInstanceClass=db.r6g.large\
                 &Engine=postgres",
        400,
        "DBInstanceAlreadyExists",
    ),
    (
        "CreateDBInstance&DBInstanceIdentifier=two&DBInstanceClass=db.m6g.large\
                 &Engine=aurora-postgresql&DBClusterIdentifier=none",
        400,
        "InvalidParameterCombination",
    ),
    (
        "RebootDBInstance&DBInstanceIdentifier=shop-prod&ForceFailover=true",
        400,
        "InvalidParameterCombination",
    ),
    (
        "ModifyDBInstance&DBInstanceIdentifier=shop-prod&EngineVersion=9.6",
        400,
        "InvalidParameterCombination",
    ),
];

#[tokio::test]
async fn refusals_have_the_codes_and_statuses_of_aws() {
    let rig = Rig::up().await;
    let (url, form) = (rig.lab.endpoint_url(), rds("DescribeDBInstances"));
    let unsigned = send(&url, "/", &[], form.as_bytes()).await.unwrap();
    assert_eq!(
        (unsigned.status, unsigned.error_code().as_str()),
        (403, "MissingAuthenticationToken")
    );

    for (form, status, expected) in REFUSED {
        let answer = query(&rig, &rds(form)).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (status, expected), "{form}");
    }
    let log = rig.lab.requests();
    let last = log.last().unwrap();
    assert_eq!((last.service.as_str(), last.action.as_str()), ("rds", "ModifyDBInstance"));
    assert_eq!(last.outcome, "InvalidParameterCombination");
    assert_eq!(last.subject.as_deref(), Some("shop-prod"));
    rig.down().await;
}

#[tokio::test]
async fn the_three_services_answer_in_their_own_protocols() {
    let rig = Rig::up().await;
    let who = query(&rig, "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert_eq!(who.status, 200);
    assert!(who.text().contains("<Account>123456789012</Account>"), "{}", who.text());
    assert!(who.text().contains("GetCallerIdentityResult"));

    let tagged = query(
        &rig,
        &rds("AddTagsToResource&ResourceName=arn%3Aaws%3Ards%3Aus-east-1%3A123456789012%3Adb%3A\
              shop-prod&Tags.Tag.1.Key=owner&Tags.Tag.1.Value=a%26b"),
    )
    .await;
    assert!(!tagged.text().contains("Result>"), "{}", tagged.text());
    let instance = query(&rig, &rds("DescribeDBInstances&DBInstanceIdentifier=shop-prod")).await;
    assert!(instance.text().contains("<Key>owner</Key><Value>a&amp;b</Value>"));
    assert!(instance.head.contains("content-type: text/xml"));

    let url = rig.lab.endpoint_url();
    let path = "/service/GraniteServiceVersion20100801/operation/ListMetrics";
    let headers = [("authorization", SIGNED), ("content-type", "application/cbor")];
    let mut body = Vec::new();
    ciborium::into_writer(&Cbor::Map(vec![]), &mut body).unwrap();
    let listed = send(&url, path, &headers, &body).await.unwrap();
    assert_eq!(listed.status, 200);
    assert!(listed.head.contains("smithy-protocol: rpc-v2-cbor"), "{}", listed.head);
    let value: Cbor = ciborium::from_reader(listed.body.as_slice()).unwrap();
    assert!(value.as_map().unwrap().iter().any(|(key, _)| key.as_text() == Some("Metrics")));

    let path = "/service/GraniteServiceVersion20100801/operation/PutDashboard";
    let refused = send(&url, path, &headers, &body).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.head.contains("x-amzn-query-error: invalidaction;sender"), "{}", refused.head);

    let headers = [
        ("authorization", SIGNED),
        ("content-type", "application/x-amz-json-1.0"),
        ("x-amz-target", "GraniteServiceVersion20100801.GetMetricStatistics"),
    ];
    let refused = send(&url, "/", &headers, b"{\"MetricName\":\"CPUUtilization\"}").await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("MissingParameter"), "{}", refused.text());
    let body = br#"{"Namespace":"AWS/RDS","MetricName":"CPUUtilization","StartTime":1800000000,
        "EndTime":1800000060,"Period":60,"Statistics":["Average"]}"#;
    let empty = send(&url, "/", &headers, body).await.unwrap();
    let empty: serde_json::Value = serde_json::from_slice(&empty.body).unwrap();
    assert_eq!(empty, serde_json::json!({ "Label": "CPUUtilization", "Datapoints": [] }));
    rig.down().await;
}
