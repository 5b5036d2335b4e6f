//! The program of these tests, `gateway.sh`, with a folder of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::spec::CommandSpec;
use landfall_route::CommandGateway;
use tempfile::TempDir;

use crate::patience::eventually;
use crate::wall_clock::WallClock;

pub(crate) struct Program {
    folder: TempDir,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A gateway that holds, over this program.
    pub(crate) fn gateway(&self, timeout: Duration) -> CommandGateway {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/command/gateway.sh");
        let folder = self.folder.path().to_str().expect("UTF-8");
        let program = ["bash", script, folder].map(str::to_owned).to_vec();
        made(CommandSpec { program, holds: true, timeout })
    }

    /// A gateway over another program.
    pub(crate) fn gateway_of(&self, program: &[&str], timeout: Duration) -> CommandGateway {
        let program = program.iter().map(|word| (*word).to_owned()).collect();
        made(CommandSpec { program, holds: false, timeout })
    }

    /// What the program does first from here on.
    pub(crate) fn trouble(&self, script: &str) {
        // Renamed into place, so that no run reads half of it.
        std::fs::write(self.folder.path().join("part"), script).expect("write the trouble");
        let place = self.folder.path().join("trouble");
        std::fs::rename(self.folder.path().join("part"), place).expect("arm the trouble");
    }

    pub(crate) fn forget(&self, service: &str) {
        let file = self.folder.path().join(format!("{service}.epoch"));
        std::fs::remove_file(file).expect("it knew the service");
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    /// The hooks that ran, with what they read.
    pub(crate) fn log(&self) -> Vec<String> {
        self.read("log").lines().map(str::to_owned).collect()
    }

    /// The hooks that ran.
    pub(crate) fn hooks(&self) -> Vec<String> {
        let log = self.log();
        log.iter().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
    }

    /// Waits until this many hooks ran.
    pub(crate) async fn hears(&self, hooks: usize, why: &str) {
        eventually(why, async || (self.hooks().len() >= hooks).then_some(())).await;
    }

    /// A process that the program started, once it has.
    pub(crate) async fn child(&self) -> String {
        eventually("the program starts a child", async || {
            let id = self.read("child").trim().to_owned();
            (!id.is_empty()).then_some(id)
        })
        .await
    }

    pub(crate) async fn child_is_gone(&self) {
        let id = self.child().await;
        eventually("the child is gone", async || {
            let state = std::fs::read_to_string(Path::new("/proc").join(&id).join("stat"));
            // A killed process whose new parent is slow to notice is a zombie.
            state.map_or(true, |state| state.contains(") Z ")).then_some(())
        })
        .await;
    }
}

fn made(spec: CommandSpec) -> CommandGateway {
    CommandGateway::new(&spec, Duration::from_secs(2), Arc::new(WallClock))
}
