//! The questions of an assessment on a real server: every one is answered, the answers are true,
//! and what a role may not see is a refusal with a remedy.

use landfall_assess::question::{
    self, Answered, Listed, Reading, activity, collation, database, databases, extension, foreign,
    identity, job, object, replication, role, schema, sequence, server, setting, table,
};
use landfall_core::port::Database;
use landfall_core::port::database::{Answer, Said, Scope};

use landfall_lab::server::ServerConfig;

use crate::bench::{Bench, OTHER, eventually};

/// A name with everything that breaks quoting.
const ODD: &str = "o'dd \"s\".\\x\n\u{e9}";

/// What cannot share a transaction with the rest.
const FIRST: [&str; 3] = [
    "select pg_create_logical_replication_slot('stale', 'pgoutput')",
    "select pg_create_physical_replication_slot('left_over', true)",
    "create role watch login password 'watchpass'; create role super superuser login password \
     'superpass'; create role old_hand login; set local password_encryption = 'md5'; \
     alter role old_hand password 'old_handpass'",
];

/// Something for every question to find, in the database "shop".
const FAULTS: &str = r#"
alter role app set statement_timeout = '5s';
alter database shop set work_mem = '8MB';
create unlogged table scratch (id int);
create table no_key (id int);
insert into no_key select generate_series(1, 2000); update no_key set id = id where id < 101;
create table deferred (id int primary key deferrable);
create table whole_row (id int); alter table whole_row replica identity full;
create table by_index (id int not null); create unique index by_index_id on by_index (id);
alter table by_index replica identity using index by_index_id;
create table secret (id int primary key); alter table secret enable row level security;
alter table secret force row level security; create policy mine on secret using (true);
create schema "o'dd ""s"".\x
é";
create table "o'dd ""s"".\x
é"."t.é" (id smallserial primary key);
select setval(pg_get_serial_sequence('"o''dd ""s"".\x
é"."t.é"', 'id'), 30000);
create table sorted (t text collate "POSIX", u text collate "en-x-icu");
create index sorted_u on sorted (u);
select lo_from_bytea(0, 'large');
create index broken on no_key (id);
update pg_index set indisvalid = false where indexrelid = 'broken'::regclass;
create function watch_ddl() returns event_trigger language plpgsql as 'begin end';
create event trigger watcher on ddl_command_end execute function watch_ddl();
create publication everything for all tables;
create function home() returns void language plpgsql as
  $$begin perform dblink_connect('host=10.0.0.1 port=5433 password=s3cr3t'); end$$;
create foreign data wrapper plain; create server home foreign data wrapper plain
  options (host 'orders-prod.example', port '5432', dbname 'shop', password 's3cr3t');
create schema cron; create table cron.job (jobid bigint primary key, schedule text, command text,
  nodename text, nodeport int, database text, username text, active boolean, jobname text);
insert into cron.job values (7, '5 * * * *', 'select ''s3cr3t''', '', 0, 'shop', 'owner', true,
  'tidy <&> "up"');
set allow_system_table_mods = on;
insert into pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
  values (99999, 'pg_cron', 10, 'cron'::regnamespace, false, '1.4');
"#;

/// A server with all of it.
pub(crate) async fn faulty() -> Bench {
    faulty_with(|_| {}).await
}

/// The same with other programs or settings.
pub(crate) async fn faulty_with(change: impl FnOnce(&mut ServerConfig)) -> Bench {
    let bench = Bench::with(|config| {
        change(config);
        for (name, value) in [("max_prepared_transactions", "5"), ("wal_level", "logical")] {
            config.settings.insert(name.to_owned(), value.to_owned());
        }
    })
    .await;
    for statements in FIRST {
        bench.admin(statements).await;
    }
    bench.admin(FAULTS).await;
    bench.admin("begin; insert into no_key values (0); prepare transaction 'it''s'").await;
    bench
}

pub(crate) async fn ask(bench: &Bench, user: &str) -> Vec<Answer> {
    bench.port_as(user).ask(&bench.at(), question::ALL).await.unwrap()
}

/// The answer about the server.
fn of_server<T: Answered>(answers: &[Answer]) -> T {
    match server::<T>(answers) {
        Reading::Looked(seen) => seen,
        Reading::NotLooked { why, .. } => panic!("{}: {why}", T::QUESTION.name),
        Reading::NotAsked => panic!("{} was not asked", T::QUESTION.name),
    }
}

/// The answer in one database.
fn of<T: Answered>(answers: &[Answer], name: &str) -> T {
    let found = databases::<T>(answers).into_iter().find(|(database, _)| database.as_str() == name);
    match found {
        Some((_, Reading::Looked(seen))) => seen,
        Some((_, Reading::NotLooked { why, .. })) => panic!("{}: {why}", T::QUESTION.name),
        Some((_, Reading::NotAsked)) | None => panic!("{} was not asked", T::QUESTION.name),
    }
}

fn names<T>(listed: &Listed<T>, name: impl Fn(&T) -> &str) -> Vec<String> {
    listed.items.iter().map(|item| name(item).to_owned()).collect()
}

#[tokio::test]
async fn every_question_is_answered_in_every_database() {
    let bench = faulty().await;
    let answers = ask(&bench, "super").await;
    let refused: Vec<&Answer> =
        answers.iter().filter(|answer| matches!(answer.said, Said::Refused { .. })).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let count = |scope| question::ALL.iter().filter(|q| q.scope == scope).count();
    assert_eq!(answers.len(), count(Scope::Server) + 3 * count(Scope::EachDatabase));
    // In the order of the list, the server first, then each database whole.
    let asked: Vec<&str> = answers.iter().map(|answer| answer.question.as_str()).collect();
    let listed: Vec<&str> = question::ALL.iter().map(|question| question.name).collect();
    assert_eq!(asked[..listed.len()], listed);
    let text = serde_json::to_string(&answers).unwrap();
    assert!(!text.contains("s3cr3t"), "a secret is told: {text}");
}

#[tokio::test]
async fn what_the_server_holds_is_told() {
    let bench = faulty().await;
    let client = bench.login("app", "shop").await.unwrap();
    let answers = ask(&bench, "super").await;

    let settings: setting::Settings = of_server(&answers);
    assert_eq!(settings.wal_level, "logical");
    assert_eq!(settings.preloaded, Some(vec!["pg_stat_statements".to_owned()]));
    let prepared = settings.set.items.iter().find(|s| s.name == "max_prepared_transactions");
    assert_eq!(prepared.unwrap().value.as_deref(), Some("5"));
    let setting::RoleSettings(own) = of_server(&answers);
    let own: Vec<_> = own.items.iter().map(|s| (&s.role, &s.database, s.name.as_str())).collect();
    assert!(own.contains(&(&Some("app".to_owned()), &None, "statement_timeout")), "{own:?}");
    assert!(own.contains(&(&None, &Some("shop".to_owned()), "work_mem")), "{own:?}");

    let known: database::Databases = of_server(&answers);
    let known = &known.databases;
    let mut doors: Vec<_> = known.items.iter().map(|d| (d.name.as_str(), &*d.door)).collect();
    doors.sort_unstable();
    assert_eq!(doors, [(OTHER, "open"), ("postgres", "open"), ("shop", "open")]);
    let database::DatabaseSizes(sizes) = of_server(&answers);
    assert!(sizes.items.iter().all(|size| size.bytes > Some(1 << 20)), "{sizes:?}");

    let replication::Slots(slots) = of_server(&answers);
    let stale = slots.items.iter().find(|slot| slot.name == "stale").unwrap();
    assert_eq!((stale.plugin.as_deref(), stale.active), (Some("pgoutput"), false));
    assert_eq!(stale.database.as_deref(), Some("shop"));
    assert!(stale.retained > Some(0) && stale.lives == "persistent", "{stale:?}");
    assert_eq!(slots.total, 2);

    let connected: activity::Connections = of_server(&answers);
    let of_app = connected.groups.items.iter().find(|g| g.user.as_deref() == Some("app")).unwrap();
    assert_eq!((of_app.application.as_str(), of_app.sessions), ("shop-front", 1));
    assert_eq!(connected.hidden, 0);
    let activity::PreparedTransactions(prepared) = of_server(&answers);
    assert_eq!(names(&prepared, |p| &p.gid), ["it's"]);
    let hashes: role::PasswordHashes = of_server(&answers);
    assert_eq!((hashes.md5.items, hashes.without), (vec!["old_hand".to_owned()], 0));
    let roles: role::Roles = of_server(&answers);
    let super_ = roles.notable.items.iter().find(|role| role.name == "super").unwrap();
    assert_eq!(super_.may, ["superuser"]);
    let extension::AvailableExtensions(available) = of_server(&answers);
    assert!(available.items.iter().any(|e| e.name == "plpgsql" && e.version == "1.0"));
    let collation::DatabaseCollations(collations) = of_server(&answers);
    assert_eq!(collations.total, 3);
    drop(client);
}

#[tokio::test]
async fn what_a_database_holds_is_told() {
    let bench = faulty().await;
    bench.admin("analyze no_key").await;
    let answers = ask(&bench, "super").await;
    let shop = |listed: &Listed<identity::IdentityTable>| names(listed, |table| &table.name);

    let identity::TablesWithoutIdentity(without) = of(&answers, "shop");
    let mut found = shop(&without);
    found.sort();
    assert_eq!(found, ["deferred", "no_key", "sorted"]);
    let no_key = without.items.iter().find(|table| table.name == "no_key").unwrap();
    assert_eq!((no_key.rows, no_key.changes), (Some(2000), 100));
    let identity::TablesWithFullIdentity(whole) = of(&answers, "shop");
    assert_eq!(shop(&whole), ["whole_row"]);

    let table::UnloggedTables(unlogged) = of(&answers, "shop");
    assert_eq!(names(&unlogged, |table| &table.name), ["scratch"]);
    let table::RowSecurity(secured) = of(&answers, "shop");
    let secured = &secured.items[0];
    assert_eq!((secured.name.as_str(), secured.forced, secured.policies), ("secret", true, 1));
    let large: table::LargeObjects = of(&answers, "shop");
    assert_eq!((large.count, large.bytes > 0), (1, true));
    let table::InvalidIndexes(invalid) = of(&answers, "shop");
    assert_eq!(names(&invalid, |index| &index.name), ["broken"]);
    let tables: table::Tables = of(&answers, "shop");
    assert!(names(&tables.largest, |table| &table.schema).contains(&ODD.to_owned()), "{tables:?}");

    let worn: sequence::Sequences = of(&answers, "shop");
    let odd = &worn.items[0];
    assert_eq!((odd.schema.as_str(), odd.name.as_str()), (ODD, "t.\u{e9}_id_seq"));
    assert_eq!((odd.last, odd.end, odd.r#type.as_str()), (30_000, 32_767, "smallint"));
    assert!((odd.used - 0.9155).abs() < 0.001 && worn.worn == 1, "{worn:?}");
    assert_eq!(odd.column.as_deref(), Some("id"));

    let replication::Publications(published) = of(&answers, "shop");
    assert_eq!(published.items[0].covers, "all tables");
    let object::EventTriggers(triggers) = of(&answers, "shop");
    assert_eq!(names(&triggers, |trigger| &trigger.name), ["watcher"]);
    let foreign::ForeignServers(servers) = of(&answers, "shop");
    assert_eq!(servers.items[0].host.as_deref(), Some("orders-prod.example"));
    let foreign::Dblinks(links) = of(&answers, "shop");
    let link = &links.items[0];
    assert_eq!((link.host.as_deref(), link.port.as_deref()), (Some("10.0.0.1"), Some("5433")));
    let jobs: job::Jobs = of(&answers, "shop");
    assert_eq!((jobs.cron, jobs.partman), (job::View::Whole, job::View::Absent));
    assert_eq!(jobs.jobs[0].name.as_deref(), Some("tidy <&> \"up\""));
    let ordered: collation::Collations = of(&answers, "shop");
    assert_eq!(names(&ordered.collations, |c| &c.name), ["en-x-icu"]);
    assert!(ordered.collations.items[0].recorded.is_some(), "{ordered:?}");
    let schema::Schemas(schemas) = of(&answers, "shop");
    assert!(names(&schemas, |schema| &schema.name).contains(&ODD.to_owned()), "{schemas:?}");
    let extension::Extensions(extensions) = of(&answers, OTHER);
    assert_eq!(names(&extensions, |extension| &extension.name), ["plpgsql"]);
    let object::PrivilegedObjects(privileged) = of(&answers, "postgres");
    assert_eq!(privileged.total, 0);
}

#[tokio::test]
async fn a_schemas_fingerprint_changes_with_its_columns_only() {
    let bench = Bench::new().await;
    let print = async || {
        let schema::Schemas(schemas) = of(&ask(&bench, "owner").await, "shop");
        schemas.items[0].fingerprint.clone()
    };
    let first = print().await;
    bench.write_order("shop").await;
    bench.admin("analyze orders").await;
    assert_eq!(print().await, first);
    bench.admin("alter table orders add column note text").await;
    let second = print().await;
    assert_ne!(second, first);
    bench.admin("alter table orders rename column note to remark").await;
    assert_ne!(print().await, second);
}

#[tokio::test]
async fn what_a_role_may_not_see_is_not_looked_at() {
    let bench = faulty().await;
    let client = bench.login("app", "shop").await.unwrap();
    let answers = ask(&bench, "watch").await;
    let refused: Vec<&str> = answers
        .iter()
        .filter(|answer| matches!(answer.said, Said::Refused { .. }))
        .map(|answer| answer.question.as_str())
        .collect();
    assert_eq!(refused, ["password_hashes"], "everything else is answered with what is seen");
    let reading = server::<role::PasswordHashes>(&answers);
    let Reading::NotLooked { why, grant } = reading else { panic!("{reading:?}") };
    assert!(why.contains("42501") && grant.contains("pg_authid"), "{why} {grant}");

    let connected: activity::Connections = of_server(&answers);
    assert!(connected.hidden >= 1 && connected.hidden <= connected.sessions, "{connected:?}");
    let settings: setting::Settings = of_server(&answers);
    assert_eq!(settings.preloaded, None);
    let sequences: sequence::Sequences = of(&answers, "shop");
    assert_eq!((sequences.looked, sequences.hidden), (0, sequences.total));
    let jobs: job::Jobs = of(&answers, "shop");
    assert_eq!((jobs.cron, jobs.jobs), (job::View::Refused, vec![]));

    bench.admin("grant pg_monitor to watch").await;
    let answers = ask(&bench, "watch").await;
    let connected: activity::Connections = of_server(&answers);
    assert_eq!(connected.hidden, 0, "the grant that is advised is the remedy");
    let settings: setting::Settings = of_server(&answers);
    assert_eq!(settings.preloaded, Some(vec!["pg_stat_statements".to_owned()]));
    drop(client);
}

#[tokio::test]
async fn a_database_that_lets_nobody_in_does_not_hide_the_others() {
    let bench = Bench::new().await;
    bench.admin("create role watch login password 'watchpass'").await;
    bench.admin("alter database \"ledger \"\"two\"\"\" connection limit 0").await;
    let answers = ask(&bench, "watch").await;
    for (database, reading) in databases::<table::Tables>(&answers) {
        match reading {
            Reading::Looked(_) => assert_ne!(database.as_str(), OTHER),
            Reading::NotLooked { why, grant } => {
                assert_eq!((database.as_str(), grant), (OTHER, ""));
                assert!(why.contains("53300"), "{why}");
            }
            Reading::NotAsked => panic!("{database} was not asked"),
        }
    }
    let known: database::Databases = of_server(&answers);
    let closed = known.databases.items.iter().find(|database| database.name == OTHER).unwrap();
    assert_eq!(closed.door, "limit_0");
}

#[tokio::test]
async fn a_reset_of_the_counters_shows() {
    let bench = Bench::new().await;
    let since = async || of::<table::Tables>(&ask(&bench, "owner").await, "shop").stats_reset;
    let before = since().await;
    bench.admin("select pg_stat_reset()").await;
    eventually("the reset to show", async || {
        let now = since().await;
        if now > before { Ok(()) } else { Err(now) }
    })
    .await;
}
