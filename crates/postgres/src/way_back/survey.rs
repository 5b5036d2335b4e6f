//! What a way back could carry of each database, and what stands against it.
//!
//! It is asked on the source long before the hold; the target is a copy of it, so what our role
//! lacks for publishing there is seen here too. Reads only. Everything is counted and little is
//! listed, so that the answer stays small however many tables there are.

use std::collections::BTreeMap;

use landfall_core::port::way_back::{Named, Survey};
use landfall_core::{DatabaseName, Failure, FailureKind};
use tokio_postgres::{Error, Row};

use super::tables::{named_at_most, with_candidate};
use super::{Visit, everywhere, fingerprint};
use crate::call::Call;

/// Triggers that are told one by one; the rest is a number.
const TRIGGERS_TOLD: i64 = 20;

const TABLES: &str = concat!(
    with_candidate!(),
    "
select count(*) filter (where relpersistence = 'p' and identified) as carried,
       count(*) filter (where relpersistence = 'p' and not identified) as without_identity,
       (array_agg(name order by name) filter (where relpersistence = 'p' and not identified))
         [1:",
    named_at_most!(),
    "] as without_identity_names,
       count(*) filter (where relpersistence = 'u') as unlogged,
       (array_agg(name order by name) filter (where relpersistence = 'u'))[1:",
    named_at_most!(),
    "] as unlogged_names,
       (select count(*) from pg_largeobject_metadata) as large_objects,
       (select count(*) from pg_class where relkind = 'm') as materialized_views
from candidate"
);

/// Publishing takes the owner's rights; applying takes them too from 16 on, where the worker
/// becomes the owner of each table.
const OWNERS: &str = concat!(
    with_candidate!(),
    "
select rolname::text as owner, count(*) as tables, min(name) as first, current_user::text as us
from candidate
where relpersistence = 'p'
  and not (pg_has_role(relowner, 'usage')
           and pg_has_role(relowner, case when current_setting('server_version_num')::int4 >= 160000
                                          then 'set' else 'usage' end))
group by 1 order by 1"
);

/// Before 16 the worker writes as the subscription's owner, from then on as the table's.
const PRIVILEGES: &str = concat!(
    with_candidate!(),
    ", writer as (
  select candidate.*,
         case when current_setting('server_version_num')::int4 >= 160000 then rolname
              else current_user end as writer
  from candidate where relpersistence = 'p'
)
select writer::text as writer, count(*) as tables, min(name) as first
from writer
where not (has_table_privilege(writer, oid, 'insert') and has_table_privilege(writer, oid, 'update')
           and has_table_privilege(writer, oid, 'delete')
           and has_table_privilege(writer, oid, 'truncate'))
group by 1 order by 1"
);

const ROW_SECURITY: &str = concat!(
    with_candidate!(),
    "
select count(*) as tables, min(name) as first
from candidate
where relpersistence = 'p' and relrowsecurity
  and case when current_setting('server_version_num')::int4 >= 160000
           then relforcerowsecurity and not (rolsuper or rolbypassrls)
           else row_security_active(oid) end
having count(*) > 0"
);

const TRIGGERS: &str = concat!(
    with_candidate!(),
    "
select quote_ident(t.tgname) as trigger, candidate.name as relation, count(*) over () as total
from pg_trigger t
join candidate on candidate.oid = t.tgrelid
where t.tgenabled in ('A', 'R') and not t.tgisinternal
order by 2, 1 limit $1"
);

/// The whole row can identify itself only if each column can be compared: these types (and their
/// arrays) have no default equality, and the worker would stop at the first update or delete.
const INCOMPARABLE: &str = concat!(
    with_candidate!(),
    "
select count(distinct candidate.oid) as tables, min(candidate.name) as first
from candidate
join pg_attribute a on a.attrelid = candidate.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
where candidate.relpersistence = 'p'
  and (not candidate.identified or candidate.relreplident = 'f')
  and coalesce(nullif(t.typelem, 0), t.oid) in (
    'json'::regtype, 'xml'::regtype, 'jsonpath'::regtype, 'point'::regtype, 'line'::regtype,
    'lseg'::regtype, 'box'::regtype, 'path'::regtype, 'polygon'::regtype, 'circle'::regtype,
    'txid_snapshot'::regtype, 'pg_snapshot'::regtype)
having count(*) > 0"
);

/// A roll-back reads them on one side and sets them on the other. By the catalogue's own column:
/// the privilege of what turns out to be no sequence cannot be asked.
const SEQUENCES: &str = "
select count(*) as sequences, min(format('%I.%I', n.nspname, c.relname) collate \"C\") as first,
       current_user::text as us
from pg_sequence s
join pg_class c on c.oid = s.seqrelid
join pg_namespace n on n.oid = c.relnamespace
where c.relpersistence <> 't' and n.nspname !~ '^pg_'
  and n.nspname not in ('information_schema', 'landfall')
  and (pg_get_userbyid(c.relowner) <> 'rdsadmin' or current_user = 'rdsadmin')
  and not (has_sequence_privilege(s.seqrelid, 'select')
           and has_sequence_privilege(s.seqrelid, 'update'))
having count(*) > 0";

/// What the role needs beyond tables: per server, and per database.
const ROLE: &str = "
select current_user::text as us,
       r.rolsuper or r.rolcreaterole as makes_roles,
       replication.oid is null as plain,
       r.rolsuper or case when replication.oid is null then r.rolreplication
            else pg_has_role(replication.oid, 'member with admin option')
                 or (r.rolcreaterole and pg_has_role(replication.oid, 'member')
                     and current_setting('server_version_num')::int4 < 160000) end as replicates,
       has_database_privilege(current_database(), 'create') as makes_publications
from pg_roles r
left join pg_roles replication on replication.rolname = 'rds_replication'
where r.rolname = current_user";

pub(crate) async fn survey(call: Call<'_>) -> Result<BTreeMap<DatabaseName, Survey>, Failure> {
    everywhere(call, |visit| async move { of_one(&visit).await }).await
}

async fn of_one(visit: &Visit<'_>) -> Result<Survey, Failure> {
    let survey = visit.ask_one(TABLES, &[], read).await?;
    let obstacles = obstacles(visit).await?;
    let fingerprint = fingerprint::read(visit).await?;
    Ok(Survey { obstacles, fingerprint, ..survey })
}

fn read(row: &Row) -> Result<Survey, Error> {
    Ok(Survey {
        carried: count(row, "carried")?,
        without_identity: named(row, "without_identity", "without_identity_names")?,
        unlogged: named(row, "unlogged", "unlogged_names")?,
        large_objects: count(row, "large_objects")?,
        materialized_views: count(row, "materialized_views")?,
        ..Survey::default()
    })
}

pub(super) fn named(row: &Row, counted: &str, names: &str) -> Result<Named, Error> {
    let names: Option<Vec<String>> = row.try_get(names)?;
    Ok(Named { count: count(row, counted)?, names: names.unwrap_or_default() })
}

pub(super) fn count(row: &Row, column: &str) -> Result<u64, Error> {
    let count: i64 = row.try_get(column)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn obstacles(visit: &Visit<'_>) -> Result<Vec<String>, Failure> {
    let mut told = role_lacks(visit).await?;
    let owned = |row: &Row| -> Result<String, Error> {
        let (owner, us): (String, String) = (row.try_get("owner")?, row.try_get("us")?);
        Ok(format!(
            "{} of role {owner}: our role {us} is no member of it, and can neither publish nor \
             apply their rows; grant {owner} to {us}",
            such_as(row)?
        ))
    };
    told.extend(sentences(visit, OWNERS, owned).await?);
    // Those we are no member of are told already, and would be told twice.
    if told.is_empty() {
        let lacking = |row: &Row| -> Result<String, Error> {
            let writer: String = row.try_get("writer")?;
            Ok(format!(
                "{}: role {writer}, which applies their rows, may not write all of them; grant \
                 insert, update, delete, truncate on them to {writer}",
                such_as(row)?
            ))
        };
        told.extend(sentences(visit, PRIVILEGES, lacking).await?);
    }
    let sequences = |row: &Row| -> Result<String, Error> {
        let (first, us): (String, String) = (row.try_get("first")?, row.try_get("us")?);
        Ok(format!(
            "{} sequences ({first} first) may not be read and set by our role {us}: a roll-back \
             could not carry them; grant select, update on sequence {first} to {us}, and so on",
            count(row, "sequences")?
        ))
    };
    told.extend(sentences(visit, SEQUENCES, sequences).await?);
    told.extend(of_rows(visit).await?);
    Ok(told)
}

/// What keeps rows from being applied although every right is there.
async fn of_rows(visit: &Visit<'_>) -> Result<Vec<String>, Failure> {
    let secured = |row: &Row| -> Result<String, Error> {
        Ok(format!(
            "{} with row-level security that holds for the role that applies rows: the first row \
             would stop it; give that role bypassrls, or alter table … no force row level security",
            such_as(row)?
        ))
    };
    let mut told = sentences(visit, ROW_SECURITY, secured).await?;
    let incomparable = |row: &Row| -> Result<String, Error> {
        Ok(format!(
            "{} without a key and with a column that cannot be compared (json, xml, a geometric \
             type): its updates and deletes cannot be applied; give it a primary key",
            such_as(row)?
        ))
    };
    told.extend(sentences(visit, INCOMPARABLE, incomparable).await?);
    told.extend(triggers(visit).await?);
    Ok(told)
}

/// "1 table (public.a)" or "12 tables (public.a and others)".
fn such_as(row: &Row) -> Result<String, Error> {
    let first: String = row.try_get("first")?;
    Ok(match count(row, "tables")? {
        1 => format!("table {first}"),
        more => format!("{more} tables ({first} and others)"),
    })
}

async fn sentences(
    visit: &Visit<'_>,
    sql: &'static str,
    told: impl Fn(&Row) -> Result<String, Error>,
) -> Result<Vec<String>, Failure> {
    let rows = visit.ask(sql, &[]).await?;
    rows.iter().map(told).collect::<Result<_, _>>().map_err(|error| visit.failed(error))
}

async fn triggers(visit: &Visit<'_>) -> Result<Vec<String>, Failure> {
    let rows = visit.ask(TRIGGERS, &[&TRIGGERS_TOLD]).await?;
    let mut total = 0;
    let mut told = Vec::with_capacity(rows.len());
    for row in &rows {
        let read = || -> Result<(String, String, u64), Error> {
            Ok((row.try_get("trigger")?, row.try_get("relation")?, count(row, "total")?))
        };
        let (trigger, relation, all) = read().map_err(|error| visit.failed(error))?;
        total = all;
        told.push(format!(
            "trigger {trigger} of table {relation} fires on replicated rows too, and would do its \
             work twice; alter table {relation} enable trigger {trigger}"
        ));
    }
    let rest = total.saturating_sub(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    if rest > 0 {
        told.push(format!("{rest} more triggers fire on replicated rows too"));
    }
    Ok(told)
}

/// What is the server's is told once, in the first database.
async fn role_lacks(visit: &Visit<'_>) -> Result<Vec<String>, Failure> {
    struct Role {
        us: String,
        plain: bool,
        lacks: [bool; 3],
    }
    let read = |row: &Row| -> Result<Role, Error> {
        let may = |column: &str| row.try_get::<_, bool>(column);
        Ok(Role {
            us: row.try_get("us")?,
            plain: may("plain")?,
            lacks: [!may("makes_roles")?, !may("replicates")?, !may("makes_publications")?],
        })
    };
    let none = || visit.failure(FailureKind::Unknown, "our own role is not listed");
    let rows = visit.ask(ROLE, &[]).await?;
    let role = super::only(visit, &rows, read)?.ok_or_else(none)?;
    let Role { us, plain, lacks: [roles, replication, publications] } = role;
    let mut told = Vec::new();
    let first = visit.call.connections.first_database() == visit.database();
    if roles && first {
        told.push(format!(
            "our role {us} may not make the role that the way back logs in with; alter role {us} \
             createrole"
        ));
    }
    if replication && first {
        let remedy = if plain {
            format!("alter role {us} replication")
        } else {
            format!("grant rds_replication to {us} with admin option")
        };
        told.push(format!("our role {us} may not replicate; {remedy}"));
    }
    if publications {
        let database = visit.database();
        told.push(format!(
            "our role {us} may not make a publication; grant create on database {database} to {us}"
        ));
    }
    Ok(told)
}
