//! A server that follows another: made from a base backup, kept by streaming, promoted.
//!
//! Both the backup and the stream go through an [`Egress`], so the source's firewall sees them as
//! managed replication. The slot on the source is made before the backup and keeps its log from
//! then on; whoever promotes drops it there. Dying during the backup leaves the slot, and making
//! the standby again takes it over.

use std::path::Path;
use std::time::{Duration, Instant};

use super::folder::{
    SOCKET_PORT, make_private_folder, make_server_folder, make_socket_folder, write_private,
};
use super::session::single;
use super::{Error, Lsn, REPLICATION_ADMIN, Server, ServerConfig};
use crate::firewall::Egress;
use crate::process::Program;

const BASE_BACKUP_BOUND: Duration = Duration::from_secs(3_600);
const SLOT_BOUND: Duration = Duration::from_secs(20);

/// What a standby is cloned from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub source: &'a Server,
    /// The way from the standby to the source's firewall; it must stay open while following.
    pub egress: &'a Egress,
    /// The physical slot on the source, such as `rds_us_east_1_db_xyz`.
    pub slot: &'a str,
}

/// What a server knows of its log; the fields that its role has no meaning for are `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions {
    /// On a writer: where the next record goes.
    pub insert: Option<Lsn>,
    /// On a writer: what would survive a crash.
    pub flush: Option<Lsn>,
    /// On a standby: what has arrived.
    pub receive: Option<Lsn>,
    /// On a standby: what is visible. After a promotion, where it ended.
    pub replay: Option<Lsn>,
}

/// The source of a standby as its settings file says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Following {
    pub(super) conninfo: String,
    pub(super) slot: String,
}

impl Following {
    /// Reads back what the settings file of an earlier run says.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(path).ok()?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = '"));
            line?.strip_suffix('\'').map(|value| value.replace("''", "'").replace("\\\\", "\\"))
        };
        Some(Self { conninfo: value("primary_conninfo")?, slot: value("primary_slot_name")? })
    }
}

impl Server {
    /// Makes a standby of a running source and starts it. Roles, passwords and databases are the
    /// source's, whatever `config` says of them.
    pub async fn clone_as_standby(config: ServerConfig, origin: Origin<'_>) -> Result<Self, Error> {
        let user = config.run_as.as_ref();
        make_server_folder(&config.dir, user)?;
        make_socket_folder(&config.socket_dir, user)?;
        let data = config.data();
        make_private_folder(&data, user).map_err(|cause| Error::File { path: data, cause })?;
        let source = origin.source;
        write_private(&config.admin_password_file(), &source.admin_password, None)?;
        let entry = source.config.replication_password_file();
        let text =
            std::fs::read_to_string(&entry).map_err(|cause| Error::File { path: entry, cause })?;
        write_private(&config.replication_password_file(), &text, user)?;
        source.make_slot(origin.slot).await?;
        base_backup(&config, origin).await?;
        let server = Self::stopped(config, source.admin_password.clone());
        server.become_standby(origin)?;
        server.start().await?;
        Ok(server)
    }

    fn become_standby(&self, origin: Origin<'_>) -> Result<(), Error> {
        self.write_base_settings()?;
        let conninfo = format!(
            "host={} port={SOCKET_PORT} user={REPLICATION_ADMIN} passfile={} application_name={}",
            origin.egress.folder().display(),
            self.config.replication_password_file().display(),
            origin.slot,
        );
        self.write_instance_settings(Some(&Following { conninfo, slot: origin.slot.to_owned() }))?;
        let signal = self.config.data().join("standby.signal");
        write_private(&signal, "", self.config.run_as.as_ref())
    }

    /// Makes a physical slot that keeps the log from this moment on; an existing one is taken.
    async fn make_slot(&self, slot: &str) -> Result<(), Error> {
        let sql = "select pg_create_physical_replication_slot($1, true) \
                   where not exists (select from pg_replication_slots where slot_name = $1)";
        self.query(sql, &[&slot]).await.map(drop)
    }

    /// Drops a slot, ending the session that uses it; an absent one is fine.
    pub async fn drop_slot(&self, slot: &str) -> Result<(), Error> {
        let deadline = Instant::now() + SLOT_BOUND;
        let mut tick = tokio::time::interval(super::POLL);
        let sql = "select coalesce(active_pid, 0) from pg_replication_slots where slot_name = $1";
        while Instant::now() < deadline {
            tick.tick().await;
            let rows = self.query(sql, &[&slot]).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let active: i32 = single(&rows, "a slot's session")?;
            if active != 0 {
                self.query("select pg_terminate_backend($1)", &[&active]).await?;
            }
            // Refused while in use, and then the next look ends that session again.
            let _ = self.query("select pg_drop_replication_slot($1)", &[&slot]).await;
        }
        Err(Error::SlotInUse { slot: slot.to_owned(), bound: SLOT_BOUND })
    }

    /// Asks a standby to become a writer, and does not wait for it.
    pub async fn promote(&self) -> Result<(), Error> {
        self.query("select pg_promote(false)", &[]).await.map(drop)
    }

    pub async fn is_in_recovery(&self) -> Result<bool, Error> {
        single(&self.query("select pg_is_in_recovery()", &[]).await?, "the server's role")
    }

    /// The positions of this moment.
    pub async fn positions(&self) -> Result<Positions, Error> {
        let sql = "select \
            case when not r then pg_current_wal_insert_lsn()::text end, \
            case when not r then pg_current_wal_flush_lsn()::text end, \
            case when r then pg_last_wal_receive_lsn()::text end, \
            pg_last_wal_replay_lsn()::text \
            from (select pg_is_in_recovery() as r) as role";
        let rows = self.query(sql, &[]).await?;
        let what = "the log's positions";
        let row = rows.first().ok_or(Error::Answer { what })?;
        let position = |column: usize| -> Result<Option<Lsn>, Error> {
            let text: Option<String> = row.try_get(column).map_err(|_| Error::Answer { what })?;
            text.map(|text| text.parse().map_err(|_| Error::Answer { what })).transpose()
        };
        Ok(Positions {
            insert: position(0)?,
            flush: position(1)?,
            receive: position(2)?,
            replay: position(3)?,
        })
    }
}

async fn base_backup(config: &ServerConfig, origin: Origin<'_>) -> Result<(), Error> {
    Program::new(config.tools.program("pg_basebackup"), config.setup_log())
        .arg("-D")
        .arg(config.data())
        .arg("-h")
        .arg(origin.egress.folder())
        .args(["-p", &SOCKET_PORT.to_string(), "-U", REPLICATION_ADMIN, "-w"])
        .args(["-X", "stream", "-S", origin.slot, "-c", "fast", "--no-sync"])
        .args(["--no-manifest"])
        .env("PGPASSFILE", config.replication_password_file())
        .run_as(config.run_as.clone())
        .finish(BASE_BACKUP_BOUND)
        .await
        .map_err(Error::Program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_a_standby_is_read_back_from_its_settings() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "port = '5432'\nprimary_conninfo = 'host=/a passfile=/it''s'\n\
                    primary_slot_name = 'rds_x'\n";
        std::fs::write(file.path(), text).unwrap();
        let read = Following::read(file.path()).unwrap();
        assert_eq!((&*read.conninfo, &*read.slot), ("host=/a passfile=/it's", "rds_x"));
        std::fs::write(file.path(), "port = '5432'\n").unwrap();
        assert_eq!(Following::read(file.path()), None);
    }
}
