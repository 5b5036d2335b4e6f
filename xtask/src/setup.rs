//! `cargo xtask setup`: the programs that the lab and the tests start. Each comes from the machine
//! when it has a fit one, else from the Python or the Debian registry, pinned by version and
//! checksum, into the ignored `.tools/` folder. It installs nothing outside that folder and needs
//! no privilege.
//!
//! Invariant: `.tools/TOOL` appears by one rename and only when complete; a setup that dies
//! half-way leaves a staging folder that the next one removes. One setup works at a time.

mod awscli;
mod chromium;
mod clients;
mod connect;
mod debian;
mod dns;
mod envoy;
mod fetch;
mod pgbouncer;
mod pins;
mod postgresql;
mod postgresql18;
mod seen;

use std::fs::File;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::setup::fetch::Store;
use crate::setup::seen::Seen;
use crate::workspace::Workspace;
use crate::{out, program};

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Fetch this tool again, even when it is there or the machine has its own; alone: every tool
    #[arg(long, value_name = "TOOL", num_args = 0..=1, default_missing_value = "all")]
    force_fetch: Option<Forced>,
    /// Say nothing but what went wrong
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Forced {
    All,
    Postgresql,
    Envoy,
    Awscli,
    Pgbouncer,
    Knot,
    Clients,
    Pgjdbc,
    Postgresql18,
    Chromium,
    Connect,
}

/// Whether a tool that is already there is good enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Any,
    Fetched,
}

/// A usable program: its version, the folder to find it in, and who put it there.
struct Tool {
    name: &'static str,
    version: String,
    folder: PathBuf,
    origin: Origin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Machine,
    Fetched,
}

/// What setup found, for the verb that starts tests.
pub(crate) struct Installed {
    /// The test runner, when the machine has it.
    pub(crate) nextest: Option<PathBuf>,
}

/// Tells the lab where the fetched programs are, wherever a test or a demo runs.
pub(crate) const TOOLS: &str = "LANDFALL_TOOLS";

/// Makes every tool available and prints one line for each.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<Installed> {
    let store = Store::open(workspace.tools())?;
    let lock = File::create(store.root().join("lock")).context("create the setup lock")?;
    // Released by the system when this process ends, however it ends.
    lock.lock().context("wait for another setup to finish")?;
    let mut seen = Seen::load(store.root());
    let tools = [
        postgresql::ensure(&store, &mut seen, options.need(Forced::Postgresql))?,
        envoy::ensure(&store, &mut seen, options.need(Forced::Envoy))?,
        awscli::ensure(&store, &mut seen, options.need(Forced::Awscli))?,
        pgbouncer::ensure(&store, &mut seen, options.need(Forced::Pgbouncer))?,
        dns::ensure(&store, &mut seen, options.need(Forced::Knot))?,
        clients::ensure_python(&store, options.need(Forced::Clients))?,
        clients::ensure_jdbc(&store, options.need(Forced::Pgjdbc))?,
    ];
    for tool in &tools {
        options.say(&described(tool));
    }
    match postgresql18::ensure(&store, options.need(Forced::Postgresql18)) {
        Ok(tool) => options.say(&described(&tool)),
        Err(why) => options.say(&format!("postgresql18 absent: direct TLS is not tested ({why})")),
    }
    match chromium::ensure(&store, &mut seen, options.need(Forced::Chromium)) {
        Ok(tool) => options.say(&described(&tool)),
        Err(why) => options.say(&format!("chromium    absent: pages are not tested ({why:#})")),
    }
    match connect::ensure(&store, options.need(Forced::Connect)) {
        Ok(tool) => options.say(&described(&tool)),
        Err(why) => {
            options.say(&format!("connect     absent: tests of consumers will fail ({why:#})"));
        }
    }
    let nextest = runner(&mut seen, options);
    seen.save()?;
    if tools.iter().any(|tool| tool.origin == Origin::Fetched) {
        store.warn_if_closed_to_others()?;
    }
    Ok(Installed { nextest })
}

impl Options {
    /// Says nothing but what went wrong.
    pub(crate) fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            out::line(line);
        }
    }

    fn need(&self, tool: Forced) -> Need {
        match self.force_fetch {
            Some(forced) if forced == tool || forced == Forced::All => Need::Fetched,
            Some(_) | None => Need::Any,
        }
    }
}

fn described(tool: &Tool) -> String {
    let origin = match tool.origin {
        Origin::Machine => "the machine's own",
        Origin::Fetched => "fetched",
    };
    format!("{:<11} {:<9} {origin}: {}", tool.name, tool.version, tool.folder.display())
}

/// The runner is not fetched: no registry ships it built, and compiling it costs CI minutes.
fn runner(seen: &mut Seen, options: &Options) -> Option<PathBuf> {
    let found = program::on_path("cargo-nextest").ok();
    let version = found.as_deref().and_then(|program| seen.version(program));
    let number = version.as_deref().and_then(|text| text.split_whitespace().nth(1));
    match (found, number) {
        (Some(program), Some(number)) => {
            let place = program.parent().unwrap_or(&program).display();
            options.say(&format!("{:<11} {number:<9} the machine's own: {place}", "nextest"));
            Some(program)
        }
        _ => {
            options.say("nextest     absent    tests run under plain `cargo test`, more slowly");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(forced: Option<Forced>) -> Options {
        Options { force_fetch: forced, quiet: true }
    }

    #[test]
    fn forcing_one_tool_leaves_the_others_alone() {
        let one = options(Some(Forced::Envoy));
        assert!(one.need(Forced::Envoy) == Need::Fetched);
        assert!(one.need(Forced::Postgresql) == Need::Any);
        assert!(options(Some(Forced::All)).need(Forced::Awscli) == Need::Fetched);
        assert!(options(None).need(Forced::Awscli) == Need::Any);
    }
}
