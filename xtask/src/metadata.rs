//! What cargo knows of the workspace and of its locked dependencies, reduced to what the rules
//! read.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::program;
use crate::workspace::Workspace;

#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    /// Where it was downloaded from; nothing for our own.
    pub(crate) source: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) features: Vec<String>,
}

/// A library, a binary, an example or a test binary.
#[derive(Deserialize)]
pub(crate) struct Target {
    #[serde(rename = "src_path")]
    pub(crate) root: PathBuf,
}

/// The workspace's own packages; needs no network and no lock.
pub(crate) fn own(workspace: &Workspace) -> Result<Metadata> {
    read(workspace, &["--no-deps", "--offline"])
}

/// Every package that a build for this machine's platform uses.
pub(crate) fn locked(workspace: &Workspace) -> Result<Metadata> {
    let version = program::capture(program::cargo(workspace).args(["--version", "--verbose"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("cargo does not tell its host platform")?;
    read(workspace, &["--locked", "--filter-platform", host])
}

fn read(workspace: &Workspace, arguments: &[&str]) -> Result<Metadata> {
    let mut command = program::cargo(workspace);
    command.args(["metadata", "--format-version", "1"]).args(arguments);
    let text = program::capture(&mut command)?;
    serde_json::from_str(&text).context("read what cargo metadata wrote")
}
