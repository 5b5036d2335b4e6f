//! The subscribed side: subscriptions on the fenced source, and whether it could reach the target.
//!
//! The password of their login is generated here, lives in the subscriptions alone and is replaced
//! each time they are made again. The publisher gets its SCRAM verifier. The subscriber needs the
//! password itself, and gets it as the data of a COPY into a temporary table, from where a block
//! of PL/pgSQL takes it: so it stands in no statement, no parameter and no error that a log, an
//! activity view or a statistics view could show. Dying half-way leaves some databases subscribed,
//! perhaps with a password that is no longer valid: a repeat gives all of them a new one.

use std::time::Duration;

use futures_util::SinkExt as _;
use landfall_core::action::Apply;
use landfall_core::port::way_back::WayBackName;
use landfall_core::{Endpoint, Failure, FailureKind, Secret};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{Client, Error, Transaction};

use super::{OURS, Visit, everywhere};
use crate::call::Call;
use crate::fault;
use crate::quote::{Identifier, Literal};
use crate::trouble::Trouble;

/// How long the subscriber's libpq may try; below two seconds it takes two.
const DIAL_BOUND: Duration = Duration::from_secs(5);

/// Bytes of randomness in a password.
const PASSWORD: usize = 32;

/// What reads statements on their way through other people's hands. Whoever may, turns them off.
const WATCHERS: &str = "
select name from pg_settings
where name in ('pgaudit.log', 'pg_stat_statements.track') and setting <> 'none'";

const SUBSCRIBED: &str = "
select s.oid is not null as there,
       coalesce(obj_description(s.oid, 'pg_subscription') = $2, false) as ours,
       s.subslotname is null as parted,
       current_setting('server_version_num')::int4 / 10000 as major
from (select) as always
left join pg_subscription s on s.subname = $1
  and s.subdbid = (select oid from pg_database where datname = current_database())";

struct Found {
    subscription: Subscription,
    major: i32,
}

#[derive(Clone, Copy)]
enum Subscription {
    None,
    Foreign,
    Ours,
    /// Its slot was taken from it, on the way to its end.
    Parted,
}

async fn look(visit: &Visit<'_>, name: &WayBackName) -> Result<Found, Failure> {
    let read = |row: &tokio_postgres::Row| {
        let ours = (row.try_get("there")?, row.try_get("ours")?, row.try_get("parted")?);
        let subscription = match ours {
            (false, _, _) => Subscription::None,
            (true, false, _) => Subscription::Foreign,
            (true, true, false) => Subscription::Ours,
            (true, true, true) => Subscription::Parted,
        };
        Ok(Found { subscription, major: row.try_get("major")? })
    };
    visit.ask_one(SUBSCRIBED, &[&name.as_str(), &OURS], read).await
}

pub(super) async fn subscribe(
    call: Call<'_>,
    publisher: Call<'_>,
    name: &WayBackName,
) -> Result<(), Failure> {
    let password = Secret::new(generated());
    set_password(publisher, name, &password).await?;
    let password = &password;
    everywhere(
        call,
        |visit| async move { subscribe_one(&visit, publisher.at, name, password).await },
    )
    .await
    .map(drop)
}

fn generated() -> String {
    let bytes: [u8; PASSWORD] = rand::random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Only what a login can be checked with, as `psql`'s own `\password` does it.
async fn set_password(
    publisher: Call<'_>,
    name: &WayBackName,
    password: &Secret<String>,
) -> Result<(), Failure> {
    let verifier = postgres_protocol::password::scram_sha_256(password.expose().as_bytes());
    let sql =
        format!("alter role {} login password {}", Identifier(name.as_str()), Literal(&verifier));
    let lease = publisher.lend().await?;
    lease.client.batch_execute(&sql).await.map_err(|error| publisher.failed(error))?;
    publisher.keep(lease);
    Ok(())
}

async fn subscribe_one(
    visit: &Visit<'_>,
    publisher: &Endpoint,
    name: &WayBackName,
    password: &Secret<String>,
) -> Result<(), Failure> {
    let found = look(visit, name).await?;
    let slot = name.slot(visit.database());
    let (publication, slot) = (Identifier(name.as_str()), Literal(&slot));
    let statement = match found.subscription {
        Subscription::Foreign => return Err(foreign(visit, name)),
        Subscription::Ours | Subscription::Parted => {
            format!("alter subscription {publication} connection %L")
        }
        Subscription::None => format!(
            "create subscription {publication} connection %L publication {publication} with \
             (copy_data = false, create_slot = false, enabled = true, slot_name = {slot}{})",
            options(found.major)
        ),
    };
    let after = match found.subscription {
        Subscription::Parted => format!(
            "alter subscription {publication} set (slot_name = {slot}); \
             alter subscription {publication} enable"
        ),
        Subscription::None => format!("comment on subscription {publication} is '{OURS}'"),
        Subscription::Ours | Subscription::Foreign => String::new(),
    };
    let login = Login { user: name.as_str(), password: password.expose() };
    let conninfo = Secret::new(conninfo(visit, publisher, login));
    let mut lease = visit.lend().await?;
    look_away(&lease.client).await;
    let failed = |error: Error| visit.failed(error);
    let transaction = lease.client.build_transaction().read_only(false).start().await;
    let transaction = transaction.map_err(failed)?;
    with_conninfo(&transaction, &conninfo, &statement).await.map_err(failed)?;
    transaction.batch_execute(&after).await.map_err(failed)?;
    // The connection is not kept: its settings are no longer everybody's.
    transaction.commit().await.map_err(failed)
}

/// A whole transaction at a time, in the order of commits, as far as options have changed it.
fn options(major: i32) -> &'static str {
    if major >= 14 { ", streaming = off" } else { "" }
}

/// Best effort: a role that may not change a setting goes on without.
async fn look_away(client: &Client) {
    let Ok(rows) = client.query(WATCHERS, &[]).await else { return };
    for row in rows {
        let Ok(name) = row.try_get::<_, String>(0) else { continue };
        let set = client.query("select set_config($1, 'none', false)", &[&name]).await;
        if let Err(error) = set {
            tracing::debug!(setting = name, %error, "a setting is not ours to change");
        }
    }
}

/// Runs a statement with the conninfo where it says `%L`. The error is raised anew, because the
/// first one's context quotes the statement.
async fn with_conninfo(
    transaction: &Transaction<'_>,
    conninfo: &Secret<String>,
    statement: &str,
) -> Result<(), Error> {
    transaction
        .batch_execute("create temporary table landfall_conninfo (value text) on commit drop")
        .await?;
    let sink = transaction.copy_in("copy pg_temp.landfall_conninfo from stdin").await?;
    let mut sink = std::pin::pin!(sink);
    let line = format!("{}\n", conninfo.expose().replace('\\', "\\\\").replace('\n', "\\n"));
    sink.send(std::io::Cursor::new(line.into_bytes())).await?;
    sink.finish().await?;
    let block = format!(
        "declare conninfo text; begin \
           select value into strict conninfo from pg_temp.landfall_conninfo; \
           execute format({}, conninfo); \
         exception when query_canceled or others then \
           raise exception using errcode = sqlstate, message = sqlerrm; \
         end",
        Literal(statement)
    );
    transaction.batch_execute(&format!("do {}", Literal(&block))).await
}

struct Login<'a> {
    user: &'a str,
    password: &'a str,
}

/// How the subscriber's server dials, with as much encryption as our own access has.
fn conninfo(visit: &Visit<'_>, to: &Endpoint, login: Login<'_>) -> String {
    let bound = visit.call.connections.call_timeout() / 2;
    let seconds = bound.min(DIAL_BOUND).as_secs().max(2).to_string();
    let port = to.port.to_string();
    let parts = [
        ("host", to.host.as_str()),
        ("port", &port),
        ("dbname", visit.database().as_str()),
        ("user", login.user),
        ("password", login.password),
        ("sslmode", visit.call.connections.ssl_mode()),
        ("connect_timeout", &seconds),
        ("keepalives_idle", "10"),
        ("keepalives_interval", "5"),
        ("keepalives_count", "3"),
    ];
    let part = |(name, value): (&str, &str)| {
        format!("{name}='{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
    };
    parts.map(part).join(" ")
}

pub(super) async fn set_apply(
    call: Call<'_>,
    name: &WayBackName,
    apply: Apply,
) -> Result<(), Failure> {
    everywhere(call, |visit| async move { set_apply_in(&visit, name, apply).await }).await.map(drop)
}

async fn set_apply_in(visit: &Visit<'_>, name: &WayBackName, apply: Apply) -> Result<(), Failure> {
    let subscription = look(visit, name).await?.subscription;
    let word = match (subscription, apply) {
        (Subscription::None, Apply::On) => {
            let detail = format!("there is no subscription {name}");
            return Err(visit.failure(FailureKind::NotFound, &detail));
        }
        (Subscription::None, Apply::Off) => return Ok(()),
        (Subscription::Foreign, _) => return Err(foreign(visit, name)),
        (Subscription::Ours | Subscription::Parted, Apply::On) => "enable",
        (Subscription::Ours | Subscription::Parted, Apply::Off) => "disable",
    };
    let lease = visit.lend().await?;
    let sql = format!("alter subscription {} {word}", Identifier(name.as_str()));
    visit.run(&lease.client, &sql).await?;
    visit.keep(lease);
    Ok(())
}

fn foreign(visit: &Visit<'_>, name: &WayBackName) -> Failure {
    let detail = format!("a subscription {name} exists that Landfall did not make");
    visit.failure(FailureKind::TakenByAnother, &detail)
}

/// Parted from its slot first: dropping it then asks nothing of the publisher.
pub(super) async fn unsubscribe(call: Call<'_>, name: &WayBackName) -> Result<(), Failure> {
    everywhere(call, |visit| async move { unsubscribe_in(&visit, name).await }).await.map(drop)
}

async fn unsubscribe_in(visit: &Visit<'_>, name: &WayBackName) -> Result<(), Failure> {
    match look(visit, name).await?.subscription {
        Subscription::None => return Ok(()),
        Subscription::Foreign => return Err(foreign(visit, name)),
        Subscription::Ours | Subscription::Parted => {}
    }
    let lease = visit.lend().await?;
    let subscription = Identifier(name.as_str());
    for sql in [
        format!("alter subscription {subscription} disable"),
        format!("alter subscription {subscription} set (slot_name = none)"),
        format!("drop subscription {subscription}"),
    ] {
        visit.run(&lease.client, &sql).await?;
    }
    visit.keep(lease);
    Ok(())
}

/// A login that must fail: the refusal names the role, in whatever language, so it came from the
/// other server. That one's host-based rules are told apart by the name of their file.
pub(crate) async fn reaches(call: Call<'_>, to: &Endpoint) -> Result<Result<(), String>, Failure> {
    let visit = Visit::new(call, call.connections.first_database());
    // A refusal that our own side writes may name the subscription, and must not pass for theirs.
    let (nobody, trial) = (unused("nobody"), unused("trial"));
    let login = Login { user: &nobody, password: &generated() };
    let probe = format!(
        "create subscription {trial} connection {} publication {trial} with \
         (copy_data = false, create_slot = false, enabled = false, slot_name = none)",
        Literal(&conninfo(&visit, to, login))
    );
    let mut lease = visit.lend().await?;
    let bound = call.connections.call_timeout().mul_f64(0.75).as_millis().max(1);
    let failed = |error: Error| visit.failed(error);
    let transaction = lease.client.build_transaction().read_only(false).start().await;
    let transaction = transaction.map_err(failed)?;
    let limit = format!("set local statement_timeout = {bound}");
    transaction.batch_execute(&limit).await.map_err(failed)?;
    let tried = transaction.batch_execute(&probe).await;
    let Err(error) = tried else {
        transaction.rollback().await.map_err(failed)?;
        return Ok(Err(format!("{to} let a role in that does not exist: it asks no password")));
    };
    let trouble = Trouble::from(error);
    // Not by its code: that the other server is out of reach has the code of a broken connection.
    let lives = |answer: &&DbError| answer.parsed_severity() == Some(Severity::Error);
    let Some(refusal) = trouble.as_db_error().filter(lives) else {
        return Err(visit.failed(trouble));
    };
    let verdict = judged(refusal, &nobody, to);
    transaction.rollback().await.map_err(failed)?;
    visit.keep(lease);
    Ok(verdict)
}

fn unused(word: &str) -> String {
    format!("landfall_{word}_{:016x}", rand::random::<u64>())
}

fn judged(refusal: &DbError, nobody: &str, to: &Endpoint) -> Result<(), String> {
    let words = refusal.message();
    match refusal.code().code() {
        "42501" => Err(format!(
            "our role may not create subscriptions on the source ({words}); grant it \
             pg_create_subscription and create on the database from PostgreSQL 16 on, \
             rds_superuser before"
        )),
        "57014" => Err(format!(
            "the source has no answer from {to}: a security group lets it out or in no further; \
             the group that the target wears must admit the source"
        )),
        _ if words.contains("pg_hba.conf") => {
            Err(format!("{to} answers the source, and lets no replication in: {words}"))
        }
        _ if words.contains(nobody) => Ok(()),
        _ => Err(fault::words(refusal)),
    }
}
