//! `cargo xtask test`: installs what tests need, builds the product once, runs documentation tests
//! and then the suite, under cargo-nextest when the machine has it. The last line is the sum, and
//! a run that executed no test is a failure.

mod tally;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::setup::{self, Installed};
use crate::suite::tally::{Runner, Tally};
use crate::workspace::Workspace;
use crate::{metadata, out, product, program};

/// Packages whose integration tests start PostgreSQL, Envoy or the whole product. The same list is
/// the filter of the profile `quick` in `.config/nextest.toml`; a test compares the two.
const STARTS_SERVERS: &[&str] = &[
    "landfall",
    "landfall-aws",
    "landfall-cdc",
    "landfall-lab",
    "landfall-postgres",
    "landfall-route",
    "landfall-server",
    "landfall-store",
];
const END_TO_END: &str = "landfall-e2e";

#[derive(Args)]
pub(crate) struct Options {
    /// Only tests that start no server: unit, process, harness and short simulation
    #[arg(long)]
    quick: bool,
    /// Only tests whose name contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// Runs the tests; the error says what failed, the line before it how many.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let installed = setup::run(workspace, &setup::Options::default())?;
    let mut suite = Suite { workspace, options, installed, tally: Tally::default() };
    let documented = suite.documentation_tests();
    let result = match suite.installed.nextest {
        Some(_) => suite.under_nextest(),
        None => suite.under_cargo(),
    };
    out::line(&suite.tally.to_string());
    documented.and(result)?;
    if suite.tally.ran() == 0 { bail!("0 tests ran") } else { Ok(()) }
}

struct Suite<'a> {
    workspace: &'a Workspace,
    options: &'a Options,
    installed: Installed,
    tally: Tally,
}

impl Suite<'_> {
    fn under_nextest(&mut self) -> Result<()> {
        let mut command = self.cargo(&["nextest", "run", "--locked", "--workspace"])?;
        command.args(["--profile", if self.options.quick { "quick" } else { "default" }]);
        // The sum over all parts decides about "no test ran".
        command.arg("--no-tests=pass");
        command.args(self.options.filter.as_slice());
        self.stream(command, Runner::Nextest)
    }

    fn under_cargo(&mut self) -> Result<()> {
        let mut result = Ok(());
        for arguments in self.parts() {
            let mut command = self.cargo(&["test", "--locked", "--no-fail-fast"])?;
            command.args(arguments).args(self.options.filter.as_slice());
            let part = self.stream(command, Runner::Cargo);
            result = result.and(part);
        }
        result
    }

    /// Packages with documentation tests, which nextest does not run.
    fn documentation_tests(&mut self) -> Result<()> {
        let packages = self.documented_packages()?;
        if packages.is_empty() {
            return Ok(());
        }
        let mut command = self.cargo(&["test", "--locked", "--doc"])?;
        command.args(packages.iter().flat_map(|name| ["-p", name]));
        command.args(self.options.filter.as_slice());
        self.stream(command, Runner::Cargo)
    }

    fn documented_packages(&self) -> Result<Vec<String>> {
        let own = metadata::own(self.workspace)?;
        let documented = own.packages.into_iter().filter(|package| {
            package.targets.iter().any(|target| {
                target.root.ends_with("src/lib.rs")
                    && target.root.parent().is_some_and(tally::has_documentation_tests)
            })
        });
        Ok(documented.map(|package| package.name).collect())
    }

    fn parts(&self) -> Vec<Vec<&'static str>> {
        if !self.options.quick {
            return vec![vec!["--workspace", "--all-targets"]];
        }
        let servers = || STARTS_SERVERS.iter().copied();
        let mut others = vec!["--workspace", "--all-targets", "--exclude", END_TO_END];
        others.extend(servers().flat_map(|name| ["--exclude", name]));
        let mut units = vec!["--lib", "--bins"];
        units.extend(servers().flat_map(|name| ["-p", name]));
        vec![others, units]
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = program::cargo(self.workspace);
        command.args(arguments).env(setup::TOOLS, self.workspace.tools());
        if !self.options.quick {
            command.env(product::BINARY, product::build(self.workspace)?);
        }
        Ok(command)
    }

    /// Runs a command, passes its lines on as they come, and counts what they report. Cargo's
    /// closing lines are on stdout, nextest's on stderr.
    fn stream(&mut self, mut command: Command, runner: Runner) -> Result<()> {
        match runner {
            Runner::Cargo => command.stdout(Stdio::piped()),
            Runner::Nextest => command.stderr(Stdio::piped()),
        };
        let mut child = command.spawn().context("start cargo")?;
        if let Some(stdout) = child.stdout.take() {
            self.pass_on(runner, BufReader::new(stdout))?;
        }
        if let Some(stderr) = child.stderr.take() {
            self.pass_on(runner, BufReader::new(stderr))?;
        }
        let status = child.wait().context("wait for the tests")?;
        if status.success() { Ok(()) } else { bail!("tests failed ({status})") }
    }

    fn pass_on(&mut self, runner: Runner, lines: impl BufRead) -> Result<()> {
        for line in lines.split(b'\n') {
            let line = line.context("read what the tests print")?;
            let line = String::from_utf8_lossy(&line);
            out::line(&line);
            self.tally.count(runner, &line);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_runners_leave_the_same_packages_out_of_the_quick_run() {
        let config = include_str!("../../.config/nextest.toml");
        let names: Vec<_> =
            STARTS_SERVERS.iter().filter_map(|name| name.strip_prefix("landfall-")).collect();
        let pattern = format!("package(/^landfall(-({}))?$/)", names.join("|"));
        let lines = config.lines().filter(|line| line.contains(&pattern));
        assert_eq!(lines.count(), 2, "the test group and the quick profile must have {pattern}");
        assert!(STARTS_SERVERS.contains(&"landfall"));
        assert!(config.contains(&format!("package(/^{END_TO_END}$/)")));
    }
}
