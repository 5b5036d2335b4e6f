//! What the machine's own programs said of their version, remembered in `.tools/seen.json` so that
//! a second setup starts none of them. An entry counts only while the program file is the same
//! (size and time of change). It is a cache: losing it costs a second.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::program;

/// Versions by program.
pub(super) struct Seen {
    file: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    size_bytes: u64,
    changed_seconds: i64,
    version: Option<String>,
}

impl Seen {
    /// An unreadable file is an empty one.
    pub(super) fn load(tools: &Path) -> Self {
        let file = tools.join("seen.json");
        let text = fs::read_to_string(&file).unwrap_or_default();
        Self { entries: serde_json::from_str(&text).unwrap_or_default(), file }
    }

    /// What `PROGRAM --version` prints, or nothing when it cannot run.
    pub(super) fn version(&mut self, program: &Path) -> Option<String> {
        let found = fs::metadata(program).ok()?;
        let known = self.entries.get(program).filter(|entry| {
            entry.size_bytes == found.len() && entry.changed_seconds == found.ctime()
        });
        if let Some(entry) = known {
            return entry.version.clone();
        }
        let version = program::version_of(program);
        let entry = Entry {
            size_bytes: found.len(),
            changed_seconds: found.ctime(),
            version: version.clone(),
        };
        self.entries.insert(program.to_path_buf(), entry);
        version
    }

    /// Writes beside and renames, so that a reader never meets half a file.
    pub(super) fn save(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.entries).context("encode the versions")?;
        let beside = self.file.with_extension("json.part");
        fs::write(&beside, text).with_context(|| format!("write {}", beside.display()))?;
        fs::rename(&beside, &self.file).with_context(|| format!("write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_program_is_asked_again() {
        let folder = std::env::temp_dir().join(format!("xtask-seen-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("program");
        fs::write(&program, "not a program").unwrap();
        let mut seen = Seen::load(&folder);
        assert_eq!(seen.version(&program), None);
        let entry = seen.entries.get_mut(&program).unwrap();
        entry.version = Some("remembered".to_owned());
        seen.save().unwrap();

        let mut again = Seen::load(&folder);
        assert_eq!(again.version(&program).as_deref(), Some("remembered"));
        fs::write(&program, "another size of it").unwrap();
        assert_eq!(again.version(&program), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
