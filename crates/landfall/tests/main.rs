//! The binary as a script meets it: exit codes, what goes to stdout and what to stderr.
//!
//! Without AWS, a database or a gateway; the scenarios with the lab are in `e2e`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SPEC: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
[route]
service = "orders"
[cutover]
quarantine_group = "sg-source"
"#;

/// The binary with nothing of this machine's environment but a state directory.
fn landfall(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_clear().env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true");
    command.current_dir(home);
    command
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        landfall(home).args(arguments).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[test]
fn help_is_there_at_once() {
    let home = home();
    let fastest = (0..5)
        .map(|_| {
            let start = Instant::now();
            let (exit, help, _) = run(home.path(), &["--help"]);
            assert!(exit == 0 && help.contains("Exit codes:"), "{help}");
            start.elapsed()
        })
        .min();
    assert!(fastest < Some(Duration::from_millis(50)), "{fastest:?}");
}

#[test]
fn what_is_typed_wrong_is_exit_1_with_nothing_on_stdout() {
    let home = home();
    std::fs::write(home.path().join("bad.toml"), SPEC.replace("[route]", "[rout]")).unwrap();
    for (arguments, told) in [
        (&["frobnicate"][..], "unrecognized subcommand"),
        (&["explain", "99"], "LF-001 to LF-049"),
        (&["status", "nope"], "LF-036: no move is named nope"),
        (&["plan", "absent.toml"], "absent.toml"),
        (&["plan", "bad.toml"], "did you mean [route]?"),
        (&["route", "add", "orders", "somewhere"], "HOST:PORT"),
        (&["run", "bad.toml", "--call-timeout", "5"], "--call-timeout"),
        (&["lab", "status"], "landfall lab up"),
        (&["serve", "--certificate-lifetime", "9999h"], "at most 2160h"),
        (&["envoy", "bootstrap", "--node", "n", "--listen", "orders=7"], "orders=127.0.0.1:6432"),
        (
            &["envoy", "bootstrap", "--role=gateway", "--node=n", "--listen=orders=127.0.0.1:1"],
            "--out",
        ),
        (
            &["envoy", "bootstrap", "--role=sidecar", "--node=n", "--listen=orders=127.0.0.1:1"],
            "--out",
        ),
    ] {
        let (exit, stdout, stderr) = run(home.path(), arguments);
        assert_eq!((exit, stdout.as_str()), (1, ""), "{arguments:?}: {stderr}");
        assert!(stderr.contains(told), "{arguments:?}: {stderr}");
    }
}

#[test]
fn json_is_on_stdout_and_problems_are_json_on_stderr() {
    let home = home();
    let (exit, stdout, stderr) = run(home.path(), &["status", "--json"]);
    assert_eq!((exit, stderr.as_str()), (0, ""));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stdout).unwrap(), serde_json::json!([]));
    let (exit, stdout, stderr) = run(home.path(), &["--json", "status", "nope"]);
    let problem: serde_json::Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!((exit, stdout.as_str(), &problem["code"]), (1, "", &serde_json::json!("LF-036")));
}

#[test]
fn every_code_is_explained() {
    let home = home();
    let (exit, list, _) = run(home.path(), &["explain"]);
    assert!(exit == 0 && list.lines().count() == 49, "{list}");
    let (_, page, _) = run(home.path(), &["explain", "14"]);
    assert!(page.starts_with("# LF-014: "), "{page}");
}

#[test]
fn a_bundle_that_was_touched_is_exit_8_and_its_first_bad_line_is_named() {
    let home = home();
    let bundle = home.path().join("bundle.jsonl");
    let line = r#"{"line":1,"before":"","kind":"header","body":{"key":"AA=="},"signature":"AA=="}"#;
    std::fs::write(&bundle, format!("{line}\n")).unwrap();
    let (exit, stdout, stderr) = run(home.path(), &["report", "verify", "bundle.jsonl"]);
    assert_eq!((exit, stdout.as_str()), (8, ""), "{stderr}");
    assert!(stderr.contains("LF-047") && stderr.contains("line 1 (header): changed"), "{stderr}");
    let (exit, _, stderr) = run(home.path(), &["report", "verify", "absent.jsonl"]);
    assert!(exit == 1 && stderr.contains("absent.jsonl"), "{exit}: {stderr}");
    let odd = run(home.path(), &["report", "verify", "bundle.jsonl", "--key", "x"]);
    assert!(odd.0 == 1 && odd.2.contains("32 bytes in base64"), "{odd:?}");
    let (exit, _, stderr) = run(home.path(), &["report", "nope", "--html"]);
    assert!(exit == 1 && stderr.contains("LF-036"), "{exit}: {stderr}");
    let (exit, key, _) = run(home.path(), &["report", "key", "--json"]);
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    assert!(exit == 0 && key["key"].as_str().is_some_and(|key| key.len() == 44), "{key}");
    assert_eq!(run(home.path(), &["report"]).0, 1);
}

#[test]
fn without_a_region_nothing_is_started() {
    let home = home();
    std::fs::write(home.path().join("orders.toml"), SPEC).unwrap();
    let (exit, _, stderr) =
        run(home.path(), &["run", "orders.toml", "--xds-listen", "127.0.0.1:0"]);
    assert!(exit == 5 && stderr.contains("AWS_REGION"), "{exit}: {stderr}");
    let (_, moves, _) = run(home.path(), &["status", "--json"]);
    assert_eq!(moves.trim(), "[]");
}

#[test]
fn a_server_that_is_not_there_is_exit_5() {
    let home = home();
    let nobody = "http://127.0.0.1:1";
    let (exit, _, stderr) = run(home.path(), &["--server", nobody, "status"]);
    assert!(exit == 5 && stderr.contains(nobody), "{exit}: {stderr}");
}

#[test]
fn a_server_ends_in_order_when_it_is_told_to() {
    let home = home();
    let mut server = landfall(home.path())
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--xds-listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let url = ready["url"].as_str().unwrap();
    assert_eq!(run(home.path(), &["--server", url, "status"]).0, 0);
    let (exit, _, stderr) = run(home.path(), &["run", "x.toml", "--server", url]);
    assert_eq!(exit, 1, "{stderr}");

    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(server.wait().unwrap().code(), Some(0));
    assert_eq!(run(home.path(), &["--server", url, "status"]).0, 5);
}
