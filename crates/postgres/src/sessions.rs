//! Sessions: who is connected, what each one is, and how the fence ends them.
//!
//! One expression says what a session is, for the look and for the termination alike, so that
//! what is ended is what was shown. A session whose kind cannot be read is never taken for the
//! server's. Logging in takes time before a session can be seen at all, and ending one is a
//! signal: only another look tells that they have gone.
//!
//! Ours are the sessions of this role under our application name: those of another orchestrator,
//! or of one that was killed a moment ago, write nothing but our own schema either. The workers of
//! our way back are ours too: they write what the other side has committed, and the other side
//! takes the writes. Anybody else's subscription brings rows of its own. A walsender
//! of logical decoding may run SQL as well; the write counters are what watches it.

use std::time::Duration;

use landfall_core::action::{SessionClass, SessionsEnded};
use landfall_core::port::database::{Session, SessionKind, SessionState};
use landfall_core::{DatabaseName, Failure, FailureKind};
use tokio_postgres::{Error, Row};

use crate::call::Call;
use crate::connections::APPLICATION;

/// The relation `session`: every backend with its kind and state; $1 is our application name.
///
/// Without `pg_read_all_stats` the type, the state and the name of others are null. A background
/// process has no role, except those that start others or that the provider runs as its own.
/// What remains (an apply worker of others, a job of pg_cron) can write, and counts as a client.
macro_rules! with_session {
    () => {
        "
with session as (
  select pid, usesysid, datname, usename, application_name, client_addr, xact_start, backend_start,
    case
      when pid = pg_backend_pid() then 'ours'
      when backend_type = 'walsender' then 'replication'
      when backend_type in ('client backend', 'parallel worker')
           and application_name = $1 and usename = session_user then 'ours'
      when backend_type like 'logical replication %worker'
           and pid in (select pid from pg_stat_subscription
                       where subname like 'landfall\\_back\\_%') then 'ours'
      when usename = 'rdsadmin' then 'server'
      when backend_type is null then 'unknown'
      when backend_type in ('client backend', 'parallel worker') then 'client'
      when usesysid is null or backend_type like '% launcher'
           or backend_type = 'slotsync worker' then 'server'
      else 'client'
    end as kind,
    coalesce(state = 'idle' or (backend_type <> 'client backend' and xact_start is null), false)
      as idle
  from pg_stat_activity
)"
    };
}

const SESSIONS: &str = concat!(
    with_session!(),
    "
select pid, kind, idle, datname::text as database, usename::text as role,
       coalesce(application_name, '') as application, host(client_addr) as client,
       coalesce(extract(epoch from clock_timestamp() - xact_start) * 1000, 0)::int8
         as transaction_age,
       (extract(epoch from clock_timestamp() - backend_start) * 1000)::int8 as age
from session
order by pid"
);

/// Only a client that the server lets us end is signalled, so that one we may not touch does not
/// keep us from the others: the server would stop the whole statement at the first of them.
macro_rules! terminate {
    ($condition:literal) => {
        concat!(
            with_session!(),
            ", candidate as (
  select session.pid, session.idle,
         coalesce(theirs.rolsuper, false) and not ours.rolsuper as above_us,
         ours.rolsuper or pg_has_role(session.usesysid, 'usage')
           or pg_has_role('pg_signal_backend', 'usage') as permitted
  from session
  join pg_roles ours on ours.rolname = current_user
  left join pg_roles theirs on theirs.oid = session.usesysid
  where session.kind in ('client', 'unknown') and session.usesysid is not null and ",
            $condition,
            "
)
select pid, idle, above_us, permitted,
       case when permitted and not above_us then pg_terminate_backend(pid) end as signalled
from candidate"
        )
    };
}

const TERMINATE_IDLE: &str = terminate!("session.idle");
const TERMINATE_ALL: &str = terminate!("true");

pub(crate) async fn view(call: Call<'_>) -> Result<Vec<Session>, Failure> {
    call.ask(SESSIONS, &[&APPLICATION], read).await
}

fn read(row: &Row) -> Result<Session, Error> {
    let kind: &str = row.try_get("kind")?;
    let database: Option<String> = row.try_get("database")?;
    let age: Option<i64> = row.try_get("age")?;
    let milliseconds = |age: i64| Duration::from_millis(u64::try_from(age).unwrap_or(0));
    Ok(Session {
        pid: row.try_get("pid")?,
        kind: match kind {
            "ours" => SessionKind::Ours,
            "server" => SessionKind::Server,
            "replication" => SessionKind::Replication,
            "client" => SessionKind::Client,
            _ => SessionKind::Unknown,
        },
        state: if row.try_get("idle")? { SessionState::Idle } else { SessionState::InTransaction },
        database: database.map(DatabaseName::new),
        user: row.try_get("role")?,
        application: row.try_get("application")?,
        client: row.try_get("client")?,
        transaction_age: milliseconds(row.try_get("transaction_age")?),
        age: age.map(milliseconds),
    })
}

/// Ends the client sessions of a class and says which; or what the role lacks for those that it
/// may not end.
pub(crate) async fn terminate(
    call: Call<'_>,
    class: SessionClass,
) -> Result<SessionsEnded, Failure> {
    let sql = match class {
        SessionClass::Idle => TERMINATE_IDLE,
        SessionClass::All => TERMINATE_ALL,
    };
    let failed = |error: Error| call.failed(error);
    let lease = call.lend().await?;
    let rows = lease.client.query(sql, &[&APPLICATION]).await.map_err(failed)?;
    call.keep(lease);
    let (mut above_us, mut forbidden) = (0_usize, 0_usize);
    let mut ended = SessionsEnded::default();
    for row in &rows {
        if row.try_get("above_us").map_err(failed)? {
            above_us += 1;
        } else if !row.try_get::<_, bool>("permitted").map_err(failed)? {
            forbidden += 1;
        } else if row.try_get::<_, Option<bool>>("signalled").map_err(failed)? == Some(true) {
            let pid = row.try_get("pid").map_err(failed)?;
            let idle = row.try_get("idle").map_err(failed)?;
            if idle { &mut ended.idle } else { &mut ended.in_transaction }.push(pid);
        }
    }
    match refused(above_us, forbidden) {
        None => Ok(ended),
        Some(detail) => Err(Failure::new(FailureKind::Denied, call.what, detail)),
    }
}

fn refused(above_us: usize, forbidden: usize) -> Option<String> {
    match (above_us, forbidden) {
        (0, 0) => None,
        (0, _) => Some(format!(
            "our role is not a member of pg_signal_backend; {forbidden} sessions of other roles \
             go on"
        )),
        (_, 0) => Some(format!("{above_us} sessions of superusers go on; only one can end them")),
        (_, _) => Some(format!(
            "our role is not a member of pg_signal_backend; {forbidden} sessions of other roles \
             and {above_us} of superusers go on"
        )),
    }
}
