//! Knot, a DNS server that takes dynamic updates: what the tests of the DNS router change a real
//! record on. The machine's own from version 3 on; else Debian's package and the libraries that a
//! machine may lack, with a launcher that finds them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::program;
use crate::setup::fetch::{Store, set_mode};
use crate::setup::pins::KNOT;
use crate::setup::seen::Seen;
use crate::setup::{Need, Origin, Tool, debian};

const OLDEST_MAJOR: u32 = 3;

/// The program looks for its libraries in the system's folders only.
const LAUNCHER: &str = "#!/bin/sh
here=$(dirname \"$(readlink -f \"$0\")\")
for folder in \"$here\"/../usr/lib/*-linux-gnu \"$here\"/../lib/*-linux-gnu; do
    LD_LIBRARY_PATH=\"$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"
done
export LD_LIBRARY_PATH
exec \"$here/../usr/sbin/knotd\" \"$@\"
";

pub(super) fn ensure(store: &Store, seen: &mut Seen, need: Need) -> Result<Tool> {
    let tool = |version: String, folder, origin| Tool { name: KNOT.tool, version, folder, origin };
    if need == Need::Any {
        if let Some(place) = store.present(&KNOT) {
            return Ok(tool(KNOT.version.to_owned(), place.join("bin"), Origin::Fetched));
        }
        if let Some((folder, version)) = machines_own(seen) {
            return Ok(tool(version, folder, Origin::Machine));
        }
    }
    let place = store.install_by(&KNOT, debian::unpack, arrange)?;
    Ok(tool(KNOT.version.to_owned(), place.join("bin"), Origin::Fetched))
}

fn arrange(unpacked: &Path) -> Result<PathBuf> {
    let bin = unpacked.join("bin");
    fs::create_dir_all(&bin).context("create the bin folder")?;
    fs::write(bin.join("knotd"), LAUNCHER).context("write the knotd launcher")?;
    set_mode(&bin.join("knotd"), 0o755)?;
    Ok(PathBuf::new())
}

fn machines_own(seen: &mut Seen) -> Option<(PathBuf, String)> {
    // Servers are often outside a person's PATH.
    let beside = Path::new("/usr/sbin/knotd").to_path_buf();
    let program = program::on_path("knotd").ok().unwrap_or(beside);
    let version = version(seen, &program)?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    (major >= OLDEST_MAJOR).then_some((program.parent()?.to_path_buf(), version))
}

/// `knotd (Knot DNS), version 3.2.6` to `3.2.6`.
fn version(seen: &mut Seen, program: &Path) -> Option<String> {
    number(&seen.version(program)?)
}

fn number(said: &str) -> Option<String> {
    said.split_whitespace().next_back().filter(|word| word.contains('.')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_last_word() {
        assert_eq!(number("knotd (Knot DNS), version 3.2.6").as_deref(), Some("3.2.6"));
        assert_eq!(number("knotd: broken"), None);
    }
}
