//! The lab's small background writer, as RDS has one.
//!
//! Once per period it writes one row in the database `rdsadmin`, so that an idle server has
//! something to switch segments for, and gives members of `rds_replication` the right to
//! replicate, which RDS's patched server derives from the membership. It writes nothing on a
//! standby. It ends with its handle; a lost session is made again at the next beat.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;
use tokio_postgres::Client;

use super::session::{ADMIN_DATABASE, Access};

const BEAT: &str = "insert into rds_heartbeat2 (id, value) \
    select 1, (extract(epoch from clock_timestamp()) * 1000)::bigint where not pg_is_in_recovery() \
    on conflict (id) do update set value = excluded.value";

const LACKING_REPLICATION: &str = "select r.rolname from pg_roles r \
    where r.rolcanlogin and not r.rolreplication and not r.rolsuper \
      and not pg_is_in_recovery() and pg_has_role(r.oid, 'rds_replication', 'member')";

/// A running writer; dropping it ends it.
#[derive(Debug)]
pub(super) struct Heartbeat(AbortHandle);

impl Heartbeat {
    pub(super) fn start(access: Access, period: Duration) -> Self {
        Self(tokio::spawn(beat(access, period)).abort_handle())
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn beat(access: Access, period: Duration) {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut session: Option<Client> = None;
    loop {
        tick.tick().await;
        let client = match session.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => match access.connect(ADMIN_DATABASE).await {
                Ok(client) => client,
                // The database is not made yet, or the server is going down.
                Err(_) => continue,
            },
        };
        if let Err(error) = once(&client).await {
            tracing::debug!(%error, "heartbeat missed");
        }
        session = Some(client);
    }
}

async fn once(client: &Client) -> Result<(), tokio_postgres::Error> {
    if in_recovery(client).await? {
        return Ok(());
    }
    client.execute(BEAT, &[]).await?;
    for row in client.query(LACKING_REPLICATION, &[]).await? {
        let role: String = row.try_get(0)?;
        let role = super::session::identifier(&role);
        client.batch_execute(&format!("alter role {role} replication")).await?;
    }
    Ok(())
}

/// Asked first: an insert is refused on a standby even when it would write no row.
async fn in_recovery(client: &Client) -> Result<bool, tokio_postgres::Error> {
    client.query_one("select pg_is_in_recovery()", &[]).await?.try_get(0)
}
