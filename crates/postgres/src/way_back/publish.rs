//! The published side: a role to log in as, and per database a publication and a slot.
//!
//! The slot comes last: where it stands, its publication was whole. Tables are added a few
//! hundred at a time, because each takes a lock until its transaction ends, and a server has a
//! fixed number of locks. Which tables got REPLICA IDENTITY FULL from us is kept in a table of our
//! own schema, written in the transaction that changes them, so that closing gives back exactly
//! those. Dying half-way leaves what a repeat completes and what closing removes.

use std::time::{Duration, Instant};

use landfall_core::port::way_back::WayBackName;
use landfall_core::spec::WithoutIdentity;
use landfall_core::{Failure, FailureKind};
use tokio_postgres::{Client, Error, Row};

use super::tables::with_candidate;
use super::{OURS, Visit, everywhere};
use crate::call::Call;
use crate::quote::Identifier;

/// Tables in one transaction: each holds a lock.
const BATCH: usize = 400;

/// How often a slot that is let go is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Two orchestrators at a time: the second waits and then finds the work done.
const LOCK: &str = "select pg_advisory_xact_lock(7163385, 2)";

const ROLE: &str = "
select coalesce(shobj_description(r.oid, 'pg_authid') = $2, false) as ours,
       exists (select from pg_roles where rolname = 'rds_replication') as provided,
       (select rolsuper or rolreplication and current_setting('server_version_num')::int4 >= 160000
        from pg_roles where rolname = current_user) as gives
from (select) as always left join pg_roles r on r.rolname = $1";

const HAS_ROLE: &str = "select exists (select from pg_roles where rolname = $1)";

/// The publication with its owner's word, and whether our slot stands.
const STANDS: &str = "
select p.oid is not null as published,
       coalesce(obj_description(p.oid, 'pg_publication') = $3, false) as ours,
       exists (select from pg_replication_slots where slot_name = $2) as slot,
       coalesce(has_database_privilege(r.oid, current_database(), 'connect'), false) as connects
from (select) as always
left join pg_publication p on p.pubname = $1
left join pg_roles r on r.rolname = $1";

const REMEMBER: [&str; 2] = [
    "create table if not exists landfall.identity (relation oid primary key, was \"char\" not null)",
    "comment on table landfall.identity is 'made by Landfall'",
];

const WITHOUT_IDENTITY: &str = concat!(
    with_candidate!(),
    "
select oid, name, relreplident from candidate
where relpersistence = 'p' and not identified order by name"
);

const REMEMBER_ONE: &str = "
insert into landfall.identity (relation, was) select unnest($1::oid[]), unnest($2::\"char\"[])
on conflict (relation) do nothing";

/// What the publication lacks of what it is to carry.
const MISSING: &str = concat!(
    with_candidate!(),
    "
select name from candidate
where relpersistence = 'p' and identified
  and not exists (select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
                  where p.pubname = $1 and r.prrelid = candidate.oid)
order by name"
);

const CREATE_SLOT: &str = "select from pg_create_logical_replication_slot($1, 'pgoutput')";

pub(super) async fn publish(
    call: Call<'_>,
    name: &WayBackName,
    without_identity: WithoutIdentity,
) -> Result<(), Failure> {
    make_role(call, name).await?;
    everywhere(call, |visit| async move { publish_one(&visit, name, without_identity).await })
        .await
        .map(drop)
}

/// The role that the subscriptions log in as. It owns nothing and may read nothing; without a
/// password nobody can be it.
async fn make_role(call: Call<'_>, name: &WayBackName) -> Result<(), Failure> {
    let failed = |error: Error| call.failed(error);
    let role = Identifier(name.as_str());
    let mut lease = call.lend().await?;
    let transaction = lease.client.transaction().await.map_err(failed)?;
    transaction.execute(LOCK, &[]).await.map_err(failed)?;
    let row = transaction.query_one(ROLE, &[&name.as_str(), &OURS]).await.map_err(failed)?;
    let there = transaction.query_one(HAS_ROLE, &[&name.as_str()]).await.map_err(failed)?;
    let read = || -> Result<_, Error> {
        Ok((row.try_get("ours")?, there.try_get(0)?, right(role, &row)?))
    };
    let sql = match read().map_err(failed)? {
        (false, true, _) => {
            let detail = format!("a role {name} exists that Landfall did not make");
            return Err(Failure::new(FailureKind::TakenByAnother, call.what, detail));
        }
        (true, _, _) => format!("alter role {role} login"),
        (false, false, right) => {
            format!("create role {role} login; {right}; comment on role {role} is '{OURS}'")
        }
    };
    transaction.batch_execute(&sql).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;
    call.keep(lease);
    Ok(())
}

/// On RDS membership is all that can be given; elsewhere it is the attribute that counts.
fn right(role: Identifier<'_>, row: &Row) -> Result<String, Error> {
    let (provided, gives): (bool, bool) = (row.try_get("provided")?, row.try_get("gives")?);
    let member = provided.then(|| format!("grant rds_replication to {role}"));
    let attribute = (gives || !provided).then(|| format!("alter role {role} replication"));
    Ok([member, attribute].into_iter().flatten().collect::<Vec<_>>().join("; "))
}

struct Stands {
    publication: Publication,
    slot: Presence,
    connects: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Publication {
    None,
    Ours,
    Foreign,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    There,
    Gone,
}

fn stands(row: &Row) -> Result<Stands, Error> {
    Ok(Stands {
        publication: match (row.try_get("published")?, row.try_get("ours")?) {
            (false, _) => Publication::None,
            (true, true) => Publication::Ours,
            (true, false) => Publication::Foreign,
        },
        slot: if row.try_get("slot")? { Presence::There } else { Presence::Gone },
        connects: row.try_get("connects")?,
    })
}

async fn look(visit: &Visit<'_>, name: &WayBackName) -> Result<Stands, Failure> {
    let slot = name.slot(visit.database());
    visit.ask_one(STANDS, &[&name.as_str(), &slot, &OURS], stands).await
}

async fn publish_one(
    visit: &Visit<'_>,
    name: &WayBackName,
    without_identity: WithoutIdentity,
) -> Result<(), Failure> {
    let seen = look(visit, name).await?;
    let mut lease = visit.lend().await?;
    if !seen.connects {
        let database = Identifier(visit.database().as_str());
        let sql = format!("grant connect on database {database} to {}", Identifier(name.as_str()));
        visit.run(&lease.client, &sql).await?;
    }
    match (seen.publication, seen.slot) {
        (Publication::Foreign, _) => return Err(foreign(visit, name)),
        (Publication::Ours, Presence::There) => {
            visit.keep(lease);
            return Ok(());
        }
        (Publication::None, Presence::There) => {
            let detail = format!(
                "slot {} stands and its publication {name} does not: what it has kept cannot be \
                 decoded; drop the slot",
                name.slot(visit.database())
            );
            return Err(visit.failure(FailureKind::Invalid, &detail));
        }
        (Publication::None, Presence::Gone) => make_publication(visit, name, &lease.client).await?,
        (Publication::Ours, Presence::Gone) => {}
    }
    match without_identity {
        WithoutIdentity::Full => identify(visit, &mut lease.client).await?,
        WithoutIdentity::Refuse | WithoutIdentity::Lose => {}
    }
    add_tables(visit, name, &lease.client).await?;
    let slot = name.slot(visit.database());
    let made = lease.client.query(CREATE_SLOT, &[&slot]).await;
    made.map_err(|error| visit.failed(error))?;
    visit.keep(lease);
    Ok(())
}

fn foreign(visit: &Visit<'_>, name: &WayBackName) -> Failure {
    let detail = format!("a publication {name} exists that Landfall did not make");
    visit.failure(FailureKind::TakenByAnother, &detail)
}

/// Partitions are published as themselves: both sides have the same ones.
async fn make_publication(
    visit: &Visit<'_>,
    name: &WayBackName,
    client: &Client,
) -> Result<(), Failure> {
    let publication = Identifier(name.as_str());
    let sql = format!(
        "begin; create publication {publication} for table landfall.marker \
         with (publish = 'insert, update, delete, truncate', publish_via_partition_root = false); \
         comment on publication {publication} is '{OURS}'; commit"
    );
    visit.run(client, &sql).await
}

/// Gives tables without identity the whole row as one, a batch at a time.
async fn identify(visit: &Visit<'_>, client: &mut Client) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    let read = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let rows = client.query(WITHOUT_IDENTITY, &[]).await.map_err(failed)?;
    let found: Vec<(u32, String, i8)> =
        rows.iter().map(read).collect::<Result<_, _>>().map_err(failed)?;
    for batch in found.chunks(BATCH) {
        let oids: Vec<u32> = batch.iter().map(|(oid, _, _)| *oid).collect();
        let were: Vec<i8> = batch.iter().map(|(_, _, was)| *was).collect();
        let changes: Vec<String> = batch
            .iter()
            .map(|(_, name, _)| format!("alter table {name} replica identity full"))
            .collect();
        let transaction = client.transaction().await.map_err(failed)?;
        transaction.batch_execute(&REMEMBER.join("; ")).await.map_err(failed)?;
        transaction.execute(REMEMBER_ONE, &[&oids, &were]).await.map_err(failed)?;
        transaction.batch_execute(&changes.join("; ")).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
    }
    Ok(())
}

/// A batch at a time; each is whole by itself, and a repeat adds the rest.
async fn add_tables(visit: &Visit<'_>, name: &WayBackName, client: &Client) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    let publication = Identifier(name.as_str());
    let rows = client.query(MISSING, &[&name.as_str()]).await.map_err(failed)?;
    let missing: Vec<String> =
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed)?;
    for batch in missing.chunks(BATCH) {
        let tables = batch.join(", ");
        visit.run(client, &format!("alter publication {publication} add table {tables}")).await?;
    }
    Ok(())
}

/// The role first: nobody logs in any more while the slots go.
pub(super) async fn unpublish(call: Call<'_>, name: &WayBackName) -> Result<(), Failure> {
    let failed = |error: Error| call.failed(error);
    let role = Identifier(name.as_str());
    let lease = call.lend().await?;
    let row = lease.client.query_one(ROLE, &[&name.as_str(), &OURS]).await.map_err(failed)?;
    let ours: bool = row.try_get("ours").map_err(failed)?;
    if ours {
        let sql = format!("alter role {role} nologin password null");
        lease.client.batch_execute(&sql).await.map_err(failed)?;
    }
    everywhere(call, |visit| async move { unpublish_one(&visit, name).await }).await?;
    if ours {
        lease.client.batch_execute(&format!("drop role {role}")).await.map_err(failed)?;
    }
    call.keep(lease);
    Ok(())
}

async fn unpublish_one(visit: &Visit<'_>, name: &WayBackName) -> Result<(), Failure> {
    let lease = visit.lend().await?;
    drop_slot(visit, &name.slot(visit.database()), &lease.client).await?;
    match look(visit, name).await?.publication {
        Publication::None => {}
        Publication::Ours => {
            let sql = format!("drop publication {}", Identifier(name.as_str()));
            visit.run(&lease.client, &sql).await?;
        }
        Publication::Foreign => return Err(foreign(visit, name)),
    }
    give_identity_back(visit, &lease.client).await?;
    revoke_connect(visit, name, &lease.client).await?;
    visit.keep(lease);
    Ok(())
}

const LET_GO: &str = "
select pg_terminate_backend(active_pid) from pg_replication_slots
where slot_name = $1 and active_pid is not null";

const DROP_SLOT: &str = "
select pg_drop_replication_slot(slot_name) from pg_replication_slots
where slot_name = $1 and active_pid is null";

const HAS_SLOT: &str = "
select exists (select from pg_replication_slots where slot_name = $1)";

/// Who streams from it takes a moment to go, and may come back until its role is shut out.
async fn drop_slot(visit: &Visit<'_>, slot: &str, client: &Client) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    let give_up = Instant::now() + visit.call.connections.call_timeout() / 2;
    let mut tick = tokio::time::interval(LOOK);
    loop {
        tick.tick().await;
        let refused = match client.query(DROP_SLOT, &[&slot]).await {
            Ok(_) => None,
            // Somebody took it between the look and the drop.
            Err(error) if error.code().is_some_and(|code| code.code() == "55006") => Some(error),
            Err(error) => return Err(failed(error)),
        };
        let row = client.query_one(HAS_SLOT, &[&slot]).await.map_err(failed)?;
        if !row.try_get::<_, bool>(0).map_err(failed)? {
            return Ok(());
        }
        if Instant::now() > give_up {
            let busy = || visit.failure(FailureKind::WrongState, &format!("slot {slot} is in use"));
            return Err(refused.map_or_else(busy, failed));
        }
        client.query(LET_GO, &[&slot]).await.map_err(failed)?;
    }
}

const REMEMBERED: &str = "
select i.relation, i.was, format('%I.%I', n.nspname, c.relname) as name,
       coalesce(c.relreplident = 'f', false) as ours_still
from landfall.identity i
left join pg_class c on c.oid = i.relation
left join pg_namespace n on n.oid = c.relnamespace";

const REMEMBERS: &str = "
select coalesce(obj_description(to_regclass('landfall.identity'), 'pg_class') = $1, false)";

/// One table at a time, because each change shuts its table for a moment and there is traffic. One
/// that somebody changed since keeps what they gave it.
async fn give_identity_back(visit: &Visit<'_>, client: &Client) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    let row = client.query_one(REMEMBERS, &[&OURS]).await.map_err(failed)?;
    if !row.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(());
    }
    for row in client.query(REMEMBERED, &[]).await.map_err(failed)? {
        let read = || -> Result<(u32, i8, Option<String>, bool), Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
        };
        let (oid, was, name, ours_still) = read().map_err(failed)?;
        let forget = format!("delete from landfall.identity where relation = {oid}");
        let sql = match name.filter(|_| ours_still) {
            Some(name) => {
                // An index that was dropped identified nothing, as this does.
                let former = if was == DEFAULT { "default" } else { "nothing" };
                format!("begin; alter table {name} replica identity {former}; {forget}; commit")
            }
            None => forget,
        };
        visit.run(client, &sql).await?;
    }
    visit.run(client, "drop table landfall.identity").await
}

/// `pg_class.relreplident` of a table that nobody gave another identity.
const DEFAULT: i8 = b'd'.cast_signed();

const MAY_CONNECT: &str = "
select exists (
  select from pg_database d, aclexplode(d.datacl) entry
  join pg_roles r on r.oid = entry.grantee
  where d.datname = current_database() and r.rolname = $1)";

async fn revoke_connect(
    visit: &Visit<'_>,
    name: &WayBackName,
    client: &Client,
) -> Result<(), Failure> {
    let failed = |error: Error| visit.failed(error);
    let row = client.query_one(MAY_CONNECT, &[&name.as_str()]).await.map_err(failed)?;
    if !row.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(());
    }
    let (database, role) = (Identifier(visit.database().as_str()), Identifier(name.as_str()));
    visit.run(client, &format!("revoke connect on database {database} from {role}")).await
}
