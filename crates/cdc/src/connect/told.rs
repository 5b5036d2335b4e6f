//! What a worker tells of its connectors, and what that means for ours. Pure.
//!
//! Settings hold passwords, so only what a hand-over needs leaves this module as a value, and the
//! rest goes back to the worker unread.

use landfall_core::port::consumers::{Binding, ConsumerState, Feed, Hazard};
use landfall_core::{DatabaseName, Endpoint};
use serde_json::{Map, Value};

use super::worker::bounded;

const CLASS: &str = "io.debezium.connector.postgresql.PostgresConnector";
const SNAPSHOT: &str = "snapshot.mode";
const HOST: &str = "database.hostname";
const PORT: &str = "database.port";

/// Every connector of a worker, by name.
pub(super) struct Told(Map<String, Value>);

/// One connector.
#[derive(Clone, Copy)]
pub(super) struct Connector<'a> {
    told: &'a Value,
    settings: &'a Map<String, Value>,
}

impl Told {
    pub(super) const fn new(told: Map<String, Value>) -> Self {
        Self(told)
    }

    pub(super) fn connector(&self, name: &str) -> Option<Connector<'_>> {
        let told = self.0.get(name)?;
        let settings = told.pointer("/info/config").and_then(Value::as_object)?;
        Some(Connector { told, settings })
    }

    /// The others that read from the same slot of the same database of the same server.
    pub(super) fn rivals(&self, name: &str) -> Vec<String> {
        let Some(place) = self.connector(name).and_then(|ours| ours.place()) else {
            return Vec::new();
        };
        let others = self.0.keys().filter(|other| *other != name);
        let same = |other: &&String| {
            self.connector(other).and_then(|other| other.place()).as_ref() == Some(&place)
        };
        others.filter(same).cloned().collect()
    }
}

impl<'a> Connector<'a> {
    /// Why this connector cannot be handed over as it is set; for a person.
    pub(super) fn refused(&self) -> Option<String> {
        let class = self.setting("connector.class").unwrap_or("no class");
        if class != CLASS && class != "PostgresConnector" {
            return Some(format!(
                "it is a {class}, and only Debezium's connector for PostgreSQL is known. Use \
                 kind = \"command\" for it"
            ));
        }
        let unread = [HOST, PORT, "database.dbname", "slot.name"].into_iter().find(|key| {
            // Taken from elsewhere by the worker itself, so that it is not ours to change.
            self.setting(key).is_some_and(|value| value.contains("${"))
        });
        unread.map(|key| {
            format!(
                "its setting {key} is taken from a file of the worker, so it can neither be read \
                 nor changed. Write the value into the connector's settings"
            )
        })
    }

    /// The worker's word, which proves nothing: a task is told as running while its server is
    /// down. Only "stopped" and "failed" are relied on.
    pub(super) fn state(&self) -> ConsumerState {
        let word = |value: &Value| value.get("state").and_then(Value::as_str).map(str::to_owned);
        let trace = |value: &Value| value.get("trace").and_then(Value::as_str).map(bounded);
        let connector = self.told.pointer("/status/connector").unwrap_or(&Value::Null);
        let tasks = self.told.pointer("/status/tasks").and_then(Value::as_array);
        let tasks = tasks.map_or(&[][..], Vec::as_slice);
        let parts = || std::iter::once(connector).chain(tasks);
        if word(connector).as_deref() == Some("STOPPED") {
            // For a moment its tasks are still told; then they are gone.
            let gone = tasks.iter().all(|task| word(task).as_deref() != Some("RUNNING"));
            return if gone { ConsumerState::Stopped } else { ConsumerState::Changing };
        }
        if let Some(failed) = parts().find(|part| word(part).as_deref() == Some("FAILED")) {
            let words = trace(failed).unwrap_or_else(|| "it gives no reason".to_owned());
            return ConsumerState::Failed(words);
        }
        let all = |state: &str| {
            !tasks.is_empty() && parts().all(|part| word(part).as_deref() == Some(state))
        };
        if all("RUNNING") {
            ConsumerState::Running
        } else if all("PAUSED") {
            ConsumerState::Paused
        } else {
            ConsumerState::Changing
        }
    }

    pub(super) fn feed(&self) -> Option<Feed> {
        Some(Feed {
            database: DatabaseName::new(self.setting("database.dbname")?),
            slot: self.slot().to_owned(),
            plugin: Some(self.setting("plugin.name").unwrap_or("decoderbufs").to_owned()),
            publication: self.publication(),
            topics: self.prefix().map(str::to_owned),
        })
    }

    pub(super) fn binding(&self) -> Option<Binding> {
        let port = self.setting(PORT).unwrap_or("5432").parse().ok()?;
        let endpoint = Endpoint::new(self.setting(HOST)?, port);
        Some(Binding { endpoint, snapshot: self.setting(SNAPSHOT).map(str::to_owned) })
    }

    /// What the names of its topics begin with; Debezium 1 called it otherwise.
    pub(super) fn prefix(&self) -> Option<&'a str> {
        self.setting("topic.prefix").or_else(|| self.setting("database.server.name"))
    }

    pub(super) fn hazards(&self) -> Vec<Hazard> {
        let pgoutput = self.setting("plugin.name") == Some("pgoutput");
        let own = self.setting("publication.autocreate.mode") != Some("disabled");
        let table = [
            (self.setting("slot.drop.on.stop") == Some("true"), Hazard::SlotDroppedOnStop),
            (
                self.setting("lsn.flush.mode").is_some_and(|mode| mode != "connector"),
                Hazard::ConfirmsBeforeStored,
            ),
            (pgoutput && own, Hazard::MakesPublication),
        ];
        table.into_iter().filter_map(|(there, hazard)| there.then_some(hazard)).collect()
    }

    /// All settings as they are, with only the binding changed.
    pub(super) fn rebound(&self, to: &Binding) -> Map<String, Value> {
        let mut settings = self.settings.clone();
        settings.insert(HOST.to_owned(), Value::from(to.endpoint.host.clone()));
        settings.insert(PORT.to_owned(), Value::from(to.endpoint.port.to_string()));
        match &to.snapshot {
            Some(mode) => settings.insert(SNAPSHOT.to_owned(), Value::from(mode.clone())),
            None => settings.remove(SNAPSHOT),
        };
        settings
    }

    fn slot(&self) -> &'a str {
        self.setting("slot.name").unwrap_or("debezium")
    }

    fn publication(&self) -> Option<String> {
        let asked = self.setting("plugin.name") == Some("pgoutput");
        let name = self.setting("publication.name").unwrap_or("dbz_publication");
        asked.then(|| name.to_owned())
    }

    fn place(&self) -> Option<(Endpoint, DatabaseName, &'a str)> {
        self.refused().is_none().then_some(())?;
        let database = DatabaseName::new(self.setting("database.dbname")?);
        Some((self.binding()?.endpoint, database, self.slot()))
    }

    fn setting(&self, name: &str) -> Option<&'a str> {
        self.settings.get(name).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests;
