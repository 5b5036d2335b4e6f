//! `cargo xtask sim`: hands over to the simulator of `landfall-flow`, which owns its arguments.

use anyhow::Result;
use clap::Args;

use crate::program;
use crate::workspace::Workspace;

#[derive(Args)]
pub(crate) struct Options {
    /// Arguments of the simulator, such as `--seeds 5000`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs the simulator in the foreground.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    program::hand_over(workspace, "landfall-flow", "sim", &options.arguments)
}
