//! What stands against a way back is told in words, with the object and the remedy.

use landfall_core::DatabaseName;
use landfall_core::port::Database;

use super::sides::{Major, Sides, on_both_majors};
use crate::bench::Bench;

async fn told(sides: &Sides) -> String {
    let survey = sides.port.survey(&sides.source()).await.unwrap();
    survey[&DatabaseName::new("shop")].obstacles.join("\n")
}

on_both_majors! {
    async fn triggers_and_row_security_are_told(major) {
        let Some(sides) = Sides::new(major, "").await else { return };
        assert_eq!(told(&sides).await, "");
        sides.on_source("shop", "create role plain;
            create table secured (id int primary key); alter table secured owner to plain;
            alter table secured enable row level security;
            alter table secured force row level security;
            create function noted() returns trigger language plpgsql as 'begin return new; end';
            create trigger \"Au dit\" after insert on orders for each row execute function noted();
            create trigger usual after insert on orders for each row execute function noted();
            create trigger copied after insert on orders for each row execute function noted();
            alter table orders enable always trigger \"Au dit\";
            alter table orders enable replica trigger copied;
            create table pictures (what json); alter table pictures owner to owner").await;
        let words = told(&sides).await;
        for expected in [
            "trigger \"Au dit\" of table public.orders",
            "alter table public.orders enable trigger \"Au dit\"",
            "trigger copied of table public.orders",
            "table public.pictures without a key",
        ] {
            assert!(words.contains(expected), "{expected}: {words}");
        }
        assert!(!words.contains("usual"), "{words}");
        if major == Major::Fetched {
            // Here our role is no superuser, and becomes each table's owner.
            for expected in [
                "table public.secured of role plain: our role owner is no member of it",
                "grant plain to owner",
                "table public.secured with row-level security",
            ] {
                assert!(words.contains(expected), "{expected}: {words}");
            }
            sides.on_source("shop", "grant plain to owner; alter role plain bypassrls").await;
            let words = told(&sides).await;
            assert!(!words.contains("secured"), "{words}");
            sides.on_source("shop", "revoke insert, delete on secured from plain").await;
            let words = told(&sides).await;
            assert!(words.contains("grant insert, update, delete, truncate on them to plain"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_without_rights_is_told_what_it_lacks() {
    let bench = Bench::new().await;
    let port = bench.port_as("app");
    let survey = port.survey(&bench.at()).await.unwrap();
    let words = survey[&DatabaseName::new("shop")].obstacles.join("\n");
    for expected in [
        "alter role app createrole",
        "grant rds_replication to app with admin option",
        "grant create on database shop to app",
        "grant owner to app",
        "grant select, update on sequence public.orders_id_seq to app",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
    let denied = port.reaches(&bench.at(), &bench.at()).await.unwrap().unwrap_err();
    assert!(denied.contains("may not create subscriptions"), "{denied}");
    bench.admin("create sequence hidden; revoke all on sequence hidden from app").await;
    bench.admin("alter sequence hidden owner to owner").await;
    let denied = port.sequences(&bench.at()).await.unwrap_err();
    assert!(denied.detail.contains("grant select, update on sequence"), "{denied}");
    let room = port.room(&bench.at()).await.unwrap();
    assert_eq!(room.wal_level, "replica");
    assert_eq!((room.slots, room.senders, room.apply_workers), (20, 20, 8));
}

/// What decides whether rows fit is spelled alike by both majors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_majors_give_one_schema_one_fingerprint() {
    let schema = "create type mood as enum ('a', 'b'); create domain short as varchar(3) not null;
        create table t (id bigint generated always as identity primary key, m mood, s short,
          n numeric(10, 2) not null default 1, ts timestamptz, arr int[], check (n > 0),
          doubled numeric generated always as (n * 2) stored);
        create unique index on t (lower(s)); create unique index on t (ts, n) include (m);
        create table p (id int, primary key (id)) partition by hash (id);
        create table p0 partition of p for values with (modulus 1, remainder 0)";
    let mut found = Vec::new();
    for major in [Major::Own, Major::Fetched] {
        let Some(sides) = Sides::new(major, schema).await else { return };
        let survey = sides.port.survey(&sides.source()).await.unwrap();
        found.push(survey[&DatabaseName::new("shop")].fingerprint.clone());
    }
    assert_eq!(found[0], found[1]);
    assert!(found[0].contains_key("public"), "{found:?}");
}
