//! A schema of more tables than fit one batch of an order: each look and each order ends, and names
//! all of them.

use std::time::Duration;

use landfall_core::DatabaseName;
use landfall_core::action::DatabaseAction;
use landfall_core::port::Database;
use landfall_core::spec::WithoutIdentity;
use landfall_postgres::{AccessOptions, PostgresDatabase};

use super::sides::{Major, Sides};
use crate::bench::options;

const TABLES: &str = "do $do$ begin
  for n in 1..2000 loop
    execute format('create table t%s (id bigint primary key, a text, b numeric(10,2))', n);
    if n % 500 = 0 then commit; end if;
  end loop; end $do$";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_tables() {
    let sides = Sides::new(Major::Own, "").await.unwrap();
    for server in [&sides.source.server, sides.target_server()] {
        let client = server.connect("shop").await.unwrap();
        client.batch_execute("set role owner").await.unwrap();
        client.batch_execute(TABLES).await.unwrap();
    }
    let call_timeout = Duration::from_secs(60);
    let port = PostgresDatabase::new(AccessOptions { call_timeout, ..options("owner") }).unwrap();
    let shop = DatabaseName::new("shop");
    let survey = port.survey(&sides.source()).await.unwrap();
    assert_eq!(survey[&shop].carried, 2_001);
    for action in [sides.publish(WithoutIdentity::Refuse), sides.subscribe()] {
        port.act(&DatabaseAction::WayBack(action)).await.unwrap();
    }
    let view = port.publisher(&sides.target(), &sides.name).await.unwrap();
    assert_eq!(view[&shop].published, Some(2_002));
    for action in [sides.unsubscribe(), sides.unpublish()] {
        port.act(&DatabaseAction::WayBack(action)).await.unwrap();
    }
    let view = port.publisher(&sides.target(), &sides.name).await.unwrap();
    assert_eq!((view[&shop].published, &view[&shop].slot), (None, &None));
}
