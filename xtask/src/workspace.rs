//! Where the checkout is. Found when the tool runs, never baked in when it is built, so that a
//! copied or moved checkout with a warm target folder works on its own files.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The checkout that a verb works on.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout around the current folder, or the one cargo started us from.
    pub(crate) fn find() -> Result<Self> {
        let here = env::current_dir().context("find the current folder")?;
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let starts = [Some(here), manifest];
        for folder in starts.iter().flatten().flat_map(|start| start.ancestors()) {
            if folder.join("xtask/Cargo.toml").is_file() && folder.join("Cargo.toml").is_file() {
                return Ok(Self { root: folder.to_path_buf() });
            }
        }
        bail!("no Landfall checkout around the current folder: change into it and try again")
    }

    /// The folder that holds the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The ignored folder of installed programs.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }
}
