//! The account comes from the SDK's own environment and from nothing else.
//!
//! A process cannot change its own environment safely, so each test runs itself again as a child
//! with the environment in question, and reads what the child saw.

use std::process::Stdio;

use landfall_aws::AwsCloud;
use landfall_core::port::Cloud;

use crate::door::{CALL_TIMEOUT, Door, Reply};

/// Set for a child; its value is of no matter.
const CHILD: &str = "LANDFALL_TEST_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// What a child does: asks for one instance, and says what came of it.
async fn look() {
    let seen = match AwsCloud::from_env(CALL_TIMEOUT).await {
        Ok(cloud) => cloud.instance(&"orders".into()).await.map(|seen| seen.is_some()),
        Err(failure) => Err(failure),
    };
    match seen {
        Ok(found) => println!("found: {found}"),
        Err(failure) => println!("{:?}: {failure}", failure.kind),
    }
}

/// What the same test says as a child, in an environment that has only these variables.
async fn child(test: &str, variables: &[(&str, &str)]) -> String {
    let home = std::env::temp_dir().join("no-such-home");
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("environment::{test}"), "--nocapture"])
        .env_clear()
        .env(CHILD, "yes")
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    said
}

async fn door() -> (Door, String) {
    let door = Door::open().await;
    let found = "<DBInstances><DBInstance></DBInstance></DBInstances>";
    door.on("DescribeDBInstances", [Reply::Result(found.to_owned())]);
    let url = door.config().await.endpoint_url().unwrap().to_owned();
    (door, url)
}

const KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[tokio::test]
async fn endpoint_region_and_credentials_are_enough() {
    if is_child() {
        return look().await;
    }
    let (door, url) = door().await;
    let place = [("AWS_ENDPOINT_URL", &*url), ("AWS_REGION", "us-east-1")];
    let said = child("endpoint_region_and_credentials_are_enough", &[place, KEY].concat()).await;
    assert!(said.contains("found: true"), "{said}");
    assert_eq!(door.heard("DescribeDBInstances").len(), 1);
}

#[tokio::test]
async fn without_a_region_the_remedy_is_named() {
    if is_child() {
        return look().await;
    }
    let (door, url) = door().await;
    let said = child(
        "without_a_region_the_remedy_is_named",
        &[&[("AWS_ENDPOINT_URL", &*url)], &KEY[..]].concat(),
    )
    .await;
    assert!(said.contains("Invalid: ") && said.contains("AWS_REGION"), "{said}");
    assert_eq!(door.heard("DescribeDBInstances"), []);
}

#[tokio::test]
async fn without_credentials_nothing_is_asked() {
    if is_child() {
        return look().await;
    }
    let (door, url) = door().await;
    let said = child(
        "without_credentials_nothing_is_asked",
        &[("AWS_ENDPOINT_URL", &*url), ("AWS_REGION", "us-east-1")],
    )
    .await;
    assert!(said.contains("Denied: ") && said.contains("credentials"), "{said}");
    assert_eq!(door.heard("DescribeDBInstances"), []);
}
