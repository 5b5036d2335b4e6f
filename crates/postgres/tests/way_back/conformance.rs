//! The suite of the way back, between real servers.

use std::net::TcpListener;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::conformance::way_back::{WayBackFixture, every_promise};
use landfall_core::port::Database;
use landfall_core::{DatabaseName, Endpoint};

use super::sides::{Major, Sides, on_both_majors, value};

struct RealSides {
    sides: Sides,
    nowhere: Endpoint,
}

#[async_trait]
impl WayBackFixture for RealSides {
    fn port(&self) -> &dyn Database {
        &self.sides.port
    }

    fn publisher(&self) -> Endpoint {
        self.sides.target()
    }

    fn subscriber(&self) -> Endpoint {
        self.sides.source()
    }

    fn nowhere(&self) -> Endpoint {
        self.nowhere.clone()
    }

    fn application(&self) -> (DatabaseName, String) {
        (DatabaseName::new("shop"), "public.orders_id_seq".to_owned())
    }

    async fn write(&self) {
        self.sides.on_target("shop", "insert into orders default values").await;
    }

    async fn arrived(&self) -> u64 {
        let server = &self.sides.source.server;
        let count = value(server, "shop", "select count(*) from orders").await;
        count.unwrap().parse().unwrap()
    }

    async fn change(&self) {
        self.sides.on_target("shop", "alter table orders add column note text").await;
    }

    async fn moment(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(25));
        tick.tick().await;
        tick.tick().await;
    }
}

on_both_majors! {
    async fn every_promise_holds(major) {
        let Some(sides) = Sides::new(major, "").await else { return };
        // Free a moment ago, and nobody listens there.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let nowhere = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port());
        drop(listener);
        every_promise(&RealSides { sides, nowhere }).await;
    }
}
