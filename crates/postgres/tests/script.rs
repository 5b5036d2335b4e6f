//! The script for the owner: what she hands back is what an observer's role learns, on the same
//! server by the same questions, through the real psql.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use landfall_assess::question::answers::{self, Told, Why};
use landfall_assess::question::{Reading, activity, databases, script, server, table};
use landfall_core::port::database::{Answer, Said};
use landfall_lab::tools::{self, PostgresTools, Search};
use serde_json::Value;

use crate::bench::{Bench, OTHER};
use crate::questions::{ask, faulty, faulty_with};

/// What no two looks have in common.
const MOVING: [&str; 7] =
    ["xid_age", "commits", "age_s", "oldest_s", "retained", "bytes", "stats_reset"];

/// Runs a script in a folder as a role, as the owner would.
fn psql(bench: &Bench, folder: &Path, user: &str, text: &str) -> Output {
    std::fs::write(folder.join("landfall.psql"), text).unwrap();
    let program = tools::postgres().unwrap().program("psql");
    let mut command = Command::new(program);
    command.current_dir(folder).env("PGPASSWORD", format!("{user}pass")).args(["-X", "-w"]);
    command.args(["-h", "127.0.0.1", "-p", &bench.firewall.port().to_string(), "-U", user]);
    command.args(["-d", "shop", "-f", "landfall.psql", "-o", "answers.jsonl"]);
    command.output().unwrap()
}

fn told(folder: &Path) -> Told {
    let file = std::fs::File::open(folder.join("answers.jsonl")).unwrap();
    answers::read(std::io::BufReader::new(file)).unwrap()
}

/// Answers without what moves between two looks.
fn still(answers: &[Answer]) -> BTreeMap<(String, Option<String>), Said> {
    let still = |answer: &Answer| {
        let mut said = answer.said.clone();
        if let Said::Answer(value) = &mut said {
            calm(value);
        }
        let database = answer.database.as_ref().map(|database| database.as_str().to_owned());
        ((answer.question.clone(), database), said)
    };
    answers.iter().map(still).collect()
}

fn calm(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !MOVING.contains(&name.as_str()));
            fields.values_mut().for_each(calm);
        }
        Value::Array(items) => items.iter_mut().for_each(calm),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn equal_by_both_ways(bench: &Bench, told: &Told, asked: &[Answer]) {
    let order = |answers: &[Answer]| {
        let key = |answer: &Answer| (answer.question.clone(), answer.database.clone());
        answers.iter().map(key).collect::<Vec<_>>()
    };
    assert_eq!(order(&told.answers), order(asked));
    let (told, asked) = (still(&told.answers), still(asked));
    for (key, said) in &asked {
        assert_eq!(
            told.get(key),
            Some(said),
            "{key:?} on {}",
            bench.server.config().tools.version()
        );
    }
    assert!(asked.values().any(|said| matches!(said, Said::Answer(_))));
}

/// The script and the port, on one server, for a role that sees all and one that sees little.
async fn both_ways(bench: &Bench) {
    let major = bench.server.config().tools.major();
    for (user, text) in [("super", script::text(None)), ("watch", script::text(Some(major)))] {
        let folder = tempfile::tempdir().unwrap();
        let output = psql(bench, folder.path(), user, &text);
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && output.stdout.is_empty(), "{messages}");
        if user == "super" {
            assert_eq!(messages, "", "psql has nothing to complain of");
        }
        let told = told(folder.path());
        assert_eq!(told.version_num / 10_000, major);
        equal_by_both_ways(bench, &told, &ask(bench, user).await);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2, "the file of visits is removed: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_learns_what_an_observer_learns() {
    let bench = faulty().await;
    both_ways(&bench).await;
}

/// Another major than the machine's, when setup has fetched one.
fn other_major(folder: &Path) -> Option<PostgresTools> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = here.map(|folder| folder.join(".tools/postgresql18/bin"));
    let other: PathBuf = places.find(|place| place.join("postgres").is_file())?;
    let own = tools::postgres().unwrap();
    let bin = folder.join("postgresql/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["initdb", "postgres"] {
        symlink(other.join(name), bin.join(name)).unwrap();
    }
    // No replica is made here; the lab only wants to see it.
    symlink(own.program("pg_basebackup"), bin.join("pg_basebackup")).unwrap();
    Some(Search::only(folder).postgres().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_on_another_major() {
    let folder = tempfile::tempdir().unwrap();
    let Some(other) = other_major(folder.path()) else {
        eprintln!("not run: `cargo xtask setup` has fetched no other PostgreSQL");
        return;
    };
    assert_ne!(other.major(), tools::postgres().unwrap().major());
    let bench = faulty_with(|config| config.tools = other).await;
    both_ways(&bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_of_another_major_stops_at_once() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    let output = psql(&bench, folder.path(), "owner", &script::text(Some(13)));
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(messages.contains("for PostgreSQL 13"), "{messages}");
    let file = std::fs::read(folder.path().join("answers.jsonl")).unwrap();
    let error = answers::read(file.as_slice()).unwrap_err();
    assert!(matches!(error.why, Why::NoHeader), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_database_is_told_and_the_next_one_is_visited() {
    let bench = Bench::new().await;
    bench.admin("create role watch login password 'watchpass'").await;
    bench.admin("alter database \"ledger \"\"two\"\"\" connection limit 0").await;
    let folder = tempfile::tempdir().unwrap();
    let output = psql(&bench, folder.path(), "watch", &script::text(None));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = told(folder.path());
    let looked: Vec<(&str, bool)> = databases::<table::Tables>(&told.answers)
        .iter()
        .map(|(name, reading)| (name.as_str(), matches!(reading, Reading::Looked(_))))
        .collect();
    assert_eq!(looked, [(OTHER, false), ("postgres", true), ("shop", true)]);
    let connected = server::<activity::Connections>(&told.answers);
    assert!(connected.looked().is_some(), "{connected:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_cannot_write() {
    let bench = Bench::new().await;
    let folder = tempfile::tempdir().unwrap();
    // As if somebody had slipped a write into it, right after the session's beginning.
    let text = script::text(None).replacen(
        "set jit = off;",
        "set jit = off;\ncreate table public.slipped_in (id int);",
        1,
    );
    bench.admin("create role super superuser login password 'superpass'").await;
    let output = psql(&bench, folder.path(), "super", &text);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(messages.contains("read-only transaction"), "{messages}");
}
