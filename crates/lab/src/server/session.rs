//! The lab's own sessions, as `rdsadmin` over the private socket.
//!
//! One session, to the database `rdsadmin`, is kept; others are made for a call and end with it,
//! so that the lab's sessions never stand in the way of work on the application's databases.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::{ADMIN, Error, Server};

/// The database of the lab's heartbeat, as on RDS.
pub(super) const ADMIN_DATABASE: &str = "rdsadmin";

/// How to log in as the lab; also for its background task, which outlives no start.
#[derive(Debug, Clone)]
pub(super) struct Access(Config);

impl Access {
    pub(super) async fn connect(&self, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.0.clone();
        let (client, connection) = config.dbname(database).connect(NoTls).await?;
        // It ends with its client; the client's next call reports why, when it ends earlier.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }
}

impl Server {
    pub(super) fn access(&self) -> Access {
        let mut config = Config::new();
        config
            .host_path(&self.config.socket_dir)
            .port(self.config.listen.port())
            .user(ADMIN)
            .password(&self.admin_password)
            .application_name("lab")
            .connect_timeout(Duration::from_secs(10));
        Access(config)
    }

    /// Its private socket.
    pub fn socket(&self) -> PathBuf {
        let name = format!(".s.PGSQL.{}", self.config.listen.port());
        self.config.socket_dir.join(name)
    }

    /// A new session of the lab's superuser.
    pub async fn connect(&self, database: &str) -> Result<Client, Error> {
        let failed = |cause| Error::Connect { database: database.to_owned(), cause };
        self.access().connect(database).await.map_err(failed)
    }

    /// Runs one statement in the database `rdsadmin`, on the session that is kept.
    pub async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let client = self.kept_session().await?;
        let failed = |cause| Error::Sql { sql: sql.to_owned(), cause };
        client.query(sql, params).await.map_err(failed)
    }

    /// Runs one statement in a database of the application, on a session of its own.
    pub async fn query_in(
        &self,
        database: &str,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let client = self.connect(database).await?;
        let failed = |cause| Error::Sql { sql: sql.to_owned(), cause };
        client.query(sql, params).await.map_err(failed)
    }

    /// Runs a script of statements without parameters in a database.
    pub async fn run_script(&self, database: &str, sql: &str) -> Result<(), Error> {
        let client = self.connect(database).await?;
        let failed = |cause| Error::Sql { sql: sql.to_owned(), cause };
        client.batch_execute(sql).await.map_err(failed)
    }

    /// Ends every client session but the lab's own; says how many were told to end.
    pub async fn terminate_sessions(&self) -> Result<u64, Error> {
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity \
                   where backend_type = 'client backend' and usename <> $1";
        let rows = self.query(sql, &[&ADMIN]).await?;
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// Lets a role create subscriptions, as a member of `rds_superuser` may on RDS. Before 16 only
    /// a superuser can, so there the role becomes one: a difference that a test must know of.
    pub async fn allow_subscriptions(&self, role: &str) -> Result<(), Error> {
        let role = identifier(role);
        let sql = match self.config.tools.major() {
            ..16 => format!("alter role {role} superuser"),
            _ => format!("grant pg_create_subscription to {role}"),
        };
        self.query(&sql, &[]).await.map(drop)
    }

    async fn kept_session(&self) -> Result<Arc<Client>, Error> {
        if !self.is_running() {
            return Err(Error::NotRunning { dir: self.config.dir.clone() });
        }
        let mut kept = self.session.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.connect(ADMIN_DATABASE).await?);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }
}

/// Reads the first column of the only row.
pub(super) fn single<'a, T>(rows: &'a [Row], what: &'static str) -> Result<T, Error>
where
    T: tokio_postgres::types::FromSql<'a>,
{
    let row = rows.first().ok_or(Error::Answer { what })?;
    row.try_get(0).map_err(|_| Error::Answer { what })
}

/// Writes a name as an SQL identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text as an SQL literal.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_end_their_quotes() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'"), "E'a\\\\'''");
    }
}
