//! `cargo xtask docs`: pages that are derived from code. Each row of [`PAGES`] names the page and
//! the example program that prints it; the same table feeds the check that no page is stale.
//! A row whose program is not in the tree yet is left alone, so rows may be written first.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::workspace::Workspace;
use crate::{out, program};

struct Page {
    path: &'static str,
    package: &'static str,
    example: &'static str,
    source: &'static str,
}

const PAGES: &[Page] = &[Page {
    path: "docs/PROCESS.md",
    package: "landfall-flow",
    example: "process_page",
    source: "crates/flow/examples/process_page.rs",
}];

#[derive(Args)]
pub(crate) struct Options {
    /// Change nothing; fail when a page differs from what its program prints
    #[arg(long)]
    check: bool,
}

/// Writes every generated page, or only compares.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.check { compare(workspace) } else { write(workspace) }
}

/// Fails when a generated page is not what its program prints.
pub(crate) fn compare(workspace: &Workspace) -> Result<()> {
    let mut stale = Vec::new();
    for page in present(workspace.root()) {
        let fresh = rendered(workspace, page)?;
        if fs::read_to_string(workspace.root().join(page.path)).ok() != Some(fresh) {
            stale.push(page.path);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    bail!("stale generated pages: {}; run `cargo xtask docs` and commit them", stale.join(", "))
}

fn write(workspace: &Workspace) -> Result<()> {
    for page in present(workspace.root()) {
        let text = rendered(workspace, page)?;
        let path = workspace.root().join(page.path);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        out::line(&format!("wrote {}", page.path));
    }
    Ok(())
}

fn present(root: &Path) -> impl Iterator<Item = &'static Page> {
    PAGES.iter().filter(move |page| root.join(page.source).is_file())
}

fn rendered(workspace: &Workspace, page: &Page) -> Result<String> {
    let mut command = program::cargo(workspace);
    command.args(["run", "--quiet", "-p", page.package, "--example", page.example]);
    let text = program::capture(&mut command)?;
    // An empty page would be written and then found fresh for ever.
    if text.trim().is_empty() { bail!("{} printed nothing", page.source) } else { Ok(text) }
}
