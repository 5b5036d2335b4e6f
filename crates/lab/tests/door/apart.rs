//! A lab in a process of its own: found by its record, asked, taken down, killed.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use landfall_lab::faults::{Fault, Order};
use landfall_lab::supervisor::{Client, Error, LabConfig, NewInstance, Outcome, Record, down};
use landfall_lab::supervisor::{run_foreground, status};

use crate::rig;

const FOLDER: &str = "LANDFALL_LAB_TEST_FOLDER";

/// Starts this test binary again, with one test of this file as the lab's own process.
fn start(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// What that process does instead of the test.
async fn serve(folder: &OsStr) {
    run_foreground(LabConfig::new(PathBuf::from(folder)), |_| {}).await.unwrap();
}

/// A port that nobody listens on at this moment; Envoy is told which one to take.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

async fn record(folder: &Path) -> Record {
    rig::eventually("the lab writes its record", || async { Record::read(folder).ok() }).await
}

/// The processes of this machine whose command line names the folder.
fn processes(folder: &Path) -> Vec<String> {
    let name = folder.display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        line.contains(&name).then_some(line)
    });
    lines.collect()
}

#[tokio::test]
async fn it_is_found_asked_and_taken_down_without_a_trace() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return serve(&folder).await;
    }
    let folder = rig::folder();
    let dir = folder.path().join("lab");
    assert!(matches!(down(&dir).await, Err(Error::NoLab { .. })));
    let mut child = start("apart::it_is_found_asked_and_taken_down_without_a_trace", &dir);
    let record = record(&dir).await;
    assert!(!processes(&dir).is_empty());

    let (rds, _) = rig::clients(&record.endpoint_url);
    assert_eq!(rds.describe_db_instances().send().await.unwrap().db_instances().len(), 1);
    drop(rig::login(&record.source, "shop").await.unwrap());
    let client = Client::new(&record);
    let rows = client.sql("shop-prod", "shop", "select 1, null").await.unwrap();
    assert_eq!(rows, [vec![Some("1".to_owned()), None]]);
    assert!(client.sql("shop-prod", "shop", "select x").await.is_err());
    client.arm(&Order::times(Fault::Throttle, 1)).await.unwrap();
    let (_, listing) = status(&dir).await.unwrap();
    let listing = listing.unwrap();
    assert_eq!((listing.faults.len(), listing.requests), (1, 1));
    assert_eq!(listing.instances[0].admitted.len(), 5);
    client.clear(None).await.unwrap();
    assert_eq!(client.requests().await.unwrap()[0].action, "DescribeDBInstances");

    let new = NewInstance {
        identifier: "second".to_owned(),
        database: Some("books".to_owned()),
        master_user: "librarian".to_owned(),
        master_password: "secret-of-a-test".to_owned(),
        security_groups: vec!["sg-app".to_owned()],
    };
    client.create_instance(&new).await.unwrap();
    let access = rig::eventually("a second instance", || async {
        let access = client.access("second").await.ok()?;
        rig::login(&access, "books").await.ok().map(|_| access)
    })
    .await;
    assert_ne!(access.port, record.source.port);

    let admin = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let bootstrap = format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}\n",
        admin.port()
    );
    client.start_gateway(&bootstrap, admin).await.unwrap();
    assert_eq!(Record::read(&dir).unwrap().gateway_admin, Some(admin));
    assert_eq!(client.status().await.unwrap().gateway_admin, Some(admin));
    client.arm(&Order::unlimited(Fault::GatewayDead)).await.unwrap();
    assert!(!client.status().await.unwrap().gateway);
    client.start_gateway(&bootstrap, admin).await.unwrap();

    let mut stranger = record.clone();
    stranger.token = "guessed".to_owned();
    assert!(Client::new(&stranger).status().await.is_err());

    assert_eq!(down(&dir).await.unwrap(), Outcome::Stopped);
    assert!(child.wait().unwrap().success());
    assert!(!dir.exists() && !record.sockets.exists());
    assert_eq!(processes(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn a_killed_lab_takes_its_servers_along_and_its_files_can_be_removed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return serve(&folder).await;
    }
    let folder = rig::folder();
    let dir = folder.path().join("lab");
    let mut child =
        start("apart::a_killed_lab_takes_its_servers_along_and_its_files_can_be_removed", &dir);
    let record = record(&dir).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!record.is_alive());
    assert!(status(&dir).await.unwrap().1.is_none());
    assert_eq!(down(&dir).await.unwrap(), Outcome::WasDead);
    assert!(!dir.exists() && !record.sockets.exists());
    assert_eq!(processes(&dir), Vec::<String>::new());
}
