//! PgBouncer, the gateway that cuts no session. The machine's own from version 1.17 on; else
//! Debian's package and the libraries that a machine may lack, with a launcher that finds them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::program;
use crate::setup::fetch::{Store, set_mode};
use crate::setup::pins::PGBOUNCER;
use crate::setup::seen::Seen;
use crate::setup::{Need, Origin, Tool, debian};

const OLDEST: (u32, u32) = (1, 17);

/// The program looks for its libraries in the system's folders only.
const LAUNCHER: &str = "#!/bin/sh
here=$(dirname \"$(readlink -f \"$0\")\")
for folder in \"$here\"/../usr/lib/*-linux-gnu; do
    LD_LIBRARY_PATH=\"$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"
done
export LD_LIBRARY_PATH
exec \"$here/../usr/sbin/pgbouncer\" \"$@\"
";

pub(super) fn ensure(store: &Store, seen: &mut Seen, need: Need) -> Result<Tool> {
    let tool =
        |version: String, folder, origin| Tool { name: PGBOUNCER.tool, version, folder, origin };
    if need == Need::Any {
        if let Some(place) = store.present(&PGBOUNCER) {
            return Ok(tool(PGBOUNCER.version.to_owned(), place.join("bin"), Origin::Fetched));
        }
        if let Some((folder, version)) = machines_own(seen) {
            return Ok(tool(version, folder, Origin::Machine));
        }
    }
    let place = store.install_by(&PGBOUNCER, debian::unpack, arrange)?;
    Ok(tool(PGBOUNCER.version.to_owned(), place.join("bin"), Origin::Fetched))
}

fn arrange(unpacked: &Path) -> Result<PathBuf> {
    let bin = unpacked.join("bin");
    fs::create_dir_all(&bin).context("create the bin folder")?;
    fs::write(bin.join("pgbouncer"), LAUNCHER).context("write the pgbouncer launcher")?;
    set_mode(&bin.join("pgbouncer"), 0o755)?;
    Ok(PathBuf::new())
}

/// Packages put it into a folder that is on the PATH of administrators alone.
fn machines_own(seen: &mut Seen) -> Option<(PathBuf, String)> {
    let packaged = PathBuf::from("/usr/sbin/pgbouncer");
    let program = program::on_path("pgbouncer").ok().or(Some(packaged).filter(|p| p.is_file()))?;
    let version = number(&seen.version(&program)?)?;
    (parts(&version)? >= OLDEST).then_some((program.parent()?.to_path_buf(), version))
}

/// `PgBouncer 1.18.0` to `1.18.0`.
fn number(said: &str) -> Option<String> {
    let mut words = said.split_whitespace();
    words.find(|word| word.eq_ignore_ascii_case("pgbouncer"))?;
    words.next().map(str::to_owned)
}

fn parts(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_word_after_the_name() {
        assert_eq!(number("PgBouncer 1.18.0").as_deref(), Some("1.18.0"));
        assert_eq!(number("bash: not found"), None);
        assert!(parts("1.9.0") < Some(OLDEST), "versions compare as numbers, not as text");
        assert!(parts("1.25.1") > Some(OLDEST));
    }
}
