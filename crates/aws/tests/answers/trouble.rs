//! Trouble on the way: no answer, no AWS, no credentials, no region.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use landfall_aws::AwsCloud;
use landfall_core::action::CloudAction;
use landfall_core::port::Cloud;
use landfall_core::{FailureKind, InstanceId};

use crate::door::{CALL_TIMEOUT, Door, Reply, stamp};

fn orders() -> InstanceId {
    "orders".into()
}

#[tokio::test]
async fn refusals_arrive_with_their_kind_and_words() {
    for (status, code, expected) in [
        (400, "Throttling", FailureKind::Throttled),
        (403, "AccessDenied", FailureKind::Denied),
        (400, "InvalidDBInstanceState", FailureKind::WrongState),
        (500, "InternalFailure", FailureKind::Unavailable),
        (400, "NeverHeardOf", FailureKind::Unknown),
    ] {
        let door = Door::open().await;
        door.on("DescribeDBInstances", [Reply::Refused(status, code, "AWS says so")]);
        let failure = door.cloud().await.instance(&orders()).await.unwrap_err();
        assert_eq!(failure.kind, expected, "{failure}");
        assert_eq!(failure.detail, format!("{code}: AWS says so"));
    }
}

#[tokio::test]
async fn a_throttled_request_is_retried_by_the_sdk() {
    let door = Door::open().await;
    let found = Reply::Result("<DBInstances></DBInstances>".to_owned());
    door.on("DescribeDBInstances", [Reply::Refused(400, "Throttling", "slow down"), found]);
    let config = door.config().await.into_builder().retry_config(RetryConfig::standard()).build();
    let cloud = AwsCloud::new(&config, CALL_TIMEOUT).unwrap();
    assert_eq!(cloud.instance(&orders()).await, Ok(None));
    assert_eq!(door.heard("DescribeDBInstances").len(), 2);
}

#[tokio::test]
async fn an_error_page_of_something_else_is_unavailable() {
    let door = Door::open().await;
    let page = Reply::Raw(502, b"<html><body>Bad gateway</body></html>".to_vec());
    door.on("DescribeDBInstances", [page]);
    let failure = door.cloud().await.instance(&orders()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
}

#[tokio::test]
async fn a_broken_body_says_nothing_about_the_effect() {
    let door = Door::open().await;
    door.on("RebootDBInstance", [Reply::Raw(200, b"<RebootDBInstanceRes".to_vec())]);
    let reboot = CloudAction::RebootInstance { instance: orders() };
    let failure = door.cloud().await.act(&reboot, &stamp()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
}

#[tokio::test]
async fn a_door_that_never_answers_is_timed_out_within_the_bound() {
    let door = Door::open().await;
    door.on("DescribeDBInstances", [Reply::Silence]).on("RebootDBInstance", [Reply::Silence]);
    let cloud = AwsCloud::new(&door.config().await, Duration::from_millis(300)).unwrap();
    let reboot = CloudAction::RebootInstance { instance: orders() };
    let begun = Instant::now();
    let read = cloud.instance(&orders()).await.unwrap_err();
    let order = cloud.act(&reboot, &stamp()).await.unwrap_err();
    assert_eq!((read.kind, order.kind), (FailureKind::TimedOut, FailureKind::TimedOut));
    assert!(begun.elapsed() < CALL_TIMEOUT, "{:?}", begun.elapsed());
}

/// The look before an order counts too: each request is in time, together they are not.
#[tokio::test]
async fn one_action_has_one_timeout() {
    let door = Door::open().await;
    let ours = "<DBInstances><DBInstance><DBInstanceStatus>available</DBInstanceStatus>\
        <TagList><Tag><Key>landfall:migration</Key><Value>orders</Value></Tag></TagList>\
        </DBInstance></DBInstances>";
    let pause = Duration::from_millis(1_200);
    door.on("DescribeDBInstances", [Reply::Late(pause, ours)])
        .on("DeleteDBInstance", [Reply::Late(pause, "")]);
    let cloud = AwsCloud::new(&door.config().await, Duration::from_secs(2)).unwrap();
    let delete = CloudAction::DeleteWriter { instance: orders() };
    let failure = cloud.act(&delete, &stamp()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::TimedOut);
    assert_eq!(failure.what, delete.to_string());
    assert_eq!(door.heard("DeleteDBInstance").len(), 1, "the look was in time");
}

#[tokio::test]
async fn nobody_at_the_door_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let door = Door::open().await;
    let config = door.config().await.into_builder().endpoint_url(url).build();
    let cloud = AwsCloud::new(&config, CALL_TIMEOUT).unwrap();
    let failure = cloud.instance(&orders()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
}

#[tokio::test]
async fn missing_credentials_are_denied_with_a_clear_word() {
    let door = Door::open().await;
    let nobody = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("none set")) });
    let provider = SharedCredentialsProvider::new(nobody);
    let config = door.config().await.into_builder().credentials_provider(provider).build();
    let cloud = AwsCloud::new(&config, CALL_TIMEOUT).unwrap();
    let failure = cloud.instance(&orders()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Denied, "{failure}");
    assert!(failure.detail.contains("credentials"), "{failure}");
    assert_eq!(door.heard("DescribeDBInstances"), []);
}

#[tokio::test]
async fn no_region_is_one_clear_failure() {
    let config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
    let failure = AwsCloud::new(&config, CALL_TIMEOUT).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Invalid);
    assert!(failure.detail.contains("AWS_REGION"), "{failure}");
}
