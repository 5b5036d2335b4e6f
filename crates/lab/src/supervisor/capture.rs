//! The lab's own consumer: a worker whose connector reads the source's first database.
//!
//! It is made when somebody asks for it, and ends with the lab. The publication is of all tables,
//! so that tables made later are captured too.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Error, Lab};
use crate::consumers::{Consumers, Feed, Mode};
use crate::tools;

/// The connector, its slot and its publication.
const NAME: &str = "warehouse";

/// Where the lab's consumer is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The worker's REST interface.
    pub worker: String,
    /// The broker, in Kafka's protocol.
    pub broker: SocketAddr,
    /// The connector there.
    pub connector: String,
    /// What the names of its topics begin with.
    pub topics: String,
}

impl Lab {
    /// Starts broker, worker and connector, when they do not run; where they are.
    pub async fn start_capture(&self) -> Result<Capture, Error> {
        let mut kept = self.capture.lock().await;
        let source = &self.source;
        let database = source.databases.first().cloned().unwrap_or_else(|| "postgres".to_owned());
        let consumers = match kept.take() {
            Some(consumers) => consumers,
            None => {
                self.furnish_capture(&database).await?;
                let dir = self.dir.join("connect");
                Consumers::start(tools::connect()?, &dir, Mode::Standalone).await.map_err(failed)?
            }
        };
        // Kept before the connector is made: what runs must be found again to be stopped.
        let consumers = kept.insert(consumers);
        consumers.worker.start_again().await.map_err(failed)?;
        let feed = Feed {
            server: ([127, 0, 0, 1], source.port).into(),
            database: database.clone(),
            user: source.user.clone(),
            password: source.password.clone(),
            slot: NAME.to_owned(),
            publication: NAME.to_owned(),
            prefix: database.clone(),
        };
        consumers.worker.create(NAME, &feed.settings()).await.map_err(failed)?;
        Ok(Capture {
            worker: consumers.worker.url(),
            broker: consumers.broker.address(),
            connector: NAME.to_owned(),
            topics: database,
        })
    }

    /// Ends worker and broker, if they run. The slot stays, as it does when people do that.
    pub async fn stop_capture(&self) {
        if let Some(consumers) = self.capture.lock().await.take() {
            consumers.worker.stop().await;
            consumers.broker.stop().await;
        }
    }

    async fn furnish_capture(&self, database: &str) -> Result<(), Error> {
        let missing = |from: &str, column: &str| {
            format!("where not exists (select from {from} where {column} = '{NAME}')")
        };
        let publication = format!("create publication {NAME} for all tables");
        let slot = format!(
            "select pg_create_logical_replication_slot('{NAME}', 'pgoutput') {}",
            missing("pg_replication_slots", "slot_name")
        );
        let known = "select 1 from pg_publication where pubname = 'warehouse'";
        if self.sql(&self.source.instance, database, known).await?.is_empty() {
            self.sql(&self.source.instance, database, &publication).await?;
        }
        self.sql(&self.source.instance, database, &slot).await.map(drop)
    }
}

fn failed(cause: crate::consumers::Error) -> Error {
    Error::Capture(Box::new(cause))
}
