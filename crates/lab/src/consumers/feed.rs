//! What a connector reads: the settings of Debezium's connector, small and quick for a lab.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::firewall::Actor;

/// A connector's settings, as the worker takes them.
pub type Settings = BTreeMap<String, String>;

/// A slot of a server, and who reads it.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The server, at its firewall.
    pub server: SocketAddr,
    pub database: String,
    pub user: String,
    pub password: String,
    pub slot: String,
    pub publication: String,
    /// What the names of the topics begin with.
    pub prefix: String,
}

impl Feed {
    /// The settings of a connector that reads it: no copy of tables, nothing made by itself. It
    /// connects as a consumer, which is how firewalls know it.
    pub fn settings(&self) -> Settings {
        let fixed = [
            ("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
            ("tasks.max", "1"),
            ("plugin.name", "pgoutput"),
            ("publication.autocreate.mode", "disabled"),
            ("snapshot.mode", "no_data"),
            ("slot.drop.on.stop", "false"),
            ("tombstones.on.delete", "false"),
            ("status.update.interval.ms", "500"),
            ("poll.interval.ms", "50"),
            ("slot.max.retries", "3"),
            ("slot.retry.delay.ms", "1000"),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ];
        let own = [
            ("database.hostname", self.server.ip().to_string()),
            ("database.port", self.server.port().to_string()),
            ("database.dbname", self.database.clone()),
            ("database.user", self.user.clone()),
            ("database.password", self.password.clone()),
            ("driver.localSocketAddress", Actor::Consumer.address().to_string()),
            ("slot.name", self.slot.clone()),
            ("publication.name", self.publication.clone()),
            ("topic.prefix", self.prefix.clone()),
        ];
        let fixed = fixed.into_iter().map(|(name, value)| (name, value.to_owned()));
        fixed.chain(own).map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
