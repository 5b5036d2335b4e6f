//! The workspace's own tool: `cargo xtask VERB`. It installs what tests need, checks the rules of
//! the house, and runs the tests; it is not part of the product and nothing depends on it.
//!
//! It keeps no state but the `.tools/` folder, so killing it half-way costs only a second run.

mod check;
mod docs;
mod metadata;
mod out;
mod product;
mod program;
mod setup;
mod sim;
mod stage;
mod suite;
mod tidy;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

/// Landfall's workspace tool.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what the demo and the tests need into .tools/ (quick when it is there)
    Setup(setup::Options),
    /// One whole move of a live database on this machine, with a verdict (see `demo --help`)
    #[command(disable_help_flag = true)]
    Demo(stage::Options),
    /// Measure: `bench cutover --runs 5`
    #[command(disable_help_flag = true)]
    Bench(stage::Options),
    /// The end-to-end tests: all, or those whose name contains a text
    E2e(stage::Options),
    /// Format, lints, house rules, generated pages and documentation: what a push must pass
    Check,
    /// The house rules alone
    Tidy,
    /// Run the tests
    Test(suite::Options),
    /// Write the generated pages again
    Docs(docs::Options),
    /// Run the simulator: everything after the verb goes to it, such as `--seeds 5000`
    Sim(sim::Options),
    /// Explore the exhaustive model of the pause: `model`, `model --break no-lease-wait`
    Model(sim::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::problem(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    let workspace = Workspace::find()?;
    match verb {
        Verb::Setup(options) => setup::run(&workspace, &options).map(drop),
        Verb::Demo(options) => stage::run(&workspace, "demo", &options),
        Verb::Bench(options) => stage::run(&workspace, "bench", &options),
        Verb::E2e(options) => stage::scenarios(&workspace, &options),
        Verb::Check => check::run(&workspace),
        Verb::Tidy => tidy::run(&workspace),
        Verb::Test(options) => suite::run(&workspace, &options),
        Verb::Docs(options) => docs::run(&workspace, &options),
        Verb::Sim(options) => sim::run(&workspace, &options),
        Verb::Model(options) => sim::explore(&workspace, &options),
    }
}
