//! Faults within the database: made in SQL by its owner, and by the lab's superuser where the
//! lab's PostgreSQL asks for one and RDS's does not.

use landfall_e2e::Stage;
use landfall_e2e::stage::connect;
use landfall_lab::process::RunAs;
use tokio_postgres::Client;

/// As the owner, whose statements are one transaction unless they stand alone.
const AS_OWNER: &[&str] = &[
    "create unlogged table \"cache.é \"\"x\"\"\" (id int primary key)",
    "create table \"odd.\nname\" (v int); insert into \"odd.\nname\" values (1), (1)",
    "create table prices (id int primary key, v int);
     alter table prices replica identity full;
     insert into prices select g, 0 from generate_series(1, 10001) as g",
    "analyze prices",
    "update prices set v = 1",
    "create table fresh (id int primary key) with (autovacuum_enabled = off);
     insert into fresh select generate_series(1, 2000)",
    "create table tenants (id int primary key); alter table tenants enable row level security;
     create table \"ten.ants\" (id int primary key);
     alter table \"ten.ants\" enable row level security;
     alter table \"ten.ants\" force row level security",
    "select lo_from_bytea(0, 'a large object')",
    "create table \"worn.out\" (id serial primary key);
     select setval('\"worn.out_id_seq\"', 2000000000)",
    "create collation german (provider = icu, locale = 'de');
     create table words (id int primary key, word text collate german);
     create index on words (word)",
    "select pg_create_logical_replication_slot('warehouse', 'pgoutput')",
    "select pg_create_physical_replication_slot('left_over', true)",
    "create role \"o'ld\" login password 'not-a-real-secret'",
    "create role app_iam login; create role boss login",
    "create role reader; alter role reader set default_transaction_read_only = on",
    "create database german template template0 locale_provider icu icu_locale 'de'",
    "create database \"shut é\"",
    "select pg_stat_force_next_flush()",
];

/// The last of all: whoever waits for the end of every transaction waits for it.
const PREPARED: &str =
    "begin; insert into \"worn.out\" values (1); prepare transaction 'batch.7 \"é\"'";

/// As the lab's superuser.
const AS_SUPERUSER: &[&str] = &[
    "create role rds_ad; grant rds_ad to boss; grant rds_iam to app_iam",
    "grant select on pg_authid to shop_admin",
    "alter database \"shut é\" allow_connections false",
    "update pg_database set datcollversion = '1' where datname = 'german'",
    "update pg_collation set collversion = '1' where collname = 'german'",
    "create extension pageinspect",
    "create extension hstore version '1.7'",
    "create extension postgres_fdw; create extension dblink",
    "create server \"self é\" foreign data wrapper postgres_fdw options (host 'LOCALHOST');
     create user mapping for public server \"self é\" options (user 'x');
     create server billing foreign data wrapper postgres_fdw options (host 'billing.example')",
    "create function refresh() returns text language sql
       as 'select dblink_connect(''host=127.0.0.1 dbname=shop'')'",
    "create function fast() returns trigger language c
       as '$libdir/tcn', 'triggered_change_notification'",
    "create function noticed() returns event_trigger language plpgsql as 'begin end'",
    "create event trigger \"audit \"\"ddl\"\"\" on ddl_command_end execute function noticed()",
    "create publication \"dbz.\nall\" for all tables",
    "create subscription from_paused connection 'host=127.0.0.1 port=1 dbname=x'
       publication catalogue with (connect = false, enabled = false, slot_name = none)",
    // Nobody listens there: its worker is refused, again and again.
    "create subscription \"from.main\" connection 'host=127.0.0.1 port=1 dbname=x'
       publication \"cat é\" with (connect = false, slot_name = 'theirs')",
    "alter subscription \"from.main\" enable",
];

/// Makes them all; the session that is given back goes past the gateway while it lives.
pub(super) async fn neglect(stage: &Stage) -> Client {
    let source = stage.lab.source().clone();
    let client = connect(&source, &source.databases[0]).await.expect("connect");
    let session = "set application_name = 'nightly.batch'; set statement_timeout = '30s'";
    client.batch_execute(session).await.unwrap();
    for sql in AS_OWNER {
        client.batch_execute(sql).await.unwrap_or_else(|why| panic!("{sql}: {why:?}"));
    }
    let twice = "create unique index concurrently \"twice é\" on \"odd.\nname\" (v)";
    client.batch_execute(twice).await.expect_err("its values are not unique");
    for sql in AS_SUPERUSER {
        stage.lab.sql("shop-prod", "shop", sql).await.unwrap_or_else(|why| panic!("{sql}: {why}"));
    }
    tablespaces(stage).await;
    client.batch_execute(PREPARED).await.expect("prepare a transaction");
    client
}

/// One, and one within it, in folders of the server's user.
async fn tablespaces(stage: &Stage) {
    let fast = stage.dir().join("fast");
    for (name, folder) in [("fast", fast.clone()), ("\"fast.er é\"", fast.join("er"))] {
        std::fs::create_dir(&folder).unwrap();
        if let Some(user) = RunAs::detect().unwrap() {
            user.own(&folder).unwrap();
        }
        let sql = format!("create tablespace {name} location '{}'", folder.display());
        stage.lab.sql("shop-prod", "shop", &sql).await.unwrap_or_else(|why| panic!("{sql}: {why}"));
    }
}
