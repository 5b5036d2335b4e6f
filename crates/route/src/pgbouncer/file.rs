//! The file with `[databases]` that a node includes: its text, and writing it.
//!
//! A reader meets the old file or the new one, never half of either: it is written beside, made
//! durable and renamed, with the mode and the owner of the one it replaces. It must be there
//! before, because a node that includes a missing file does not start.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use landfall_core::Endpoint;

use super::shown::{MARKER, Minimum};

/// What the lines of a route say, and where `SHOW DATABASES` must lead then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    lines: Vec<(String, String)>,
    pub(super) host: String,
    pub(super) port: String,
}

impl Lines {
    /// Fills the template in. Refuses what could end a line or a value.
    pub(super) fn new(
        databases: &[String],
        template: &str,
        endpoint: &Endpoint,
    ) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:/".contains(c);
        if endpoint.host.is_empty() || !endpoint.host.chars().all(plain) {
            return Err(format!("{:?} is no host name for PgBouncer's file", endpoint.host));
        }
        let port = endpoint.port.to_string();
        let line = |database: &String| {
            let text = template
                .replace("{host}", &endpoint.host)
                .replace("{port}", &port)
                .replace("{database}", database);
            (database.clone(), text)
        };
        let lines: Vec<_> = databases.iter().map(line).collect();
        let value = |key: &str| {
            let first = lines.first().and_then(|(_, text)| value_of(text, key));
            first.ok_or_else(|| format!("the template gives no {key}"))
        };
        Ok(Self { host: value("host")?, port: value("port")?, lines })
    }

    /// The file while connections pass.
    pub(super) fn open(&self) -> String {
        self.text("")
    }

    /// The file for a hold. A minimum of server connections would have them tried in the pause,
    /// and PgBouncer counts each try that it breaks off itself as a failed login: for as long as
    /// `server_login_retry` clients would be sent away after the release.
    pub(super) fn held(&self, minimum: Minimum, epoch: u64) -> String {
        let mut text = match minimum {
            Minimum::Known => self.text(" min_pool_size=0"),
            Minimum::Unknown => self.text(""),
        };
        let _ = writeln!(text, "{MARKER} = host=/nonexistent port=1 dbname=epoch_{epoch}");
        text
    }

    fn text(&self, more: &str) -> String {
        let mut text =
            "; Written by Landfall: changes made here are lost.\n[databases]\n".to_owned();
        for (database, line) in &self.lines {
            let _ = writeln!(text, "{database} = {line}{more}");
        }
        text
    }
}

/// The value of a key in a connection string; the last one counts, as it does in PgBouncer.
fn value_of(line: &str, key: &str) -> Option<String> {
    let mut found = None;
    let mut rest = line.trim_start();
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('\'') {
            Some(inside) => inside.split_once('\'')?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        if name.trim() == key {
            found = Some(value.to_owned());
        }
        rest = next.trim_start();
    }
    found
}

/// Whether the file is there and may be changed.
pub(super) fn writable(file: &Path) -> Result<(), String> {
    let opened = OpenOptions::new().append(true).open(file);
    opened.map(drop).map_err(|error| format!("its file {} cannot be written: {error}", show(file)))
}

/// Replaces the file, unless it says that already.
pub(super) fn write(file: &Path, text: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("its file {} cannot be written: {error}", show(file));
    if std::fs::read_to_string(file).map_err(failed)? == text {
        return Ok(());
    }
    replace(file, text).map_err(failed)
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let was = std::fs::metadata(file)?;
    let beside = beside(file);
    // Of a writer that died; ours alone, because one process writes a node's file at a time.
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        new.write_all(text.as_bytes())?;
        let is = new.metadata()?;
        if (is.uid(), is.gid()) != (was.uid(), was.gid()) {
            fchown(&new, Some(was.uid()), Some(was.gid()))?;
        }
        new.set_permissions(std::fs::Permissions::from_mode(was.mode() & 0o7777))?;
        new.sync_all()?;
        std::fs::rename(&beside, file)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
        return written;
    }
    match file.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.landfall"))
}

fn show(file: &Path) -> std::path::Display<'_> {
    file.display()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(template: &str) -> Result<Lines, String> {
        let databases = ["shop".to_owned(), "stock".to_owned()];
        Lines::new(&databases, template, &Endpoint::new("db.test", 5433))
    }

    #[test]
    fn the_files_of_a_route() {
        let lines = lines("host={host} port={port} dbname={database}").unwrap();
        assert_eq!((lines.host.as_str(), lines.port.as_str()), ("db.test", "5433"));
        assert_eq!(
            lines.open(),
            "; Written by Landfall: changes made here are lost.\n[databases]\n\
             shop = host=db.test port=5433 dbname=shop\n\
             stock = host=db.test port=5433 dbname=stock\n",
        );
        assert_eq!(
            lines.held(Minimum::Known, 3),
            "; Written by Landfall: changes made here are lost.\n[databases]\n\
             shop = host=db.test port=5433 dbname=shop min_pool_size=0\n\
             stock = host=db.test port=5433 dbname=stock min_pool_size=0\n\
             landfall_held = host=/nonexistent port=1 dbname=epoch_3\n",
        );
        assert!(!lines.held(Minimum::Unknown, 3).contains("min_pool_size"));
    }

    #[test]
    fn what_the_node_must_show_is_what_the_line_says() {
        let quoted = lines("dbname='{database}' host = 'x-{host}' user=a port={port}").unwrap();
        assert_eq!((quoted.host.as_str(), quoted.port.as_str()), ("x-db.test", "5433"));
        assert!(lines("dbname={database} port={port}").unwrap_err().contains("no host"));
        assert_eq!(value_of("a=1 host=x host=y", "host").as_deref(), Some("y"));
    }

    #[test]
    fn a_host_cannot_end_its_line() {
        let evil = Endpoint::new("h user=postgres", 1);
        assert!(Lines::new(&["a".to_owned()], "host={host} port={port}", &evil).is_err());
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("databases.ini");
        assert!(writable(&file).is_err());
        assert!(write(&file, "x").is_err(), "it was made from nothing");
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        // A writer that died left its own.
        std::fs::write(beside(&file), "half").unwrap();
        writable(&file).unwrap();
        write(&file, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        assert!(!beside(&file).exists());
        let was = std::fs::metadata(&file).unwrap().ino();
        write(&file, "new").unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().ino(), was, "nothing to write");
    }
}
