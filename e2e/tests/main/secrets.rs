//! Risk: a secret is seen by somebody who reads a log, a journal, a report or the process list; or
//! a rotated one stops a move.
//!
//! The secrets are planted so that they can be recognised. Landfall logs everything that it can,
//! meets failures, and is killed once; afterwards nothing that it wrote holds any of them. It runs
//! with the rights that `landfall export` prints, and no others.

use std::path::Path;
use std::time::Duration;

use landfall_api::MoveView;
use landfall_api::core::Code;
use landfall_api::core::status::{Outcome, Run};
use landfall_e2e::stage::{Login, connect, password_file};
use landfall_e2e::{Stage, StageConfig};
use landfall_lab::faults::{Fault, Order};
use landfall_lab::process::Signal;
use landfall_lab::supervisor::Access;

use crate::told::landfall;
use crate::watch::{moved, start, until, until_gate, until_over, until_stopped};

/// What AWS is asked with, and what no login token is without.
const SECRET_KEY: &str = "planted-to-sign-with-7c41e9";
const IN_EVERY_TOKEN: &str = "X-Amz-Signature=";

/// A stage whose Landfall logs everything.
async fn talkative(login: Login) -> Stage {
    let mut stage =
        Stage::set(StageConfig { login, ..StageConfig::default() }, None).await.expect("set it");
    stage.spec.approve = "person";
    // Everything that is said takes its time.
    stage.spec.pause_budget = Duration::from_mins(5);
    for name in ["LANDFALL_LOG", "RUST_LOG"] {
        stage.product.set(name, "trace");
    }
    // It starts again with what is set.
    stage.product.stop(Signal::Kill).await;
    stage.product.serve(None).await.expect("serve");
    stage
}

/// Everything that Landfall wrote or says, by its name.
fn everything(stage: &Stage) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![("the log".to_owned(), stage.product.log().into_bytes())];
    files(stage.product.state(), &mut found);
    let bundle = stage.dir().join("bundle");
    let _ = std::fs::remove_file(&bundle);
    for asked in [
        vec!["status", "shop"],
        vec!["status", "shop", "--json"],
        vec!["history", "shop", "--json"],
        vec!["report", "shop", "--json"],
        vec!["report", "shop", "--html"],
        vec!["report", "shop", "--bundle", bundle.to_str().unwrap()],
        vec!["route", "status", "--json"],
    ] {
        let output = stage.product.run(&asked).expect("run landfall");
        let written = output.stdout.len() + output.stderr.len();
        assert!(written > 0, "{asked:?} says nothing");
        found.push((format!("{asked:?}, stdout"), output.stdout));
        found.push((format!("{asked:?}, stderr"), output.stderr));
    }
    assert!(bundle.exists(), "the bundle was not written");
    files(&bundle, &mut found);
    found
}

/// A file, or all files of a folder.
fn files(path: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("read a folder") {
            files(&entry.expect("an entry").path(), found);
        }
    } else if let Ok(bytes) = std::fs::read(path) {
        found.push((path.display().to_string(), bytes));
    }
}

/// The command lines of all processes, as anybody on the machine may read them.
fn command_lines() -> Vec<(String, Vec<u8>)> {
    let processes = std::fs::read_dir("/proc").expect("read /proc").flatten();
    let lines = processes.filter_map(|process| {
        let path = process.path().join("cmdline");
        Some((path.display().to_string(), std::fs::read(&path).ok()?))
    });
    lines.collect()
}

fn has(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

fn shows_none(places: &[(String, Vec<u8>)], secrets: &[&str]) {
    for (place, bytes) in places {
        for secret in secrets {
            assert!(!has(bytes, secret), "{place} shows {secret}");
        }
    }
}

/// The search finds what is there: the move's name, which is no secret, in log and state.
fn is_searched(places: &[(String, Vec<u8>)]) {
    let with = places.iter().filter(|(_, bytes)| has(bytes, "shop")).count();
    assert!(with > 5, "only {with} of {} places were read", places.len());
    let traced = places.iter().any(|(name, bytes)| name == "the log" && has(bytes, "TRACE"));
    assert!(traced, "the log has no traces");
}

#[tokio::test]
async fn a_move_by_token_under_the_shipped_rights_shows_no_secret() {
    let mut stage = talkative(Login::Token(SECRET_KEY.to_owned())).await;
    let master = stage.lab.source().password.clone();
    // The role has no other way in than a token.
    let access = Access {
        user: "landfall".to_owned(),
        password: SECRET_KEY.to_owned(),
        ..stage.lab.source().clone()
    };
    let refused = connect(&access, "shop").await.expect_err("it was let in without a token");
    assert!(format!("{refused:?}").contains("PAM authentication failed"), "{refused:?}");

    for fault in [Fault::Throttle, Fault::ServerError] {
        stage.lab.arm(Order { count: Some(3), ..Order::unlimited(fault) }).await;
    }
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    shows_none(&command_lines(), &[SECRET_KEY, IN_EVERY_TOKEN, &master]);
    let log_in = "rds-db:connect";
    let refusals: Vec<_> =
        stage.lab.requests().into_iter().filter(|one| one.outcome == "AccessDenied").collect();
    assert!(refusals.is_empty(), "beyond the shipped policy ({log_in} aside): {refusals:?}");
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let places = everything(&stage);
    is_searched(&places);
    shows_none(&places, &[SECRET_KEY, IN_EVERY_TOKEN, &master]);
    moved(stage, &followed).await;
}

#[tokio::test]
async fn a_rotated_password_goes_on_and_a_lost_one_stops_with_its_place() {
    let (first, second, third) = ("PLANTEDfirst51d0", "PLANTEDsecond9a3e", "PLANTEDthird77bc");
    let mut stage = talkative(Login::File(first.to_owned())).await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    let file = password_file(stage.dir());
    let rotate = |password: &str| format!("alter role landfall password '{password}'");
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'landfall'";
    // The file first: a login that is refused then finds the new one there.
    std::fs::write(&file, second).expect("rotate the file");
    for sql in [rotate(second).as_str(), end] {
        stage.lab.sql("shop-prod", "shop", sql).await.expect("rotate, and end its sessions");
    }
    landfall(&stage.product, ["doctor", "shop", "--json"]).await;

    // Rotated on the server alone: a person is told, and not what it was.
    for sql in [rotate(third).as_str(), end] {
        stage.lab.sql("shop-prod", "shop", sql).await.expect("rotate, and end its sessions");
    }
    // It may stand at the refusal already: nobody approves that.
    let _ = stage.order("approve", Some("approve_cutover")).await;
    let view = until_stopped(&mut stage).await;
    let Run::NeedsHuman { problem } = &view.status.run else { panic!("{:#?}", view.status) };
    assert_eq!(problem.code, Code::AccessDenied, "{problem}");
    assert!(problem.detail.contains("28P01"), "{problem}");
    shows_none(&everything(&stage), &[first, second, third]);
    shows_none(&command_lines(), &[first, second, third]);

    std::fs::write(&file, third).expect("mend the file");
    stage.order("resume", None).await.unwrap();
    let at_a_gate = |view: &MoveView| view.gate.is_some();
    let gate = until(&mut stage, at_a_gate).await.view.gate.expect("a gate").name;
    if gate == "approve_cutover" {
        stage.order("approve", Some("approve_cutover")).await.unwrap();
    }
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    let places = everything(&stage);
    is_searched(&places);
    shows_none(&places, &[first, second, third]);
    moved(stage, &followed).await;
}
