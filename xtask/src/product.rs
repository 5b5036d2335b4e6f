//! The `landfall` binary, built for programs that drive it from outside: end-to-end tests today,
//! the demo and the benchmarks when they exist.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::program;
use crate::workspace::Workspace;

/// The environment variable that tells a driver where the built binary is.
pub(crate) const BINARY: &str = "LANDFALL_BIN";

#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// Builds the binary with the features a workspace build gives it, so that the test build which
/// follows compiles no dependency twice, and returns its path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut command = program::cargo(workspace);
    command.args(["build", "--quiet", "--workspace", "--bin", "landfall"]);
    command.arg("--message-format=json-render-diagnostics");
    command.stderr(std::process::Stdio::inherit());
    let messages = program::capture(&mut command).context("build the landfall binary")?;
    match executable(&messages) {
        Some(path) => Ok(path),
        None => bail!("cargo built the landfall binary but did not say where"),
    }
}

fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_read_from_the_artifact_message() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"executable\":\"/t/debug/landfall\"}\n",
            "{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/t/debug/landfall")));
        assert_eq!(executable("{\"reason\":\"build-finished\"}"), None);
    }
}
