//! The wire protocols byte by byte: what no client library would send, and what it would hide.

use std::time::Duration;

use ciborium::Value as Cbor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::Rig;

const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=lab/20260101/us-east-1/rds/aws4_request, \
                      SignedHeaders=host, Signature=0";

/// An answer: status, headers in lower case, body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn error_code(&self) -> String {
        let text = self.text();
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
        code.map(|(code, _)| code.to_owned()).unwrap_or_default()
    }
}

/// Sends one request and reads the answer; `None` when the connection was cut instead.
pub(crate) async fn send(
    url: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let host = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer));
    // A cut connection is an end of file or a reset, both before any byte.
    let _ = read.await.expect("the door answers or hangs up");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: answer[end + 4..].to_vec() })
}

/// One call by awsQuery.
pub(crate) async fn query(rig: &Rig, form: &str) -> Answer {
    let headers = [
        ("authorization", SIGNED),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
    ];
    send(&rig.lab.endpoint_url(), "/", &headers, form.as_bytes()).await.expect("an answer")
}

fn rds(action: &str) -> String {
    format!("Action={action}&Version=2014-10-31")
}

#[tokio::test]
async fn refusals_have_the_codes_and_statuses_of_aws() {
    let rig = Rig::up().await;
    let (url, form) = (rig.lab.endpoint_url(), rds("DescribeDBInstances"));
    let unsigned = send(&url, "/", &[], form.as_bytes()).await.unwrap();
    assert_eq!(
        (unsigned.status, unsigned.error_code().as_str()),
        (403, "MissingAuthenticationToken")
    );

    let cases = [
        (rds("DoTheImpossible"), 400, "InvalidAction"),
        ("Action=DescribeDBInstances&Version=1999-01-01".to_owned(), 400, "InvalidAction"),
        (rds("CreateDBCluster"), 400, "MissingParameter"),
        (rds("DescribeDBInstances&DBInstanceIdentifier=gone"), 404, "DBInstanceNotFound"),
        (rds("DescribeDBClusters&DBClusterIdentifier=gone"), 404, "DBClusterNotFoundFault"),
        (rds("DescribeDBParameters&DBParameterGroupName=gone"), 404, "DBParameterGroupNotFound"),
        (rds("DescribeDBSnapshots&DBSnapshotIdentifier=gone"), 404, "DBSnapshotNotFound"),
        (
            rds("DescribeDBClusterSnapshots&DBClusterSnapshotIdentifier=gone"),
            404,
            "DBClusterSnapshotNotFoundFault",
        ),
        (rds("DescribeCertificates&CertificateIdentifier=gone"), 404, "CertificateNotFound"),
        (
            rds("DescribePendingMaintenanceActions&ResourceIdentifier=gone"),
            404,
            "ResourceNotFoundFault",
        ),
        (rds("DescribeDBInstances&MaxRecords=5"), 400, "InvalidParameterValue"),
        (
            rds(
                "DescribeDBInstances&Filters.Filter.1.Name=colour&Filters.Filter.1.Values.Value.1=x",
            ),
            400,
            "InvalidParameterValue",
        ),
        (
            rds(
                "DescribeDBInstances&Filters.Filter.1.Name=engine&Filters.Filter.1.Values.Value.1=x",
            ),
            200,
            "",
        ),
        (
            rds("DeleteDBInstance&DBInstanceIdentifier=shop-prod"),
            400,
            "InvalidParameterCombination",
        ),
        (
            rds("DeleteDBInstance&DBInstanceIdentifier=shop-prod&SkipFinalSnapshot=true\
                 &FinalDBSnapshotIdentifier=last"),
            400,
            "InvalidParameterCombination",
        ),
        (
            rds("CreateDBInstance&DBInstanceIdentifier=Shop-Prod&DBInstanceClass=db.r6g.large\
                 &Engine=postgres"),
            400,
            "DBInstanceAlreadyExists",
        ),
        (
            rds("CreateDBInstance&DBInstanceIdentifier=two&DBInstanceClass=db.m6g.large\
                 &Engine=aurora-postgresql&DBClusterIdentifier=none"),
            400,
            "InvalidParameterCombination",
        ),
        (
            rds("RebootDBInstance&DBInstanceIdentifier=shop-prod&ForceFailover=true"),
            400,
            "InvalidParameterCombination",
        ),
        (
            rds("ModifyDBInstance&DBInstanceIdentifier=shop-prod&EngineVersion=9.6"),
            400,
            "InvalidParameterCombination",
        ),
    ];
    for (form, status, expected) in cases {
        let answer = query(&rig, &form).await;
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
