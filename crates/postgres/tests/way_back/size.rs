//! A schema of fifty thousand tables: what a look at it takes, and that an order ends.
//!
//! Run by hand, because making the tables takes a minute:
//! `cargo nextest run -p landfall-postgres --run-ignored only fifty_thousand`.

use std::time::{Duration, Instant};

use landfall_core::DatabaseName;
use landfall_core::action::DatabaseAction;
use landfall_core::port::Database;
use landfall_core::spec::WithoutIdentity;
use landfall_postgres::{AccessOptions, PostgresDatabase};

use super::sides::{Major, Sides};
use crate::bench::options;

const TABLES: &str = "do $do$ begin
  for n in 1..50000 loop
    execute format('create table t%s (id bigint primary key, a text, b numeric(10,2))', n);
    if n % 500 = 0 then commit; end if;
  end loop; end $do$";

#[ignore = "takes minutes"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_tables() {
    let sides = Sides::new(Major::Own, "").await.unwrap();
    for server in [&sides.source.server, sides.target_server()] {
        let client = server.connect("shop").await.unwrap();
        client.batch_execute("set role owner").await.unwrap();
        client.batch_execute(TABLES).await.unwrap();
    }
    let call_timeout = Duration::from_secs(120);
    let port = PostgresDatabase::new(AccessOptions { call_timeout, ..options("owner") }).unwrap();
    let timed = |what: &str, began: Instant| println!("{what}: {:?}", began.elapsed());

    let began = Instant::now();
    let survey = port.survey(&sides.source()).await.unwrap();
    timed("survey", began);
    assert_eq!(survey[&DatabaseName::new("shop")].carried, 50_001);

    let began = Instant::now();
    let publish = DatabaseAction::WayBack(sides.publish(WithoutIdentity::Refuse));
    port.act(&publish).await.unwrap();
    timed("publish", began);

    let began = Instant::now();
    let subscribe = DatabaseAction::WayBack(sides.subscribe());
    while let Err(failure) = port.act(&subscribe).await {
        println!("{failure}");
        assert!(began.elapsed() < call_timeout);
    }
    timed("subscribe", began);

    for look in ["publisher", "publisher again"] {
        let began = Instant::now();
        let view = port.publisher(&sides.target(), &sides.name).await.unwrap();
        timed(look, began);
        assert_eq!(view[&DatabaseName::new("shop")].published, Some(50_002));
    }
    for action in [sides.unsubscribe(), sides.unpublish()] {
        let began = Instant::now();
        port.act(&DatabaseAction::WayBack(action.clone())).await.unwrap();
        timed(&action.to_string(), began);
    }
}
