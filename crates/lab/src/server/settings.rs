//! Settings, in three files that the data directory's own configuration includes in this order:
//! the lab's base, the parameter group's, the instance's. A later file wins, so that no parameter
//! group moves a server off its place. Each file is written whole or not at all, and one that
//! the server would not start with is put back before anyone sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::folder::write_private;
use super::initial::HOST_BASED_ACCESS;
use super::session::single;
use super::standby::Following;
use super::{Error, Server};
use crate::process::{self, Program};

const BASE: &str = "lab_base.conf";
const PARAMETERS: &str = "lab_parameters.conf";
const INSTANCE: &str = "lab_instance.conf";
const STATEMENTS: &str = "pg_stat_statements";
const PROGRAM_BOUND: Duration = Duration::from_secs(30);

/// Small, as many servers share a machine; the rest is what an RDS instance looks like.
const BASE_SETTINGS: [(&str, &str); 25] = [
    ("archive_command", "true"),
    ("archive_mode", "on"),
    ("archive_timeout", "300s"),
    ("fsync", "off"),
    ("hot_standby", "on"),
    ("hot_standby_feedback", "on"),
    ("jit", "off"),
    ("log_line_prefix", "%m [%p] %u@%d "),
    ("log_timezone", "UTC"),
    ("max_connections", "200"),
    ("max_logical_replication_workers", "8"),
    ("max_parallel_workers", "2"),
    ("max_replication_slots", "20"),
    ("max_wal_senders", "20"),
    ("max_wal_size", "512MB"),
    ("max_worker_processes", "16"),
    ("min_wal_size", "128MB"),
    ("password_encryption", "scram-sha-256"),
    ("shared_buffers", "32MB"),
    ("ssl", "off"),
    ("timezone", "UTC"),
    ("track_io_timing", "on"),
    ("wal_init_zero", "off"),
    ("wal_level", "replica"),
    ("wal_retrieve_retry_interval", "200ms"),
];

/// What a parameter group may say and the lab does not do: it would cut the server off from the
/// lab, or ask for files and memory that the machine does not have.
const KEPT_BY_THE_LAB: [&str; 22] = [
    "archive_command",
    "archive_library",
    "archive_mode",
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "huge_pages",
    "ident_file",
    "listen_addresses",
    "log_destination",
    "logging_collector",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "shared_buffers",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "unix_socket_directories",
    "unix_socket_permissions",
];

/// What became of the settings of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Kept by the lab or unknown to this major: written nowhere.
    pub ignored: BTreeSet<String>,
    /// Written, and in force only after a restart.
    pub pending_restart: BTreeSet<String>,
}

/// The names that this installation's `postgres` accepts.
#[derive(Debug)]
pub(super) struct Known(BTreeSet<String>);

impl Server {
    /// Replaces the parameter group's settings; the dynamic ones are in force at the return.
    pub async fn apply_settings(
        &self,
        settings: &BTreeMap<String, String>,
    ) -> Result<Applied, Error> {
        let known = self.known_settings.get_or_try_init(|| self.describe_settings()).await?;
        let mut applied = Applied::default();
        let mut written = BTreeMap::new();
        for (name, value) in settings {
            match self.as_written(known, name, value) {
                Some(value) => drop(written.insert(name.clone(), value)),
                None => drop(applied.ignored.insert(name.clone())),
            }
        }
        if written.get("rds.logical_replication").is_some_and(|value| is_true(value)) {
            written.insert("wal_level".to_owned(), "logical".to_owned());
        }
        self.replace_parameters(&written).await?;
        if self.is_running() {
            self.reload().await?;
            applied.pending_restart = self.pending_restart().await?;
        }
        Ok(applied)
    }

    /// The value in force, as `show` would print it, or `None` for an unknown name.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        let rows = self.query("select current_setting($1, true)", &[&name]).await?;
        single(&rows, "a setting")
    }

    /// The settings whose written value waits for a restart.
    pub async fn pending_restart(&self) -> Result<BTreeSet<String>, Error> {
        let sql = "select name from pg_settings where pending_restart";
        let rows = self.query(sql, &[]).await?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// The value to write, or `None` when the lab does not apply this setting.
    fn as_written(&self, known: &Known, name: &str, value: &str) -> Option<String> {
        if KEPT_BY_THE_LAB.contains(&name) {
            return None;
        }
        if name == "shared_preload_libraries" {
            let present = value.split(',').map(str::trim).filter(|library| self.has(library));
            return Some(present.collect::<Vec<_>>().join(","));
        }
        let extension = name.split_once('.').is_some_and(|(prefix, _)| !prefix.is_empty());
        (extension || known.0.contains(name)).then(|| value.to_owned())
    }

    /// Whether the installation has this library; naming an absent one stops the start.
    fn has(&self, library: &str) -> bool {
        let bin = self.config.tools.program("postgres");
        let root = std::fs::canonicalize(bin).ok();
        let root = root.as_deref().and_then(Path::parent).and_then(Path::parent);
        let file = format!("{library}.so");
        root.is_some_and(|root| {
            ["lib", "lib/postgresql"].iter().any(|lib| root.join(lib).join(&file).exists())
        })
    }

    async fn describe_settings(&self) -> Result<Known, Error> {
        let log = tempfile::NamedTempFile::new()
            .map_err(|cause| Error::File { path: std::env::temp_dir(), cause })?;
        Program::new(self.config.tools.program("postgres"), log.path())
            .arg("--describe-config")
            .run_as(self.config.run_as.clone())
            .finish(PROGRAM_BOUND)
            .await
            .map_err(Error::Program)?;
        let text = std::fs::read_to_string(log.path())
            .map_err(|cause| Error::File { path: log.path().to_owned(), cause })?;
        let names = text.lines().filter_map(|line| line.split_once('\t'));
        Ok(Known(names.map(|(name, _)| name.to_owned()).collect()))
    }

    /// Writes the file, has `postgres` read it, and puts the former one back when it refuses.
    async fn replace_parameters(&self, written: &BTreeMap<String, String>) -> Result<(), Error> {
        let path = self.settings_file(PARAMETERS);
        let former = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = written.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.write_settings(PARAMETERS, lines)?;
        let log = tempfile::NamedTempFile::new()
            .map_err(|cause| Error::File { path: std::env::temp_dir(), cause })?;
        let checked = Program::new(self.config.tools.program("postgres"), log.path())
            .arg("-D")
            .arg(self.config.data())
            .args(["-C", "max_connections"])
            .run_as(self.config.run_as.clone())
            .finish(PROGRAM_BOUND)
            .await;
        match checked {
            Ok(()) => Ok(()),
            Err(process::Error::Failed { tail: detail, .. }) => {
                write_private(&path, &former, self.config.run_as.as_ref())?;
                Err(Error::Settings { detail })
            }
            Err(other) => Err(Error::Program(other)),
        }
    }

    /// Reloads, and waits until a session sees it: the signal alone is asynchronous.
    async fn reload(&self) -> Result<(), Error> {
        let client = self.connect(super::session::ADMIN_DATABASE).await?;
        let sql = "select pg_conf_load_time()::text";
        let failed = |cause| Error::Sql { sql: sql.to_owned(), cause };
        let before: String = single(&client.query(sql, &[]).await.map_err(failed)?, "a time")?;
        self.query("select pg_reload_conf()", &[]).await?;
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        for _ in 0..2_000 {
            tick.tick().await;
            // Each session reads the files on its own; a new one inherits what the server read.
            let fresh = self.connect(super::session::ADMIN_DATABASE).await?;
            let rows = fresh.query(sql, &[]).await.map_err(failed)?;
            if single::<String>(&rows, "a time")? != before {
                // The kept session may not have been told yet.
                self.session.lock().await.take();
                return Ok(());
            }
        }
        Err(Error::Settings { detail: "the server did not read its files again".to_owned() })
    }

    pub(super) fn write_host_based_access(&self) -> Result<(), Error> {
        let path = self.config.data().join("pg_hba.conf");
        write_private(&path, HOST_BASED_ACCESS, self.config.run_as.as_ref())
    }

    /// Writes the base and makes the main file include all three.
    pub(super) fn write_base_settings(&self) -> Result<(), Error> {
        let mut base: BTreeMap<&str, &str> = BASE_SETTINGS.into_iter().collect();
        if self.has(STATEMENTS) {
            // As in RDS's default group; its extension is made by whoever wants it.
            base.insert("shared_preload_libraries", STATEMENTS);
        }
        base.extend(self.config.settings.iter().map(|(name, value)| (&**name, &**value)));
        self.write_settings(BASE, base)?;
        let main = format!(
            "# Written by the lab; what is set later wins.\n\
             include '{BASE}'\ninclude_if_exists '{PARAMETERS}'\ninclude '{INSTANCE}'\n"
        );
        write_private(&self.settings_file("postgresql.conf"), &main, self.config.run_as.as_ref())
    }

    /// Writes what ties the server to its place, and to the source it follows.
    pub(super) fn write_instance_settings(
        &self,
        following: Option<&Following>,
    ) -> Result<(), Error> {
        let (socket_dir, listen) = (self.config.socket_dir.display(), self.config.listen);
        let (socket_dir, port) = (socket_dir.to_string(), listen.port().to_string());
        let address = listen.ip().to_string();
        let mut instance: BTreeMap<&str, &str> = BTreeMap::from([
            ("listen_addresses", &*address),
            ("port", &*port),
            ("unix_socket_directories", &*socket_dir),
        ]);
        let kept = match following {
            Some(following) => Some(following.clone()),
            None => Following::read(&self.settings_file(INSTANCE)),
        };
        if let Some(following) = &kept {
            instance.insert("primary_conninfo", &following.conninfo);
            instance.insert("primary_slot_name", &following.slot);
        }
        self.write_settings(INSTANCE, instance)
    }

    fn settings_file(&self, name: &str) -> PathBuf {
        self.config.data().join(name)
    }

    fn write_settings<'a>(
        &self,
        file: &str,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Error> {
        let mut text = String::new();
        for (name, value) in settings {
            let value = value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name} = '{value}'");
        }
        write_private(&self.settings_file(file), &text, self.config.run_as.as_ref())
    }
}

fn is_true(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "true" | "yes")
}
