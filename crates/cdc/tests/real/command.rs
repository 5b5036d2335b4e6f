//! The suite on a program with hooks, and what a slot's programs are told.

use std::future::pending;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use landfall_cdc::{CommandConsumer, ConsumerSet, SlotConsumer};
use landfall_core::action::ConsumerAction;
use landfall_core::conformance::consumers::{ConsumersFixture, every_promise};
use landfall_core::ids::ConsumerName;
use landfall_core::port::Consumers;
use landfall_core::port::consumers::{Binding, ConsumerState, Handling};
use landfall_core::spec::{SlotCommands, SlotSpec};
use landfall_core::{Endpoint, FailureKind, Lsn};
use tokio::time::timeout;

/// Keeps its state in two files of the folder it is in.
const PROGRAM: &str = r#"#!/bin/sh
here=$(dirname "$0")
input=$(cat)
case "$1" in
status)
    printf '{"state":"%s","host":"%s","port":%s,"database":"shop","slot":"search","lsn":"0/16B3748"}' \
        "$(cat "$here/state")" $(cat "$here/server") ;;
pause) echo stopped > "$here/state" ;;
resume) echo running > "$here/state" ;;
point) echo "$input" | sed 's/.*"host":"\([^"]*\)","port":\([0-9]*\).*/\1 \2/' > "$here/server" ;;
esac
"#;

struct Fixture {
    port: ConsumerSet,
    _folder: tempfile::TempDir,
}

fn name() -> ConsumerName {
    ConsumerName::new("search")
}

fn write(folder: &Path, text: &str) -> PathBuf {
    let program = folder.join("consumer");
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(folder.join("state"), "running").unwrap();
    std::fs::write(folder.join("server"), "source 5432").unwrap();
    program
}

fn consumer(folder: &Path, text: &str, within: Duration) -> ConsumerSet {
    let words = [write(folder, text).display().to_string()];
    ConsumerSet::default().with(name(), CommandConsumer::new(name(), &words, within))
}

#[async_trait]
impl ConsumersFixture for Fixture {
    fn port(&self) -> &dyn Consumers {
        &self.port
    }

    async fn consumer(&self) -> ConsumerName {
        name()
    }

    async fn elsewhere(&self) -> (Endpoint, Lsn) {
        (Endpoint::new("target", 5433), Lsn(0x100))
    }

    fn secret(&self) -> &'static str {
        "hunter2"
    }

    async fn pause(&self) {
        let _ = timeout(Duration::from_millis(10), pending::<()>()).await;
    }
}

#[tokio::test]
async fn a_program_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    let port = consumer(folder.path(), PROGRAM, Duration::from_secs(10));
    every_promise(&Fixture { port, _folder: folder }).await;
}

#[tokio::test]
async fn a_hook_that_hangs_or_fails_or_babbles_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let stop = ConsumerAction::Stop { consumer: name() };
    let within = Duration::from_millis(300);
    let hangs = consumer(folder.path(), "#!/bin/sh\nexec tail -f /dev/null\n", within);
    let told = hangs.act(&stop).await.unwrap_err();
    assert!(told.detail.contains("pause failed: it did not end within 300ms"), "{told}");
    let slow = Duration::from_secs(10);
    let fails = consumer(folder.path(), "#!/bin/sh\necho no such consumer >&2\nexit 3\n", slow);
    let told = fails.act(&stop).await.unwrap_err();
    assert_eq!(told.kind, FailureKind::Unknown, "a person looks first");
    assert!(told.detail.contains("no such consumer"), "{told}");
    let babbles = consumer(folder.path(), "#!/bin/sh\necho fine\n", slow);
    let told = babbles.view(&name()).await.unwrap_err();
    assert_eq!(told.kind, FailureKind::Invalid, "{told}");
}

#[tokio::test]
async fn a_slots_programs_are_told_the_server_and_an_owner_is_left_to_himself() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log").display().to_string();
    let said = |word: &str| {
        let script = format!("echo {word} \"$@\" >> {log}");
        ["/bin/sh", "-c", &script, "sh", "{host}", "{port}"].map(str::to_owned).to_vec()
    };
    let commands =
        SlotCommands { pause: said("pause"), point: said("point"), resume: said("resume") };
    let spec = |commands| SlotSpec { database: "shop".into(), slot: "audit".to_owned(), commands };
    let within = Duration::from_secs(10);
    let port = ConsumerSet::default()
        .with(name(), SlotConsumer::new(spec(Some(commands)), within))
        .with("owned".into(), SlotConsumer::new(spec(None), within));
    let at = |host: &str| Binding { endpoint: Endpoint::new(host, 5433), snapshot: None };
    let point =
        ConsumerAction::Repoint { consumer: name(), to: at("target"), previous: at("source") };
    port.act(&ConsumerAction::Stop { consumer: name() }).await.unwrap();
    port.act(&point).await.unwrap();
    port.act(&ConsumerAction::Resume { consumer: name() }).await.unwrap();
    let told = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(told, "pause {host} {port}\npoint target 5433\nresume {host} {port}\n");
    assert_eq!(port.view(&name()).await.unwrap().unwrap().state, ConsumerState::Untold);
    assert_eq!(port.ability(&"owned".into()).unwrap().handling, Handling::ByItsOwner);
    let refused = port.act(&ConsumerAction::Stop { consumer: "owned".into() }).await.unwrap_err();
    assert!(refused.detail.contains("audit is its owner's"), "{refused}");
}
