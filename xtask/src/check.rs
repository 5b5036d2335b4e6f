//! `cargo xtask check`: everything a push must pass before its tests are worth running. Cheap
//! stages come first, every stage runs even when one failed, and the end names what failed.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::workspace::Workspace;
use crate::{docs, out, program, setup, tidy};

type Stage = (&'static str, fn(&Workspace) -> Result<()>);

const STAGES: &[Stage] = &[
    ("setup", |workspace| setup::run(workspace, &setup::Options::default()).map(drop)),
    ("fmt", |workspace| cargo(workspace, &["fmt", "--all", "--check"])),
    ("tidy", tidy::run),
    ("clippy", clippy),
    ("pages", docs::compare),
    ("doc", documentation),
];

/// Runs every stage and prints how long each took.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut failed = Vec::new();
    let mut table = Vec::new();
    for (name, stage) in STAGES {
        out::line(&format!("==> {name}"));
        let started = Instant::now();
        let result = stage(workspace);
        let word = if result.is_ok() { "ok" } else { "FAILED" };
        table.push(format!("{name:<8} {word:<7} {:>7.1} s", started.elapsed().as_secs_f64()));
        if let Err(error) = result {
            out::problem(&format!("{name}: {error:#}"));
            failed.push(*name);
        }
    }
    out::line("");
    table.iter().for_each(|row| out::line(row));
    if failed.is_empty() { Ok(()) } else { bail!("check failed: {}", failed.join(", ")) }
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    program::succeed(program::cargo(workspace).args(arguments))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let scope = ["clippy", "--quiet", "--locked", "--workspace", "--all-targets"];
    program::succeed(program::cargo(workspace).args(scope).args(["--", "-D", "warnings"]))
}

/// Broken links in documentation are found by nothing else. It reuses what clippy checked.
fn documentation(workspace: &Workspace) -> Result<()> {
    let mut command: Command = program::cargo(workspace);
    command.args(["doc", "--quiet", "--locked", "--no-deps", "--workspace"]);
    command.args(["--document-private-items"]);
    program::succeed(command.env("RUSTDOCFLAGS", "-D warnings"))
}
