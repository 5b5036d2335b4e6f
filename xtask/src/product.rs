//! The `landfall` binary, built for programs that drive it from outside: end-to-end tests, the
//! demo and the benchmarks.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::program;
use crate::workspace::Workspace;

/// The environment variable that tells a driver where the built binary is.
pub(crate) const BINARY: &str = "LANDFALL_BIN";

#[derive(Deserialize)]
struct Message {
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Builds the binary together with every test and returns its path. Built by itself, it would get
/// other features for some dependencies, and the test build would compile those a second time.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = program::cargo(workspace);
    command.args(["build", "--locked", "--workspace", "--tests", "--bin", "landfall"]);
    command.arg("--message-format=json-render-diagnostics");
    command.stderr(std::process::Stdio::inherit());
    let messages = program::capture(&mut command).context("build the landfall binary")?;
    match executable(&messages, "landfall") {
        Some(path) => Ok(path),
        None => bail!("cargo built the landfall binary but did not say where"),
    }
}

/// The binary and one program of the stage that drives it.
pub(crate) struct Staged {
    pub(crate) binary: PathBuf,
    pub(crate) program: PathBuf,
}

/// Builds the binary and one example of the end-to-end package, in one go.
pub(crate) fn build_with(workspace: &Workspace, example: &str) -> Result<Staged> {
    let mut command = program::cargo(workspace);
    command.args(["build", "--locked", "-p", "landfall", "-p", "landfall-e2e"]);
    command.args(["--bin", "landfall", "--example", example]);
    command.arg("--message-format=json-render-diagnostics");
    command.stderr(std::process::Stdio::inherit());
    let messages = program::capture(&mut command).context("build the binary and its stage")?;
    let (Some(binary), Some(program)) =
        (executable(&messages, "landfall"), executable(&messages, example))
    else {
        bail!("cargo built the binary and {example} but did not say where");
    };
    Ok(Staged { binary, program })
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.target.name == name && !message.profile.test)
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_read_from_the_artifact_message() {
        let artifact = |name: &str, test: bool, executable: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"{name}\"}},\
                 \"profile\":{{\"test\":{test}}},\"executable\":{executable}}}\n"
            )
        };
        let messages = [
            artifact("landfall_core", false, "null"),
            artifact("landfall", true, "\"/t/deps/landfall-1\""),
            artifact("main", true, "\"/t/deps/main-2\""),
            artifact("landfall", false, "\"/t/debug/landfall\""),
            "{\"reason\":\"build-finished\",\"success\":true}\n".to_owned(),
        ];
        assert_eq!(
            executable(&messages.concat(), "landfall"),
            Some(PathBuf::from("/t/debug/landfall"))
        );
        assert_eq!(executable(&messages[..3].concat(), "landfall"), None);
    }
}
