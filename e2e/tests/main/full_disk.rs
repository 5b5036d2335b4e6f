//! Risk: the disk of the state directory is full. Nothing may be done that cannot be written down
//! first, a person is told, and with room the same process goes on.
//!
//! The state lies on a small tmpfs of its own, in a mount namespace of the server's: it goes with
//! the server, and the test reaches it through the server's root in /proc.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_api::core::status::Run;
use landfall_api::{Driven, MoveView};
use landfall_e2e::Stage;
use landfall_lab::faults::Fault;
use landfall_lab::process::Signal;

use crate::told::{has, landfall};
use crate::watch::{into_the_pause, moves, stage_with_gates, start, until, until_gate};

/// Mounts the room over the state directory, and becomes the server. Who is not root becomes the
/// root of a user namespace; that clears the signal of our death, so it is set again.
const SCRIPT: &str = r#"
set -e
test -n "$LANDFALL_ROOM" || {
  export LANDFALL_ROOM=1
  test "$(id -u)" = 0 || user="--user --map-root-user"
  exec unshare $user --mount -- sh "$0" "$@"
}
mount -t tmpfs -o size=4m tmpfs STATE
cp -a STATE.before/. STATE
exec setpriv --pdeathsig KILL -- "$@"
"#;

/// Moves the state to a room of 4 MiB; returns where this process finds it.
async fn small_room(stage: &mut Stage) -> PathBuf {
    stage.product.stop(Signal::Terminate).await;
    let state = stage.product.state().to_owned();
    let before = state.with_extension("before");
    std::fs::rename(&state, &before).expect("put the state aside");
    std::fs::create_dir(&state).expect("make the place of the room");
    let script = stage.dir().join("room.sh");
    let text = SCRIPT.replace("STATE", state.to_str().unwrap());
    std::fs::write(&script, text).expect("write the script");
    stage.product.wrap(script);
    stage.product.serve(None).await.expect("serve");
    let pid = stage.product.pid().expect("the server runs");
    assert_eq!(stage.product.exited(), None, "{}", stage.product.log());
    let inside = PathBuf::from(format!("/proc/{pid}/root")).join(state.strip_prefix("/").unwrap());
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("its mounts");
    assert!(mounts.contains(state.to_str().unwrap()), "no room of its own:\n{mounts}");
    inside
}

fn fill(room: &Path) {
    let mut ballast = std::fs::File::create(room.join("ballast")).expect("make the ballast");
    for size in [65_536, 4096, 512, 1] {
        let block = vec![7; size];
        while ballast.write_all(&block).is_ok() {}
    }
}

fn make_room(room: &Path) {
    std::fs::remove_file(room.join("ballast")).expect("remove the ballast");
}

#[tokio::test]
async fn a_full_disk_stops_before_the_next_effect_and_goes_on_with_room() {
    let mut stage = stage_with_gates().await;
    let room = small_room(&mut stage).await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;

    // An order of a person that cannot be stored is refused, and says so.
    fill(&room);
    let told = landfall(&stage.product, ["approve", "shop", "approve_cutover"]).await;
    told.says(5, &["LF-029", "full"]);
    assert_eq!(stage.product.exited(), None, "it died:\n{}", stage.product.log());
    make_room(&room);

    // In the pause: the driver stops, says why, and nothing more is done to the world.
    into_the_pause(&mut stage).await;
    fill(&room);
    let done = stage.lab.requests().iter().filter(|one| is_order(&one.action)).count();
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    let stopped = |view: &MoveView| matches!(view.driven, Driven::Stopped { .. });
    let view = until(&mut stage, stopped).await.view;
    let Driven::Stopped { why } = &view.driven else { unreachable!() };
    has(why, &["full"]);
    assert!(!matches!(view.status.run, Run::Finished { .. }), "{:?}", view.status);
    let watched = landfall(&stage.product, ["status", "shop"]).await;
    watched.says(0, &["full"]);
    let after = stage.lab.requests().iter().filter(|one| is_order(&one.action)).count();
    assert_eq!(done, after, "something was ordered that could not be written down");
    assert_eq!(stage.product.exited(), None, "it died:\n{}", stage.product.log());

    make_room(&room);
    until_gate(&mut stage, "accept").await;
    stage.order("approve", Some("accept")).await.unwrap();
    stage.load().unwrap().go_on_for(50, Duration::from_secs(30)).await.unwrap();
    moves(stage).await;
}

fn is_order(action: &str) -> bool {
    !action.starts_with("Describe") && !action.starts_with("Get") && !action.starts_with("List")
}
