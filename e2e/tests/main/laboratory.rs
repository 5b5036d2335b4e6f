//! Risk: the laboratory that people type does not work as its page says: two hops by one command,
//! a load through both, and nothing left of it afterwards.

use std::path::Path;
use std::time::Duration;

use landfall_e2e::Product;
use landfall_e2e::stage::connect;
use landfall_lab::process::{Running, Signal};
use landfall_lab::seed::{self, Size};
use landfall_lab::supervisor::Record;
use serde_json::Value;
use tokio::time::Instant;

use crate::told::landfall;
use crate::watch::LONG;

/// `lab up`, as a process that dies with this one; with a shop in it.
async fn up(dir: &Path, lab: &Path) -> (Running, Record) {
    let typist = Product::new(dir, Vec::new()).expect("the binary");
    let arguments = ["lab", "up", "--foreground", "--dir", lab.to_str().unwrap()];
    let running = typist.start(arguments, &dir.join("lab.log")).await.expect("start a lab");
    let end = Instant::now() + LONG;
    let record = loop {
        if let Ok(record) = Record::read(lab) {
            break record;
        }
        assert!(running.is_running() && Instant::now() < end, "{}", running.log_tail());
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut client = connect(&record.source, "shop").await.expect("connect");
    seed::seed(&mut client, Size::Tiny).await.expect("seed the shop");
    (running, record)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

#[tokio::test]
async fn two_hops_are_one_command_and_a_load_goes_through_both() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).expect("open it to the servers' user");
    let lab = folder.path().join("lab");
    let (running, record) = up(folder.path(), &lab).await;
    let mut environment: Vec<(String, String)> =
        landfall_lab::supervisor::environment(record.endpoint_url.clone())
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
    environment.push(("LANDFALL_LAB".to_owned(), lab.display().to_string()));
    environment.push(("LANDFALL_XDS_SECURITY".to_owned(), "mtls".to_owned()));
    let mut product = Product::new(folder.path(), environment).expect("the binary");
    product.serve(None).await.expect("serve");
    let endpoint = format!("{}:{}", record.source.host, record.source.port);
    product.succeed(["route", "add", "shop", &endpoint]).expect("add the route");

    let xds = product.xds.to_string();
    let start = ["lab", "gateway", "start", "--hops", "two", "--xds", &xds, "--json"];
    let started = json(&product.succeed(start).expect("start both"));
    let listen = started["listen"].as_str().expect("an address").to_owned();
    let ledger = folder.path().join("ledger");
    let ledger = ledger.to_str().unwrap();
    landfall(&product, ["lab", "load", &listen, "--for", "3s", "--ledger", ledger])
        .await
        .says(0, &[]);
    let judged = ["lab", "judge", "--decides", "shop-prod", "--ledger", ledger, "--json"];
    let verdict = json(&product.succeed(judged).expect("a clean verdict"));
    assert!(verdict["acknowledged"].as_u64().is_some_and(|count| count > 0), "{verdict}");
    // It went through both: each has a certificate of its own, and the gateway alone has the route.
    let parts = ["spiffe://landfall/client/lab-application", "lab-sidecar", "follows"];
    landfall(&product, ["route", "status"]).await.says(0, &parts);
    landfall(&product, ["lab", "status"]).await.says(0, &["running, and a sidecar before it"]);

    // One hop again, in plain text: the sidecar goes with the gateway it led to.
    landfall(&product, ["lab", "gateway", "stop"]).await.says(0, &["stopped"]);
    landfall(&product, ["lab", "status"]).await.says(0, &["not running"]);
    product.stop(Signal::Terminate).await;
    landfall(&product, ["lab", "down"]).await.says(0, &["nothing of it is left"]);
    assert!(!lab.exists(), "files are left");
    tokio::time::timeout(LONG, running.wait()).await.expect("its process ends");
}
