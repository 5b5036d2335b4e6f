//! What flows back, what is left afterwards, and what a stopped order leaves to the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall_core::DatabaseName;
use landfall_core::action::{Apply, DatabaseAction, SessionClass, WayBackAction};
use landfall_core::port::Database;
use landfall_core::port::database::{MarkerView, SessionKind};
use landfall_core::port::way_back::{IsCalled, SequenceValue, SlotState};
use landfall_core::spec::WithoutIdentity;

use super::sides::{DATABASES, Major, Sides, on_both_majors, value};
use crate::bench::{OTHER, eventually};

/// Names that need their quotes, every kind of table, and one without identity.
const SCHEMA: &str = "
create schema \"Sh.op \"\"ü\"\"\";
create table \"Sh.op \"\"ü\"\"\".\"a.b\ntable 'x' \\\" (k text primary key, v int);
create table parted (id int, region text, primary key (id, region)) partition by list (region);
create table parted_eu partition of parted for values in ('eu');
create table parted_us partition of parted for values in ('us');
create table no_key (what text);
create unlogged table scratch (id int primary key);
create sequence \"Down.\"\"wards\" increment -2;
create sequence fresh start 100";

const WRITES: &str = "
insert into orders default values; insert into orders default values;
update \"Sh.op \"\"ü\"\"\".\"a.b\ntable 'x' \\\" set v = v + 1;
insert into \"Sh.op \"\"ü\"\"\".\"a.b\ntable 'x' \\\" values (clock_timestamp()::text, 1);
insert into parted select g, case g % 2 when 0 then 'eu' else 'us' end
  from generate_series(1, 20) g on conflict do nothing;
delete from parted where id = 3; update parted set region = 'eu' where id = 5;
insert into scratch values (1)";

const ORDERS: &str = "select string_agg(id::text, ',' order by id) from orders";
const PARTED: &str = "select string_agg(id || region, ',' order by id) from parted";

on_both_majors! {
    async fn writes_of_three_databases_flow_back_and_nothing_is_left(major) {
        let Some(sides) = Sides::new(major, SCHEMA).await else { return };
        let survey = sides.port.survey(&sides.source()).await.unwrap();
        let shop = &survey[&DatabaseName::new("shop")];
        assert_eq!(shop.without_identity.names, ["public.no_key"]);
        assert_eq!(shop.unlogged.names, ["public.scratch"]);
        assert_eq!((shop.carried, shop.obstacles.as_slice()), (4, &[] as &[String]));
        assert_eq!(sides.port.reaches(&sides.source(), &sides.target()).await.unwrap(), Ok(()));

        sides.arm(WithoutIdentity::Lose).await;
        let view = sides.publisher(OTHER).await;
        assert_eq!(view.published, Some(5), "four of the owner's, and the marker");
        assert_eq!(view.left_out.names, ["public.no_key"]);
        assert_eq!(view.fingerprint, survey[&DatabaseName::new(OTHER)].fingerprint);
        sides.streams().await;
        for database in DATABASES {
            sides.on_target(database, WRITES).await;
        }
        for database in DATABASES {
            assert!(sides.same(database, ORDERS).await.is_some());
            assert!(sides.same(database, PARTED).await.is_some());
        }
        sides.on_target("shop", "truncate orders, parted").await;
        assert_eq!(sides.same("shop", ORDERS).await, None);
        markers_arrive(&sides).await;
        close(&sides).await;
    }
}

/// A marker that was committed there is read here, and the slot has confirmed it.
async fn markers_arrive(sides: &Sides) {
    let token = "back-1".to_owned();
    sides.twice(WayBackAction::WriteMarkers { at: sides.target(), token: token.clone() }).await;
    let there = sides.port.markers(&sides.target(), &token).await.unwrap();
    assert_eq!(there.len(), DATABASES.len());
    eventually("every marker", async || {
        let here = sides.port.markers(&sides.source(), &token).await.unwrap();
        let seen = |view: &MarkerView| matches!(view, MarkerView::Visible { .. });
        if here.values().all(seen) { Ok(()) } else { Err(here) }
    })
    .await;
    for (database, marker) in there {
        let MarkerView::Visible { flush_lsn } = marker else { panic!("{database}: {marker:?}") };
        eventually("the slot to confirm the marker", async || {
            let slot = sides.publisher(database.as_str()).await.slot.unwrap();
            if slot.confirmed >= flush_lsn { Ok(()) } else { Err(slot) }
        })
        .await;
    }
    let subscriber = sides.port.subscriber(&sides.source(), &sides.name).await.unwrap();
    for (database, view) in subscriber {
        let subscription = view.subscription.unwrap();
        assert_eq!(subscription.apply, Apply::On, "{database}");
        assert!(subscription.worker.is_some() && subscription.applied.is_some(), "{database}");
        assert_eq!(subscription.errors, Some(0), "{database}");
    }
}

async fn close(sides: &Sides) {
    sides.twice(sides.unsubscribe()).await;
    sides.twice(sides.unpublish()).await;
    let drop_marker = |at| DatabaseAction::DropMarkerTable { at };
    for at in [sides.source(), sides.target()] {
        sides.port.act(&drop_marker(at)).await.unwrap();
    }
    nothing_left(sides).await;
}

async fn nothing_left(sides: &Sides) {
    let left = "select string_agg(name, ', ' order by name) from (
        select 'publication ' || pubname as name from pg_publication
        union all select 'subscription ' || subname from pg_subscription
        union all select 'origin ' || roname from pg_replication_origin
        union all select 'slot ' || slot_name from pg_replication_slots where plugin is not null
        union all select 'role ' || rolname from pg_roles where rolname like 'landfall%'
        union all select 'schema ' || nspname from pg_namespace where nspname = 'landfall'
        union all select 'identity ' || oid::regclass from pg_class
          where relkind = 'r' and relreplident <> 'd' and oid > 16384) as ours";
    for database in DATABASES {
        for server in [&sides.source.server, sides.target_server()] {
            assert_eq!(value(server, database, left).await, None, "in {database}");
        }
    }
}

on_both_majors! {
    async fn tables_without_identity_get_it_and_give_it_back(major) {
        let schema = "create table no_key (what text, n int); create table refused (what text); \
                      alter table refused replica identity nothing; \
                      create table chosen (id int primary key); \
                      alter table chosen replica identity full; \
                      create table late (id int primary key deferrable)";
        let Some(sides) = Sides::new(major, schema).await else { return };
        let identities = "select string_agg(relname::text || relreplident::text, ' ' order by relname)
            from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'";
        let before = value(sides.target_server(), "shop", identities).await.unwrap();
        assert_eq!(before, "chosenf lated no_keyd ordersd refusedn");
        sides.on_source("shop", "insert into no_key values ('a', 1), ('a', 1)").await;
        sides.on_target("shop", "delete from no_key").await;
        sides.on_target("shop", "insert into no_key values ('a', 1), ('a', 1)").await;
        sides.arm(WithoutIdentity::Full).await;
        let armed = value(sides.target_server(), "shop", identities).await.unwrap();
        assert_eq!(armed, "chosenf latef no_keyf ordersd refusedf");
        let (view, survey) =
            (sides.publisher("shop").await, sides.port.survey(&sides.source()).await.unwrap());
        assert!(view.left_out.is_empty(), "{view:?}");
        let shop = &survey[&DatabaseName::new("shop")];
        assert_eq!(view.fingerprint, shop.fingerprint, "what we changed is no difference");
        assert_eq!(shop.without_identity.count, 3);
        sides.on_target("shop", "update no_key set n = 2 where ctid in
            (select ctid from no_key limit 1); delete from no_key where n = 1;
            insert into refused values ('x'); insert into late values (1); update late set id = 7")
            .await;
        let rows = "select string_agg(what || n, ',') from no_key";
        assert_eq!(sides.same("shop", rows).await.unwrap(), "a2");
        let late = "select max(id) + count(*) from late";
        assert_eq!(sides.same("shop", late).await.unwrap(), "8");
        // Somebody gives one a key meanwhile; theirs stays.
        sides.on_target("shop", "alter table no_key replica identity nothing").await;
        sides.twice(sides.unsubscribe()).await;
        sides.twice(sides.unpublish()).await;
        let after = value(sides.target_server(), "shop", identities).await.unwrap();
        assert_eq!(after, "chosenf lated no_keyn ordersd refusedn");
    }
}

on_both_majors! {
    async fn sequences_are_carried_forward_and_never_lowered(major) {
        let Some(sides) = Sides::new(major, SCHEMA).await else { return };
        let moved = "select nextval('fresh'); select nextval('fresh');
            select nextval('\"Down.\"\"wards\"'); select nextval('\"Down.\"\"wards\"');
            insert into orders default values; insert into orders default values";
        sides.on_target(OTHER, moved).await;
        sides.on_source(OTHER, "select setval('orders_id_seq', 900)").await;
        let read = async |at| sides.port.sequences(&at).await.unwrap();
        let values = read(sides.target()).await;
        let of = |values: &BTreeMap<DatabaseName, BTreeMap<String, SequenceValue>>, name: &str| {
            values[&DatabaseName::new(OTHER)][name]
        };
        let at = |last_value, is_called, increment| {
            SequenceValue { last_value, is_called, increment }
        };
        use IsCalled::{Called, Fresh};
        assert_eq!(of(&values, "public.fresh"), at(101, Called, 1));
        assert_eq!(of(&values, "public.\"Down.\"\"wards\""), at(-3, Called, -2));
        assert_eq!(of(&read(sides.source()).await, "public.fresh"), at(100, Fresh, 1));
        sides.twice(WayBackAction::SetSequences { at: sides.source(), values }).await;
        let here = read(sides.source()).await;
        assert_eq!(of(&here, "public.fresh"), at(101, Called, 1));
        assert_eq!(of(&here, "public.\"Down.\"\"wards\""), at(-3, Called, -2));
        assert_eq!(of(&here, "public.orders_id_seq"), at(900, Called, 1), "never lowered");
        let untouched = here[&DatabaseName::new("shop")]["public.fresh"];
        assert_eq!(untouched, at(100, Fresh, 1), "not called there either");
    }
}

on_both_majors! {
    async fn an_order_that_is_cut_off_anywhere_is_completed_by_the_next_one(major) {
        let Some(sides) = Sides::new(major, SCHEMA).await else { return };
        let full = sides.publish(WithoutIdentity::Full);
        let round = [full, sides.subscribe(), sides.unsubscribe(), sides.unpublish()];
        for (number, action) in round.iter().enumerate() {
            cut_off(&sides, action.clone()).await;
            if number == 1 {
                sides.streams().await;
                sides.on_target("shop", WRITES).await;
                sides.same("shop", PARTED).await;
            }
        }
        let drop_marker = |at| DatabaseAction::DropMarkerTable { at };
        for at in [sides.source(), sides.target()] {
            sides.port.act(&drop_marker(at)).await.unwrap();
        }
        nothing_left(&sides).await;
    }
}

/// Drops the order's future after ever longer times, until one is long enough.
async fn cut_off(sides: &Sides, action: WayBackAction) {
    let mut bound = Duration::from_millis(3);
    let mut cuts = 0;
    loop {
        match tokio::time::timeout(bound, sides.act(action.clone())).await {
            Ok(Ok(())) => break,
            // What was cut off may still run there for a moment, and hold a lock or a name.
            Ok(Err(failure)) => println!("{action} after {cuts} cuts: {failure}"),
            Err(_) => cuts += 1,
        }
        bound = bound.mul_f64(1.4);
        assert!(bound < Duration::from_secs(60), "{action} never ends");
    }
    println!("{action}: {cuts} cuts");
    assert!(cuts > 0, "{action}");
}

on_both_majors! {
    async fn our_workers_are_ours_and_those_of_others_are_clients(major) {
        let Some(sides) = Sides::new(major, "").await else { return };
        sides.arm(WithoutIdentity::Refuse).await;
        sides.streams().await;
        for sql in [
            "create publication theirs for table orders",
            "select pg_create_logical_replication_slot('theirs', 'pgoutput')",
            "create role theirs login replication password 'theirpass'",
        ] {
            sides.on_target("shop", sql).await;
        }
        let target = sides.target();
        let theirs = format!(
            "create subscription theirs connection 'host={} port={} dbname=shop user=theirs
             password=theirpass' publication theirs with (copy_data = false,
             create_slot = false, enabled = false, slot_name = theirs)",
            target.host, target.port
        );
        sides.on_source("shop", &theirs).await;
        // A change makes its worker start again, so it begins with everything changed.
        let enable = "alter subscription theirs owner to owner; alter subscription theirs enable";
        sides.on_source("shop", enable).await;
        let workers = async || {
            let all = sides.port.sessions(&sides.source()).await.unwrap();
            let view = sides.port.subscriber(&sides.source(), &sides.name).await.unwrap();
            let ours: Vec<i32> = view
                .values()
                .filter_map(|view| view.subscription.as_ref()?.worker)
                .collect();
            let kind = |pid: &i32| all.iter().find(|s| s.pid == *pid).map(|s| s.kind);
            let kinds: Vec<_> = ours.iter().filter_map(kind).collect();
            let others = all.iter().filter(|s| s.kind == SessionKind::Client).count();
            (kinds, others)
        };
        eventually("three workers of ours and one of theirs", async || {
            let seen = workers().await;
            if seen == (vec![SessionKind::Ours; 3], 1) { Ok(()) } else { Err(seen) }
        })
        .await;
        let all = SessionClass::All;
        let end = DatabaseAction::TerminateSessions { at: sides.source(), class: all };
        let ended = sides.port.act(&end).await.unwrap();
        assert_eq!(ended.idle.len() + ended.in_transaction.len(), 1, "theirs only: {ended:?}");
        sides.on_source("shop", "alter subscription theirs disable").await;
        sides.on_target("shop", "insert into orders default values").await;
        sides.same("shop", ORDERS).await;
        assert_eq!(sides.publisher("shop").await.slot.unwrap().state, SlotState::Active);
    }
}
