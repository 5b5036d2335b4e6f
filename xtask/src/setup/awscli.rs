//! The stock `aws` command, which tests point at the lab. Any version of the machine's own that
//! runs; else the pinned set of packages in one folder, without a virtual environment, because
//! such an environment holds absolute paths and would not survive moving the checkout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::program;
use crate::setup::fetch::{Store, set_mode};
use crate::setup::pins::AWSCLI;
use crate::setup::seen::Seen;
use crate::setup::{Need, Origin, Tool};

/// Replaces the script that pip writes, whose first line names this machine's interpreter.
const LAUNCHER: &str = "#!/usr/bin/env python3
import os, sys
here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path.insert(0, here)
sys.dont_write_bytecode = True
from awscli.clidriver import main
sys.exit(main())
";

pub(super) fn ensure(store: &Store, seen: &mut Seen, need: Need) -> Result<Tool> {
    let tool =
        |version: String, folder, origin| Tool { name: AWSCLI.tool, version, folder, origin };
    if need == Need::Any {
        if let Some(place) = store.present(&AWSCLI) {
            return Ok(tool(AWSCLI.version.to_owned(), place.join("bin"), Origin::Fetched));
        }
        if let Some((folder, version)) = machines_own(seen) {
            return Ok(tool(version, folder, Origin::Machine));
        }
    }
    let place = store.install(&AWSCLI, arrange)?;
    Ok(tool(AWSCLI.version.to_owned(), place.join("bin"), Origin::Fetched))
}

fn arrange(unpacked: &Path) -> Result<PathBuf> {
    let bin = unpacked.join("bin");
    fs::remove_dir_all(&bin).context("remove the scripts that pip wrote")?;
    fs::create_dir_all(&bin).context("create the bin folder")?;
    fs::write(bin.join("aws"), LAUNCHER).context("write the aws launcher")?;
    set_mode(&bin.join("aws"), 0o755)?;
    Ok(PathBuf::new())
}

fn machines_own(seen: &mut Seen) -> Option<(PathBuf, String)> {
    let program = program::on_path("aws").ok()?;
    let version = number(&seen.version(&program)?)?;
    Some((program.parent()?.to_path_buf(), version))
}

/// `aws-cli/1.45.11 Python/3.11.7 …` to `1.45.11`.
fn number(said: &str) -> Option<String> {
    said.split_whitespace().find_map(|word| word.strip_prefix("aws-cli/")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_what_follows_the_name() {
        let said = "aws-cli/1.45.11 Python/3.11.7 Linux/6.1 botocore/1.43.11";
        assert_eq!(number(said).as_deref(), Some("1.45.11"));
        assert_eq!(number("aws: command not found"), None);
    }
}
