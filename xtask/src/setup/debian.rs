//! Fetching pinned packages from the Debian registry by the machine's own `apt-get`, without
//! installing them: downloaded, compared with their checksums, unpacked side by side.
//!
//! It needs no privilege. It works where the machine's release has the pinned versions; elsewhere
//! it says what to install instead.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::program;
use crate::setup::pins::Pin;

/// What the checksums are of.
const ARCHITECTURE: &str = "amd64";

struct Package {
    name: String,
    version: String,
    checksum: String,
}

/// Fills `unpacked` with the files of every package of a pin.
pub(super) fn unpack(pin: &Pin, staging: &Path, unpacked: &Path) -> Result<()> {
    fetch_all(pin, staging, unpacked).with_context(|| {
        format!(
            "fetch {} {}; install {} by the system's package manager instead, then run `cargo \
             xtask setup` again",
            pin.tool, pin.version, pin.tool
        )
    })
}

fn fetch_all(pin: &Pin, staging: &Path, unpacked: &Path) -> Result<()> {
    for needed in ["apt-get", "dpkg", "dpkg-deb", "sha256sum"] {
        program::on_path(needed)?;
    }
    let here = said(Command::new("dpkg").arg("--print-architecture"))?;
    ensure!(here.trim() == ARCHITECTURE, "it is pinned for {ARCHITECTURE} alone, not {here}");
    for package in packages(pin.requirements) {
        let folder = staging.join(&package.name);
        fs::create_dir(&folder).context("make a folder for a package")?;
        let file = download(&package, &folder)?;
        let checksum = said(Command::new("sha256sum").arg("--binary").arg(&file))?;
        ensure!(
            checksum.split_whitespace().next() == Some(package.checksum.as_str()),
            "{} {} has another checksum than the pinned one",
            package.name,
            package.version
        );
        said(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(unpacked))?;
    }
    Ok(())
}

fn download(package: &Package, folder: &Path) -> Result<PathBuf> {
    let exact = format!("{}={}", package.name, package.version);
    let mut apt = Command::new("apt-get");
    apt.args(["--quiet", "download", &exact]).current_dir(folder);
    said(&mut apt).context("is the list of packages fresh (`apt-get update`)?")?;
    let mut files = fs::read_dir(folder).context("look for the downloaded package")?;
    let file = files.next().context("apt-get downloaded nothing")?;
    Ok(file.context("look for the downloaded package")?.path())
}

fn packages(requirements: &str) -> Vec<Package> {
    let joined = requirements.replace("\\\n", " ");
    let read = |line: &str| {
        let (exact, checksum) = line.split_once("--hash=sha256:")?;
        let (name, version) = exact.split_once("==")?;
        let trimmed = |text: &str| text.trim().to_owned();
        let (name, version, checksum) = (trimmed(name), trimmed(version), trimmed(checksum));
        Some(Package { name, version, checksum })
    };
    joined.lines().filter_map(read).collect()
}

/// What a program wrote; its own last words when it failed.
fn said(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {name}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.lines().rfind(|line| !line.trim().is_empty());
        bail!("{name}: {}", last.unwrap_or("it gave no reason"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::pins::PGBOUNCER;

    #[test]
    fn a_pin_is_read_package_by_package() {
        let packages = packages(PGBOUNCER.requirements);
        let first = &packages[0];
        assert_eq!((first.name.as_str(), first.checksum.len()), ("pgbouncer", 64));
        assert!(first.version.starts_with("1.18.0-"), "{}", first.version);
        assert_eq!(packages.len(), PGBOUNCER.requirements.matches("==").count());
    }
}
