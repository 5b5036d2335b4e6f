//! The verbs that play whole moves: `demo`, `bench`, `e2e`. Each makes the tools available, builds
//! the binary together with its driver, and hands the terminal over. The drivers own their
//! arguments; whatever they start dies with them.

use std::process::{Command, Stdio};

use anyhow::Result;
use clap::Args;

use crate::setup;
use crate::workspace::Workspace;
use crate::{product, program};

#[derive(Args)]
pub(crate) struct Options {
    /// Arguments of the program, such as `--credential-free`; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Runs one of the stage's programs in the foreground.
pub(crate) fn run(workspace: &Workspace, example: &str, options: &Options) -> Result<()> {
    let wants_quiet = |argument: &String| argument == "--json" || argument == "--help";
    let quiet = example == "bench" || options.arguments.iter().any(wants_quiet);
    let told = if quiet { setup::Options::quiet() } else { setup::Options::default() };
    setup::run(workspace, &told)?;
    let staged = product::build_with(workspace, example)?;
    let mut command = Command::new(&staged.program);
    command.args(&options.arguments).stdin(Stdio::inherit());
    command.env(product::BINARY, &staged.binary).env(setup::TOOLS, workspace.tools());
    program::succeed(&mut command)
}

/// The scenario that is no test of the suite: it takes hours where the suite has minutes.
const KILL_EVERYWHERE: &str = "kill-everywhere";

/// Runs the end-to-end tests whose names contain a text, or all of them.
pub(crate) fn scenarios(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some((name, arguments)) = options.arguments.split_first()
        && name == KILL_EVERYWHERE
    {
        return kill_everywhere(workspace, arguments);
    }
    setup::run(workspace, &setup::Options::default())?;
    let binary = product::build(workspace)?;
    let mut command = program::cargo(workspace);
    command.args(["nextest", "run", "--locked", "-p", "landfall-e2e"]).args(&options.arguments);
    command.env(product::BINARY, binary).env(setup::TOOLS, workspace.tools());
    program::succeed(&mut command)
}

/// kill -9 at every journal write, of a move and of a move that is rolled back; `--every K` for
/// each Kth point only.
fn kill_everywhere(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    for back in [&[][..], &["--roll-back-after", "1s"]] {
        let fixed = ["--kill-at", "all"].iter().chain(back).map(|word| (*word).to_owned());
        let arguments = fixed.chain(arguments.iter().cloned()).collect();
        run(workspace, "demo", &Options { arguments })?;
    }
    Ok(())
}
