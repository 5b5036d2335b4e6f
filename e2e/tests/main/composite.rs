//! Risk: a service has more than one gateway, and one of them is a program of the operator's: the
//! move must hold, point and release both, and name the one that is late.

use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_api::core::problem::Writes;
use landfall_api::core::status::Outcome;
use landfall_e2e::Stage;

use crate::told::stopped;
use crate::watch::{moved, moves, stage, start, until_gate, until_over, until_stopped};

/// Follows what it is told, and keeps a line per hook. While the file `deaf` is there, `hold` fails.
const PROGRAM: &str = r#"#!/bin/sh
set -eu
state=$(cat)
epoch=${state##*'"epoch":'}
epoch=${epoch%'}'}
cd "$(dirname "$0")"
if [ "$1" = view ]; then
  follows=false
  if [ "$(cat epoch 2>/dev/null || true)" = "$epoch" ]; then follows=true; fi
  printf '{"nodes": [{"node": "pool-1", "follows": %s}]}' "$follows"
  exit 0
fi
if [ "$1" = hold ] && [ -e deaf ]; then echo "pool-1 is deaf" >&2; exit 1; fi
printf '%s %s\n' "$1" "$state" >>log
printf '%s' "$epoch" >epoch
"#;

/// Gives the stage a second gateway; the folder of its program.
fn with_program(stage: &mut Stage) -> PathBuf {
    let folder = stage.dir().join("program");
    std::fs::create_dir(&folder).expect("make the program's folder");
    let program = folder.join("gateway.sh");
    std::fs::write(&program, PROGRAM).expect("write the program");
    let extra = &mut stage.spec.extra;
    extra.push(("route", r#"router = ["envoy", "command"]"#.to_owned()));
    extra.push((
        "route.command",
        format!("program = [\"sh\", {:?}]", program.display().to_string()),
    ));
    extra.push(("route.command", "holds = true".to_owned()));
    folder
}

/// The hooks that were heard, without those that were told again.
fn hooks(folder: &Path) -> Vec<String> {
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    let words = log.lines().filter_map(|line| line.split_once(' '));
    let mut hooks: Vec<String> = words.map(|(hook, _)| hook.to_owned()).collect();
    hooks.dedup();
    hooks
}

#[tokio::test]
async fn a_move_with_envoy_and_a_program_holds_and_releases_both() {
    let mut stage = stage().await;
    let folder = with_program(&mut stage);
    start(&mut stage).await;
    let followed = until_over(&mut stage, Outcome::Moved).await;
    assert_eq!(hooks(&folder), ["adopt", "hold", "point", "release"]);
    let report = moved(stage, &followed).await;
    assert_eq!((report.lost, report.doubled), (0, 0), "{report:#?}");
}

#[tokio::test]
async fn a_program_that_does_not_hold_stops_the_move_before_the_fence_and_is_named() {
    let mut stage = stage().await;
    let folder = with_program(&mut stage);
    stage.spec.approve = "person";
    stage.spec.acknowledge_within = Duration::from_secs(3);
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    std::fs::write(folder.join("deaf"), "").expect("make it deaf");
    stage.order("approve", Some("approve_cutover")).await.expect("approve");
    let view = until_stopped(&mut stage).await;
    stopped(&view, "LF-010", Writes::Source, &["pool-1", "is deaf", "landfall resume"]);
    assert!(view.facts.fence_active.is_none(), "fenced before everybody held");
    std::fs::remove_file(folder.join("deaf")).expect("make it listen");
    stage.order("resume", None).await.expect("resume");
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.expect("accept");
    moves(stage).await;
}
