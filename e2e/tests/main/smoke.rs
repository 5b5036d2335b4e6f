//! Risk: the owner's tests are asked of the wrong server, or at the wrong time, or one of them
//! that fails or hangs is not noticed, or keeps everybody from the pause's end.
//!
//! Here each kind of test runs inside a real move: SQL with an expected value, HTTP, a program. They
//! are tried against the replica first, so what is to fail later fails once a file is there.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::journal::{Entry, Record};
use landfall_api::core::problem::Writes;
use landfall_api::core::status::{Outcome, Phase};
use landfall_e2e::Stage;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::told::{landfall, stopped};
use crate::watch::{
    journal, moved, stage, stage_with_gates, start_text, until, until_gate, until_over,
    until_stopped,
};
use crate::world::World;

/// A service that says of each database it is asked about that it is ready.
struct Health {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Health {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(vec![]));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = client.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let body = format!("ready {path}");
                seen.lock().unwrap().push(path);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
                let answer = format!("{head}connection: close\r\n\r\n{body}");
                let _ = client.write_all(answer.as_bytes()).await;
            }
        });
        Self { port, asked }
    }
}

/// The stage's spec with these tests in place of its own.
fn with_tests(stage: &Stage, tests: &str) -> String {
    let text = stage.spec.text();
    let with = text.replace("sql = [\"select count(*) from orders\"]", tests);
    assert_ne!(text, with, "{text}");
    with
}

/// Whether the program shall not do what it is to do.
fn flag(stage: &Stage) -> PathBuf {
    stage.dir().join("flag")
}

/// A query that is well, and a program that does this once the flag is there.
fn once_there(stage: &Stage, shell: &str) -> String {
    let flag = flag(stage).display().to_string();
    let shell = format!("if [ -e '{flag}' ]; then {shell}; fi");
    format!(
        "sql = [{{ query = \"select 6 * 7\", expect = 42 }}]\n\
         command = [{{ program = \"/bin/sh\", args = [\"-c\", {shell:?}], within = \"55s\" }}]"
    )
}

/// What each test said in a step, as the journal has it.
fn runs(journal: &[Entry], step: &str) -> Vec<serde_json::Value> {
    let of_step = journal.iter().filter(|entry| entry.step.as_deref() == Some(step));
    let seen = of_step.into_iter().find_map(|entry| {
        let Record::Completed { seen } = &entry.record else { return None };
        Some(seen)
    });
    let seen = seen.unwrap_or_else(|| panic!("{step} is not completed"));
    seen["runs"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn each_kind_of_test_is_asked_of_the_target_before_the_release_and_after_it() {
    let mut stage = stage().await;
    let health = Health::start().await;
    let tests = format!(
        "sql = [{{ query = \"select 6 * 7\", expect = 42 }}, \"select 1\"]\n\
         http = [{{ url = \"http://127.0.0.1:{}/{{host}}/{{port}}\", contains = \"ready\" }}]\n\
         command = [{{ program = \"/bin/sh\", args = [\"-c\", \"echo at $LANDFALL_TARGET_PORT\"] }}]",
        health.port
    );
    start_text(&stage, with_tests(&stage, &tests)).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let target = stage.lab.access("shop-aurora-1").expect("the target");
    let journal = journal(&stage).await;
    for step in ["cutover.smoke_target", "verify.smoke_again"] {
        let runs = runs(&journal, step);
        assert_eq!(runs.len(), 4, "{step}: {runs:?}");
        assert!(runs.iter().all(|run| run.get("failed").is_none()), "{step}: {runs:?}");
        let said: Vec<&str> = runs.iter().filter_map(|run| run["output"].as_str()).collect();
        assert!(said.contains(&"42") && said.contains(&"1"), "{step}: {said:?}");
        assert!(said.contains(&format!("at {}", target.port).as_str()), "{step}: {said:?}");
    }
    let asked = health.asked.lock().unwrap().clone();
    let path = format!("/{}/{}", target.host, target.port);
    assert!(asked.len() >= 3 && asked.iter().all(|one| *one == path), "{asked:?} and not {path}");
    moved(stage, &followed).await;
}

#[tokio::test]
async fn a_program_that_says_no_before_the_release_is_told_and_brings_the_source_back() {
    let mut stage = stage_with_gates().await;
    let before = World::of(&stage).await;
    let tests = once_there(&stage, "echo no coupons; exit 3");
    start_text(&stage, with_tests(&stage, &tests)).await;
    until_gate(&mut stage, "approve_cutover").await;
    std::fs::write(flag(&stage), "").expect("from here on it says no");
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let view = until_stopped(&mut stage).await;
    assert_eq!(view.status.phase, Phase::Cutover);
    let parts = ["1 of 2 smoke tests fail on the target", "no coupons", "landfall abort"];
    stopped(&view, "LF-033", Writes::Nobody, &parts);
    landfall(&stage.product, ["abort", "shop"]).await.says(0, &[]);
    let followed = until_over(&mut stage, Outcome::Undone).await;
    before.source_is_back(&stage).await;
    let report = stage.close(&followed).await.expect("judge the move");
    assert_eq!((report.verdict.as_str(), report.lost, report.doubled), ("undone", 0, 0));
}

#[tokio::test]
async fn an_abort_is_heard_while_a_test_hangs() {
    let mut stage = stage_with_gates().await;
    let tests = once_there(&stage, "exec sleep 55");
    start_text(&stage, with_tests(&stage, &tests)).await;
    until_gate(&mut stage, "approve_cutover").await;
    std::fs::write(flag(&stage), "").expect("from here on it hangs");
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    let tests = |view: &MoveView| view.status.step == "cutover.smoke_target";
    until(&mut stage, tests).await;
    let begin = tokio::time::Instant::now();
    landfall(&stage.product, ["abort", "shop"]).await.says(0, &[]);
    let followed = until_over(&mut stage, Outcome::Undone).await;
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(40), "{took:?}: it waited for the test");
    let report = stage.close(&followed).await.expect("judge the move");
    assert_eq!((report.verdict.as_str(), report.lost, report.doubled), ("undone", 0, 0));
}
