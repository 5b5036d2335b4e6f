//! The suite of the port, on a real source and its streaming replica.

use std::net::TcpListener;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::conformance::database::{DatabaseFixture, every_promise};
use landfall_core::port::Database;
use landfall_core::port::database::SessionState;
use landfall_core::{DatabaseName, Endpoint};
use landfall_postgres::PostgresDatabase;
use tokio::sync::Mutex;
use tokio_postgres::Client;

use crate::bench::{Bench, Standby, pid};

struct RealServers {
    port: PostgresDatabase,
    standby: Standby,
    bench: Bench,
    nowhere: Endpoint,
    /// Sessions stay open for as long as somebody holds them.
    clients: Mutex<Vec<Client>>,
}

impl RealServers {
    async fn new() -> Self {
        let bench = Bench::with(|config| {
            config.settings.insert("max_prepared_transactions".to_owned(), "5".to_owned());
        })
        .await;
        let standby = bench.standby().await;
        // Free a moment ago, and nobody listens there.
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let nowhere = Endpoint::new("127.0.0.1", listener.local_addr().unwrap().port());
        let clients = Mutex::default();
        Self { port: bench.port(), standby, bench, nowhere, clients }
    }
}

#[async_trait]
impl DatabaseFixture for RealServers {
    fn port(&self) -> &dyn Database {
        &self.port
    }

    fn source(&self) -> Endpoint {
        self.bench.at()
    }

    fn replica(&self) -> Endpoint {
        self.standby.at()
    }

    fn nowhere(&self) -> Endpoint {
        self.nowhere.clone()
    }

    async fn connect(&self, state: SessionState) -> i32 {
        let client = self.bench.login("app", "shop").await.unwrap();
        let pid = pid(&client).await;
        if state == SessionState::InTransaction {
            client.batch_execute("begin; select count(*) from orders").await.unwrap();
        }
        self.clients.lock().await.push(client);
        pid
    }

    async fn write(&self, database: &DatabaseName) {
        self.bench.write_order(database.as_str()).await;
    }

    async fn prepare(&self, identifier: &str) {
        let client = self.bench.login("app", "shop").await.unwrap();
        let sql = format!("begin; select 1; prepare transaction '{identifier}'");
        client.batch_execute(&sql).await.unwrap();
    }

    async fn roll_back_prepared(&self, identifier: &str) {
        let client = self.bench.login("app", "shop").await.unwrap();
        client.batch_execute(&format!("rollback prepared '{identifier}'")).await.unwrap();
    }

    fn passing_test(&self) -> String {
        "select count(*) from orders".to_owned()
    }

    fn failing_test(&self) -> String {
        "select count(*) from invoices".to_owned()
    }

    fn writing_test(&self) -> String {
        "insert into orders default values".to_owned()
    }

    async fn moment(&self) {
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

#[tokio::test]
async fn every_promise_holds_on_real_servers() {
    let servers = RealServers::new().await;
    every_promise(&servers).await;
    assert!(servers.standby.server.is_running());
}
