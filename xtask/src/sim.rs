//! `cargo xtask sim` and `cargo xtask model`: hand over to the simulator and to the exhaustive model
//! of `landfall-flow`, which own their arguments. Both are built optimized: what they can find is a
//! matter of how many nights, and how many states, they get through.

use std::process::Stdio;

use anyhow::Result;
use clap::Args;

use crate::program;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Arguments of the program, such as `--seeds 5000`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the simulator in the foreground.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    optimized(workspace, "sim", options)
}

/// Explores the exhaustive model in the foreground.
pub(crate) fn explore(workspace: &Workspace, options: &Options) -> Result<()> {
    optimized(workspace, "model", options)
}

fn optimized(workspace: &Workspace, example: &str, options: &Options) -> Result<()> {
    let mut command = program::cargo(workspace);
    command.stdin(Stdio::inherit());
    command.args(["run", "--quiet", "--release", "-p", "landfall-flow", "--example", example]);
    program::succeed(command.arg("--").args(&options.arguments))
}
